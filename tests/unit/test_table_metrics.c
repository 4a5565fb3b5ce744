/* SPDX-License-Identifier: MIT */
/* Counting: what holds at all times, after a reset too, and recounts. */
#include "tests/unit/table_fixture.h"

/* Three live sessions and an ended one of each outcome but abandoned. */
static void live_a_little(void)
{
	release_as(&alice, TAKE(), OUTCOME_COMPLETED, NULL);
	release_as(&alice, TAKE(), OUTCOME_ERROR, NULL);
	release_as(&alice, TAKE(), OUTCOME_CANCELLED, NULL);
	revoke(&alice, TAKE(), true);
	TAKE(.timeout_ms = 1);
	advance_ms(1);
	expire();
	for (int i = 0; i < 3; i++)
		TAKE(.metadata = "{}");
}

START_TEST(created_is_live_and_ended)
{
	struct table_metrics m;

	live_a_little();
	m = metrics();
	ck_assert_uint_eq(m.counted.created, 8);
	ck_assert_uint_eq(m.active, 3);
	ck_assert_uint_eq(counters_ended(&m.counted), 5);
	ck_assert_uint_eq(m.peak, 3);
	ck_assert_uint_eq(table_active(table), 3);
}
END_TEST

START_TEST(after_a_reset_created_is_live_and_ended)
{
	struct table_metrics m;
	uint64_t id;

	live_a_little();
	id = TAKE();
	table_reset_metrics(table);
	operate(0);
	m = metrics();
	ck_assert_uint_eq(m.counted.created, 4);
	ck_assert_uint_eq(counters_ended(&m.counted), 0);
	ck_assert_uint_eq(m.peak, 4);
	ck_assert_int_eq(m.since_reset_duration_max_ns, 0);
	ck_assert_uint_eq(m.metadata_bytes, 6);
	release(id);
	TAKE();
	m = metrics();
	ck_assert_uint_eq(m.counted.created, 5);
	ck_assert_uint_eq(m.counted.ended[OUTCOME_COMPLETED], 1);
	ck_assert_uint_eq(m.peak, 4);
}
END_TEST

START_TEST(totals_do_not_mind_a_reset)
{
	struct table_metrics m;

	live_a_little();
	CREATE(.pool = "none");
	table_reset_metrics(table);
	m = metrics();
	ck_assert_uint_eq(m.totals.created, 8);
	ck_assert_uint_eq(counters_ended(&m.totals), 5);
	ck_assert_uint_eq(m.totals.rejected[REJECTED_INVALID], 1);
	ck_assert_uint_eq(m.counted.rejected[REJECTED_INVALID], 0);
	ck_assert_uint_eq(pool_view("default")->counters.created, 8);
}
END_TEST

START_TEST(the_peak_is_the_most_at_once)
{
	uint64_t a = TAKE();
	uint64_t b = TAKE();

	release(a);
	release(b);
	TAKE();
	ck_assert_uint_eq(metrics().peak, 2);
	table_reset_metrics(table);
	ck_assert_uint_eq(metrics().peak, 1);
}
END_TEST

START_TEST(durations_are_counted_in_their_pool_and_in_sum)
{
	uint64_t a, b;

	set_limit("p", 1);
	a = TAKE(.pool = "p");
	b = TAKE();
	advance_ms(10);
	release(a);
	advance_ms(10);
	release(b);
	ck_assert_uint_eq(table_durations(table)->count, 2);
	ck_assert_uint_eq(table_durations(table)->sum, 30000000);
	ck_assert_uint_eq(table_find_pool(table, "p", 1)->durations.sum, 10000000);
	ck_assert_int_eq(metrics().since_reset_duration_max_ns, 20000000);
}
END_TEST

START_TEST(the_oldest_hold_is_that_of_the_first_live_session)
{
	uint64_t first = TAKE();

	advance_ms(1000);
	set_limit("p", 1);
	TAKE(.pool = "p");
	advance_ms(500);
	ck_assert_int_eq(metrics().oldest_age_us, 1500000);
	ck_assert_int_eq(pool_view("p")->oldest_age_us, 500000);
	release(first);
	ck_assert_int_eq(metrics().oldest_age_us, 500000);
	ck_assert_int_eq(pool_view("default")->oldest_age_us, -1);
}
END_TEST

START_TEST(refusals_outside_of_the_table_are_counted)
{
	table_count_rejection(table, REJECTED_CREATION_ERROR);
	table_count_rejection(table, REJECTED_INVALID);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_CREATION_ERROR], 1);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_INVALID], 1);
}
END_TEST

/* ---- audits ---- */

static void expect_audit(const struct audit *audit)
{
	struct table_metrics m = metrics();

	ck_assert_uint_eq(audit->active, m.active);
	ck_assert_uint_eq(audit->used_units, m.used_units);
	ck_assert_uint_eq(audit->overdue, m.overdue);
	ck_assert_uint_eq(audit->metadata_bytes, m.metadata_bytes);
	ck_assert_uint_eq(audit->unindexed, 0);
	ck_assert_uint_eq(audit->bad_slots, 0);
}

START_TEST(an_audit_of_an_empty_table_is_done_at_once)
{
	struct audit audit;

	table_audit_begin(table, &audit);
	ck_assert(table_audit_step(table, &audit, 1));
	expect_audit(&audit);
	table_audit_end(&audit);
}
END_TEST

START_TEST(an_audit_is_exact_although_sessions_change_between_its_portions)
{
	struct audit audit;
	struct pool_settings settings = pool_settings_builtin;
	uint64_t ids[10];

	settings.on_timeout = ON_TIMEOUT_HOLD;
	set_pool("default", &settings);
	for (int i = 0; i < 10; i++)
		ids[i] = TAKE(.metadata = "{\"a\":1}", .units = 2, .timeout_ms = 1000 + i);
	advance_ms(1000);
	expire();
	table_audit_begin(table, &audit);
	ck_assert(!table_audit_step(table, &audit, 5));
	release(ids[0]); /* overdue and counted already */
	release(ids[8]); /* not yet */
	update(&alice, ids[1], "{}");
	update(&alice, ids[9], "{\"longer\":true}");
	TAKE(.metadata = "{}");
	advance_ms(3);
	expire(); /* 1 to 3 are overdue now */
	renew(&alice, ids[3], 5000);
	revoke(&alice, ids[4], true);
	ck_assert(!table_audit_step(table, &audit, 1));
	gone(&bob, 1);
	ck_assert(table_audit_step(table, &audit, 100));
	expect_audit(&audit);
	TAKE();
	ck_assert(table_audit_step(table, &audit, 100));
	expect_audit(&audit);
	table_audit_end(&audit);
}
END_TEST

START_TEST(audits_do_not_disturb_each_other)
{
	struct audit first, second;

	for (int i = 0; i < 4; i++)
		TAKE(.metadata = "{}");
	table_audit_begin(table, &first);
	table_audit_step(table, &first, 3);
	table_audit_begin(table, &second);
	table_audit_step(table, &second, 1);
	gone(&alice, 2);
	ck_assert(table_audit_step(table, &first, 100));
	expect_audit(&first);
	table_audit_end(&first);
	ck_assert(table_audit_step(table, &second, 100));
	expect_audit(&second);
	table_audit_end(&second);
}
END_TEST

START_TEST(after_a_reset_those_who_wait_count_as_queued)
{
	struct counters counted;
	uint64_t id;

	set_limit("default", 1);
	id = TAKE();
	WAIT(.owner = &bob);
	WAIT(.owner = &bob);
	table_reset_metrics(table);
	operate(0);
	ck_assert_uint_eq(metrics().counted.queued, 2);
	release(id);
	counted = metrics().counted;
	ck_assert_uint_eq(counted.granted_waits, 1);
	ck_assert_uint_eq(counted.queued, counted.granted_waits + metrics().waiting);
	ck_assert_uint_eq(counted.created, 2);
}
END_TEST

START_TEST(an_audit_does_not_count_those_who_wait)
{
	struct audit audit;

	set_limit("default", 1);
	TAKE();
	WAIT(.units = 1, .metadata = "{}");
	table_audit_begin(table, &audit);
	ck_assert(table_audit_step(table, &audit, 10));
	ck_assert_uint_eq(audit.active, 1);
	ck_assert_uint_eq(audit.used_units, 1);
	ck_assert_uint_eq(audit.metadata_bytes, 0);
	ck_assert_uint_eq(audit.unindexed, 0);
	table_audit_end(&audit);
}
END_TEST

START_TEST(an_audit_counts_what_is_granted_while_it_goes_on)
{
	struct audit audit;
	uint64_t id;

	set_limit("default", 1);
	id = TAKE();
	WAIT();
	table_audit_begin(table, &audit);
	table_audit_step(table, &audit, 2);
	release(id);
	ck_assert(table_audit_step(table, &audit, 2));
	ck_assert_uint_eq(audit.active, 1);
	table_audit_end(&audit);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, after_a_reset_those_who_wait_count_as_queued);
	tcase_add_test(tcase, an_audit_does_not_count_those_who_wait);
	tcase_add_test(tcase, an_audit_counts_what_is_granted_while_it_goes_on);
	tcase_add_test(tcase, created_is_live_and_ended);
	tcase_add_test(tcase, after_a_reset_created_is_live_and_ended);
	tcase_add_test(tcase, totals_do_not_mind_a_reset);
	tcase_add_test(tcase, the_peak_is_the_most_at_once);
	tcase_add_test(tcase, durations_are_counted_in_their_pool_and_in_sum);
	tcase_add_test(tcase, the_oldest_hold_is_that_of_the_first_live_session);
	tcase_add_test(tcase, refusals_outside_of_the_table_are_counted);
	tcase_add_test(tcase, an_audit_of_an_empty_table_is_done_at_once);
	tcase_add_test(tcase, an_audit_is_exact_although_sessions_change_between_its_portions);
	tcase_add_test(tcase, audits_do_not_disturb_each_other);
}

int main(void)
{
	return run_tests("table_metrics", add);
}
