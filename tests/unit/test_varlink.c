/* SPDX-License-Identifier: MIT */
/* Envelopes and field tables, as a client and as a server. */
#include "proto/message.h"
#include "proto/varlink.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int decode(const char *text, struct varlink_call *call, struct varlink_fault *fault)
{
	return varlink_call_decode(text, strlen(text), 32, call, fault);
}

START_TEST(calls_come_apart)
{
	struct varlink_call call;
	struct varlink_fault fault;

	ck_assert_int_eq(decode(" {\"parameters\":{\"a\":[1]},\"more\":true,\"method\":\"x.y.Z\"} ",
				 &call, &fault),
		0);
	ck_assert(call.more && !call.oneway && !call.upgrade);
	ck_assert_mem_eq(call.method, "x.y.Z", call.method_length);
	ck_assert_mem_eq(call.parameters.text, "{\"a\":[1]}", call.parameters.length);
	ck_assert_int_eq(decode("{\"method\":\"x.y.Z\",\"parameters\":null}", &call, &fault), 0);
	ck_assert_uint_eq(call.parameters.length, 2);
	ck_assert_int_eq(
		decode("{\"method\":\"x\\u002ey\",\"org.example.k\":1}", &call, &fault), 0);
	ck_assert_uint_eq(call.method_length, 3);
	ck_assert_mem_eq(call.method, "x.y", 3);
}
END_TEST

START_TEST(broken_calls_name_what_is_wrong)
{
	static const char *const cases[][2] = {
		{"", "message"},
		{"[]", "message"},
		{"{}", "method"},
		{"{\"method\":null}", "method"},
		{"{\"method\":\"a.b\",\"more\":1}", "more"},
		{"{\"method\":\"a.b\",\"upgrade\":\"x\"}", "upgrade"},
		{"{\"method\":\"a.b\",\"upgrade\":true,\"more\":true}", "message"},
		{"{\"method\":\"a.b\",\"extra\":1}", "message"},
		{"{\"method\":\"a.b\",\"parameters\":1}", "parameters"},
		{"{\"method\":\"a.b\",\"parameters\":{},\"parameters\":{}}", "parameters"},
	};
	struct varlink_call call;
	struct varlink_fault fault;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(decode(cases[i][0], &call, &fault), -EBADMSG);
		ck_assert_str_eq(fault.parameter, cases[i][1]);
		ck_assert_str_ne(fault.expected, "");
	}
}
END_TEST

static int reply_of(const char *text, struct varlink_reply *reply)
{
	return varlink_reply_decode(text, strlen(text), 32, reply);
}

/* {"KEY":"aaa..."} with LENGTH of them. */
static const char *long_name(const char *key, size_t length)
{
	static char text[1024];
	size_t used = (size_t)snprintf(text, sizeof(text), "{\"%s\":\"", key);

	memset(text + used, 'a', length);
	snprintf(text + used + length, sizeof(text) - used - length, "\"}");
	return text;
}

START_TEST(the_name_of_a_method_is_as_long_as_it_may_be)
{
	struct varlink_call call;
	struct varlink_fault fault;

	ck_assert_int_eq(decode(long_name("method", VARLINK_METHOD_MAX), &call, &fault), 0);
	ck_assert_uint_eq(call.method_length, VARLINK_METHOD_MAX);
	ck_assert_int_eq(
		decode(long_name("method", VARLINK_METHOD_MAX + 1), &call, &fault), -EBADMSG);
	ck_assert_str_eq(fault.parameter, "method");
	ck_assert_str_eq(fault.expected, "at most 255 bytes");
}
END_TEST

START_TEST(a_flag_is_true_or_false)
{
	struct varlink_call call;
	struct varlink_fault fault;

	ck_assert_int_eq(decode("{\"method\":\"a.b\",\"more\":false}", &call, &fault), 0);
	ck_assert(!call.more);
	ck_assert_int_eq(decode("{\"method\":\"a.b\",\"oneway\":true}", &call, &fault), 0);
	ck_assert(call.oneway);
}
END_TEST

START_TEST(replies_come_apart_and_newer_keys_are_passed_over)
{
	struct varlink_reply reply;

	ck_assert_int_eq(reply_of("{}", &reply), 0);
	ck_assert_str_eq(reply.error, "");
	ck_assert(!reply.continues);
	ck_assert_int_eq(
		reply_of("{\"error\":\"a.b.C\",\"parameters\":{\"x\":1},\"later\":[]}", &reply), 0);
	ck_assert_str_eq(reply.error, "a.b.C");
	ck_assert_int_eq(reply_of("{\"continues\":true}", &reply), 0);
	ck_assert(reply.continues);
	ck_assert_int_eq(reply_of("{\"continues\":false,\"error\":null}", &reply), 0);
	ck_assert(!reply.continues);
	ck_assert_str_eq(reply.error, "");
	ck_assert_int_eq(reply_of(long_name("error", VARLINK_METHOD_MAX), &reply), 0);
	ck_assert_uint_eq(strlen(reply.error), VARLINK_METHOD_MAX);
	ck_assert_int_eq(reply_of(long_name("error", VARLINK_METHOD_MAX + 1), &reply), -EBADMSG);
	ck_assert_int_eq(reply_of("{\"error\":1}", &reply), -EBADMSG);
	ck_assert_int_eq(reply_of("{\"error\":\"\"}", &reply), -EBADMSG);
	ck_assert_int_eq(reply_of("{\"continues\":1}", &reply), -EBADMSG);
	ck_assert_int_eq(reply_of("{\"parameters\":[]}", &reply), -EBADMSG);
	ck_assert_int_eq(reply_of("nope", &reply), -EBADMSG);
}
END_TEST

/* ---- serving ---- */

static void reply_nothing(void *context, const struct varlink_method *method,
	const struct varlink_call *call, struct json_writer *out)
{
	(void)context;
	(void)method;
	(void)call;
	varlink_reply_begin(out);
	varlink_reply_end(out, false);
}

/* What the service answers to a call of METHOD, with AFTER it; good until the next one. */
static const char *served(const char *method, const char *after)
{
	static const struct varlink_method methods[] = {{"Do", reply_nothing, NULL}};
	static const struct varlink_interface interface = {"a.b", "of a.b", methods, 1};
	static const struct varlink_interface *const interfaces[] = {&interface};
	static const struct varlink_service service = {"v", "p", "1", "u", interfaces, 1};
	static char answer[2048];
	struct varlink_call call;
	struct varlink_fault fault;
	struct json_writer w;
	char text[256];

	snprintf(text, sizeof(text), "{\"method\":\"%s\"%s}", method, after);
	ck_assert_int_eq(decode(text, &call, &fault), 0);
	json_writer_init(&w);
	varlink_serve(&service, NULL, &call, &w);
	ck_assert(!json_writer_failed(&w));
	ck_assert_uint_lt(w.length, sizeof(answer));
	answer[0] = '\0';
	if (w.length)
		memcpy(answer, w.data, w.length); /* its NUL included */
	json_writer_deinit(&w);
	return answer;
}

static const char *described(const char *interface)
{
	char asked[128];

	snprintf(asked, sizeof(asked), ",\"parameters\":{\"interface\":\"%s\"}", interface);
	return served("org.varlink.service.GetInterfaceDescription", asked);
}

START_TEST(a_service_tells_of_itself)
{
	ck_assert_str_eq(served("org.varlink.service.GetInfo", ""),
		"{\"parameters\":{\"vendor\":\"v\",\"product\":\"p\",\"version\":\"1\","
		"\"url\":\"u\",\"interfaces\":[\"org.varlink.service\",\"a.b\"]}}");
	ck_assert_ptr_nonnull(
		strstr(served("org.varlink.service.GetInfo", ",\"parameters\":{\"x\":1}"),
			"InvalidParameter\",\"parameters\":{\"parameter\":\"x\""));
	ck_assert_str_eq(described("a.b"), "{\"parameters\":{\"description\":\"of a.b\"}}");
	ck_assert_ptr_nonnull(
		strstr(described("org.varlink.service"), "interface org.varlink.service"));
	ck_assert_str_eq(described("a.c"), "{\"error\":\"org.varlink.service.InterfaceNotFound\","
					   "\"parameters\":{\"interface\":\"a.c\"}}");
	ck_assert_ptr_nonnull(strstr(served("org.varlink.service.GetInterfaceDescription", ""),
		"InvalidParameter\",\"parameters\":{\"parameter\":\"interface\""));
}
END_TEST

START_TEST(a_service_has_what_it_has_and_nothing_else)
{
	ck_assert_str_eq(served("a.b.Do", ""), "{\"parameters\":{}}");
	ck_assert_str_eq(served("a.b.Do", ",\"oneway\":true"), "");
	ck_assert_str_eq(served("a.b.Do", ",\"upgrade\":true"),
		"{\"error\":\"org.varlink.service.MethodNotImplemented\","
		"\"parameters\":{\"method\":\"a.b.Do\"}}");
	ck_assert_ptr_nonnull(strstr(served("a.b.Undo", ""), "MethodNotFound"));
	ck_assert_ptr_nonnull(strstr(served("org.varlink.service.GetIn", ""), "MethodNotFound"));
	ck_assert_ptr_nonnull(strstr(served("org.varlink.service.GetNone", ""), "MethodNotFound"));
	ck_assert_ptr_nonnull(strstr(served("a.c.Do", ""), "InterfaceNotFound"));
	ck_assert_ptr_nonnull(strstr(served("Do", ""), "InterfaceNotFound"));
}
END_TEST

/* ---- fields ---- */

START_TEST(what_is_encoded_decodes_to_the_same)
{
	struct create_call in = {
		.pool = message_cstring("p"),
		.metadata = message_cstring("{\"n\":9007199254740993}"),
		.timeout_ms = -1,
		.wait_ms = MESSAGE_ABSENT,
		.priority = 9,
		.pid = MESSAGE_ABSENT,
		.label = message_cstring("a\"\n\xc3\xa9"),
		.units = MESSAGE_ABSENT,
		.owner = 1,
	};
	struct create_call out;
	struct json_writer w;
	struct varlink_call call;
	struct varlink_fault fault;
	char room[256];
	struct message_scratch scratch = {room, sizeof(room)};

	json_writer_init(&w);
	varlink_call_begin(&w, "io.usher.Broker.Create", VARLINK_MORE);
	message_encode_members(&create_in, &in, &w);
	varlink_call_end(&w);
	ck_assert_int_eq(w.data[w.length - 1], 0);
	ck_assert_int_eq(varlink_call_decode(w.data, w.length - 1, 32, &call, &fault), 0);
	ck_assert(call.more);
	ck_assert_int_eq(message_decode(&create_in, &call.parameters, MESSAGE_REFUSE_UNKNOWN,
				 &scratch, &out, &fault),
		0);
	ck_assert_mem_eq(out.metadata.text, in.metadata.text, in.metadata.length);
	ck_assert_uint_eq(out.label.length, in.label.length);
	ck_assert_mem_eq(out.label.text, in.label.text, in.label.length);
	ck_assert_int_eq(out.timeout_ms, -1);
	ck_assert_int_eq(out.wait_ms, MESSAGE_ABSENT);
	ck_assert_int_eq(out.priority, 9);
	ck_assert_int_eq(out.units, MESSAGE_ABSENT);
	ck_assert_int_eq(out.owner, 1);
	ck_assert_ptr_null(out.request_id.text);
	json_writer_deinit(&w);
}
END_TEST

static int decode_create(
	const char *text, enum message_unknown unknown, struct varlink_fault *fault)
{
	struct json_value value;
	struct create_call out;
	char room[64];
	struct message_scratch scratch = {room, sizeof(room)};

	ck_assert_int_eq(json_parse(text, strlen(text), 32, &value, NULL), 0);
	return message_decode(&create_in, &value, unknown, &scratch, &out, fault);
}

START_TEST(wrong_parameters_are_named_with_what_was_expected)
{
	static const char *const cases[][3] = {
		{"{\"units\":0}", "units", "an integer from 1 to 4096"},
		{"{\"units\":\"1\"}", "units", "an integer from 1 to 4096"},
		{"{\"timeout_ms\":1.5}", "timeout_ms", "an integer of 64 bits"},
		{"{\"owner\":\"x\"}", "owner", "one of connection, process, detached"},
		{"{\"metadata\":[]}", "metadata", "an object"},
		{"{\"label\":\"\"}", "label", "1 to 128 bytes"},
		{"{\"pool\":\"a\",\"pool\":\"a\"}", "pool", "the parameter once"},
		{"{\"pool\":null,\"pool\":\"a\"}", "pool", "the parameter once"},
		{"{\"new\":1}", "new", "no parameter of this name"},
	};
	struct varlink_fault fault;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(decode_create(cases[i][0], MESSAGE_REFUSE_UNKNOWN, &fault),
			STATUS_INVALID_PARAMETER);
		ck_assert_str_eq(fault.parameter, cases[i][1]);
		ck_assert_ptr_nonnull(strstr(fault.expected, cases[i][2]));
	}
	ck_assert_int_eq(decode_create("{\"new\":1}", MESSAGE_IGNORE_UNKNOWN, &fault), 0);
}
END_TEST

START_TEST(a_string_with_escapes_has_to_fit_in_the_room_for_it)
{
	struct varlink_fault fault;
	char text[256] = "{\"label\":\"\\n";
	size_t length = strlen(text);

	memset(text + length, 'a', 100); /* longer than the room of decode_create() */
	strcpy(text + length + 100, "\"}");
	ck_assert_int_eq(
		decode_create(text, MESSAGE_REFUSE_UNKNOWN, &fault), STATUS_INVALID_PARAMETER);
	ck_assert_str_eq(fault.parameter, "label");
	ck_assert_str_eq(fault.expected, "a shorter string");
}
END_TEST

/* Of any size, and of a choice whose names are more than a fault has room for. */
START_TEST(a_fault_says_as_much_as_fits)
{
	static const char *const names[] = {"a-name-of-thirty-two-bytes-in-all",
		"another-name-of-as-many-bytes-000", "a-third-one-that-has-as-many-0000",
		"a-fourth-one-that-is-too-much-000", NULL};
	static const struct message_field fields[] = {
		{MESSAGE_NAME("n"), .kind = FIELD_INT, .min = INT64_MIN + 1, .max = INT64_MAX},
		{MESSAGE_NAME("e"), .kind = FIELD_ENUM, .names = names, .offset = 8},
	};
	static const struct message message = {.size = 16, .fields = fields, .n_fields = 2};
	struct message_scratch scratch = {NULL, 0};
	struct varlink_fault fault;
	struct json_value value;
	int64_t out[2];

	ck_assert_int_eq(json_parse("{\"n\":\"1\"}", 9, 32, &value, NULL), 0);
	ck_assert_int_ne(
		message_decode(&message, &value, MESSAGE_REFUSE_UNKNOWN, &scratch, out, &fault), 0);
	ck_assert_str_eq(fault.expected, "an integer of 64 bits");
	ck_assert_int_eq(json_parse("{\"e\":\"x\"}", 9, 32, &value, NULL), 0);
	ck_assert_int_ne(
		message_decode(&message, &value, MESSAGE_REFUSE_UNKNOWN, &scratch, out, &fault), 0);
	ck_assert_str_eq(fault.expected,
		"one of a-name-of-thirty-two-bytes-in-all, another-name-of-as-many-bytes-000, "
		"a-third-one-that-has-as-many-0000");
}
END_TEST

START_TEST(a_long_unknown_name_is_cut_in_the_fault)
{
	struct varlink_fault fault;
	char text[600] = "{\"";

	memset(text + 2, 'x', 500);
	strcpy(text + 502, "\":1}");
	ck_assert_int_eq(
		decode_create(text, MESSAGE_REFUSE_UNKNOWN, &fault), STATUS_INVALID_PARAMETER);
	ck_assert_uint_eq(strlen(fault.parameter), sizeof(fault.parameter) - 1);
}
END_TEST

START_TEST(numbers_beyond_the_room_are_counted)
{
	static const char text[] = "{\"session_id\":\"s\",\"request_id\":\"r\",\"pool\":\"p\","
				   "\"slots\":[3,4,5],\"fence\":1,\"metadata_bytes\":0,"
				   "\"existing\":false}";
	uint32_t room[2];
	struct create_reply reply = {.slots = {room, 0, 2, false}};
	struct message_scratch scratch = {NULL, 0};
	struct varlink_fault fault;
	struct json_value value;

	ck_assert_int_eq(json_parse(text, strlen(text), 32, &value, NULL), 0);
	ck_assert_int_eq(message_decode(&create_out, &value, MESSAGE_IGNORE_UNKNOWN, &scratch,
				 &reply, &fault),
		0);
	ck_assert_uint_eq(reply.slots.count, 3);
	ck_assert_uint_eq(room[1], 4);
}
END_TEST

START_TEST(statuses_and_error_names_are_one_to_one)
{
#define X(name, number, interface, error, code, text)                                              \
	ck_assert_int_eq(status_from_error_name(status_error_name(number)), number);               \
	ck_assert_int_eq(status_exit_code(number), code);                                          \
	ck_assert_str_ne(status_text(number), "unknown status");
	USHER_STATUS_LIST(X)
#undef X
	ck_assert_ptr_null(status_error_name(0));
	ck_assert_int_eq(status_from_error_name("x"), -ENOENT);
	ck_assert_int_eq(status_exit_code(999), EXIT_FAILED);
	ck_assert_str_eq(status_text(999), "unknown status");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("varlink");
	TCase *cases = tcase_create("varlink");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(cases, calls_come_apart);
	tcase_add_test(cases, broken_calls_name_what_is_wrong);
	tcase_add_test(cases, the_name_of_a_method_is_as_long_as_it_may_be);
	tcase_add_test(cases, a_flag_is_true_or_false);
	tcase_add_test(cases, replies_come_apart_and_newer_keys_are_passed_over);
	tcase_add_test(cases, what_is_encoded_decodes_to_the_same);
	tcase_add_test(cases, wrong_parameters_are_named_with_what_was_expected);
	tcase_add_test(cases, a_service_tells_of_itself);
	tcase_add_test(cases, a_service_has_what_it_has_and_nothing_else);
	tcase_add_test(cases, a_string_with_escapes_has_to_fit_in_the_room_for_it);
	tcase_add_test(cases, a_fault_says_as_much_as_fits);
	tcase_add_test(cases, a_long_unknown_name_is_cut_in_the_fault);
	tcase_add_test(cases, numbers_beyond_the_room_are_counted);
	tcase_add_test(cases, statuses_and_error_names_are_one_to_one);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
