/* SPDX-License-Identifier: MIT */
/* Timeouts and deadlines: what is accepted, when they pass, and what they do. */
#include "tests/unit/table_fixture.h"

#define NONE (-1)

static struct pool_settings settings;

static void setup_pool(
	int64_t default_ms, int64_t max_ms, int64_t duration_ms, enum timeout_policy on_timeout)
{
	settings = pool_settings_builtin;
	settings.default_timeout_ms = default_ms;
	settings.max_timeout_ms = max_ms;
	settings.max_duration_ms = duration_ms;
	settings.on_timeout = on_timeout;
	set_pool("p", &settings);
}

/* ---- which timeouts ---- */

START_TEST(timeouts_out_of_range_are_refused)
{
	static const int64_t bad[] = {TIMEOUT_ZERO, -2, INT64_MIN + 2, 1001, INT64_MAX, NONE};

	setup_pool(NONE, 1000, NONE, ON_TIMEOUT_RELEASE);
	ck_assert_int_eq(CREATE(.pool = "p", .timeout_ms = bad[_i]), STATUS_TIMEOUT_OUT_OF_RANGE);
	ck_assert_int_eq(created.refusal.timeout_ms, bad[_i] == TIMEOUT_ZERO ? 0 : bad[_i]);
	ck_assert_int_eq(created.refusal.pool.settings.max_timeout_ms, 1000);
	TAKE(.pool = "p", .timeout_ms = 1000);
}
END_TEST

START_TEST(no_timeout_is_fine_for_a_connection_where_any_is)
{
	setup_pool(1000, NONE, NONE, ON_TIMEOUT_RELEASE);
	TAKE(.pool = "p", .timeout_ms = NONE);
	ck_assert_int_eq(created.session.remaining_us, -1);
}
END_TEST

START_TEST(a_detached_session_must_have_a_timeout)
{
	ck_assert_int_eq(
		CREATE(.timeout_ms = NONE, .kind = OWNER_DETACHED), STATUS_TIMEOUT_OUT_OF_RANGE);
	TAKE(.timeout_ms = 1, .kind = OWNER_DETACHED);
}
END_TEST

START_TEST(an_absent_timeout_is_the_pools)
{
	static const struct {
		int64_t default_ms, max_ms;
		int64_t connection_ms, detached_ms;
	} cases[] = {
		{NONE, NONE, NONE, 30000},
		{5000, NONE, 5000, 5000},
		{NONE, 7000, 7000, 7000},
		{NONE, 60000, 60000, 30000},
		{9000, 7000, 7000, 7000},
		{60000, NONE, 60000, 60000},
	};

	setup_pool(cases[_i].default_ms, cases[_i].max_ms, NONE, ON_TIMEOUT_RELEASE);
	TAKE(.pool = "p");
	ck_assert_int_eq(created.session.timeout_ms, cases[_i].connection_ms);
	TAKE(.pool = "p", .kind = OWNER_DETACHED);
	ck_assert_int_eq(created.session.timeout_ms, cases[_i].detached_ms);
	ck_assert_int_eq(created.session.remaining_us, cases[_i].detached_ms * 1000);
}
END_TEST

START_TEST(the_largest_timeouts_do_not_overflow)
{
	uint64_t id = TAKE(.timeout_ms = INT64_MAX);

	ck_assert_int_gt(created.session.remaining_us, INT64_MAX / 2);
	ck_assert_int_eq(created.session.expires_wall_us, INT64_MAX);
	now.now_us = INT64_MAX - 2;
	ck_assert_uint_eq(expire(), 0);
	ck_assert_int_eq(renew(&alice, id, INT64_MAX), 0);
	now.now_us = INT64_MAX - 1;
	ck_assert_uint_eq(expire(), 1);
}
END_TEST

/* ---- when they pass ---- */

START_TEST(a_deadline_passes_at_its_microsecond)
{
	uint64_t id = TAKE(.timeout_ms = 1000);

	ck_assert_int_eq(table_next_deadline(table), now.now_us + SECOND_US);
	now.now_us += SECOND_US - 1;
	ck_assert_uint_eq(expire(), 0);
	now.now_us += 1;
	ck_assert_uint_eq(expire(), 1);
	ck_assert_int_eq(outcome_of(id), OUTCOME_TIMEOUT);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_TIMEOUT], 1);
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
}
END_TEST

START_TEST(deadlines_pass_earliest_first_and_in_portions)
{
	uint64_t late = TAKE(.timeout_ms = 3000);
	uint64_t early = TAKE(.timeout_ms = 1000);
	uint64_t next = TAKE(.timeout_ms = 1000);

	advance_ms(5000);
	ck_assert_uint_eq(table_expire(table, now, 1, &change), 1);
	operate(0);
	ck_assert_int_eq(outcome_of(early), OUTCOME_TIMEOUT);
	ck_assert_int_eq(look(next), 0);
	ck_assert_uint_eq(table_expire(table, now, 1, &change), 1);
	operate(0);
	ck_assert_int_eq(look(late), 0);
	ck_assert_uint_eq(expire(), 1);
}
END_TEST

START_TEST(many_with_metadata_end_at_once)
{
	for (int i = 0; i < 50; i++)
		TAKE(.timeout_ms = 10, .metadata = "{\"a\":1}");
	advance_ms(10);
	ck_assert_uint_eq(expire(), 50);
	ck_assert_uint_eq(n_freed_sessions, 50 - HISTORY);
	ck_assert_uint_eq(metrics().metadata_bytes, 0);
}
END_TEST

START_TEST(time_never_goes_back)
{
	struct table_time earlier = now;
	uint64_t id = TAKE(.timeout_ms = 1000);

	advance_ms(500);
	view(&alice, id);
	now = earlier;
	ck_assert_int_eq(renew(&alice, id, 1000), 0);
	ck_assert_int_eq(table_next_deadline(table), earlier.now_us + 1500000);
	ck_assert_int_eq(view(&alice, id)->age_us, 500000);
	ck_assert_int_eq(expires_wall_us, earlier.wall_us + 1500000);
	ck_assert_int_eq(view(&alice, TAKE())->created_wall_us, earlier.wall_us + 500000);
}
END_TEST

START_TEST(the_wall_clock_is_only_shown)
{
	uint64_t id = TAKE(.timeout_ms = 1000);

	now.wall_us = 5;
	ck_assert_int_eq(view(&alice, id)->expires_wall_us, 5 + SECOND_US);
	now.wall_us = INT64_C(4000000000000000);
	ck_assert_uint_eq(expire(), 0);
}
END_TEST

/* ---- start and renew ---- */

START_TEST(start_sets_the_deadline_anew)
{
	uint64_t id = TAKE(.timeout_ms = 1000);

	advance_ms(900);
	start(&alice, id);
	ck_assert_int_eq(expires_wall_us, now.wall_us + SECOND_US);
	ck_assert_int_eq(table_next_deadline(table), now.now_us + SECOND_US);
}
END_TEST

START_TEST(renew_sets_the_deadline_anew_and_keeps_its_timeout)
{
	uint64_t id = TAKE(.timeout_ms = 1000);

	advance_ms(900);
	ck_assert_int_eq(renew(&alice, id, 5000), 0);
	ck_assert_int_eq(expires_wall_us, now.wall_us + 5 * SECOND_US);
	advance_ms(1000);
	ck_assert_int_eq(renew(&alice, id, CREATE_TIMEOUT_ABSENT), 0);
	ck_assert_int_eq(expires_wall_us, now.wall_us + 5 * SECOND_US);
	ck_assert_int_eq(renew(&alice, id, 10), 0);
	ck_assert_int_eq(table_next_deadline(table), now.now_us + 10000);
}
END_TEST

START_TEST(renew_without_any_timeout_changes_nothing)
{
	uint64_t id = TAKE();

	ck_assert_int_eq(renew(&alice, id, CREATE_TIMEOUT_ABSENT), 0);
	ck_assert_int_eq(expires_wall_us, 0);
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
}
END_TEST

START_TEST(renew_takes_a_deadline_away)
{
	uint64_t id = TAKE(.timeout_ms = 1000);

	ck_assert_int_eq(renew(&alice, id, NONE), 0);
	ck_assert_int_eq(expires_wall_us, 0);
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
}
END_TEST

START_TEST(renew_refuses_what_create_refuses)
{
	uint64_t id, detached;

	setup_pool(NONE, 1000, NONE, ON_TIMEOUT_RELEASE);
	id = TAKE(.pool = "p");
	detached = TAKE(.kind = OWNER_DETACHED);
	ck_assert_int_eq(renew(&alice, id, 1001), STATUS_TIMEOUT_OUT_OF_RANGE);
	ck_assert_int_eq(ref.max_timeout_ms, 1000);
	ck_assert_int_eq(renew(&alice, id, NONE), STATUS_TIMEOUT_OUT_OF_RANGE);
	ck_assert_int_eq(renew(&alice, id, 0), STATUS_TIMEOUT_OUT_OF_RANGE);
	ck_assert_int_eq(renew(&alice, id, -2), STATUS_TIMEOUT_OUT_OF_RANGE);
	ck_assert_int_eq(renew(&alice, detached, NONE), STATUS_TIMEOUT_OUT_OF_RANGE);
	ck_assert_int_eq(ref.max_timeout_ms, NONE);
	ck_assert_int_eq(view(&alice, id)->timeout_ms, 1000);
}
END_TEST

START_TEST(a_renew_before_the_expiry_saves_the_session)
{
	uint64_t id = TAKE(.timeout_ms = 1000);

	advance_ms(2000);
	ck_assert_int_eq(renew(&alice, id, CREATE_TIMEOUT_ABSENT), 0);
	ck_assert_uint_eq(expire(), 0);
}
END_TEST

/* ---- the whole life ---- */

START_TEST(max_duration_bounds_the_life_whatever_is_renewed)
{
	uint64_t id;

	setup_pool(NONE, NONE, 3000, ON_TIMEOUT_RELEASE);
	id = TAKE(.pool = "p");
	ck_assert_int_eq(created.session.remaining_us, 3 * SECOND_US);
	advance_ms(2000);
	renew(&alice, id, 2000);
	ck_assert_int_eq(expires_wall_us, now.wall_us + SECOND_US);
	renew(&alice, id, 500);
	ck_assert_int_eq(expires_wall_us, now.wall_us + SECOND_US / 2);
	renew(&alice, id, NONE);
	advance_ms(1000);
	ck_assert_uint_eq(expire(), 1);
	ck_assert_int_eq(outcome_of(id), OUTCOME_TIMEOUT);
}
END_TEST

START_TEST(new_settings_hold_for_new_deadlines)
{
	uint64_t id = TAKE(.timeout_ms = 5000);

	settings = pool_settings_builtin;
	settings.max_timeout_ms = 1000;
	settings.max_duration_ms = 2000;
	set_pool("default", &settings);
	ck_assert_int_eq(view(&alice, id)->remaining_us, 5 * SECOND_US);
	ck_assert_int_eq(renew(&alice, id, CREATE_TIMEOUT_ABSENT), 0);
	ck_assert_int_eq(view(&alice, id)->remaining_us, 2 * SECOND_US);
	ck_assert_int_eq(renew(&alice, id, 1001), STATUS_TIMEOUT_OUT_OF_RANGE);
}
END_TEST

/* ---- holding ---- */

static uint64_t take_overdue(void)
{
	uint64_t id;

	setup_pool(NONE, NONE, NONE, ON_TIMEOUT_HOLD);
	id = TAKE(.pool = "p", .timeout_ms = 1000);
	advance_ms(1000);
	ck_assert_uint_eq(expire(), 1);
	return id;
}

START_TEST(a_holding_pool_keeps_an_overdue_session_counted)
{
	uint64_t id = take_overdue();

	ck_assert(view(&alice, id)->is_overdue);
	ck_assert_int_eq(view(&alice, id)->remaining_us, 0);
	ck_assert_int_eq(view(&alice, id)->expires_wall_us, now.wall_us);
	ck_assert_uint_eq(metrics().active, 1);
	ck_assert_uint_eq(metrics().overdue, 1);
	ck_assert_uint_eq(pool_view("p")->overdue, 1);
	ck_assert_uint_eq(expire(), 0);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_TIMEOUT], 0);
}
END_TEST

START_TEST(renew_makes_an_overdue_session_due_again)
{
	uint64_t id = take_overdue();

	ck_assert_int_eq(renew(&alice, id, CREATE_TIMEOUT_ABSENT), 0);
	ck_assert(!view(&alice, id)->is_overdue);
	ck_assert_uint_eq(metrics().overdue, 0);
	ck_assert_int_eq(table_next_deadline(table), now.now_us + SECOND_US);
	advance_ms(1000);
	ck_assert_uint_eq(expire(), 1);
	ck_assert(view(&alice, id)->is_overdue);
}
END_TEST

START_TEST(start_makes_an_overdue_session_due_again)
{
	uint64_t id = take_overdue();

	ck_assert_int_eq(start(&alice, id), 0);
	ck_assert(!view(&alice, id)->is_overdue);
}
END_TEST

START_TEST(an_overdue_session_ends_as_its_owner_says)
{
	uint64_t id = take_overdue();

	release(id);
	ck_assert_int_eq(outcome_of(id), OUTCOME_COMPLETED);
	ck_assert_uint_eq(metrics().overdue, 0);
}
END_TEST

START_TEST(an_overdue_session_ends_with_its_owner)
{
	uint64_t id = take_overdue();

	gone(&alice, 1);
	ck_assert_int_eq(outcome_of(id), OUTCOME_ABANDONED);
	ck_assert_uint_eq(metrics().overdue, 0);
}
END_TEST

START_TEST(a_detached_session_is_never_held)
{
	uint64_t id;

	setup_pool(NONE, NONE, NONE, ON_TIMEOUT_HOLD);
	id = TAKE(.pool = "p", .kind = OWNER_DETACHED, .timeout_ms = 1000);
	advance_ms(1000);
	expire();
	ck_assert_int_eq(outcome_of(id), OUTCOME_TIMEOUT);
}
END_TEST

START_TEST(an_overdue_session_that_is_detached_gets_its_timeout_anew)
{
	uint64_t id = take_overdue();

	attach(&alice, id, OWNER_DETACHED);
	ck_assert(!view(&alice, id)->is_overdue);
	ck_assert_int_eq(view(&alice, id)->remaining_us, SECOND_US);
	advance_ms(1000);
	expire();
	ck_assert_int_eq(outcome_of(id), OUTCOME_TIMEOUT);
}
END_TEST

START_TEST(the_policy_is_the_one_at_the_deadline)
{
	uint64_t id;

	setup_pool(NONE, NONE, NONE, ON_TIMEOUT_HOLD);
	id = TAKE(.pool = "p", .timeout_ms = 1000);
	settings.on_timeout = ON_TIMEOUT_RELEASE;
	set_pool("p", &settings);
	advance_ms(1000);
	expire();
	ck_assert_int_eq(outcome_of(id), OUTCOME_TIMEOUT);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_loop_test(tcase, timeouts_out_of_range_are_refused, 0, 6);
	tcase_add_test(tcase, no_timeout_is_fine_for_a_connection_where_any_is);
	tcase_add_test(tcase, a_detached_session_must_have_a_timeout);
	tcase_add_loop_test(tcase, an_absent_timeout_is_the_pools, 0, 6);
	tcase_add_test(tcase, the_largest_timeouts_do_not_overflow);
	tcase_add_test(tcase, a_deadline_passes_at_its_microsecond);
	tcase_add_test(tcase, deadlines_pass_earliest_first_and_in_portions);
	tcase_add_test(tcase, many_with_metadata_end_at_once);
	tcase_add_test(tcase, time_never_goes_back);
	tcase_add_test(tcase, the_wall_clock_is_only_shown);
	tcase_add_test(tcase, start_sets_the_deadline_anew);
	tcase_add_test(tcase, renew_sets_the_deadline_anew_and_keeps_its_timeout);
	tcase_add_test(tcase, renew_without_any_timeout_changes_nothing);
	tcase_add_test(tcase, renew_takes_a_deadline_away);
	tcase_add_test(tcase, renew_refuses_what_create_refuses);
	tcase_add_test(tcase, a_renew_before_the_expiry_saves_the_session);
	tcase_add_test(tcase, max_duration_bounds_the_life_whatever_is_renewed);
	tcase_add_test(tcase, new_settings_hold_for_new_deadlines);
	tcase_add_test(tcase, a_holding_pool_keeps_an_overdue_session_counted);
	tcase_add_test(tcase, renew_makes_an_overdue_session_due_again);
	tcase_add_test(tcase, start_makes_an_overdue_session_due_again);
	tcase_add_test(tcase, an_overdue_session_ends_as_its_owner_says);
	tcase_add_test(tcase, an_overdue_session_ends_with_its_owner);
	tcase_add_test(tcase, a_detached_session_is_never_held);
	tcase_add_test(tcase, an_overdue_session_that_is_detached_gets_its_timeout_anew);
	tcase_add_test(tcase, the_policy_is_the_one_at_the_deadline);
}

int main(void)
{
	return run_tests("table_deadlines", add);
}
