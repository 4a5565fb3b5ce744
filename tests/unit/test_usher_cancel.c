/* SPDX-License-Identifier: MIT */
/* How libusher's waits are given up, and that nothing is left of them. */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "wait_fixture.h"

START_TEST(a_cancelled_wait_of_a_connection_is_closed)
{
	struct seen seen;

	wait_begin(&seen, queued);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.progress, 1);
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), 0);
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), -ESRCH);
	sem_post(&broker.go);
	sem_post(&broker.go);
	fake_pump_for(seen.u, 50);
	ck_assert_int_eq(seen.done, 0);
	ck_assert_int_eq(broker.open, 0);
	wait_end(&seen);
}
END_TEST

START_TEST(what_is_granted_although_cancelled_is_given_back)
{
	struct seen seen;

	wait_begin(&seen, queued);
	wait_ask(&seen, USHER_OWNER_PROCESS, -1);
	fake_pump(seen.u, &seen.progress, 1);
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), 0);
	ck_assert(fake_await(&broker, "Cancel\",\"parameters\":{\"request_id\":\"mine\"}", 1));
	sem_post(&broker.go);
	sem_post(&broker.go);
	while (!fake_count(&broker, "Release\",\"parameters\":{\"session_id\":\"" FAKE_SESSION_ID
				    "\",\"outcome\":\"cancelled\"}"))
		fake_pump_for(seen.u, 10);
	fake_pump_for(seen.u, 20);
	ck_assert_int_eq(seen.done, 0);
	ck_assert_int_eq(seen.progress, 1);
	wait_end(&seen);
}
END_TEST

START_TEST(what_is_granted_but_not_told_yet_can_be_cancelled)
{
	struct seen seen;

	wait_begin(&seen, granted);
	ck_assert_int_eq(usher_connect(seen.u), 0);
	wait_ask(&seen, _i ? USHER_OWNER_DETACHED : USHER_OWNER_CONNECTION, -1);
	ck_assert(fake_await(&broker, "Create", 1));
	usleep(20000); /* the answer is there, but nobody has looked */
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), 0);
	fake_pump_for(seen.u, 50);
	ck_assert_int_eq(seen.done, 0);
	ck_assert_int_eq(fake_count(&broker, "Release"), _i ? 1 : 0);
	wait_end(&seen);
}
END_TEST

START_TEST(what_moved_to_the_control_connection_is_given_back_over_it)
{
	struct seen seen;

	wait_begin(&seen, granted);
	ck_assert_int_eq(usher_connect(seen.u), 0);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	while (!fake_count(&broker, "Attach"))
		fake_pump_for(seen.u, 1);
	/* The answer to Attach, if it has not come yet, comes before the one to this. */
	ck_assert_int_eq(usher_start(seen.u, "other", NULL), 0);
	if (seen.done == 0) {
		ck_assert_int_eq(usher_cancel(seen.u, seen.request), 0);
		fake_pump_for(seen.u, 20);
		ck_assert_int_eq(seen.done, 0);
		ck_assert_int_eq(fake_count(&broker, "Release"), 1);
		ck_assert_int_eq(usher_set_renewal(seen.u, FAKE_SESSION_ID, true), -ESRCH);
	}
	wait_end(&seen);
}
END_TEST

static void allow_more_files(bool is_wanted)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = is_wanted ? limit.rlim_max : 1; /* less, and poll(2) would fail */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(what_is_cancelled_ends_where_there_is_no_descriptor_to_ask_again)
{
	struct seen seen;

	wait_begin(&seen, queued);
	wait_ask(&seen, USHER_OWNER_PROCESS, -1);
	fake_pump(seen.u, &seen.progress, 1);
	fake_broker_hide(&broker, false);
	fake_broker_cut(&broker);
	fake_pump_for(seen.u, 50); /* it is asked for again and again */
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), 0);
	allow_more_files(false);
	fake_pump_for(seen.u, 1500);
	allow_more_files(true);
	ck_assert_int_eq(seen.done, 0);
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), -ESRCH);
	fake_broker_show(&broker);
	wait_end(&seen);
}
END_TEST

START_TEST(any_request_can_be_cancelled_by_its_id)
{
	struct seen seen;

	wait_begin(&seen, queued);
	ck_assert_int_eq(usher_cancel_request(seen.u, "a\"b"), 0);
	ck_assert_int_eq(
		fake_count(&broker, "Cancel\",\"parameters\":{\"request_id\":\"a\\\"b\"}"), 1);
	wait_end(&seen);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("usher_cancel");
	TCase *tc = tcase_create("cancel");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_cancelled_wait_of_a_connection_is_closed);
	tcase_add_test(tc, what_is_granted_although_cancelled_is_given_back);
	tcase_add_loop_test(tc, what_is_granted_but_not_told_yet_can_be_cancelled, 0, 2);
	tcase_add_loop_test(tc, what_moved_to_the_control_connection_is_given_back_over_it, 0, 10);
	tcase_add_test(tc, what_is_cancelled_ends_where_there_is_no_descriptor_to_ask_again);
	tcase_add_test(tc, any_request_can_be_cancelled_by_its_id);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
