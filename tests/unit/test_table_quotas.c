/* SPDX-License-Identifier: MIT */
/* Quotas of users, processes and labels, and the bounds of the queue. */
#include "tests/unit/table_fixture.h"

static struct pool_settings settings;

static void setup_pool(uint32_t limit)
{
	settings = pool_settings_builtin;
	settings.limit = limit;
	set_pool("default", &settings);
}

static void set_quota(enum dimension dimension, int64_t units)
{
	settings = pool_settings_builtin;
	settings.quotas[dimension] = units;
	set_pool("default", &settings);
}

/* ---- quotas ---- */

START_TEST(a_user_over_its_quota_is_refused_and_others_are_not)
{
	set_quota(BY_UID, 2);
	TAKE(.units = 2);
	ck_assert_int_eq(CREATE(.owner = &alice_other), STATUS_QUOTA_EXCEEDED);
	ck_assert_int_eq(created.refusal.quota, BY_UID);
	ck_assert_uint_eq(created.refusal.quota_used_units, 2);
	ck_assert_int_eq(created.refusal.pool.settings.quotas[BY_UID], 2);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_QUOTA], 1);
	TAKE(.owner = &bob);
}
END_TEST

START_TEST(a_process_over_its_quota_is_refused_and_others_are_not)
{
	set_quota(BY_PROCESS, 1);
	TAKE();
	ck_assert_int_eq(CREATE(.owner = &alice_again), STATUS_QUOTA_EXCEEDED);
	ck_assert_int_eq(created.refusal.quota, BY_PROCESS);
	TAKE(.owner = &alice_other);
}
END_TEST

START_TEST(unknown_processes_of_a_user_share_a_quota)
{
	set_quota(BY_PROCESS, 1);
	TAKE(.owner = &foreign);
	ck_assert_int_eq(CREATE(.owner = &foreign), STATUS_QUOTA_EXCEEDED);
	TAKE();
}
END_TEST

START_TEST(a_session_counts_for_the_process_that_owns_it)
{
	set_quota(BY_PROCESS, 1);
	TAKE(.process = &alice_other);
	ck_assert_int_eq(CREATE(.owner = &alice_other), STATUS_QUOTA_EXCEEDED);
	TAKE();
}
END_TEST

START_TEST(a_label_over_its_quota_is_refused_for_all_users)
{
	set_quota(BY_LABEL, 1);
	TAKE(.label = "x");
	ck_assert_int_eq(CREATE(.label = "x", .owner = &bob), STATUS_QUOTA_EXCEEDED);
	ck_assert_int_eq(created.refusal.quota, BY_LABEL);
	TAKE(.label = "y");
}
END_TEST

START_TEST(what_has_no_label_has_no_quota_of_labels)
{
	set_quota(BY_LABEL, 0);
	TAKE();
	TAKE();
	ck_assert_int_eq(CREATE(.label = "x"), STATUS_QUOTA_EXCEEDED);
}
END_TEST

START_TEST(a_quota_of_one_pool_is_none_of_another)
{
	set_quota(BY_UID, 1);
	set_pool("other", &settings);
	TAKE();
	TAKE(.pool = "other");
}
END_TEST

START_TEST(units_above_a_quota_never_wait)
{
	set_quota(BY_UID, 2);
	ck_assert_int_eq(CREATE(.units = 3, .wait_ms = -1), STATUS_QUOTA_EXCEEDED);
	ck_assert_uint_eq(created.refusal.quota_used_units, 0);
}
END_TEST

START_TEST(who_is_over_a_quota_waits_and_blocks_nobody)
{
	struct waiter *waiter;
	uint64_t id;

	set_quota(BY_UID, 1);
	id = TAKE();
	waiter = WAIT();
	TAKE(.owner = &bob);
	release(id);
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(one_over_another_quota_is_passed_within_its_key)
{
	struct waiter *labelled, *plain;
	uint64_t x;

	set_quota(BY_LABEL, 1);
	settings.limit = 2;
	set_pool("default", &settings);
	x = TAKE(.label = "x");
	TAKE(.owner = &bob);
	labelled = WAIT(.label = "x");
	plain = WAIT();
	gone(&bob, 1);
	expect_decided(plain, 0);
	release(x);
	expect_decided(labelled, 0);
}
END_TEST

/* Both keys' first ones are passed over: then who came first of the others is next. */
START_TEST(of_two_keys_whose_first_ones_are_passed_over_the_sooner_second_one_is_next)
{
	struct waiter *sooner, *later;

	set_quota(BY_LABEL, 1);
	settings.limit = 2;
	set_pool("default", &settings);
	TAKE(.owner = &carol, .label = "x");
	TAKE(.owner = &root);
	WAIT(.owner = &alice, .label = "x");
	advance_ms(1);
	WAIT(.owner = &bob, .label = "x");
	advance_ms(1);
	sooner = WAIT(.owner = &alice);
	advance_ms(1);
	later = WAIT(.owner = &bob);
	gone(&root, 1);
	expect_decided(sooner, 0);
	expect_nobody_decided();
	release_as(&alice, sooner->session->id, OUTCOME_COMPLETED, NULL);
	expect_decided(later, 0);
}
END_TEST

START_TEST(a_starved_one_over_its_quota_is_passed_over)
{
	struct waiter *bobs;

	set_quota(BY_UID, 1);
	settings.limit = 2;
	set_pool("default", &settings);
	TAKE();
	TAKE(.owner = &carol);
	WAIT();
	advance_ms(400000);
	bobs = WAIT(.owner = &bob);
	gone(&carol, 1);
	expect_decided(bobs, 0);
}
END_TEST

START_TEST(a_larger_quota_lets_waiters_in)
{
	struct waiter *waiter;

	set_quota(BY_UID, 1);
	TAKE();
	waiter = WAIT();
	set_quota(BY_UID, 2);
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(a_quota_below_a_waiters_units_refuses_it)
{
	struct waiter *waiter;

	setup_pool(2);
	TAKE(.owner = &bob, .units = 2);
	waiter = WAIT(.units = 2);
	settings.quotas[BY_UID] = 1;
	set_pool("default", &settings);
	expect_decided(waiter, STATUS_QUOTA_EXCEEDED);
	ck_assert_int_eq(waiter->quota, BY_UID);
	ck_assert_int_eq(waiter->limit, 1);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_QUOTA], 1);
}
END_TEST

/* ---- the queue's bounds ---- */

START_TEST(a_full_queue_refuses)
{
	setup_pool(1);
	settings.max_waiters = 1;
	set_pool("default", &settings);
	TAKE();
	WAIT(.owner = &bob);
	ck_assert_int_eq(CREATE(.wait_ms = -1), STATUS_QUEUE_FULL);
	ck_assert(!created.refusal.is_user_queue);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_QUEUE_FULL], 1);
}
END_TEST

START_TEST(a_users_own_bound_refuses_that_user)
{
	setup_pool(1);
	settings.per_uid_waiters = 1;
	set_pool("default", &settings);
	TAKE();
	WAIT();
	ck_assert_int_eq(CREATE(.owner = &alice_other, .wait_ms = -1), STATUS_QUEUE_FULL);
	ck_assert(created.refusal.is_user_queue);
	ck_assert_uint_eq(created.refusal.user_waiting, 1);
	WAIT(.owner = &bob);
}
END_TEST

START_TEST(a_smaller_queue_keeps_those_who_wait)
{
	struct waiter *waiter;

	setup_pool(1);
	TAKE();
	waiter = WAIT();
	settings.max_waiters = 0;
	set_pool("default", &settings);
	ck_assert(!waiter->is_decided);
	ck_assert_int_eq(CREATE(.wait_ms = -1), STATUS_QUEUE_FULL);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_user_over_its_quota_is_refused_and_others_are_not);
	tcase_add_test(tcase, a_process_over_its_quota_is_refused_and_others_are_not);
	tcase_add_test(tcase, unknown_processes_of_a_user_share_a_quota);
	tcase_add_test(tcase, a_session_counts_for_the_process_that_owns_it);
	tcase_add_test(tcase, a_label_over_its_quota_is_refused_for_all_users);
	tcase_add_test(tcase, what_has_no_label_has_no_quota_of_labels);
	tcase_add_test(tcase, a_quota_of_one_pool_is_none_of_another);
	tcase_add_test(tcase, units_above_a_quota_never_wait);
	tcase_add_test(tcase, who_is_over_a_quota_waits_and_blocks_nobody);
	tcase_add_test(tcase, one_over_another_quota_is_passed_within_its_key);
	tcase_add_test(
		tcase, of_two_keys_whose_first_ones_are_passed_over_the_sooner_second_one_is_next);
	tcase_add_test(tcase, a_starved_one_over_its_quota_is_passed_over);
	tcase_add_test(tcase, a_larger_quota_lets_waiters_in);
	tcase_add_test(tcase, a_quota_below_a_waiters_units_refuses_it);
	tcase_add_test(tcase, a_full_queue_refuses);
	tcase_add_test(tcase, a_users_own_bound_refuses_that_user);
	tcase_add_test(tcase, a_smaller_queue_keeps_those_who_wait);
}

int main(void)
{
	return run_tests("table_quotas", add);
}
