/* SPDX-License-Identifier: MIT */
/* Pools that only count what they would refuse, and pools that are not for everybody. */
#include "tests/unit/table_fixture.h"

static struct pool_settings settings;

static void setup_pool(uint32_t limit)
{
	settings = pool_settings_builtin;
	settings.limit = limit;
	set_pool("default", &settings);
}

/* ---- shadow ---- */

static void setup_shadow(uint32_t limit)
{
	settings = pool_settings_builtin;
	settings.limit = limit;
	settings.enforce = false;
	set_pool("default", &settings);
}

START_TEST(a_shadow_pool_admits_above_its_limit_and_counts)
{
	setup_shadow(1);
	TAKE();
	ck_assert_uint_eq(metrics().totals.shadow_capacity, 0);
	TAKE(.units = 5);
	ck_assert_uint_eq(created.session.session->slots[4], 5);
	ck_assert_uint_eq(metrics().totals.shadow_capacity, 1);
	ck_assert_uint_eq(pool_view("default")->counters.shadow_capacity, 1);
	ck_assert_uint_eq(pool_view("default")->over, 5);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_CAPACITY], 0);
}
END_TEST

START_TEST(a_shadow_pool_admits_above_its_quotas_and_counts)
{
	setup_shadow(10);
	settings.quotas[BY_UID] = 1;
	set_pool("default", &settings);
	TAKE();
	ck_assert_uint_eq(metrics().totals.shadow_quota, 0);
	TAKE();
	ck_assert_uint_eq(metrics().totals.shadow_quota, 1);
}
END_TEST

START_TEST(a_shadow_pool_grows_its_slot_numbers)
{
	setup_shadow(1);
	for (int i = 0; i < 5; i++)
		TAKE(.units = SESSION_UNITS_MAX);
	ck_assert_uint_eq(created.session.session->slots[0], 4 * SESSION_UNITS_MAX);
}
END_TEST

START_TEST(a_paused_shadow_pool_counts_what_it_grants_from_its_queue)
{
	struct waiter *waiter;

	setup_shadow(1);
	TAKE();
	pause_pool("default", INT64_MAX, NULL);
	waiter = WAIT();
	resume_pool("default");
	expect_decided(waiter, 0);
	ck_assert_uint_eq(metrics().totals.shadow_capacity, 1);
}
END_TEST

START_TEST(a_pool_that_ends_to_enforce_lets_all_waiters_in)
{
	struct waiter *a, *b;

	setup_pool(1);
	TAKE();
	a = WAIT();
	b = WAIT();
	setup_shadow(1);
	expect_decided(a, 0);
	expect_decided(b, 0);
}
END_TEST

START_TEST(a_pool_that_begins_to_enforce_is_over_and_drains)
{
	uint64_t large;

	setup_shadow(1);
	TAKE();
	large = TAKE(.units = 3);
	setup_pool(2);
	ck_assert_uint_eq(pool_view("default")->over, 2);
	ck_assert_int_eq(CREATE(), STATUS_CAPACITY_REACHED);
	release(large);
	TAKE();
}
END_TEST

/* ---- allow lists ---- */

static void setup_allow(bool is_group, uint32_t id)
{
	struct allow_list *list = allow_list_new(1);

	list->entries[0].is_group = is_group;
	list->entries[0].id = id;
	list->entries[0].name = text_new("name", 4);
	settings = pool_settings_builtin;
	settings.limit = 1;
	settings.allow = list;
	set_pool("default", &settings);
	allow_list_unref(list);
}

START_TEST(a_pool_may_allow_a_user)
{
	setup_allow(false, 1001);
	ck_assert_int_eq(CREATE(), STATUS_PERMISSION_DENIED);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_INVALID], 1);
	TAKE(.owner = &bob);
}
END_TEST

START_TEST(a_pool_may_allow_a_group)
{
	struct groups *groups = groups_new(1);

	groups->gids[0] = 5000;
	carol.peer.groups = groups;
	setup_allow(true, 5000);
	ck_assert_int_eq(CREATE(), STATUS_PERMISSION_DENIED);
	TAKE(.owner = &carol);
}
END_TEST

START_TEST(the_first_group_of_a_process_counts_too)
{
	setup_allow(true, 1001);
	TAKE(.owner = &bob);
}
END_TEST

START_TEST(an_empty_list_allows_nobody_not_even_an_admin)
{
	struct allow_list *list = allow_list_new(0);

	settings = pool_settings_builtin;
	settings.allow = list;
	set_pool("default", &settings);
	allow_list_unref(list);
	ck_assert_int_eq(CREATE(.owner = &root), STATUS_PERMISSION_DENIED);
}
END_TEST

START_TEST(a_waiter_that_is_not_allowed_any_more_is_refused)
{
	struct waiter *alices, *bobs;

	setup_pool(1);
	TAKE(.owner = &root);
	alices = WAIT();
	bobs = WAIT(.owner = &bob);
	setup_allow(false, 1001);
	expect_decided(alices, STATUS_PERMISSION_DENIED);
	ck_assert(!bobs->is_decided);
}
END_TEST

START_TEST(a_session_that_is_not_allowed_any_more_stays)
{
	uint64_t id = TAKE();

	setup_allow(false, 1001);
	ck_assert_int_eq(look(id), 0);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_shadow_pool_admits_above_its_limit_and_counts);
	tcase_add_test(tcase, a_shadow_pool_admits_above_its_quotas_and_counts);
	tcase_add_test(tcase, a_shadow_pool_grows_its_slot_numbers);
	tcase_add_test(tcase, a_paused_shadow_pool_counts_what_it_grants_from_its_queue);
	tcase_add_test(tcase, a_pool_that_ends_to_enforce_lets_all_waiters_in);
	tcase_add_test(tcase, a_pool_that_begins_to_enforce_is_over_and_drains);
	tcase_add_test(tcase, a_pool_may_allow_a_user);
	tcase_add_test(tcase, a_pool_may_allow_a_group);
	tcase_add_test(tcase, the_first_group_of_a_process_counts_too);
	tcase_add_test(tcase, an_empty_list_allows_nobody_not_even_an_admin);
	tcase_add_test(tcase, a_waiter_that_is_not_allowed_any_more_is_refused);
	tcase_add_test(tcase, a_session_that_is_not_allowed_any_more_stays);
}

int main(void)
{
	return run_tests("table_shadow", add);
}
