/* SPDX-License-Identifier: MIT */
/* What is marked to be stored, and in which order it is taken. */
#include "tests/unit/stored_table.h"

static void setup(void)
{
	stored_setup();
	forget_marks();
	table_begin_section(table);
}

static bool has_changed(void)
{
	bool has_changed = table_changed(table) == table_section(table);

	table_begin_section(table);
	return has_changed;
}

/* This one and no other is marked, by a change of this section. */
static void expect_marked(uint64_t id)
{
	ck_assert(has_changed());
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 1);
	ck_assert_uint_eq(taken[0].session->id, id);
	ck_assert(!taken[0].is_gone);
}

static void expect_gone(uint64_t id)
{
	ck_assert(has_changed());
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 1);
	ck_assert_uint_eq(taken[0].session->id, id);
	ck_assert(taken[0].is_gone);
}

static void expect_unmarked(void)
{
	ck_assert(!has_changed());
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 0);
}

static void expect_pool_marked(const char *name)
{
	ck_assert_uint_eq(take_pools(TAKEN_MAX), 1);
	ck_assert_str_eq(taken_pools[0].name->bytes, name);
}

static void expect_no_pool_marked(void)
{
	ck_assert_uint_eq(take_pools(TAKEN_MAX), 0);
}

/* ---- what is marked: sessions ---- */

START_TEST(nothing_is_marked_where_there_is_no_store)
{
	fixture_crash();
	TAKE();
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 0);
	expect_no_pool_marked();
}
END_TEST

START_TEST(keeping_changes_marks_the_pools_and_not_the_sessions)
{
	fixture_crash();
	TAKE();
	table_keep_changes(table);
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 0);
	expect_pool_marked("default");
}
END_TEST

START_TEST(a_creation_marks_the_session_and_its_pool)
{
	set_limit("p", 1);
	commit();
	expect_marked(TAKE(.pool = "p"));
	expect_pool_marked("p");
}
END_TEST

START_TEST(what_is_taken_is_the_session_as_it_is)
{
	uint64_t id = TAKE(.metadata = "{}", .timeout_ms = 5000, .process = &alice_other);

	start(&alice, id);
	revoke(&alice, id, false);
	expect_marked(id);
	ck_assert_int_eq(taken[0].state, SESSION_PROCESSING);
	ck_assert_int_eq(taken[0].owner_kind, OWNER_PROCESS);
	ck_assert(taken[0].is_revoking);
	ck_assert_uint_eq(taken[0].uid, 1000);
	ck_assert_int_eq(taken[0].timeout_ms, 5000);
	ck_assert_int_eq(taken[0].started_wall_us, now.wall_us);
	ck_assert_int_eq(taken[0].identity->pid, 101);
	ck_assert_int_eq(taken[0].creator->pid, 100);
	ck_assert_str_eq(taken[0].metadata->bytes, "{}");
}
END_TEST

START_TEST(a_wait_is_not_marked)
{
	set_limit("default", 1);
	TAKE();
	commit();
	WAIT();
	expect_unmarked();
	expect_no_pool_marked();
}
END_TEST

START_TEST(the_end_of_a_wait_is_not_marked)
{
	struct waiter *waiter;

	set_limit("default", 1);
	TAKE();
	waiter = WAIT(.wait_ms = 100);
	commit();
	abandon(waiter);
	expect_unmarked();
	WAIT(.wait_ms = 100);
	advance_ms(100);
	expire();
	expect_unmarked();
}
END_TEST

START_TEST(the_grant_of_a_waiter_marks_it)
{
	uint64_t first;
	struct waiter *waiter;

	set_limit("default", 1);
	first = TAKE();
	waiter = WAIT();
	commit();
	release(first);
	ck_assert(has_changed());
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 2);
	ck_assert_uint_eq(taken[0].session->id, first);
	ck_assert(taken[0].is_gone);
	ck_assert_ptr_eq(taken[1].session, waiter->session);
	ck_assert(!taken[1].is_gone);
	expect_pool_marked("default");
}
END_TEST

START_TEST(start_marks_the_session)
{
	uint64_t id = TAKE_STORED(0);

	ck_assert_int_eq(start(&alice, id), 0);
	expect_marked(id);
	ck_assert_int_eq(start(&alice, id), STATUS_INVALID_STATE);
	expect_unmarked();
}
END_TEST

START_TEST(renew_with_the_same_timeout_marks_nothing)
{
	uint64_t id = TAKE_STORED(.timeout_ms = 1000);

	ck_assert_int_eq(renew(&alice, id, CREATE_TIMEOUT_ABSENT), 0);
	ck_assert_int_eq(renew(&alice, id, 1000), 0);
	expect_unmarked();
}
END_TEST

START_TEST(renew_with_another_timeout_marks_the_session)
{
	uint64_t id = TAKE_STORED(.timeout_ms = 1000);

	ck_assert_int_eq(renew(&alice, id, 2000), 0);
	expect_marked(id);
	ck_assert_int_eq(taken[0].timeout_ms, 2000);
	ck_assert_int_eq(renew(&alice, id, -1), 0);
	expect_marked(id);
	ck_assert_int_eq(renew(&alice, id, -1), 0);
	expect_unmarked();
}
END_TEST

START_TEST(update_marks_the_session)
{
	uint64_t id = TAKE_STORED(.metadata = "{}");

	ck_assert_int_eq(update(&alice, id, "{\"a\":1}"), 0);
	expect_marked(id);
	ck_assert_str_eq(taken[0].metadata->bytes, "{\"a\":1}");
}
END_TEST

START_TEST(attach_marks_the_session)
{
	uint64_t id = TAKE_STORED(0);

	ck_assert_int_eq(attach(&alice_other, id, OWNER_CONNECTION), 0);
	expect_marked(id);
	ck_assert_int_eq(taken[0].identity->pid, 101);
	ck_assert_int_eq(attach(&alice_other, id, OWNER_DETACHED), 0);
	expect_marked(id);
	ck_assert_int_eq(taken[0].owner_kind, OWNER_DETACHED);
}
END_TEST

START_TEST(a_retry_by_another_connection_marks_the_session)
{
	uint64_t id = TAKE_STORED(.request_id = "r");

	TAKE(.request_id = "r", .owner = &alice_again);
	ck_assert(created.is_existing);
	expect_marked(id);
}
END_TEST

START_TEST(a_retry_by_the_same_connection_marks_nothing)
{
	TAKE_STORED(.request_id = "r");
	TAKE(.request_id = "r");
	expect_unmarked();
}
END_TEST

START_TEST(revoke_marks_the_session)
{
	uint64_t id = TAKE_STORED(0);

	ck_assert_int_eq(revoke(&alice, id, false), 0);
	expect_marked(id);
	ck_assert(taken[0].is_revoking);
	ck_assert_int_eq(revoke(&alice, id, true), 0);
	expect_gone(id);
}
END_TEST

START_TEST(the_end_marks_the_session_and_its_pool)
{
	uint64_t id;

	set_limit("p", 1);
	id = TAKE_STORED(.pool = "p");
	release(id);
	expect_gone(id);
	expect_pool_marked("p");
}
END_TEST

START_TEST(each_way_to_end_marks_the_session)
{
	uint64_t late = TAKE_STORED(.timeout_ms = 1);
	uint64_t left = TAKE_STORED(.owner = &alice_other);

	advance_ms(1);
	expire();
	expect_gone(late);
	gone(&alice_other, 10);
	expect_gone(left);
}
END_TEST

START_TEST(an_overdue_session_is_not_marked)
{
	set_hold("default");
	TAKE_STORED(.timeout_ms = 1);
	advance_ms(1);
	ck_assert_uint_eq(expire(), 1);
	expect_unmarked();
}
END_TEST

START_TEST(what_is_refused_or_only_read_marks_nothing)
{
	uint64_t id = TAKE_STORED(.timeout_ms = 1000);

	ck_assert_int_eq(renew(&bob, id, 5000), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(update(&bob, id, "{}"), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(attach(&bob, id, OWNER_CONNECTION), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(revoke(&bob, id, true), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(renew(&alice, id, 0), STATUS_TIMEOUT_OUT_OF_RANGE);
	ck_assert_int_eq(look(id), 0);
	metrics();
	expect_unmarked();
	expect_no_pool_marked();
}
END_TEST

/* ---- what is marked: pools and the table ---- */

START_TEST(a_pools_settings_mark_it)
{
	set_limit("p", 7);
	ck_assert(has_changed());
	expect_pool_marked("p");
	ck_assert_uint_eq(taken_pools[0].settings.limit, 7);
	ck_assert_uint_eq(taken_pools[0].slots, 7);
	ck_assert_int_eq(taken_pools[0].source, POOL_RUNTIME);
	set_limit("p", 3);
	ck_assert(has_changed());
	expect_pool_marked("p");
	ck_assert_uint_eq(taken_pools[0].settings.limit, 3);
	ck_assert_uint_eq(taken_pools[0].slots, 7);
}
END_TEST

START_TEST(a_pools_pause_marks_it)
{
	set_limit("p", 1);
	commit();
	pause_pool("p", 5 * SECOND_US, "why");
	ck_assert(has_changed());
	expect_pool_marked("p");
	ck_assert(taken_pools[0].pause.is_on);
	ck_assert_int_eq(taken_pools[0].pause.until_us, now.now_us + 5 * SECOND_US);
	ck_assert_str_eq(taken_pools[0].pause.reason->bytes, "why");
	resume_pool("p");
	ck_assert(has_changed());
	expect_pool_marked("p");
	ck_assert(!taken_pools[0].pause.is_on);
}
END_TEST

START_TEST(the_pause_of_all_is_the_tables)
{
	struct saved_table saved;

	pause_pool(NULL, INT64_MAX, "all");
	ck_assert(has_changed());
	table_save_globals(table, &saved);
	ck_assert(saved.pause.is_on);
	ck_assert_int_eq(saved.pause.until_us, INT64_MAX);
	ck_assert_str_eq(saved.pause.reason->bytes, "all");
	saved_table_deinit(&saved);
	resume_pool(NULL);
	ck_assert(has_changed());
}
END_TEST

START_TEST(a_removed_pool_in_use_is_marked_as_removed)
{
	set_limit("p", 1);
	TAKE_STORED(.pool = "p");
	remove_pools_but("default");
	ck_assert(has_changed());
	expect_pool_marked("p");
	ck_assert(taken_pools[0].is_removed);
}
END_TEST

START_TEST(a_refusal_changes_nothing_and_is_in_the_pools_next_record)
{
	set_limit("p", 1);
	TAKE_STORED(.pool = "p");
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_CAPACITY_REACHED);
	expect_unmarked();
	expect_pool_marked("p");
	ck_assert_uint_eq(taken_pools[0].counters.rejected[REJECTED_CAPACITY], 1);
}
END_TEST

START_TEST(resetting_the_metrics_changes_what_is_stored)
{
	struct saved_table saved;

	TAKE_STORED(0);
	table_reset_metrics(table);
	ck_assert(has_changed());
	table_save_globals(table, &saved);
	ck_assert_uint_eq(saved.totals.created, 1);
	ck_assert_uint_eq(saved.base.created, 0); /* it lives, and counts as created since */
	ck_assert_uint_eq(saved.peak, 1);
	saved_table_deinit(&saved);
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 0);
}
END_TEST

START_TEST(the_tables_numbers_are_saved)
{
	struct saved_table saved;
	uint64_t id = TAKE();

	TAKE();
	release(id);
	table_save_globals(table, &saved);
	ck_assert_uint_eq(saved.next_fence, FENCE + 2);
	ck_assert_uint_eq(saved.next_sequence, 3);
	ck_assert_uint_eq(saved.active, 1);
	ck_assert_uint_eq(saved.peak, 2);
	ck_assert_uint_eq(saved.totals.created, 2);
	ck_assert_uint_eq(saved.totals.ended[OUTCOME_COMPLETED], 1);
	saved_table_deinit(&saved);
}
END_TEST

/* ---- pools that have left ---- */

START_TEST(a_pool_that_leaves_is_kept_until_the_store_knows)
{
	struct pool *dropped;

	set_limit("p", 1);
	commit();
	remove_pools_but("default");
	ck_assert(has_changed());
	ck_assert_uint_eq(n_freed_pools, 1); /* the fresh default's settings alone */
	expect_no_pool_marked();
	dropped = table_take_dropped_pools(table);
	ck_assert_str_eq(dropped->name->bytes, "p");
	ck_assert_ptr_null(dropped->next_freed);
	ck_assert_ptr_null(table_take_dropped_pools(table));
	pool_free(dropped);
}
END_TEST

START_TEST(a_pool_that_drains_leaves_with_its_last_session)
{
	struct pool *dropped;
	uint64_t id;

	set_limit("p", 1);
	id = TAKE_STORED(.pool = "p");
	remove_pools_but("default");
	forget_marks();
	release(id);
	ck_assert_uint_eq(n_freed_pools, 0);
	expect_no_pool_marked();
	dropped = table_take_dropped_pools(table);
	ck_assert_str_eq(dropped->name->bytes, "p");
	pool_free(dropped);
}
END_TEST

START_TEST(a_pool_of_a_dropped_ones_name_is_stored)
{
	set_limit("p", 1);
	commit();
	remove_pools_but("default");
	set_limit("p", 9);
	commit();
	ck_assert_uint_eq(store.pools.count, 1);
	remove_pools_but("default");
	commit();
	ck_assert_uint_eq(store.pools.count, 0);
}
END_TEST

START_TEST(pools_that_nobody_took_are_freed_with_the_table)
{
	set_limit("p", 1);
	set_limit("q", 1);
	remove_pools_but("default");
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
	/* The leak checker tells. */
}
END_TEST

/* ---- taking ---- */

START_TEST(sessions_are_taken_in_the_order_of_their_first_change)
{
	uint64_t ids[3];

	for (int i = 0; i < 3; i++)
		ids[i] = TAKE();
	commit();
	for (int i = 3; i-- > 0;)
		start(&alice, ids[i]);
	update(&alice, ids[2], "{}");
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 3);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(taken[i].session->id, ids[2 - i]);
}
END_TEST

START_TEST(sessions_are_taken_in_portions)
{
	uint64_t ids[5];

	for (int i = 0; i < 5; i++)
		ids[i] = TAKE();
	ck_assert_uint_eq(take_sessions(2), 2);
	ck_assert_uint_eq(taken[1].session->id, ids[1]);
	start(&alice, ids[0]); /* taken: marked again, behind the others */
	start(&alice, ids[4]); /* not taken yet: keeps its place */
	ck_assert_uint_eq(take_sessions(2), 2);
	ck_assert_uint_eq(taken[0].session->id, ids[2]);
	ck_assert_uint_eq(take_sessions(2), 2);
	ck_assert_uint_eq(taken[0].session->id, ids[4]);
	ck_assert_int_eq(taken[0].state, SESSION_PROCESSING);
	ck_assert_uint_eq(taken[1].session->id, ids[0]);
	ck_assert_uint_eq(take_sessions(2), 0);
}
END_TEST

START_TEST(pools_are_taken_in_portions)
{
	set_limit("a", 1);
	set_limit("b", 2);
	set_limit("c", 3);
	ck_assert_uint_eq(take_pools(2), 2);
	ck_assert_str_eq(taken_pools[0].name->bytes, "a");
	set_limit("a", 5);
	ck_assert_uint_eq(take_pools(2), 2);
	ck_assert_str_eq(taken_pools[0].name->bytes, "c");
	ck_assert_str_eq(taken_pools[1].name->bytes, "a");
	ck_assert_uint_eq(taken_pools[1].settings.limit, 5);
	ck_assert_uint_eq(take_pools(2), 0);
}
END_TEST

START_TEST(created_and_ended_before_it_is_taken_is_taken_once_as_gone)
{
	uint64_t id = TAKE();

	release(id);
	expect_gone(id);
	ck_assert_uint_eq(taken[0].session->stored_sum, 0); /* nothing to delete */
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 0);
}
END_TEST

START_TEST(one_that_has_left_the_history_is_still_there_to_be_taken)
{
	uint64_t first = TAKE_STORED(0);

	release(first);
	for (int i = 0; i < HISTORY; i++)
		release(TAKE());
	ck_assert_int_eq(look(first), STATUS_NO_SUCH_SESSION);
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 1 + HISTORY);
	ck_assert_uint_eq(taken[0].session->id, first);
	ck_assert_uint_ne(taken[0].session->stored_sum, 0);
}
END_TEST

static struct stored_portion portion;

START_TEST(ends_that_the_store_does_not_know_yet_are_counted)
{
	uint64_t first = TAKE_STORED(0), second = TAKE_STORED(0), third = TAKE();

	release(first);
	table_stored_after(table, 0, &portion);
	ck_assert_uint_eq(portion.n_ended, 1);
	ck_assert_uint_eq(portion.ended_sums, record_sum(store.sessions.items[0].bytes));
	release(third); /* never stored */
	start(&alice, second);
	table_stored_after(table, 0, &portion);
	ck_assert_uint_eq(portion.n_ended, 1);
	commit();
	table_stored_after(table, 0, &portion);
	ck_assert_uint_eq(portion.n_ended, 0);
	ck_assert_uint_eq(store.sessions.count, 1);
}
END_TEST

START_TEST(live_sessions_that_are_stored_are_told_of)
{
	uint64_t id = TAKE();

	table_stored_after(table, 0, &portion);
	ck_assert_uint_eq(portion.n, 0);
	ck_assert_uint_eq(portion.position, UINT64_MAX);
	commit();
	table_stored_after(table, 0, &portion);
	ck_assert_uint_eq(portion.n, 1);
	ck_assert_uint_eq(portion.sessions[0].id, id);
	ck_assert_uint_eq(portion.sessions[0].sum, record_sum(store.sessions.items[0].bytes));
	ck_assert_uint_eq(portion.sessions[0].sequence, store.sessions.items[0].sequence);
	release(id);
	table_stored_after(table, 0, &portion);
	ck_assert_uint_eq(portion.n, 0);
}
END_TEST

START_TEST(what_is_stored_is_told_in_portions)
{
	uint64_t first, last;

	set_limit("default", STORED_A_PORTION + 2);
	for (int i = 0; i < STORED_A_PORTION; i++)
		first = TAKE();
	first = TAKE();
	last = TAKE();
	commit();
	release(last);
	table_stored_after(table, 0, &portion);
	ck_assert_uint_eq(portion.n, STORED_A_PORTION);
	ck_assert_uint_eq(portion.n_ended, 0);
	ck_assert_uint_eq(portion.position, portion.sessions[portion.n - 1].sequence);
	table_stored_after(table, portion.position, &portion);
	ck_assert_uint_eq(portion.n, 1);
	ck_assert_uint_eq(portion.sessions[0].id, first);
	ck_assert_uint_eq(portion.n_ended, 1);
	ck_assert_uint_eq(portion.position, UINT64_MAX);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup, stored_teardown);
	tcase_add_test(tcase, nothing_is_marked_where_there_is_no_store);
	tcase_add_test(tcase, keeping_changes_marks_the_pools_and_not_the_sessions);
	tcase_add_test(tcase, a_creation_marks_the_session_and_its_pool);
	tcase_add_test(tcase, what_is_taken_is_the_session_as_it_is);
	tcase_add_test(tcase, a_wait_is_not_marked);
	tcase_add_test(tcase, the_end_of_a_wait_is_not_marked);
	tcase_add_test(tcase, the_grant_of_a_waiter_marks_it);
	tcase_add_test(tcase, start_marks_the_session);
	tcase_add_test(tcase, renew_with_the_same_timeout_marks_nothing);
	tcase_add_test(tcase, renew_with_another_timeout_marks_the_session);
	tcase_add_test(tcase, update_marks_the_session);
	tcase_add_test(tcase, attach_marks_the_session);
	tcase_add_test(tcase, a_retry_by_another_connection_marks_the_session);
	tcase_add_test(tcase, a_retry_by_the_same_connection_marks_nothing);
	tcase_add_test(tcase, revoke_marks_the_session);
	tcase_add_test(tcase, the_end_marks_the_session_and_its_pool);
	tcase_add_test(tcase, each_way_to_end_marks_the_session);
	tcase_add_test(tcase, an_overdue_session_is_not_marked);
	tcase_add_test(tcase, what_is_refused_or_only_read_marks_nothing);
	tcase_add_test(tcase, a_pools_settings_mark_it);
	tcase_add_test(tcase, a_pools_pause_marks_it);
	tcase_add_test(tcase, the_pause_of_all_is_the_tables);
	tcase_add_test(tcase, a_removed_pool_in_use_is_marked_as_removed);
	tcase_add_test(tcase, a_refusal_changes_nothing_and_is_in_the_pools_next_record);
	tcase_add_test(tcase, resetting_the_metrics_changes_what_is_stored);
	tcase_add_test(tcase, the_tables_numbers_are_saved);
	tcase_add_test(tcase, a_pool_that_leaves_is_kept_until_the_store_knows);
	tcase_add_test(tcase, a_pool_that_drains_leaves_with_its_last_session);
	tcase_add_test(tcase, a_pool_of_a_dropped_ones_name_is_stored);
	tcase_add_test(tcase, pools_that_nobody_took_are_freed_with_the_table);
	tcase_add_test(tcase, sessions_are_taken_in_the_order_of_their_first_change);
	tcase_add_test(tcase, sessions_are_taken_in_portions);
	tcase_add_test(tcase, pools_are_taken_in_portions);
	tcase_add_test(tcase, created_and_ended_before_it_is_taken_is_taken_once_as_gone);
	tcase_add_test(tcase, one_that_has_left_the_history_is_still_there_to_be_taken);
	tcase_add_test(tcase, ends_that_the_store_does_not_know_yet_are_counted);
	tcase_add_test(tcase, live_sessions_that_are_stored_are_told_of);
	tcase_add_test(tcase, what_is_stored_is_told_in_portions);
}

int main(void)
{
	return run_tests("table_persist", add);
}
