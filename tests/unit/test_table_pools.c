/* SPDX-License-Identifier: MIT */
/* Pools come, change and go; pauses and the drain. */
#include "tests/unit/table_fixture.h"

#include <stdlib.h>

/* ---- names ---- */

START_TEST(pool_names_are_checked)
{
	static const char *const good[] = {"a", "A.b-c_9", "0", "default"};
	static const char *const bad[] = {"", ".a", "-", "_x", "a b", "a/b", "\xc3\xa4"};
	char name[POOL_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert(pool_name_is_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert(!pool_name_is_valid(bad[i], strlen(bad[i])));
	ck_assert(!pool_name_is_valid("a\0b", 3));
	memset(name, 'x', sizeof(name));
	ck_assert(pool_name_is_valid(name, POOL_NAME_MAX));
	ck_assert(!pool_name_is_valid(name, POOL_NAME_MAX + 1));
}
END_TEST

/* ---- settings ---- */

START_TEST(a_new_table_has_the_default_pool)
{
	const struct pool_view *pool = pool_view("default");

	ck_assert_uint_eq(pool->settings.limit, 200);
	ck_assert_uint_eq(pool->settings.max_metadata_bytes, 10240);
	ck_assert_int_eq(pool->source, POOL_BUILTIN);
	ck_assert_int_eq(pool->oldest_age_us, -1);
	ck_assert(!pool->is_paused);
}
END_TEST

START_TEST(pools_are_listed_by_name)
{
	struct pool_view views[3];

	set_limit("zebra", 1);
	set_limit("ant", 1);
	set_limit("cow", 1);
	ck_assert_uint_eq(table_view_pools(table, NULL, now, views, 3), 3);
	ck_assert_str_eq(views[0].name->bytes, "ant");
	ck_assert_str_eq(views[1].name->bytes, "cow");
	ck_assert_str_eq(views[2].name->bytes, "default");
	for (int i = 0; i < 3; i++)
		pool_view_deinit(&views[i]);
	ck_assert_uint_eq(table_view_pools(table, "default", now, views, 3), 1);
	ck_assert_str_eq(views[0].name->bytes, "zebra");
	pool_view_deinit(&views[0]);
	ck_assert_uint_eq(table_view_pools(table, "b", now, views, 1), 1);
	ck_assert_str_eq(views[0].name->bytes, "cow");
	pool_view_deinit(&views[0]);
	ck_assert_uint_eq(table_view_pools(table, "zebra", now, views, 3), 0);
}
END_TEST

START_TEST(an_unknown_pool_has_no_view)
{
	struct pool_view pool;

	ck_assert_int_eq(table_view_pool(table, "x", 1, now, &pool), STATUS_NO_SUCH_POOL);
	ck_assert_ptr_null(table_find_pool(table, "x", 1));
	ck_assert_int_eq(pause_pool("x", 1, NULL), STATUS_NO_SUCH_POOL);
	ck_assert_int_eq(resume_pool("x"), STATUS_NO_SUCH_POOL);
}
END_TEST

START_TEST(a_pool_that_grows_keeps_its_taken_slots)
{
	set_limit("p", 2);
	TAKE(.pool = "p", .units = 2);
	set_limit("p", 70);
	ck_assert_uint_eq(n_freed_pools, 1);
	TAKE(.pool = "p", .units = 68);
	ck_assert_uint_eq(created.session.session->slots[0], 2);
	ck_assert_uint_eq(created.session.session->slots[67], 69);
}
END_TEST

START_TEST(a_pool_that_shrinks_refuses_until_it_has_drained)
{
	uint64_t ids[5];

	set_limit("p", 5);
	for (int i = 0; i < 5; i++)
		ids[i] = TAKE(.pool = "p");
	set_limit("p", 2);
	ck_assert_uint_eq(pool_view("p")->over, 3);
	ck_assert_uint_eq(metrics().over, 3);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(CREATE(.pool = "p"), STATUS_CAPACITY_REACHED);
		release(ids[i]);
	}
	ck_assert_uint_eq(pool_view("p")->over, 0);
	TAKE(.pool = "p");
	ck_assert_uint_eq(created.session.session->slots[0], 0);
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_CAPACITY_REACHED);
}
END_TEST

START_TEST(slots_above_a_lowered_limit_stay_taken_when_it_is_raised)
{
	uint64_t low;

	set_limit("p", 3);
	low = TAKE(.pool = "p");
	TAKE(.pool = "p", .units = 2);
	set_limit("p", 1);
	release(low);
	set_limit("p", 4);
	TAKE(.pool = "p", .units = 2);
	ck_assert_uint_eq(created.session.session->slots[0], 0);
	ck_assert_uint_eq(created.session.session->slots[1], 3);
}
END_TEST

/* ---- removal ---- */

START_TEST(an_empty_pool_goes_at_once)
{
	set_limit("p", 1);
	remove_pools_but(NULL);
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
	ck_assert_uint_eq(n_freed_pools, 2); /* the fresh default's settings, too */
}
END_TEST

START_TEST(a_pool_in_use_goes_with_its_last_session)
{
	uint64_t id;

	set_limit("p", 3);
	id = TAKE(.pool = "p");
	remove_pools_but(NULL);
	ck_assert(pool_view("p")->is_removed);
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_NO_SUCH_POOL);
	ck_assert_int_eq(renew(&alice, id, 1000), 0);
	release(id);
	ck_assert_uint_eq(n_freed_pools, 1);
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
	ck_assert_int_eq(outcome_of(id), OUTCOME_COMPLETED);
}
END_TEST

START_TEST(a_gone_pools_counts_stay_in_the_totals)
{
	uint64_t id;

	set_limit("p", 1);
	id = TAKE(.pool = "p");
	CREATE(.pool = "p");
	advance_ms(1000);
	release(id);
	remove_pools_but(NULL);
	ck_assert_uint_eq(metrics().totals.created, 1);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_COMPLETED], 1);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_CAPACITY], 1);
	ck_assert_uint_eq(table_durations(table)->count, 1);
	ck_assert_uint_eq(table_durations(table)->max, (uint64_t)SECOND_US * 1000);
}
END_TEST

START_TEST(a_kept_pool_stays)
{
	set_limit("p", 1);
	set_limit("q", 1);
	remove_pools_but("q");
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
	ck_assert(!pool_view("q")->is_removed);
}
END_TEST

START_TEST(a_removed_pool_comes_back_with_its_sessions)
{
	set_limit("p", 2);
	TAKE(.pool = "p");
	remove_pools_but(NULL);
	set_limit("p", 2);
	ck_assert(!pool_view("p")->is_removed);
	TAKE(.pool = "p");
	ck_assert_uint_eq(created.session.session->slots[0], 1);
}
END_TEST

START_TEST(the_default_pool_goes_back_to_what_is_built_in)
{
	set_limit("default", 1);
	ck_assert_int_eq(pool_view("default")->source, POOL_RUNTIME);
	remove_pools_but(NULL);
	ck_assert_uint_eq(pool_view("default")->settings.limit, 200);
	ck_assert_int_eq(pool_view("default")->source, POOL_BUILTIN);
	ck_assert(!pool_view("default")->is_removed);
}
END_TEST

START_TEST(a_kept_default_pool_keeps_its_settings)
{
	set_limit("default", 1);
	remove_pools_but("default");
	ck_assert_uint_eq(pool_view("default")->settings.limit, 1);
	ck_assert_uint_eq(n_freed_pools, 1);
}
END_TEST

/* ---- pauses ---- */

START_TEST(a_paused_pool_refuses_and_says_why)
{
	set_limit("p", 1);
	pause_pool("p", 5 * SECOND_US, "upgrade");
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_PAUSED);
	ck_assert_str_eq(created.refusal.pool.pause_reason->bytes, "upgrade");
	ck_assert_int_eq(created.refusal.pool.paused_until_wall_us, now.wall_us + 5 * SECOND_US);
	ck_assert_uint_eq(pool_view("p")->counters.rejected[REJECTED_PAUSED], 1);
	TAKE();
}
END_TEST

START_TEST(a_pause_ends_by_itself_at_its_microsecond)
{
	pause_pool("default", SECOND_US, NULL);
	now.now_us += SECOND_US - 1;
	ck_assert_int_eq(CREATE(), STATUS_PAUSED);
	ck_assert(pool_view("default")->is_paused);
	now.now_us += 1;
	ck_assert(!pool_view("default")->is_paused);
	TAKE();
}
END_TEST

START_TEST(a_pause_without_an_end_lasts_until_resume)
{
	pause_pool("default", INT64_MAX, NULL);
	advance_ms(INT64_C(1000) * 86400 * 365);
	ck_assert_int_eq(CREATE(), STATUS_PAUSED);
	ck_assert_int_eq(created.refusal.pool.paused_until_wall_us, 0);
	resume_pool("default");
	TAKE();
}
END_TEST

START_TEST(a_pause_of_all_and_pauses_by_name_are_separate)
{
	set_limit("p", 1);
	pause_pool("p", INT64_MAX, "one");
	pause_pool(NULL, SECOND_US, "all");
	ck_assert_int_eq(CREATE(), STATUS_PAUSED);
	ck_assert_str_eq(pool_view("default")->pause_reason->bytes, "all");
	ck_assert_str_eq(pool_view("p")->pause_reason->bytes, "one");
	resume_pool(NULL);
	TAKE();
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_PAUSED);
	pause_pool(NULL, INT64_MAX, NULL);
	resume_pool("p");
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_PAUSED);
}
END_TEST

START_TEST(the_pause_that_lasts_longer_is_shown)
{
	pause_pool("default", SECOND_US, "short");
	pause_pool(NULL, 2 * SECOND_US, "long");
	ck_assert_str_eq(pool_view("default")->pause_reason->bytes, "long");
	ck_assert_int_eq(pool_view("default")->paused_until_wall_us, now.wall_us + 2 * SECOND_US);
	pause_pool("default", 3 * SECOND_US, "longer");
	ck_assert_str_eq(pool_view("default")->pause_reason->bytes, "longer");
}
END_TEST

START_TEST(sessions_go_on_during_a_pause)
{
	uint64_t id = TAKE(.timeout_ms = 1000);

	pause_pool(NULL, INT64_MAX, NULL);
	ck_assert_int_eq(start(&alice, id), 0);
	ck_assert_int_eq(renew(&alice, id, 1000), 0);
	ck_assert_int_eq(release(id), 0);
}
END_TEST

START_TEST(a_drain_lasts_until_all_is_resumed)
{
	ck_assert(!table_is_draining(table));
	table_drain(table, now, &change);
	ck_assert(metrics().is_draining);
	resume_pool("default");
	ck_assert_int_eq(CREATE(), STATUS_SHUTTING_DOWN);
	resume_pool(NULL);
	ck_assert(!table_is_draining(table));
	TAKE();
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, pool_names_are_checked);
	tcase_add_test(tcase, a_new_table_has_the_default_pool);
	tcase_add_test(tcase, pools_are_listed_by_name);
	tcase_add_test(tcase, an_unknown_pool_has_no_view);
	tcase_add_test(tcase, a_pool_that_grows_keeps_its_taken_slots);
	tcase_add_test(tcase, a_pool_that_shrinks_refuses_until_it_has_drained);
	tcase_add_test(tcase, slots_above_a_lowered_limit_stay_taken_when_it_is_raised);
	tcase_add_test(tcase, an_empty_pool_goes_at_once);
	tcase_add_test(tcase, a_pool_in_use_goes_with_its_last_session);
	tcase_add_test(tcase, a_gone_pools_counts_stay_in_the_totals);
	tcase_add_test(tcase, a_kept_pool_stays);
	tcase_add_test(tcase, a_removed_pool_comes_back_with_its_sessions);
	tcase_add_test(tcase, the_default_pool_goes_back_to_what_is_built_in);
	tcase_add_test(tcase, a_kept_default_pool_keeps_its_settings);
	tcase_add_test(tcase, a_paused_pool_refuses_and_says_why);
	tcase_add_test(tcase, a_pause_ends_by_itself_at_its_microsecond);
	tcase_add_test(tcase, a_pause_without_an_end_lasts_until_resume);
	tcase_add_test(tcase, a_pause_of_all_and_pauses_by_name_are_separate);
	tcase_add_test(tcase, the_pause_that_lasts_longer_is_shown);
	tcase_add_test(tcase, sessions_go_on_during_a_pause);
	tcase_add_test(tcase, a_drain_lasts_until_all_is_resumed);
}

int main(void)
{
	return run_tests("table_pools", add);
}
