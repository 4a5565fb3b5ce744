/* SPDX-License-Identifier: MIT */
/* A Create again, while the first one waits: the retry takes its place over. */
#include "tests/unit/table_fixture.h"

#include <errno.h>

static uint64_t holder;

static void fill(void)
{
	set_limit("default", 1);
	holder = TAKE(.owner = &root);
}

static void free_slot(void)
{
	release_as(&root, holder, OUTCOME_COMPLETED, NULL);
}

START_TEST(a_retry_takes_the_waiter_over)
{
	struct waiter *first, *again;

	fill();
	first = WAIT(.request_id = "r");
	again = WAIT(.owner = &alice_again, .request_id = "r");
	ck_assert(created.is_existing);
	ck_assert_ptr_eq(again->session, first->session);
	expect_decided(first, STATUS_CANCELLED);
	ck_assert_uint_eq(metrics().waiting, 1);
	free_slot();
	expect_decided(again, 0);
	ck_assert_ptr_eq(granted.owner, &alice_again);
}
END_TEST

START_TEST(a_retry_keeps_the_place_and_the_age)
{
	struct waiter *other, *again;
	int64_t since_us = now.now_us;

	fill();
	WAIT(.request_id = "r");
	advance_ms(100);
	other = WAIT(.owner = &bob);
	advance_ms(100);
	again = WAIT(.request_id = "r");
	ck_assert_uint_eq(created.session.position, 1);
	ck_assert_int_eq(again->since_us, since_us);
	take_decided();
	free_slot();
	expect_decided(again, 0);
	ck_assert(!other->is_decided);
}
END_TEST

START_TEST(a_retry_waits_as_long_as_it_says)
{
	struct waiter *again;

	fill();
	WAIT(.request_id = "r", .wait_ms = 50);
	advance_ms(40);
	again = WAIT(.request_id = "r", .wait_ms = 100);
	take_decided();
	advance_ms(99);
	ck_assert_uint_eq(expire(), 0);
	advance_ms(1);
	expire();
	expect_decided(again, STATUS_WAIT_TIMEOUT);
}
END_TEST

START_TEST(the_end_of_the_first_connection_does_not_end_the_retry)
{
	struct waiter *first, *again;

	fill();
	first = WAIT(.request_id = "r");
	again = WAIT(.owner = &alice_again, .request_id = "r");
	abandon(first);
	ck_assert(!gone(&alice, 10));
	expect_nobody_decided();
	ck_assert(!again->is_decided);
	gone(&alice_again, 10);
	expect_decided(again, STATUS_CANCELLED);
}
END_TEST

START_TEST(a_retry_that_does_not_wait_is_refused_and_the_wait_goes_on)
{
	struct waiter *first;

	fill();
	first = WAIT(.request_id = "r");
	ck_assert_int_eq(CREATE(.request_id = "r"), STATUS_CAPACITY_REACHED);
	ck_assert(!first->is_decided);
}
END_TEST

START_TEST(a_retry_of_another_process_is_refused)
{
	fill();
	WAIT(.request_id = "r");
	ck_assert_int_eq(CREATE(.owner = &alice_other, .request_id = "r", .wait_ms = -1),
		STATUS_REQUEST_ID_IN_USE);
}
END_TEST

START_TEST(a_detached_one_that_waits_is_taken_over_by_its_process_only)
{
	fill();
	WAIT(.kind = OWNER_DETACHED, .request_id = "r");
	ck_assert_int_eq(CREATE(.owner = &alice_other, .kind = OWNER_DETACHED, .request_id = "r",
				 .wait_ms = -1),
		STATUS_REQUEST_ID_IN_USE);
	WAIT(.owner = &alice_again, .kind = OWNER_DETACHED, .request_id = "r");
	ck_assert(created.is_existing);
}
END_TEST

START_TEST(a_retry_with_other_parameters_is_refused)
{
	fill();
	WAIT(.request_id = "r", .fingerprint = 1);
	ck_assert_int_eq(CREATE(.request_id = "r", .fingerprint = 2, .wait_ms = -1),
		STATUS_REQUEST_ID_IN_USE);
}
END_TEST

START_TEST(a_retry_takes_over_though_the_queue_is_full_and_the_pool_paused)
{
	struct pool_settings settings = pool_settings_builtin;

	settings.limit = 1;
	settings.max_waiters = 1;
	set_pool("default", &settings);
	holder = TAKE(.owner = &root);
	WAIT(.request_id = "r");
	pause_pool("default", INT64_MAX, NULL);
	WAIT(.request_id = "r");
	ck_assert(created.is_existing);
}
END_TEST

START_TEST(a_retry_counts_as_a_new_wait_and_the_first_as_cancelled)
{
	fill();
	WAIT(.request_id = "r");
	WAIT(.request_id = "r");
	ck_assert_uint_eq(metrics().totals.queued, 2);
	ck_assert_uint_eq(metrics().totals.cancelled_waits, 1);
}
END_TEST

START_TEST(a_retry_after_the_grant_gets_the_session)
{
	struct waiter *first;

	fill();
	first = WAIT(.request_id = "r");
	free_slot();
	ck_assert_int_eq(CREATE(.owner = &alice_again, .request_id = "r", .wait_ms = -1), 0);
	ck_assert(created.is_existing);
	ck_assert(!created.is_waiting);
	ck_assert_ptr_eq(created.session.session, first->session);
	ck_assert_uint_eq(metrics().active, 1);
}
END_TEST

START_TEST(a_request_id_is_free_again_after_a_refused_wait)
{
	uint64_t first, second;

	fill();
	first = WAIT(.request_id = "r", .wait_ms = 1)->session->id;
	advance_ms(1);
	expire();
	second = WAIT(.request_id = "r")->session->id;
	ck_assert(!created.is_existing);
	ck_assert_uint_ne(first, second);
}
END_TEST

START_TEST(a_process_owned_wait_stays_its_process)
{
	struct waiter *first;
	struct owner *process;

	fill();
	first = WAIT(.process = &alice_other, .request_id = "r");
	process = process_of(first->session->id);
	WAIT(.owner = &alice_again, .process = &alice_other, .request_id = "r");
	ck_assert_uint_eq(n_processes, 1); /* the second one came back */
	ck_assert_uint_eq(n_idle_processes, 1);
	ck_assert_ptr_eq(process_of(first->session->id), process);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_retry_takes_the_waiter_over);
	tcase_add_test(tcase, a_retry_keeps_the_place_and_the_age);
	tcase_add_test(tcase, a_retry_waits_as_long_as_it_says);
	tcase_add_test(tcase, the_end_of_the_first_connection_does_not_end_the_retry);
	tcase_add_test(tcase, a_retry_that_does_not_wait_is_refused_and_the_wait_goes_on);
	tcase_add_test(tcase, a_retry_of_another_process_is_refused);
	tcase_add_test(tcase, a_detached_one_that_waits_is_taken_over_by_its_process_only);
	tcase_add_test(tcase, a_retry_with_other_parameters_is_refused);
	tcase_add_test(tcase, a_retry_takes_over_though_the_queue_is_full_and_the_pool_paused);
	tcase_add_test(tcase, a_retry_counts_as_a_new_wait_and_the_first_as_cancelled);
	tcase_add_test(tcase, a_retry_after_the_grant_gets_the_session);
	tcase_add_test(tcase, a_request_id_is_free_again_after_a_refused_wait);
	tcase_add_test(tcase, a_process_owned_wait_stays_its_process);
}

int main(void)
{
	return run_tests("table_retries", add);
}
