/* SPDX-License-Identifier: MIT */
/* Who of those who wait is next. */
#include "tests/unit/table_fixture.h"

#include <stdio.h>

static struct pool_settings settings;
static uint64_t holders[8];

/* A full pool of N slots, each held by root. */
static void fill(uint32_t n, enum dimension fair_by)
{
	settings = pool_settings_builtin;
	settings.limit = n;
	settings.fair_by = fair_by;
	set_pool("default", &settings);
	for (uint32_t i = 0; i < n; i++)
		holders[i] = TAKE(.owner = &root);
}

static void free_one(int i)
{
	release_as(&root, holders[i], OUTCOME_COMPLETED, NULL);
}

START_TEST(the_user_who_holds_least_is_next)
{
	struct waiter *alices, *bobs;

	fill(2, BY_UID);
	set_limit("default", 3);
	TAKE(.owner = &alice);
	alices = WAIT(.owner = &alice);
	advance_ms(1);
	bobs = WAIT(.owner = &bob);
	free_one(0);
	expect_decided(bobs, 0);
	free_one(1);
	expect_decided(alices, 0);
}
END_TEST

START_TEST(users_who_hold_as_much_come_in_the_order_of_arrival)
{
	struct waiter *a1, *a2, *b1;

	fill(3, BY_UID);
	a1 = WAIT(.owner = &alice);
	a2 = WAIT(.owner = &alice_other);
	b1 = WAIT(.owner = &bob);
	for (int i = 0; i < 3; i++)
		free_one(i);
	expect_decided(a1, 0);
	expect_decided(b1, 0);
	expect_decided(a2, 0);
}
END_TEST

START_TEST(units_count_not_sessions)
{
	struct waiter *alices, *bobs;

	fill(2, BY_UID);
	set_limit("default", 6);
	TAKE(.owner = &alice, .units = 3);
	TAKE(.owner = &bob);
	alices = WAIT(.owner = &alice);
	bobs = WAIT(.owner = &bob);
	free_one(0);
	expect_decided(bobs, 0);
	free_one(1);
	expect_decided(alices, 0);
}
END_TEST

START_TEST(fair_by_process_tells_processes_of_a_user_apart)
{
	struct waiter *first, *second, *other;

	fill(2, BY_PROCESS);
	first = WAIT(.owner = &alice);
	second = WAIT(.owner = &alice_again);
	other = WAIT(.owner = &alice_other);
	free_one(0);
	expect_decided(first, 0);
	free_one(1);
	expect_decided(other, 0);
	ck_assert(!second->is_decided);
}
END_TEST

START_TEST(fair_by_label_shares_among_labels_and_those_without)
{
	struct waiter *x1, *x2, *none;

	fill(2, BY_LABEL);
	x1 = WAIT(.label = "x");
	x2 = WAIT(.label = "x", .owner = &bob);
	none = WAIT(.owner = &bob);
	free_one(0); /* which had no label */
	expect_decided(x1, 0);
	free_one(1);
	expect_decided(none, 0);
	ck_assert(!x2->is_decided);
}
END_TEST

START_TEST(fair_by_none_is_the_order_of_arrival)
{
	struct waiter *a1, *a2, *b1;

	fill(3, BY_NONE);
	a1 = WAIT(.owner = &alice);
	a2 = WAIT(.owner = &alice);
	b1 = WAIT(.owner = &bob);
	for (int i = 0; i < 3; i++)
		free_one(i);
	expect_decided(a1, 0);
	expect_decided(a2, 0);
	expect_decided(b1, 0);
}
END_TEST

START_TEST(a_priority_is_a_head_start_of_age_step_each)
{
	struct waiter *early, *late;

	fill(1, BY_UID);
	early = WAIT(.owner = &alice);
	advance_ms(20000 + _i);
	late = WAIT(.owner = &alice, .priority = 2);
	free_one(0);
	expect_decided(_i < 0 ? late : early, 0);
}
END_TEST

START_TEST(a_priority_does_not_pass_a_key_that_holds_less)
{
	struct waiter *bobs;

	fill(1, BY_UID);
	set_limit("default", 2);
	TAKE(.owner = &alice);
	WAIT(.owner = &alice, .priority = 9);
	bobs = WAIT(.owner = &bob);
	free_one(0);
	expect_decided(bobs, 0);
}
END_TEST

START_TEST(among_equal_keys_the_priority_decides)
{
	struct waiter *alices;

	fill(1, BY_UID);
	WAIT(.owner = &bob);
	advance_ms(5);
	alices = WAIT(.owner = &alice, .priority = 1);
	free_one(0);
	expect_decided(alices, 0);
}
END_TEST

START_TEST(the_largest_age_step_does_not_overflow)
{
	struct waiter *late;

	fill(1, BY_UID);
	settings.age_step_ms = INT64_MAX;
	set_pool("default", &settings);
	WAIT(.owner = &alice, .priority = 8);
	advance_ms(1);
	late = WAIT(.owner = &alice, .priority = 9);
	free_one(0);
	expect_decided(late, 0);
}
END_TEST

START_TEST(the_largest_starve_after_is_never)
{
	struct waiter *bobs;

	fill(1, BY_UID);
	settings.starve_after_ms = INT64_MAX;
	settings.limit = 2;
	set_pool("default", &settings);
	TAKE(.owner = &alice);
	WAIT(.owner = &alice);
	advance_ms(1000000000);
	bobs = WAIT(.owner = &bob);
	free_one(0);
	expect_decided(bobs, 0);
}
END_TEST

START_TEST(the_starved_go_first_in_the_order_of_arrival)
{
	struct waiter *a1, *a2, *bobs;

	fill(3, BY_UID);
	settings.limit = 4;
	set_pool("default", &settings);
	TAKE(.owner = &alice);
	a1 = WAIT(.owner = &alice);
	a2 = WAIT(.owner = &alice, .priority = 9);
	advance_ms(300001);
	bobs = WAIT(.owner = &bob);
	ck_assert_uint_eq(position_of(a1), 1);
	ck_assert_uint_eq(position_of(a2), 2);
	ck_assert_uint_eq(position_of(bobs), 3);
	for (int i = 0; i < 3; i++)
		free_one(i);
	expect_decided(a1, 0);
	expect_decided(a2, 0);
	expect_decided(bobs, 0);
}
END_TEST

START_TEST(nobody_is_starved_at_starve_after_exactly)
{
	struct waiter *bobs;

	fill(1, BY_UID);
	set_limit("default", 2);
	TAKE(.owner = &alice);
	WAIT(.owner = &alice);
	advance_ms(300000);
	bobs = WAIT(.owner = &bob);
	free_one(0);
	expect_decided(bobs, 0);
}
END_TEST

START_TEST(the_time_of_starvation_is_a_deadline)
{
	struct waiter *small;

	settings = pool_settings_builtin;
	settings.limit = 3;
	settings.starve_after_ms = 1000;
	set_pool("default", &settings);
	TAKE(.owner = &alice, .units = 2);
	pause_pool("default", 1, NULL);
	small = WAIT(.owner = &alice);
	advance_ms(500);
	WAIT(.owner = &bob, .units = 2); /* holds least, and does not fit */
	expire();
	ck_assert(!small->is_decided);
	ck_assert_int_eq(table_next_deadline(table), small->since_us + SECOND_US + 1);
	advance_ms(500);
	ck_assert_uint_eq(expire(), 0);
	now.now_us++;
	ck_assert_uint_eq(expire(), 1);
	expect_decided(small, 0);
}
END_TEST

START_TEST(the_chosen_one_is_not_passed_by_a_smaller_one)
{
	struct waiter *large, *small;

	fill(2, BY_UID);
	large = WAIT(.owner = &alice, .units = 2);
	small = WAIT(.owner = &bob);
	free_one(0);
	expect_nobody_decided();
	free_one(1);
	expect_decided(large, 0);
	ck_assert(!small->is_decided);
}
END_TEST

START_TEST(a_change_of_fair_by_holds_for_those_who_wait)
{
	struct waiter *a1, *a2;

	fill(3, BY_UID);
	a1 = WAIT(.owner = &alice);
	a2 = WAIT(.owner = &alice);
	WAIT(.owner = &bob);
	settings.fair_by = BY_NONE;
	set_pool("default", &settings);
	free_one(0);
	free_one(1);
	expect_decided(a1, 0);
	expect_decided(a2, 0);
}
END_TEST

START_TEST(a_change_of_age_step_holds_for_those_who_wait)
{
	struct waiter *late;

	fill(1, BY_UID);
	WAIT(.owner = &alice);
	advance_ms(30);
	late = WAIT(.owner = &alice, .priority = 1);
	settings.age_step_ms = 31;
	set_pool("default", &settings);
	free_one(0);
	expect_decided(late, 0);
}
END_TEST

START_TEST(a_newcomer_who_is_next_and_fits_is_granted_at_once)
{
	struct waiter *large, *small;

	fill(2, BY_UID);
	large = WAIT(.owner = &alice, .units = 2);
	free_one(0);
	small = WAIT(.owner = &bob, .priority = 9);
	expect_decided(small, 0);
	ck_assert(!large->is_decided);
}
END_TEST

START_TEST(a_key_whose_first_one_is_passed_over_stands_where_the_next_one_does)
{
	struct waiter *bobs;

	fill(2, BY_UID);
	settings.quotas[BY_LABEL] = 1;
	settings.limit = 3;
	set_pool("default", &settings);
	TAKE(.owner = &carol, .label = "x");
	WAIT(.owner = &alice, .label = "x");
	advance_ms(1);
	bobs = WAIT(.owner = &bob);
	advance_ms(1);
	WAIT(.owner = &alice);
	free_one(0);
	expect_decided(bobs, 0);
}
END_TEST

START_TEST(those_without_a_label_have_no_quota_as_a_key)
{
	struct waiter *plain;

	fill(2, BY_LABEL);
	settings.quotas[BY_LABEL] = 1;
	set_pool("default", &settings);
	plain = WAIT();
	free_one(0);
	expect_decided(plain, 0);
}
END_TEST

START_TEST(positions_follow_the_turns)
{
	struct waiter *a[3], *bobs;

	fill(1, BY_UID);
	for (int i = 0; i < 3; i++)
		a[i] = WAIT(.owner = &alice);
	bobs = WAIT(.owner = &bob);
	ck_assert_uint_eq(position_of(a[0]), 1);
	ck_assert_uint_eq(position_of(bobs), 2);
	ck_assert_uint_eq(position_of(a[1]), 3);
	ck_assert_uint_eq(position_of(a[2]), 4);
}
END_TEST

/* Without what operate() does after each, which is slow with so many. Each in a key of its own, if
 * that. Returns the last one. */
static struct waiter *wait_in_line(int n, bool are_alone)
{
	struct create_request request = {.pool = "default",
		.pool_length = 7,
		.caller = &alice,
		.timeout_ms = CREATE_TIMEOUT_ABSENT,
		.wait_us = WAIT_FOR_EVER,
		.inbox = &inbox};

	for (int i = 0; i < n; i++) {
		char name[16];
		struct text *label = text_new(
			name, (size_t)snprintf(name, sizeof(name), "%d", are_alone ? i : 0));
		struct session_params params = {
			.id = 100000 + (uint64_t)i, .units = 1, .label = label, .request_id = name};

		params.request_id_length = (size_t)snprintf(name, sizeof(name), "%d", i);
		request.fresh = session_new(&params);
		request.waiter = make_waiter();
		text_unref(label);
		session_view_deinit(&created.session);
		ck_assert_int_eq(table_create(table, &request, now, &created, &change), 0);
		ck_assert(created.is_waiting);
		give_wanted();
	}
	return request.waiter;
}

static void let_many_wait(void)
{
	fill(1, BY_LABEL);
	settings.max_waiters = 5000;
	set_pool("default", &settings);
}

START_TEST(a_place_far_back_in_a_key_is_said_to_be_the_largest)
{
	let_many_wait();
	ck_assert_uint_eq(position_of(wait_in_line(POSITION_MAX - 1, false)), POSITION_MAX - 1);
	ck_assert_uint_eq(position_of(WAIT(.label = "0")), POSITION_MAX);
	ck_assert_uint_eq(position_of(WAIT(.label = "0")), POSITION_MAX);
}
END_TEST

START_TEST(a_place_far_back_among_keys_is_said_to_be_the_largest)
{
	let_many_wait();
	ck_assert_uint_eq(position_of(wait_in_line(POSITION_MAX + 100, true)), POSITION_MAX);
}
END_TEST

START_TEST(the_first_of_very_many_keys_has_the_first_place)
{
	struct waiter *first;

	let_many_wait();
	first = WAIT(.label = "first");
	advance_ms(1);
	wait_in_line(POSITION_MAX + 100, true);
	ck_assert_uint_eq(position_of(first), 1);
}
END_TEST

START_TEST(a_place_far_back_among_the_starved_is_said_to_be_the_largest)
{
	struct waiter *last;

	let_many_wait();
	last = wait_in_line(POSITION_MAX + 100, false);
	advance_ms(settings.starve_after_ms + 1);
	pool_view("default"); /* tells the table the time */
	ck_assert_uint_eq(position_of(last), POSITION_MAX);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, the_user_who_holds_least_is_next);
	tcase_add_test(tcase, users_who_hold_as_much_come_in_the_order_of_arrival);
	tcase_add_test(tcase, units_count_not_sessions);
	tcase_add_test(tcase, fair_by_process_tells_processes_of_a_user_apart);
	tcase_add_test(tcase, fair_by_label_shares_among_labels_and_those_without);
	tcase_add_test(tcase, fair_by_none_is_the_order_of_arrival);
	tcase_add_loop_test(tcase, a_priority_is_a_head_start_of_age_step_each, -1, 1);
	tcase_add_test(tcase, a_priority_does_not_pass_a_key_that_holds_less);
	tcase_add_test(tcase, among_equal_keys_the_priority_decides);
	tcase_add_test(tcase, the_largest_age_step_does_not_overflow);
	tcase_add_test(tcase, the_largest_starve_after_is_never);
	tcase_add_test(tcase, the_starved_go_first_in_the_order_of_arrival);
	tcase_add_test(tcase, nobody_is_starved_at_starve_after_exactly);
	tcase_add_test(tcase, the_time_of_starvation_is_a_deadline);
	tcase_add_test(tcase, the_chosen_one_is_not_passed_by_a_smaller_one);
	tcase_add_test(tcase, a_change_of_fair_by_holds_for_those_who_wait);
	tcase_add_test(tcase, a_change_of_age_step_holds_for_those_who_wait);
	tcase_add_test(tcase, a_newcomer_who_is_next_and_fits_is_granted_at_once);
	tcase_add_test(tcase, a_key_whose_first_one_is_passed_over_stands_where_the_next_one_does);
	tcase_add_test(tcase, those_without_a_label_have_no_quota_as_a_key);
	tcase_add_test(tcase, positions_follow_the_turns);
	tcase_add_test(tcase, a_place_far_back_in_a_key_is_said_to_be_the_largest);
	tcase_add_test(tcase, a_place_far_back_among_keys_is_said_to_be_the_largest);
	tcase_add_test(tcase, the_first_of_very_many_keys_has_the_first_place);
	tcase_add_test(tcase, a_place_far_back_among_the_starved_is_said_to_be_the_largest);
}

int main(void)
{
	return run_tests("table_fairness", add);
}
