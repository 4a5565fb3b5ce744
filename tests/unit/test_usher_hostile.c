/* SPDX-License-Identifier: MIT */
/* libusher against a broker that goes away, stays silent, or talks nonsense. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fake_broker.h"

static struct fake_broker broker;

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- nonsense ---- */

static const char *const nonsense[] = {
	"",
	" ",
	"null",
	"[]",
	"true",
	"\"x\"",
	"{",
	"}",
	"{}{}",
	"{\"parameters\":{}",
	"{\"parameters\":[]}",
	"{\"parameters\":1}",
	"{\"parameters\":{\"a\":01}}",
	"{\"parameters\":{\"a\":\"\xff\"}}",
	"{\"parameters\":{\"a\":\"\\u0000\"}}",
	"{\"parameters\":{\"a\":\"\\ud800\"}}",
	"{\"error\":7}",
	"{\"error\":\"\"}",
	"{\"error\":{},\"parameters\":{}}",
	"{\"parameters\":{},\"continues\":1}",
	"{\"parameters\":{},\"continues\":true}",
	"{\"parameters\":{}}\n\x01",
	"\xef\xbb\xbf{}",
};

START_TEST(nonsense_is_named_so_and_the_next_call_connects_anew)
{
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text, nonsense[_i]);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -EBADMSG);
	ck_assert_str_eq(usher_last_error(u)->name, "EBADMSG");
	ck_assert_int_eq(usher_connection_fd(u), -ENOTCONN);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -EBADMSG);
	ck_assert_int_eq(broker.connections, 2);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

static int count_reply(void *userdata, const char *parameters, bool continues)
{
	(void)parameters;
	(void)continues;
	++*(int *)userdata;
	return 0;
}

START_TEST(nonsense_in_a_stream_ends_it)
{
	bool is_unfinished = strstr(nonsense[_i], "\"continues\":true");
	int count = 0, r;
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text, nonsense[_i]);
	u = fake_broker_open(&broker, is_unfinished ? 200 : 60000);
	r = usher_call_more(u, "a.B", NULL, count_reply, &count);
	if (is_unfinished)
		ck_assert(r == -ETIMEDOUT && count == 1);
	else
		ck_assert(r == -EBADMSG && count == 0);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

#define WITHOUT(session, slots, fence)                                                             \
	"{\"parameters\":{\"session_id\":" session ",\"request_id\":\"r\",\"pool\":\"p\","         \
	"\"slots\":" slots ",\"fence\":" fence ",\"metadata_bytes\":0,\"existing\":false}}"

static const char *const wrong_sessions[] = {
	"{}",
	"{\"parameters\":{\"session_id\":\"s\"}}",
	WITHOUT("7", "[1]", "1"),
	WITHOUT("null", "[1]", "1"),
	WITHOUT("\"s\"", "[]", "1"),
	WITHOUT("\"s\"", "{}", "1"),
	WITHOUT("\"s\"", "[-1]", "1"),
	WITHOUT("\"s\"", "[4294967296]", "1"),
	WITHOUT("\"s\"", "[1.5]", "1"),
	WITHOUT("\"s\"", "[\"1\"]", "1"),
	WITHOUT("\"s\"", "[1]", "\"1\""),
	WITHOUT("\"s\"", "[1]", "1e3"),
	WITHOUT("\"s\"", "[1]", "9223372036854775808"),
	WITHOUT("\"s\"", "[1]", "1,\"fence\":2"),
	WITHOUT("\"0123456789012345678901234567890123456789012345678901234567890123\"", "[1]", "1"),
};

START_TEST(sessions_that_are_none_are_refused_whole)
{
	struct usher_session s = {.size = sizeof(s)};
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text, wrong_sessions[_i]);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, NULL, &s), -EBADMSG);
	ck_assert_ptr_null(s.slots);
	ck_assert_str_eq(s.session_id, "");
	ck_assert_int_eq(usher_attach(u, "s", USHER_OWNER_DETACHED, &s), -EBADMSG);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(more_slots_than_a_session_can_have_are_refused)
{
	struct usher_session s = {.size = sizeof(s)};
	char *text = malloc(100000), *end = text;
	struct usher *u;

	end += sprintf(end, "{\"parameters\":{\"session_id\":\"s\",\"request_id\":\"r\","
			    "\"pool\":\"p\",\"fence\":1,\"metadata_bytes\":0,"
			    "\"existing\":false,\"slots\":[0");
	for (int i = 1; i < 4097; i++)
		end += sprintf(end, ",%d", i);
	strcpy(end, "]}}");
	fake_broker_start(&broker, fake_serve_text, text);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, NULL, &s), -EBADMSG);
	usher_close(u);
	fake_broker_stop(&broker);
	free(text);
}
END_TEST

static void serve_piece(struct fake_broker *b, int fd, int index)
{
	if (fake_read_call(b, fd))
		fake_send(fd, b->data, (size_t)index);
}

START_TEST(a_reply_cut_anywhere_is_a_lost_connection)
{
	static const char reply[] = FAKE_SESSION_REPLY;
	struct usher *u;

	fake_broker_start(&broker, serve_piece, reply);
	u = fake_broker_open(&broker, 0);
	for (size_t i = 0; i < sizeof(reply) - 1; i++)
		ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -ECONNRESET);
	ck_assert_str_eq(usher_last_error(u)->name, "ECONNRESET");
	ck_assert_int_eq(broker.calls, sizeof(reply) - 1);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -ECONNRESET);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

static void serve_bytes(struct fake_broker *b, int fd, int index)
{
	const char *text = b->data;

	(void)index;
	while (fake_read_call(b, fd))
		for (size_t i = 0; i <= strlen(text); i++)
			fake_send(fd, text + i, 1);
}

START_TEST(a_reply_may_come_byte_by_byte)
{
	struct usher_session s = {.size = sizeof(s)};
	struct usher *u;

	fake_broker_start(&broker, serve_bytes, FAKE_SESSION_REPLY);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, NULL, &s), 0);
	ck_assert_str_eq(s.session_id, "session_0123456789ab");
	usher_session_clear(&s);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

/* A valid reply with a few bytes changed: anything may come out but a crash, and what comes out as
 * a session is one. */
static void serve_mutant(struct fake_broker *b, int fd, int index)
{
	char text[sizeof(FAKE_SESSION_REPLY)] = FAKE_SESSION_REPLY;
	unsigned seed = (unsigned)index;

	if (!fake_read_call(b, fd))
		return;
	for (int i = rand_r(&seed) % 4; i >= 0; i--)
		text[(size_t)rand_r(&seed) % (sizeof(text) - 1)] =
			(rand_r(&seed) & 1) ? "{}[],:\"\\0e-.n"[rand_r(&seed) % 13]
					    : (char)rand_r(&seed);
	fake_send(fd, text, sizeof(text));
}

START_TEST(mutants_of_a_reply_do_no_harm)
{
	/* Not of the connection, so that its end is of no interest. */
	struct usher_create_options wish = {.size = sizeof(wish), .owner = USHER_OWNER_DETACHED};
	struct usher *u;

	fake_broker_start(&broker, serve_mutant, NULL);
	u = fake_broker_open(&broker, 0);
	for (int i = 0; i < 3000; i++) {
		struct usher_session s = {.size = sizeof(s)};
		int r = usher_create(u, &wish, &s);

		ck_assert_int_le(r, 0);
		if (r == 0)
			ck_assert(s.n_slots >= 1 && strlen(s.session_id) < sizeof(s.session_id));
		usher_session_clear(&s);
	}
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

/* ---- too much ---- */

static void serve_huge(struct fake_broker *b, int fd, int index)
{
	static char piece[1 << 20];

	(void)index;
	if (!fake_read_call(b, fd))
		return;
	memset(piece, 'x', sizeof(piece));
	fake_send(fd, "{\"parameters\":{\"a\":\"", 20);
	for (size_t i = 0; i < b->length; i++)
		fake_send(fd, piece, sizeof(piece));
	fake_reply(fd, "\"}}");
}

START_TEST(a_large_reply_comes_whole)
{
	struct usher *u;
	char *text;

	fake_broker_start(&broker, serve_huge, NULL);
	broker.length = 8;
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, &text), 0);
	ck_assert_uint_eq(strlen(text), (8 << 20) + strlen("{\"a\":\"\"}"));
	free(text);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(a_reply_without_end_is_cut_off)
{
	struct usher *u;
	char *text = NULL;

	fake_broker_start(&broker, serve_huge, NULL);
	broker.length = 65;
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, &text), -EMSGSIZE);
	ck_assert_ptr_null(text);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

/* ---- silence ---- */

static void serve_nothing(struct fake_broker *b, int fd, int index)
{
	(void)index;
	while (fake_read_call(b, fd))
		;
}

START_TEST(a_silent_broker_is_a_timeout)
{
	struct usher *u;
	int64_t began = now_ms();

	fake_broker_start(&broker, serve_nothing, NULL);
	u = fake_broker_open(&broker, 50);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -ETIMEDOUT);
	ck_assert_int_ge(now_ms() - began, 50);
	ck_assert_int_eq(usher_connection_fd(u), -ENOTCONN);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

/* Neither accepted nor refused: the backlog is full. */
START_TEST(connecting_is_bounded_by_the_timeout)
{
	struct usher *handles[8];
	int r = 0;

	fake_broker_start(&broker, NULL, NULL);
	for (int i = 0; i < 8; i++) {
		handles[i] = fake_broker_open(&broker, 30);
		r = usher_connect(handles[i]);
	}
	ck_assert_int_eq(r, -ETIMEDOUT);
	for (int i = 0; i < 8; i++)
		usher_close(handles[i]);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(a_call_that_nobody_reads_is_bounded_by_the_timeout)
{
	size_t length = 16 << 20;
	char *parameters = malloc(length + 1);
	struct usher *u;

	memset(parameters, ' ', length);
	memcpy(parameters, "{\"a\":0", 6);
	strcpy(parameters + length - 1, "}");
	fake_broker_start(&broker, NULL, NULL);
	u = fake_broker_open(&broker, 50);
	ck_assert_int_eq(usher_call(u, "a.B", parameters, NULL), -ETIMEDOUT);
	usher_close(u);
	fake_broker_stop(&broker);
	free(parameters);
}
END_TEST

/* ---- loss ---- */

static void serve_one_call(struct fake_broker *b, int fd, int index)
{
	(void)index;
	if (fake_read_call(b, fd))
		fake_reply(fd, b->data);
}

/* Until the library's end shows that the peer has closed. */
static void await_close(const struct usher *u)
{
	char byte;

	ck_assert_int_eq(recv(usher_connection_fd(u), &byte, 1, MSG_PEEK), 0);
}

START_TEST(a_connection_that_owned_nothing_is_replaced_in_silence)
{
	struct usher *u;

	fake_broker_start(&broker, serve_one_call, "{\"parameters\":{}}");
	u = fake_broker_open(&broker, 0);
	for (int i = 1; i <= 3; i++) {
		ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
		ck_assert_int_eq(broker.connections, i);
		await_close(u);
	}
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(the_loss_of_a_session_that_is_not_kept_track_of_is_reported_once)
{
	struct usher *u;

	fake_broker_start(&broker, serve_one_call, FAKE_SESSION_REPLY);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call(u, "io.usher.Broker.Create", NULL, NULL), 0);
	await_close(u);
	ck_assert_int_eq(usher_connect(u), -ECONNRESET);
	ck_assert_int_eq(broker.calls, 1);
	ck_assert_int_eq(usher_connect(u), 0);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(a_detached_session_does_not_belong_to_the_connection)
{
	struct usher_create_options wish = {.size = sizeof(wish), .owner = USHER_OWNER_DETACHED};
	struct usher_session s = {.size = sizeof(s)};
	struct usher *u;

	fake_broker_start(&broker, serve_one_call, FAKE_SESSION_REPLY);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, &wish, &s), 0);
	usher_session_clear(&s);
	await_close(u);
	ck_assert_int_eq(usher_create(u, &wish, &s), 0);
	usher_session_clear(&s);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

/* The request id of every call, as far as there are two. */
static char calls[2][256];

static void serve_second(struct fake_broker *b, int fd, int index)
{
	if (!fake_read_call(b, fd))
		return;
	if (index < 2)
		memcpy(calls[index], b->last_call, sizeof(calls[index]) - 1);
	if (index > 0)
		fake_reply(fd, FAKE_SESSION_REPLY);
}

START_TEST(create_is_sent_again_under_the_same_request_id)
{
	struct usher_session s = {.size = sizeof(s)};
	struct usher *u;

	fake_broker_start(&broker, serve_second, NULL);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, NULL, &s), 0);
	usher_session_clear(&s);
	usher_close(u);
	fake_broker_stop(&broker);
	ck_assert_ptr_nonnull(strstr(calls[0], "\"request_id\":\"req_"));
	ck_assert_str_eq(calls[0], calls[1]);
}
END_TEST

static void serve_hang_up(struct fake_broker *b, int fd, int index)
{
	(void)b;
	(void)fd;
	(void)index;
}

START_TEST(a_broker_that_hangs_up_is_tried_eight_times_and_no_more)
{
	struct usher_session s = {.size = sizeof(s)};
	struct usher *u;

	fake_broker_start(&broker, serve_hang_up, NULL);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, NULL, &s), -ECONNRESET);
	ck_assert_int_eq(broker.connections, 8);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

static void serve_refusal(struct fake_broker *b, int fd, int index)
{
	(void)index;
	fake_reply(fd, b->data);
}

START_TEST(a_refused_connection_says_why)
{
	size_t length = 4 << 20;
	char *parameters = malloc(length + 1);
	struct usher *u;

	memset(parameters, ' ', length);
	parameters[0] = '{';
	strcpy(parameters + length - 1, "}");
	fake_broker_start(&broker, serve_refusal,
		"{\"error\":\"io.usher.Broker.TooManyConnections\",\"parameters\":{\"limit\":1,"
		"\"scope\":\"broker\"}}");
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call(u, "a.B", parameters, NULL), -USHER_E_TOO_MANY_CONNECTIONS);
	usher_close(u);
	fake_broker_stop(&broker);
	free(parameters);
}
END_TEST

static void serve_too_often(struct fake_broker *b, int fd, int index)
{
	(void)index;
	while (fake_read_call(b, fd)) {
		fake_send(fd, "{\"parameters\":{}}\0{\"parameters\":{\"lie\":1}}", 43);
	}
}

START_TEST(an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one)
{
	struct usher *u;
	char *text;

	fake_broker_start(&broker, serve_too_often, NULL);
	u = fake_broker_open(&broker, 0);
	for (int i = 1; i <= 3; i++) {
		ck_assert_int_eq(usher_call(u, "a.B", NULL, &text), 0);
		ck_assert_str_eq(text, "{}");
		free(text);
		ck_assert_int_eq(broker.connections, i);
	}
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

static void add_nonsense_tests(Suite *s)
{
	TCase *tc = tcase_create("nonsense");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, nonsense_is_named_so_and_the_next_call_connects_anew, 0,
		(int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_loop_test(
		tc, nonsense_in_a_stream_ends_it, 0, (int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_loop_test(tc, sessions_that_are_none_are_refused_whole, 0,
		(int)(sizeof(wrong_sessions) / sizeof(wrong_sessions[0])));
	tcase_add_test(tc, more_slots_than_a_session_can_have_are_refused);
	tcase_add_test(tc, a_reply_cut_anywhere_is_a_lost_connection);
	tcase_add_test(tc, a_reply_may_come_byte_by_byte);
	tcase_add_test(tc, mutants_of_a_reply_do_no_harm);
	tcase_add_test(tc, a_large_reply_comes_whole);
	tcase_add_test(tc, a_reply_without_end_is_cut_off);
	suite_add_tcase(s, tc);
}

static void add_loss_tests(Suite *s)
{
	TCase *tc = tcase_create("loss");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_silent_broker_is_a_timeout);
	tcase_add_test(tc, connecting_is_bounded_by_the_timeout);
	tcase_add_test(tc, a_call_that_nobody_reads_is_bounded_by_the_timeout);
	tcase_add_test(tc, a_connection_that_owned_nothing_is_replaced_in_silence);
	tcase_add_test(tc, the_loss_of_a_session_that_is_not_kept_track_of_is_reported_once);
	tcase_add_test(tc, a_detached_session_does_not_belong_to_the_connection);
	tcase_add_test(tc, create_is_sent_again_under_the_same_request_id);
	tcase_add_test(tc, a_broker_that_hangs_up_is_tried_eight_times_and_no_more);
	tcase_add_test(tc, a_refused_connection_says_why);
	tcase_add_test(tc, an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("usher_hostile");
	SRunner *sr = srunner_create(s);
	int failed;

	add_nonsense_tests(s);
	add_loss_tests(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
