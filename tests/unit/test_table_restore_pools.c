/* SPDX-License-Identifier: MIT */
/* What a table has again that is filled from what was stored: pools and pauses. */
#include "tests/unit/stored_table.h"

/* ---- pauses ---- */

START_TEST(a_pools_pause_goes_on)
{
	set_limit("p", 1);
	pause_pool("p", 10 * SECOND_US, "why");
	advance_ms(4000);
	crash_and_restore();
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_PAUSED);
	ck_assert_str_eq(pool_view("p")->pause_reason->bytes, "why");
	ck_assert_int_eq(pool_view("p")->paused_until_wall_us, now.wall_us + 6 * SECOND_US);
	ck_assert_int_eq(table_next_deadline(table), now.now_us + 6 * SECOND_US);
	TAKE();
}
END_TEST

START_TEST(the_pause_of_all_goes_on)
{
	set_limit("p", 1);
	pause_pool(NULL, INT64_MAX, "all");
	crash_and_restore();
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_PAUSED);
	ck_assert_int_eq(CREATE(), STATUS_PAUSED);
	ck_assert_str_eq(pool_view("p")->pause_reason->bytes, "all");
	resume_pool(NULL);
	TAKE();
}
END_TEST

START_TEST(a_pause_that_is_over_by_then_is_over)
{
	set_limit("p", 1);
	pause_pool("p", SECOND_US, "short");
	pause_pool(NULL, SECOND_US, "short");
	crash();
	advance_ms(1000);
	fill();
	TAKE(.pool = "p");
	ck_assert_int_le(table_next_deadline(table), now.now_us);
	expire();
	ck_assert(!pool_view("p")->is_paused);
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
}
END_TEST

/* ---- pools ---- */

START_TEST(a_runtime_pool_is_there_again)
{
	struct pool_settings settings = pool_settings_builtin;

	settings.on_timeout = ON_TIMEOUT_HOLD;
	settings.limit = 3;
	settings.quotas[BY_LABEL] = 2;
	settings.max_waiters = 5;
	settings.fair_by = BY_LABEL;
	set_pool("p", &settings);
	crash_and_restore();
	settings = pool_view("p")->settings;
	ck_assert_uint_eq(settings.limit, 3);
	ck_assert_int_eq(settings.on_timeout, ON_TIMEOUT_HOLD);
	ck_assert_int_eq(settings.quotas[BY_LABEL], 2);
	ck_assert_uint_eq(settings.max_waiters, 5);
	ck_assert_int_eq(settings.fair_by, BY_LABEL);
	ck_assert_int_eq(pool_view("p")->source, POOL_RUNTIME);
	ck_assert(!pool_view("p")->is_removed);
}
END_TEST

START_TEST(a_runtime_change_of_a_file_pool_wins_over_the_file)
{
	set_file_limit("p", 3);
	set_limit("p", 8);
	crash();
	set_file_limit("p", 3);
	fill();
	ck_assert_uint_eq(pool_view("p")->settings.limit, 8);
	ck_assert_int_eq(pool_view("p")->source, POOL_RUNTIME);
}
END_TEST

START_TEST(the_files_win_over_what_was_in_the_files)
{
	set_file_limit("p", 3);
	release(TAKE(.pool = "p"));
	crash();
	set_file_limit("p", 9);
	fill();
	ck_assert_uint_eq(pool_view("p")->settings.limit, 9);
	ck_assert_int_eq(pool_view("p")->source, POOL_FILE);
	ck_assert_uint_eq(pool_view("p")->counters.created, 1);
}
END_TEST

START_TEST(a_pool_gone_from_the_files_drains)
{
	uint64_t id;

	set_file_limit("p", 3);
	id = TAKE(.pool = "p");
	crash_and_restore();
	ck_assert(pool_view("p")->is_removed);
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_NO_SUCH_POOL);
	ck_assert_int_eq(renew(&alice, id, 1000), 0);
	release(id);
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
}
END_TEST

START_TEST(an_empty_pool_gone_from_the_files_is_gone)
{
	set_file_limit("p", 3);
	release(TAKE(.pool = "p"));
	crash_and_restore();
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
	ck_assert_uint_eq(metrics().totals.created, 1);
}
END_TEST

START_TEST(a_removed_runtime_pool_goes_on_draining)
{
	uint64_t id;

	set_limit("p", 3);
	id = TAKE(.pool = "p");
	remove_pools_but("default");
	crash_and_restore();
	ck_assert(pool_view("p")->is_removed);
	release(id);
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
}
END_TEST

START_TEST(a_removed_pool_that_is_in_the_files_again_is_back)
{
	set_limit("p", 3);
	TAKE(.pool = "p");
	remove_pools_but("default");
	crash();
	set_file_limit("p", 4);
	fill();
	ck_assert(!pool_view("p")->is_removed);
	ck_assert_uint_eq(pool_view("p")->settings.limit, 4);
	ck_assert_uint_eq(pool_view("p")->active, 1);
}
END_TEST

START_TEST(a_shrunk_pool_has_its_high_numbers)
{
	uint64_t ids[5];

	set_limit("p", 5);
	for (int i = 0; i < 5; i++)
		ids[i] = TAKE(.pool = "p");
	release(ids[0]);
	set_limit("p", 2);
	crash_and_restore();
	ck_assert_uint_eq(n_contradictions, 0);
	ck_assert_uint_eq(pool_view("p")->over, 2);
	ck_assert_uint_eq(view(&alice, ids[4])->session->slots[0], 4);
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_CAPACITY_REACHED);
	set_limit("p", 6);
	TAKE(.pool = "p", .units = 2);
	ck_assert_uint_eq(created.session.session->slots[0], 0);
	ck_assert_uint_eq(created.session.session->slots[1], 5);
}
END_TEST

START_TEST(a_pool_that_is_smaller_in_the_files_now_has_its_high_numbers)
{
	uint64_t id;

	set_file_limit("p", 9);
	id = TAKE(.pool = "p", .units = 9);
	crash();
	set_file_limit("p", 2);
	fill();
	ck_assert_uint_eq(n_contradictions, 0);
	ck_assert_uint_eq(pool_view("p")->over, 7);
	release(id);
	ck_assert_int_eq(CREATE(.pool = "p", .units = 3), STATUS_INVALID_PARAMETER);
	TAKE(.pool = "p", .units = 2);
}
END_TEST

START_TEST(a_shadow_pool_has_its_high_numbers)
{
	struct pool_settings settings = pool_settings_builtin;
	uint64_t id = 0;

	settings.limit = 1;
	settings.enforce = false;
	set_pool("p", &settings);
	for (int i = 0; i < 3; i++)
		id = TAKE(.pool = "p");
	crash_and_restore();
	ck_assert_uint_eq(n_contradictions, 0);
	ck_assert_uint_eq(view(&alice, id)->session->slots[0], 2);
	ck_assert_uint_eq(pool_view("p")->counters.shadow_capacity, 2);
	ck_assert_uint_eq(metrics().totals.shadow_capacity, 2);
	TAKE(.pool = "p");
	ck_assert_uint_eq(created.session.session->slots[0], 3);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, stored_setup, stored_teardown);
	tcase_add_test(tcase, a_pools_pause_goes_on);
	tcase_add_test(tcase, the_pause_of_all_goes_on);
	tcase_add_test(tcase, a_pause_that_is_over_by_then_is_over);
	tcase_add_test(tcase, a_runtime_pool_is_there_again);
	tcase_add_test(tcase, a_runtime_change_of_a_file_pool_wins_over_the_file);
	tcase_add_test(tcase, the_files_win_over_what_was_in_the_files);
	tcase_add_test(tcase, a_pool_gone_from_the_files_drains);
	tcase_add_test(tcase, an_empty_pool_gone_from_the_files_is_gone);
	tcase_add_test(tcase, a_removed_runtime_pool_goes_on_draining);
	tcase_add_test(tcase, a_removed_pool_that_is_in_the_files_again_is_back);
	tcase_add_test(tcase, a_shrunk_pool_has_its_high_numbers);
	tcase_add_test(tcase, a_pool_that_is_smaller_in_the_files_now_has_its_high_numbers);
	tcase_add_test(tcase, a_shadow_pool_has_its_high_numbers);
}

int main(void)
{
	return run_tests("table_restore_pools", add);
}
