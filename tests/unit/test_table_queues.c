/* SPDX-License-Identifier: MIT */
/* What becomes of those who wait when the pool changes: settings, removal, pauses, the drain, the
 * end of fences. */
#include "tests/unit/table_fixture.h"

#include <errno.h>

static uint64_t holder;

static void fill(uint32_t limit)
{
	set_limit("p", limit);
	holder = TAKE(.pool = "p", .units = limit);
}

/* ---- settings ---- */

START_TEST(a_larger_limit_lets_waiters_in)
{
	struct waiter *first, *second;

	fill(1);
	first = WAIT(.pool = "p");
	second = WAIT(.pool = "p");
	set_limit("p", 2);
	expect_decided(first, 0);
	ck_assert_uint_eq(first->session->slots[0], 1);
	ck_assert(!second->is_decided);
}
END_TEST

START_TEST(a_limit_below_a_waiters_units_refuses_it_and_lets_the_next_in)
{
	struct waiter *large, *small;

	set_limit("p", 4);
	TAKE(.pool = "p");
	large = WAIT(.pool = "p", .units = 4);
	small = WAIT(.pool = "p", .units = 2);
	set_limit("p", 3);
	expect_decided(large, STATUS_INVALID_PARAMETER);
	ck_assert_int_eq(large->limit, 3);
	expect_decided(small, 0);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_INVALID], 1);
}
END_TEST

START_TEST(a_smaller_limit_keeps_waiters_until_it_has_drained)
{
	struct waiter *waiter;

	fill(3);
	waiter = WAIT(.pool = "p");
	set_limit("p", 1);
	ck_assert_uint_eq(pool_view("p")->over, 2);
	ck_assert(!waiter->is_decided);
	release(holder);
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(a_pool_that_does_not_hold_any_more_ends_what_is_overdue)
{
	struct pool_settings settings = pool_settings_builtin;
	struct waiter *waiter;

	settings.limit = 2;
	settings.on_timeout = ON_TIMEOUT_HOLD;
	set_pool("p", &settings);
	for (int i = 0; i < 2; i++)
		TAKE(.pool = "p", .timeout_ms = 10);
	waiter = WAIT(.pool = "p");
	advance_ms(20);
	ck_assert_uint_eq(expire(), 2);
	settings.on_timeout = ON_TIMEOUT_RELEASE;
	set_pool("p", &settings);
	ck_assert_int_le(table_next_deadline(table), now.now_us);
	ck_assert_uint_eq(table_expire(table, now, 1, &change), 1);
	operate(0);
	expect_decided(waiter, 0);
	ck_assert_uint_eq(expire(), 1);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_TIMEOUT], 2);
}
END_TEST

START_TEST(what_is_overdue_can_come_back_to_a_full_heap)
{
	struct pool_settings settings = pool_settings_builtin;

	settings.on_timeout = ON_TIMEOUT_HOLD;
	set_pool("p", &settings);
	for (int i = 0; i < 100; i++)
		TAKE(.pool = "p", .timeout_ms = 10);
	advance_ms(20);
	expire();
	for (int i = 0; i < 20; i++)
		TAKE(.timeout_ms = 1000);
	settings.on_timeout = ON_TIMEOUT_RELEASE;
	set_pool("p", &settings);
	ck_assert_uint_eq(expire(), 100);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_TIMEOUT], 100);
}
END_TEST

/* ---- removal ---- */

START_TEST(a_removed_pool_refuses_its_waiters_and_goes_when_empty)
{
	struct waiter *waiter;

	fill(1);
	waiter = WAIT(.pool = "p");
	remove_pools_but(NULL);
	expect_decided(waiter, STATUS_NO_SUCH_POOL);
	ck_assert_ptr_nonnull(table_find_pool(table, "p", 1));
	release(holder);
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
}
END_TEST

START_TEST(a_removed_pool_with_waiters_only_goes_with_the_last_one)
{
	struct waiter *first, *second;

	set_limit("p", 1);
	pause_pool("p", INT64_MAX, NULL);
	first = WAIT(.pool = "p");
	second = WAIT(.pool = "p", .owner = &bob);
	remove_pools_but(NULL);
	expect_decided(first, STATUS_NO_SUCH_POOL);
	expect_decided(second, STATUS_NO_SUCH_POOL);
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
}
END_TEST

START_TEST(a_removed_pool_that_is_back_before_the_pump_keeps_its_waiters)
{
	struct pool_settings settings = pool_settings_builtin;
	struct waiter *waiter;

	fill(1);
	waiter = WAIT(.pool = "p");
	table_remove_pools(table, NULL, 0,
		pool_new("default", 7, &pool_settings_builtin, POOL_BUILTIN), now, &change);
	settings.limit = 1;
	set_pool("p", &settings);
	ck_assert(!waiter->is_decided);
	release(holder);
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(the_default_pool_gets_its_settings_back_and_lets_waiters_in)
{
	struct waiter *waiter;

	set_limit("default", 1);
	TAKE();
	waiter = WAIT();
	remove_pools_but(NULL);
	expect_decided(waiter, 0);
}
END_TEST

/* ---- pauses ---- */

START_TEST(a_paused_pool_refuses_those_who_do_not_wait)
{
	struct waiter *waiter;

	pause_pool("default", INT64_MAX, "why");
	ck_assert_int_eq(CREATE(), STATUS_PAUSED);
	ck_assert_str_eq(created.refusal.pool.pause_reason->bytes, "why");
	waiter = WAIT();
	ck_assert(!waiter->is_decided);
	ck_assert_uint_eq(position_of(waiter), 1);
}
END_TEST

START_TEST(a_pause_keeps_freed_slots_from_waiters_until_resume)
{
	struct waiter *waiter;

	fill(1);
	waiter = WAIT(.pool = "p");
	pause_pool(_i ? "p" : NULL, INT64_MAX, NULL);
	release(holder);
	expect_nobody_decided();
	resume_pool(_i ? "p" : NULL);
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(resume_of_all_leaves_a_pool_paused_by_name)
{
	struct waiter *waiter;

	set_limit("p", 1);
	pause_pool("p", INT64_MAX, NULL);
	pause_pool(NULL, INT64_MAX, NULL);
	waiter = WAIT(.pool = "p");
	resume_pool(NULL);
	ck_assert(!waiter->is_decided);
	resume_pool("p");
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(a_pause_ends_by_its_time_and_lets_waiters_in)
{
	struct waiter *waiter;

	pause_pool(_i ? "default" : NULL, SECOND_US, NULL);
	waiter = WAIT();
	ck_assert_int_eq(table_next_deadline(table), now.now_us + SECOND_US);
	advance_ms(999);
	ck_assert_uint_eq(expire(), 0);
	advance_ms(1);
	ck_assert_uint_eq(expire(), 1);
	expect_decided(waiter, 0);
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
}
END_TEST

START_TEST(a_pause_that_ends_with_the_wait_lets_it_in)
{
	struct waiter *waiter;

	pause_pool("default", SECOND_US, NULL);
	waiter = WAIT(.wait_ms = 1000);
	advance_ms(1000);
	ck_assert_uint_eq(table_expire(table, now, 100, &change), 2);
	operate(0);
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(a_wait_ends_while_its_pool_is_paused)
{
	struct waiter *waiter;

	pause_pool("default", INT64_MAX, NULL);
	waiter = WAIT(.wait_ms = 10);
	advance_ms(10);
	expire();
	expect_decided(waiter, STATUS_WAIT_TIMEOUT);
}
END_TEST

/* ---- the drain ---- */

START_TEST(a_drain_refuses_those_who_wait_and_newcomers)
{
	struct waiter *first, *second;

	fill(1);
	first = WAIT(.pool = "p");
	second = WAIT(.pool = "p");
	drain();
	expect_decided(first, STATUS_SHUTTING_DOWN);
	expect_decided(second, STATUS_SHUTTING_DOWN);
	ck_assert_int_eq(CREATE(.wait_ms = -1), STATUS_SHUTTING_DOWN);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_SHUTDOWN], 3);
	ck_assert(table_is_draining(table));
}
END_TEST

START_TEST(a_drain_refuses_in_portions)
{
	fill(1);
	for (int i = 0; i < 3; i++)
		WAIT(.pool = "p");
	table_drain(table, now, &change);
	ck_assert(table_pump(table, now, 2, &change));
	ck_assert_uint_eq(table_find_pool(table, "p", 1)->waiting, 1);
	operate(0);
}
END_TEST

START_TEST(a_drain_taken_back_before_the_pump_keeps_those_who_wait)
{
	struct waiter *waiter;

	fill(1);
	waiter = WAIT(.pool = "p");
	table_drain(table, now, &change);
	resume_pool(NULL);
	ck_assert(!waiter->is_decided);
}
END_TEST

/* ---- the end of fences ---- */

START_TEST(without_fences_nobody_begins_to_wait)
{
	struct table_options options = {.first_fence = (UINT64_C(1) << 53) - 1};

	table_free(table);
	table = table_new(&options);
	fill(1);
	ck_assert_int_eq(CREATE(.pool = "p"), -EOVERFLOW);
	ck_assert_int_eq(CREATE(.pool = "p", .wait_ms = 10), -EOVERFLOW);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_CREATION_ERROR], 2);
}
END_TEST

START_TEST(a_waiter_is_not_granted_when_fences_have_run_out)
{
	struct waiter *waiter;
	struct table_options options = {.first_fence = (UINT64_C(1) << 53) - 2};

	table_free(table);
	table = table_new(&options);
	fill(1);
	waiter = WAIT(.pool = "p", .wait_ms = 1000);
	TAKE(); /* the last fence */
	release(holder);
	expect_nobody_decided();
	advance_ms(1000);
	expire();
	expect_decided(waiter, STATUS_WAIT_TIMEOUT);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_larger_limit_lets_waiters_in);
	tcase_add_test(tcase, a_limit_below_a_waiters_units_refuses_it_and_lets_the_next_in);
	tcase_add_test(tcase, a_smaller_limit_keeps_waiters_until_it_has_drained);
	tcase_add_test(tcase, a_pool_that_does_not_hold_any_more_ends_what_is_overdue);
	tcase_add_test(tcase, what_is_overdue_can_come_back_to_a_full_heap);
	tcase_add_test(tcase, a_removed_pool_refuses_its_waiters_and_goes_when_empty);
	tcase_add_test(tcase, a_removed_pool_with_waiters_only_goes_with_the_last_one);
	tcase_add_test(tcase, a_removed_pool_that_is_back_before_the_pump_keeps_its_waiters);
	tcase_add_test(tcase, the_default_pool_gets_its_settings_back_and_lets_waiters_in);
	tcase_add_test(tcase, a_paused_pool_refuses_those_who_do_not_wait);
	tcase_add_loop_test(tcase, a_pause_keeps_freed_slots_from_waiters_until_resume, 0, 2);
	tcase_add_test(tcase, resume_of_all_leaves_a_pool_paused_by_name);
	tcase_add_loop_test(tcase, a_pause_ends_by_its_time_and_lets_waiters_in, 0, 2);
	tcase_add_test(tcase, a_pause_that_ends_with_the_wait_lets_it_in);
	tcase_add_test(tcase, a_wait_ends_while_its_pool_is_paused);
	tcase_add_test(tcase, a_drain_refuses_those_who_wait_and_newcomers);
	tcase_add_test(tcase, a_drain_refuses_in_portions);
	tcase_add_test(tcase, a_drain_taken_back_before_the_pump_keeps_those_who_wait);
	tcase_add_test(tcase, without_fences_nobody_begins_to_wait);
	tcase_add_test(tcase, a_waiter_is_not_granted_when_fences_have_run_out);
}

int main(void)
{
	return run_tests("table_queues", add);
}
