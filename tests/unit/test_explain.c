/* SPDX-License-Identifier: MIT */
/* What is said of a refusal, in words: each that the broker knows, and what it does not. */
#include "client/handle.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the error NAME with PARAMETERS; good until the next one. */
static const char *explained(const char *name, const char *parameters)
{
	static char buf[512];
	struct json_value value;

	ck_assert_int_eq(json_parse(parameters, strlen(parameters), 32, &value, NULL), 0);
	explain_refusal(status_from_error_name(name), name, &value, buf, sizeof(buf));
	return buf;
}

#define EXPECT(name, parameters, text)                                                             \
	ck_assert_str_eq(explained("io.usher.Broker." name, parameters), text)

/* ---- room ---- */

#define FULL "\"pool\":\"gpu\",\"limit\":4,\"active_sessions\":2,\"used_units\":"

START_TEST(a_full_pool_tells_who_is_in_the_way)
{
	EXPECT("CapacityReached",
		"{" FULL "4,\"requested_units\":1,\"waiting_sessions\":0,\"holders\":[]}",
		"pool \"gpu\" is full: 4 of 4 slots are taken");
	EXPECT("CapacityReached",
		"{" FULL "3,\"requested_units\":2,\"waiting_sessions\":5,\"retry_after_ms\":2000,"
		"\"holders\":[{\"uid\":1000,\"pid\":77,\"comm\":\"train\",\"age_ms\":61500}]}",
		"pool \"gpu\" is full: 3 of 4 slots are taken, and 2 were asked for; the oldest "
		"session is that of user 1000, pid 77 (train), since 1min 1s; 5 wait already; try "
		"again in about 2s");
	EXPECT("CapacityReached",
		"{" FULL "4,\"requested_units\":1,\"waiting_sessions\":0,\"retry_after_ms\":0,"
		"\"holders\":[{\"uid\":1000,\"age_ms\":1500}]}",
		"pool \"gpu\" is full: 4 of 4 slots are taken; the oldest session is that of user "
		"1000, since 1s 500ms");
}
END_TEST

START_TEST(free_slots_are_for_those_who_wait)
{
	EXPECT("CapacityReached",
		"{" FULL "1,\"requested_units\":1,\"waiting_sessions\":2,\"holders\":[]}",
		"pool \"gpu\" has slots free, but 2 wait for more of them");
}
END_TEST

/* The sentence goes without the holder. */
START_TEST(holders_that_are_none_are_left_out)
{
	static const char *const holders[] = {
		"{}", "[1]", "[{}]", "[{\"uid\":\"x\",\"age_ms\":1}]"};
	char parameters[256];

	for (size_t i = 0; i < sizeof(holders) / sizeof(holders[0]); i++) {
		snprintf(parameters, sizeof(parameters),
			"{" FULL "4,\"requested_units\":1,\"waiting_sessions\":0,\"holders\":%s}",
			holders[i]);
		EXPECT("CapacityReached", parameters,
			"pool \"gpu\" is full: 4 of 4 slots are taken");
	}
}
END_TEST

START_TEST(a_full_queue_tells_whose_it_is)
{
	EXPECT("QueueFull", "{\"pool\":\"gpu\",\"waiting\":3,\"limit\":3,\"scope\":\"user\"}",
		"you have 3 waiting for pool \"gpu\", and may have no more than 3");
	EXPECT("QueueFull", "{\"pool\":\"gpu\",\"waiting\":9,\"limit\":9,\"scope\":\"pool\"}",
		"9 wait for pool \"gpu\", which lets no more than 9 wait");
	EXPECT("WaitTimeout", "{\"pool\":\"gpu\",\"waited_ms\":1500}",
		"there was no room in pool \"gpu\" within 1s 500ms");
	EXPECT("Cancelled", "{\"request_id\":\"r\"}", "the wait of request \"r\" was cancelled");
}
END_TEST

static const char *quota_explained(const char *quota, int requested_units)
{
	char parameters[128];

	snprintf(parameters, sizeof(parameters),
		"{\"pool\":\"gpu\",\"quota\":\"%s\",\"limit\":2,\"used_units\":2,"
		"\"requested_units\":%d}",
		quota, requested_units);
	return explained("io.usher.Broker.QuotaExceeded", parameters);
}

START_TEST(a_quota_tells_whose_it_is)
{
	ck_assert_str_eq(quota_explained("uid", 1), "a user may hold 2 slots of pool \"gpu\": this "
						    "one holds 2, and 1 more was asked for");
	ck_assert_str_eq(quota_explained("process", 2),
		"a process may hold 2 slots of pool \"gpu\": this one holds 2, and 2 more were "
		"asked "
		"for");
	ck_assert_str_eq(quota_explained("label", 1), "a label may hold 2 slots of pool \"gpu\": "
						      "this one holds 2, and 1 more was asked for");
}
END_TEST

START_TEST(connections_tell_whose_they_are)
{
	EXPECT("TooManyConnections", "{\"limit\":8,\"scope\":\"user\"}",
		"you have 8 connections to the broker, and may have no more");
	EXPECT("TooManyConnections", "{\"limit\":8,\"scope\":\"broker\"}",
		"the broker has 8 connections and takes no more");
}
END_TEST

/* ---- what was asked for ---- */

START_TEST(a_timeout_tells_what_it_may_be)
{
	EXPECT("TimeoutOutOfRange", "{\"timeout_ms\":0,\"max_timeout_ms\":-1}",
		"a timeout must be more than 0");
	EXPECT("TimeoutOutOfRange", "{\"timeout_ms\":-2,\"max_timeout_ms\":-1}",
		"a timeout must be more than 0");
	EXPECT("TimeoutOutOfRange", "{\"timeout_ms\":-1,\"max_timeout_ms\":-1}",
		"a detached session must have a deadline: the timeout cannot be infinity");
	EXPECT("TimeoutOutOfRange", "{\"timeout_ms\":-1,\"max_timeout_ms\":60000}",
		"a timeout of infinity is refused: the pool accepts up to 1min");
	EXPECT("TimeoutOutOfRange", "{\"timeout_ms\":90000,\"max_timeout_ms\":60000}",
		"a timeout of 1min 30s is refused: the pool accepts up to 1min");
}
END_TEST

START_TEST(sessions_and_pools_are_named)
{
	EXPECT("MetadataTooLarge", "{\"size\":11,\"limit\":10}",
		"the metadata has 11 bytes, the pool accepts 10");
	EXPECT("NoSuchPool", "{\"pool\":\"x\"}", "there is no pool \"x\"");
	EXPECT("NoSuchSession", "{\"session_id\":\"s\"}", "there is no session \"s\"");
	EXPECT("SessionEnded", "{\"session_id\":\"s\",\"outcome\":\"timeout\"}",
		"session s has ended (timeout)");
	EXPECT("InvalidState", "{\"session_id\":\"s\",\"state\":\"waiting\"}",
		"session s waits for its slots still");
	EXPECT("InvalidState", "{\"session_id\":\"s\",\"state\":\"processing\"}",
		"session s is processing already");
	EXPECT("RequestIdInUse", "{\"request_id\":\"r\",\"session_id\":\"s\"}",
		"request id \"r\" belongs to another session, s");
	EXPECT("StoreUnavailable", "{\"reason\":\"the disk is full\"}",
		"the broker cannot store new sessions: the disk is full");
	EXPECT("InvalidConfig", "{\"message\":\"a:1: what\"}", "a:1: what");
}
END_TEST

START_TEST(a_pause_tells_how_long_and_why)
{
	EXPECT("Paused", "{\"pool\":\"gpu\"}", "pool \"gpu\" is paused");
	EXPECT("Paused", "{\"pool\":\"gpu\",\"paused_until\":1,\"reason\":\"repairs\"}",
		"pool \"gpu\" is paused: repairs"); /* over by now, by this clock */
	ck_assert_ptr_nonnull(
		strstr(explained("io.usher.Broker.Paused",
			       "{\"pool\":\"gpu\",\"paused_until\":9000000000000000}"),
			"pool \"gpu\" is paused for another "));
}
END_TEST

/* ---- what is not known ---- */

START_TEST(standard_errors_tell_what_was_wrong)
{
	const char *name = "org.varlink.service.InvalidParameter";

	ck_assert_str_eq(explained(name, "{\"parameter\":\"units\",\"expected\":\"a number\"}"),
		"parameter \"units\" is wrong: expected a number");
	ck_assert_str_eq(explained(name, "{\"parameter\":\"units\",\"expected\":1}"),
		"parameter \"units\" is wrong");
	ck_assert_str_eq(explained(name, "{\"parameter\":1,\"expected\":\"a number\"}"),
		status_text(STATUS_INVALID_PARAMETER));
	ck_assert_str_eq(explained("org.varlink.service.MethodNotFound", "{\"method\":\"a.B\"}"),
		"the broker has no method \"a.B\"");
	ck_assert_str_eq(
		explained("org.varlink.service.InterfaceNotFound", "{\"interface\":\"a\"}"),
		"the broker has no interface \"a\"");
	ck_assert_str_eq(
		explained("org.varlink.service.MethodNotFound", "{\"method\":1,\"interface\":2}"),
		status_text(STATUS_METHOD_NOT_FOUND));
}
END_TEST

START_TEST(what_cannot_be_read_is_said_in_general)
{
	EXPECT("NoSuchPool", "{}", status_text(STATUS_NO_SUCH_POOL));
	EXPECT("NoSuchPool", "{\"pool\":1}", status_text(STATUS_NO_SUCH_POOL));
	EXPECT("ShuttingDown", "{}", status_text(STATUS_SHUTTING_DOWN));
	ck_assert_str_eq(
		explained("org.example.Later", "{}"), "the broker refused with org.example.Later");
}
END_TEST

START_TEST(what_came_from_others_cannot_steer_a_terminal)
{
	EXPECT("NoSuchPool", "{\"pool\":\"a\\u001b[2J\\n\\u007f\"}",
		"there is no pool \"a?[2J??\"");
}
END_TEST

START_TEST(a_sentence_is_cut_where_its_room_ends)
{
	struct json_value value;
	char buf[16];

	ck_assert_int_eq(json_parse("{\"pool\":\"long-name\"}", 20, 32, &value, NULL), 0);
	explain_refusal(STATUS_NO_SUCH_POOL, "n", &value, buf, sizeof(buf));
	ck_assert_str_eq(buf, "there is no poo");
}
END_TEST

/* TEXT with N times 'x' for each '@'. */
static void spell_out(const char *text, int n, char *buf)
{
	for (; *text; text++) {
		int times = *text == '@' ? n : 1;

		memset(buf, *text == '@' ? 'x' : *text, (size_t)times);
		buf += times;
	}
	*buf = '\0';
}

/* A broker may say anything, and there is not room for all of it. */
START_TEST(long_texts_are_cut)
{
	static const struct {
		const char *name, *parameters, *text;
	} cases[] = {
		{"CapacityReached",
			"{\"pool\":\"@\",\"limit\":4,\"active_sessions\":2,\"used_units\":4,"
			"\"requested_units\":1,\"waiting_sessions\":0,"
			"\"holders\":[{\"uid\":1,\"comm\":\"@\",\"age_ms\":1}]}",
			"pool \"@\" is full: 4 of 4 slots are taken; the oldest session is that of "
			"user 1 (@), since 1ms"},
		{"CapacityReached",
			"{\"pool\":\"@\",\"limit\":4,\"active_sessions\":2,\"used_units\":3,"
			"\"requested_units\":1,\"waiting_sessions\":1,\"holders\":[]}",
			"pool \"@\" has slots free, but 1 wait for more of them"},
		{"QueueFull", "{\"pool\":\"@\",\"waiting\":3,\"limit\":3,\"scope\":\"user\"}",
			"you have 3 waiting for pool \"@\", and may have no more than 3"},
		{"QueueFull", "{\"pool\":\"@\",\"waiting\":9,\"limit\":9,\"scope\":\"pool\"}",
			"9 wait for pool \"@\", which lets no more than 9 wait"},
		{"WaitTimeout", "{\"pool\":\"@\",\"waited_ms\":1500}",
			"there was no room in pool \"@\" within 1s 500ms"},
		{"Cancelled", "{\"request_id\":\"@\"}", "the wait of request \"@\" was cancelled"},
		{"QuotaExceeded",
			"{\"pool\":\"@\",\"quota\":\"uid\",\"limit\":2,\"used_units\":2,"
			"\"requested_units\":1}",
			"a user may hold 2 slots of pool \"@\": this one holds 2, and 1 more was "
			"asked for"},
		{"NoSuchPool", "{\"pool\":\"@\"}", "there is no pool \"@\""},
		{"NoSuchSession", "{\"session_id\":\"@\"}", "there is no session \"@\""},
		{"SessionEnded", "{\"session_id\":\"@\",\"outcome\":\"timeout\"}",
			"session @ has ended (timeout)"},
		{"InvalidState", "{\"session_id\":\"@\",\"state\":\"waiting\"}",
			"session @ waits for its slots still"},
		{"InvalidState", "{\"session_id\":\"@\",\"state\":\"processing\"}",
			"session @ is processing already"},
		{"RequestIdInUse", "{\"request_id\":\"@\",\"session_id\":\"@\"}",
			"request id \"@\" belongs to another session, @"},
		{"StoreUnavailable", "{\"reason\":\"@\"}",
			"the broker cannot store new sessions: @"},
		{"InvalidConfig", "{\"message\":\"@\"}", "@"},
		{"Paused", "{\"pool\":\"@\",\"reason\":\"@\"}", "pool \"@\" is paused: @"},
		{"NoSuchPool", "{\"parameter\":\"@\",\"expected\":\"@\"}",
			"parameter \"@\" is wrong: expected @"},
		{"NoSuchPool", "{\"parameter\":\"@\"}", "parameter \"@\" is wrong"},
		{"NoSuchPool", "{\"method\":\"@\"}", "the broker has no method \"@\""},
		{"NoSuchPool", "{\"interface\":\"@\"}", "the broker has no interface \"@\""},
	};
	char name[128], parameters[1024], text[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(name, sizeof(name), "io.usher.Broker.%s", cases[i].name);
		spell_out(cases[i].parameters, 200, parameters);
		spell_out(cases[i].text, 160, text);
		ck_assert_str_eq(explained(name, parameters), text);
	}
}
END_TEST

/* ---- errors of calls ---- */

START_TEST(errors_of_the_socket_name_it)
{
	static const struct {
		int error;
		const char *text;
	} cases[] = {
		{-ECONNRESET, "the connection to the broker at /s was lost"},
		{-ETIMEDOUT, "the broker at /s did not answer in time"},
		{-EBADMSG, "what answered at /s is no usher, or a broken one"},
		{-EMSGSIZE, "the answer of the broker at /s is too long"},
		{-ESRCH, "the handle knows nothing of that name or number"},
		{-ECHILD, "this process was forked off the one that opened the handle"},
		{-EINVAL, "Invalid argument"},
		{-ENOENT, "cannot connect to /s: No such file or directory"},
	};
	char buf[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		explain_errno(cases[i].error, "/s", buf, sizeof(buf));
		ck_assert_str_eq(buf, cases[i].text);
	}
}
END_TEST

static void add_refusals(TCase *tcase)
{
	tcase_add_test(tcase, a_full_pool_tells_who_is_in_the_way);
	tcase_add_test(tcase, free_slots_are_for_those_who_wait);
	tcase_add_test(tcase, holders_that_are_none_are_left_out);
	tcase_add_test(tcase, a_full_queue_tells_whose_it_is);
	tcase_add_test(tcase, a_quota_tells_whose_it_is);
	tcase_add_test(tcase, connections_tell_whose_they_are);
	tcase_add_test(tcase, a_timeout_tells_what_it_may_be);
	tcase_add_test(tcase, sessions_and_pools_are_named);
	tcase_add_test(tcase, a_pause_tells_how_long_and_why);
}

int main(void)
{
	Suite *suite = suite_create("explain");
	TCase *tcase = tcase_create("explain");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_refusals(tcase);
	tcase_add_test(tcase, standard_errors_tell_what_was_wrong);
	tcase_add_test(tcase, what_cannot_be_read_is_said_in_general);
	tcase_add_test(tcase, what_came_from_others_cannot_steer_a_terminal);
	tcase_add_test(tcase, a_sentence_is_cut_where_its_room_ends);
	tcase_add_test(tcase, long_texts_are_cut);
	tcase_add_test(tcase, errors_of_the_socket_name_it);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
