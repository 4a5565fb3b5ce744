/* SPDX-License-Identifier: MIT */
/* libusher's Creates that wait, blocking and not. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wait_fixture.h"

/* ---- blocking ---- */

START_TEST(the_wish_says_all_it_is_told)
{
	struct usher_create_options wish = {.size = sizeof(wish),
		.wait_ms = -1,
		.priority = 9,
		.owner = USHER_OWNER_PROCESS,
		.pid = 42,
		.request_id = "r"};
	struct seen seen;

	wait_begin(&seen, granted);
	seen.session.size = sizeof(seen.session);
	ck_assert_int_eq(usher_create(seen.u, &wish, &seen.session), 0);
	ck_assert(fake_count(&broker,
		"{\"method\":\"io.usher.Broker.Create\",\"parameters\":{\"request_id\":\"r\","
		"\"wait_ms\":-1,\"priority\":9,\"owner\":\"process\",\"pid\":42}}"));
	wait_end(&seen);
}
END_TEST

START_TEST(wrong_wishes_never_reach_the_broker)
{
	struct usher_create_options wish = {.size = sizeof(wish)}, w;
	struct seen seen;

	wait_begin(&seen, granted);
	seen.session.size = sizeof(seen.session);
	w = wish, w.wait_ms = -2;
	ck_assert_int_eq(usher_create(seen.u, &w, &seen.session), -EINVAL);
	w = wish, w.priority = 10;
	ck_assert_int_eq(usher_create(seen.u, &w, &seen.session), -EINVAL);
	w = wish, w.pid = 1;
	ck_assert_int_eq(usher_create(seen.u, &w, &seen.session), -EINVAL);
	w.owner = USHER_OWNER_PROCESS, w.pid = -1;
	ck_assert_int_eq(usher_create(seen.u, &w, &seen.session), -EINVAL);
	ck_assert_int_eq(usher_create_async(seen.u, &w, &seen.session, wait_on_answer, &seen, NULL),
		-EINVAL);
	ck_assert_int_eq(
		usher_create_async(seen.u, &wish, &seen.session, NULL, &seen, NULL), -EINVAL);
	ck_assert_int_eq(usher_cancel(seen.u, 1), -ESRCH);
	ck_assert_int_eq(usher_cancel_request(seen.u, NULL), -EINVAL);
	ck_assert_int_eq(broker.connections, 0);
	wait_end(&seen);
}
END_TEST

START_TEST(options_of_the_first_version_are_taken)
{
	struct usher_create_options wish = {
		.size = offsetof(struct usher_create_options, wait_ms), .wait_ms = -2};
	struct seen seen;

	wait_begin(&seen, granted);
	seen.session.size = sizeof(seen.session);
	ck_assert_int_eq(usher_create(seen.u, &wish, &seen.session), 0);
	ck_assert_int_eq(fake_count(&broker, "wait_ms"), 0);
	usher_session_clear(&seen.session);
	wish.size--;
	ck_assert_int_eq(usher_create(seen.u, &wish, &seen.session), -EINVAL);
	wait_end(&seen);
}
END_TEST

START_TEST(the_first_wait_becomes_the_control_connection)
{
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = 1000};
	struct seen seen;

	wait_begin(&seen, granted);
	seen.session.size = sizeof(seen.session);
	ck_assert_int_eq(usher_create(seen.u, &wish, &seen.session), 0);
	ck_assert_int_ge(usher_connection_fd(seen.u), 0);
	ck_assert_int_eq(usher_release(seen.u, "x", USHER_COMPLETED, NULL, NULL), -EBADMSG);
	ck_assert_int_eq(broker.connections, 1);
	ck_assert_int_eq(fake_count(&broker, "Attach"), 0);
	wait_end(&seen);
}
END_TEST

START_TEST(a_session_that_was_waited_for_moves_to_the_control_connection)
{
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = 1000};
	struct seen seen;

	wait_begin(&seen, granted);
	seen.session.size = sizeof(seen.session);
	ck_assert_int_eq(usher_connect(seen.u), 0);
	ck_assert_int_eq(usher_create(seen.u, &wish, &seen.session), 0);
	ck_assert_int_eq(broker.connections, 2);
	ck_assert_int_eq(
		fake_count(&broker, "Attach\",\"parameters\":{\"session_id\":\"" FAKE_SESSION_ID
				    "\",\"owner\":\"connection\"}"),
		1);
	wait_end(&seen);
}
END_TEST

static const struct fake_step attach_is_cut[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {FAKE_CLOSE}},
	{0},
};

START_TEST(a_wait_takes_the_place_of_a_lost_control_connection)
{
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = 1000};
	struct seen seen;

	wait_begin(&seen, attach_is_cut);
	seen.session.size = sizeof(seen.session);
	ck_assert_int_eq(usher_connect(seen.u), 0);
	ck_assert_int_eq(usher_create(seen.u, &wish, &seen.session), 0);
	ck_assert_int_eq(broker.connections, 2);
	ck_assert_int_ge(usher_connection_fd(seen.u), 0);
	ck_assert_int_eq(usher_connect(seen.u), 0);
	ck_assert_int_eq(fake_count(&broker, "Create"), 1);
	wait_end(&seen);
}
END_TEST

static const struct {
	const char *reply;
	int error;
} ends[] = {
	{FAKE_ERROR("WaitTimeout", "\"pool\":\"p\",\"waited_ms\":5"), -USHER_E_WAIT_TIMEOUT},
	{FAKE_ERROR("Cancelled", "\"request_id\":\"r\""), -USHER_E_CANCELLED},
	{FAKE_ERROR("QueueFull", ""), -USHER_E_QUEUE_FULL},
	{FAKE_ERROR("QuotaExceeded", ""), -USHER_E_QUOTA_EXCEEDED},
	{"{}", -EBADMSG},
	{"[]", -EBADMSG},
	{"", -EBADMSG},
	{"{\"parameters\":{\"queued\":{\"position\":1,\"waiting\":1}}}", -EBADMSG},
	{FAKE_CLOSE, -ECONNRESET},
};

START_TEST(a_wait_may_end_in_vain)
{
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = -1};
	const struct fake_step steps[] = {{"Create", {ends[_i].reply}}, {0}};
	struct seen seen;

	wait_begin(&seen, steps);
	seen.session.size = sizeof(seen.session);
	ck_assert_int_eq(usher_create(seen.u, &wish, &seen.session), ends[_i].error);
	ck_assert_int_eq(usher_last_error(seen.u)->error, ends[_i].error);
	ck_assert_ptr_null(seen.session.slots);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, ends[_i].error);
	ck_assert_str_ne(seen.message, "");
	wait_end(&seen);
}
END_TEST

static const struct fake_step silent[] = {{"Create", {FAKE_WAIT}}, {0}};

START_TEST(a_broker_that_forgets_a_wait_is_a_timeout)
{
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = 20};
	struct seen seen = {0};

	fake_broker_start_parallel(&broker, fake_serve_steps, silent);
	seen.u = fake_broker_open(&broker, 30);
	seen.session.size = sizeof(seen.session);
	ck_assert_int_eq(usher_create(seen.u, &wish, &seen.session), -ETIMEDOUT);
	wait_ask(&seen, USHER_OWNER_CONNECTION, 20);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, -ETIMEDOUT);
	wait_end(&seen);
}
END_TEST

/* ---- asynchronous ---- */

START_TEST(progress_is_told_and_then_the_result)
{
	struct seen seen;

	wait_begin(&seen, queued);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.progress, 1);
	ck_assert_int_eq(seen.position, 3);
	ck_assert_int_eq(seen.waiting, 12);
	sem_post(&broker.go);
	fake_pump(seen.u, &seen.progress, 2);
	ck_assert_int_eq(seen.position, 1);
	sem_post(&broker.go);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, 0);
	ck_assert_str_eq(seen.session.session_id, FAKE_SESSION_ID);
	ck_assert_uint_eq(seen.session.n_slots, 2);
	ck_assert_int_eq(broker.connections, 1);
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), -ESRCH);
	wait_end(&seen);
}
END_TEST

START_TEST(blocking_calls_do_not_stand_behind_a_wait)
{
	struct seen seen;

	wait_begin(&seen, queued);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.progress, 1);
	ck_assert_int_eq(usher_start(seen.u, "other", NULL), 0);
	sem_post(&broker.go);
	sem_post(&broker.go);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, 0);
	ck_assert_int_eq(fake_count(&broker, "Attach"), 1);
	ck_assert_int_eq(broker.connections, 2);
	wait_end(&seen);
}
END_TEST

START_TEST(an_attach_that_is_cut_leaves_the_session_where_it_was)
{
	struct seen seen;

	wait_begin(&seen, attach_is_cut);
	ck_assert_int_eq(usher_connect(seen.u), 0);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, 0);
	ck_assert_int_eq(broker.connections, 2);
	ck_assert_int_ge(usher_connection_fd(seen.u), 0);
	wait_end(&seen);
}
END_TEST

static const struct fake_step attach_is_refused[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {FAKE_ERROR("SessionEnded", "\"session_id\":\"x\",\"outcome\":\"revoked\"")}},
	{0},
};

START_TEST(an_attach_that_is_refused_is_the_result)
{
	struct seen seen;

	wait_begin(&seen, attach_is_refused);
	ck_assert_int_eq(usher_connect(seen.u), 0);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, -USHER_E_SESSION_ENDED);
	ck_assert_ptr_null(seen.session.slots);
	wait_end(&seen);
}
END_TEST

START_TEST(many_wait_at_once)
{
	static struct seen all[40];
	struct seen seen;
	int done = 0;

	wait_begin(&seen, queued);
	for (int i = 0; i < 40; i++) {
		all[i].u = seen.u;
		wait_ask(&all[i], i % 2 ? USHER_OWNER_PROCESS : USHER_OWNER_CONNECTION, -1);
	}
	for (int i = 0; i < 80; i++)
		sem_post(&broker.go);
	for (int i = 0; i < 40; i++) {
		fake_pump(seen.u, &all[i].done, 1);
		done += all[i].result == 0;
		usher_session_clear(&all[i].session);
	}
	ck_assert_int_eq(done, 40);
	wait_end(&seen);
}
END_TEST

START_TEST(a_full_backlog_is_waited_for)
{
	struct seen seen = {0}, others[8] = {0};

	fake_broker_start(&broker, NULL, NULL); /* nobody accepts */
	seen.u = fake_broker_open(&broker, 0);
	for (int i = 0; i < 8; i++) {
		others[i].u = seen.u;
		wait_ask(&others[i], USHER_OWNER_CONNECTION, -1);
	}
	fake_pump_for(seen.u, 100);
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(others[i].done, 0);
		ck_assert_int_eq(usher_cancel(seen.u, others[i].request), 0);
	}
	wait_end(&seen);
}
END_TEST

START_TEST(nobody_listening_is_the_result)
{
	struct usher_open_options options = {.size = sizeof(options), .socket = "/nowhere/sock"};
	struct seen seen = {0};

	ck_assert_int_eq(usher_open(&options, &seen.u), 0);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	ck_assert_int_eq(seen.done, 0);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, -ENOENT);
	usher_close(seen.u);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("usher_wait");
	TCase *tc = tcase_create("wait");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_wish_says_all_it_is_told);
	tcase_add_test(tc, wrong_wishes_never_reach_the_broker);
	tcase_add_test(tc, options_of_the_first_version_are_taken);
	tcase_add_test(tc, the_first_wait_becomes_the_control_connection);
	tcase_add_test(tc, a_session_that_was_waited_for_moves_to_the_control_connection);
	tcase_add_test(tc, a_wait_takes_the_place_of_a_lost_control_connection);
	tcase_add_loop_test(tc, a_wait_may_end_in_vain, 0, (int)(sizeof(ends) / sizeof(ends[0])));
	tcase_add_test(tc, a_broker_that_forgets_a_wait_is_a_timeout);
	tcase_add_test(tc, progress_is_told_and_then_the_result);
	tcase_add_test(tc, blocking_calls_do_not_stand_behind_a_wait);
	tcase_add_test(tc, an_attach_that_is_cut_leaves_the_session_where_it_was);
	tcase_add_test(tc, an_attach_that_is_refused_is_the_result);
	tcase_add_test(tc, many_wait_at_once);
	tcase_add_test(tc, a_full_backlog_is_waited_for);
	tcase_add_test(tc, nobody_listening_is_the_result);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
