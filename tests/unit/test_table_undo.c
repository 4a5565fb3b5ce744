/* SPDX-License-Identifier: MIT */
/* What could not be stored: it is taken back or marked again, and while the store is away nobody is
 * granted anything. */
#include "tests/unit/stored_table.h"

#include <errno.h>

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

/* ---- what could not be stored ---- */

START_TEST(an_undone_creation_ends_as_cancelled_and_counts_as_refused)
{
	uint64_t id = TAKE(.metadata = "{}");

	fail_commit();
	ck_assert_int_eq(outcome_of(id), OUTCOME_CANCELLED);
	ck_assert_uint_eq(metrics().active, 0);
	ck_assert_uint_eq(metrics().metadata_bytes, 0);
	ck_assert_uint_eq(metrics().totals.created, 1);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_CANCELLED], 1);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_STORE], 1);
	ck_assert_uint_eq(pool_view("default")->counters.rejected[REJECTED_STORE], 1);
	ck_assert(created.session.session->is_undone);
}
END_TEST

START_TEST(the_fence_of_an_undone_creation_is_burnt)
{
	TAKE();
	fail_commit();
	TAKE();
	ck_assert_uint_eq(created.session.fence, FENCE + 1);
	ck_assert_uint_eq(created.session.session->slots[0], 0); /* its slot is free */
}
END_TEST

START_TEST(the_request_id_of_an_undone_creation_is_free)
{
	uint64_t id = TAKE(.request_id = "r");

	fail_commit();
	ck_assert_uint_ne(TAKE(.request_id = "r", .fingerprint = 5), id);
	ck_assert(!created.is_existing);
}
END_TEST

START_TEST(an_undone_creation_of_a_process_gives_it_back)
{
	TAKE(.process = &alice_other);
	fail_commit();
	ck_assert_uint_eq(metrics().processes, 0);
	ck_assert_uint_eq(n_idle_processes, 1);
}
END_TEST

START_TEST(a_waiters_grant_that_cannot_be_stored_is_undone)
{
	uint64_t first;
	struct waiter *waiter;

	set_limit("default", 1);
	first = TAKE_STORED(0);
	waiter = WAIT();
	release(first);
	fail_commit();
	expect_decided(waiter, STATUS_STORE_UNAVAILABLE); /* though it was decided as granted */
	ck_assert(waiter->session->is_undone);
	ck_assert_int_eq(waiter->session->state, SESSION_ENDED);
	ck_assert_int_eq(outcome_of(first), OUTCOME_COMPLETED);
	ck_assert_uint_eq(metrics().active, 0);
}
END_TEST

START_TEST(an_undone_session_makes_room_for_the_next_waiter)
{
	struct waiter *waiter;

	set_limit("default", 1);
	TAKE();
	waiter = WAIT();
	table_set_storing(table, false);
	fail_commit();
	expect_nobody_decided();
	table_set_storing(table, true);
	operate(0);
	expect_decided(waiter, 0);
	ck_assert(!waiter->session->is_undone);
}
END_TEST

START_TEST(one_that_ended_before_the_commit_failed_keeps_its_outcome)
{
	uint64_t id = TAKE();

	release_as(&alice, id, OUTCOME_ERROR, "r");
	fail_commit();
	ck_assert_int_eq(outcome_of(id), OUTCOME_ERROR);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_STORE], 0);
	ck_assert(!created.session.session->is_undone);
}
END_TEST

/* Its creation is told again later than its end. */
START_TEST(one_that_has_ended_is_not_undone)
{
	uint64_t id = TAKE();
	struct session *session = session_ref(created.session.session);

	release_as(&alice, id, OUTCOME_ERROR, "r");
	table_undo_session(table, session, now, &change);
	operate(0);
	ck_assert_int_eq(outcome_of(id), OUTCOME_ERROR);
	ck_assert(!session->is_undone);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_STORE], 0);
	session_unref(session);
}
END_TEST

START_TEST(what_was_stored_is_not_undone_and_marked_again)
{
	uint64_t id = TAKE_STORED(0);

	start(&alice, id);
	fail_commit();
	ck_assert_int_eq(look(id), 0);
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 1);
	ck_assert_uint_eq(taken[0].session->id, id);
	ck_assert_int_eq(taken[0].state, SESSION_PROCESSING);
}
END_TEST

START_TEST(an_end_that_could_not_be_stored_is_marked_again)
{
	uint64_t id = TAKE_STORED(0);

	release(id);
	fail_commit();
	ck_assert_uint_eq(store.sessions.count, 1);
	commit();
	ck_assert_uint_eq(store.sessions.count, 0);
}
END_TEST

START_TEST(a_change_while_the_commit_fails_is_marked_once)
{
	uint64_t id = TAKE_STORED(0);

	start(&alice, id);
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 1);
	update(&alice, id, "{}");
	table_mark_session(table, taken[0].session);
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 1);
	ck_assert_uint_eq(take_sessions(TAKEN_MAX), 0);
}
END_TEST

START_TEST(a_pool_that_could_not_be_stored_is_marked_again)
{
	set_limit("p", 3);
	fail_commit();
	ck_assert_uint_eq(store.pools.count, 0);
	expect_pool_marked("p");
}
END_TEST

START_TEST(a_pool_that_left_before_it_could_be_stored_is_not_marked)
{
	set_limit("p", 3);
	ck_assert_uint_eq(take_pools(TAKEN_MAX), 1);
	remove_pools_but("default");
	forget_marks();
	table_mark_pool(table, "p", 1);
	expect_no_pool_marked();
}
END_TEST

START_TEST(marking_everything_marks_what_lives_and_nothing_that_waits)
{
	uint64_t id;

	set_limit("p", 1);
	id = TAKE_STORED(.pool = "p");
	WAIT(.pool = "p");
	forget_marks();
	table_mark_everything(table);
	expect_marked(id);
	ck_assert_uint_eq(taken[0].session->stored_sum, 0);
	ck_assert_uint_eq(take_pools(TAKEN_MAX), 2);
}
END_TEST

START_TEST(a_store_that_begins_anew_is_not_asked_to_delete_what_it_never_had)
{
	static struct stored_portion portion;
	uint64_t id = TAKE_STORED(0), other = TAKE_STORED(0);

	release(id);
	list_store_deinit(&store);
	table_mark_everything(table);
	table_stored_after(table, 0, &portion);
	ck_assert_uint_eq(portion.n_ended, 0);
	commit(); /* the list aborts on a delete in vain, as the store fails */
	ck_assert_uint_eq(store.sessions.count, 1);
	ck_assert_int_eq(look(other), 0);
}
END_TEST

/* ---- while the store is away ---- */

START_TEST(newcomers_are_refused_while_nothing_can_be_stored)
{
	table_set_storing(table, false);
	ck_assert_int_eq(CREATE(), STATUS_STORE_UNAVAILABLE);
	ck_assert_int_eq(CREATE(.wait_ms = -1), STATUS_STORE_UNAVAILABLE);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_STORE], 2);
	expect_nobody_decided();
	table_set_storing(table, true);
	TAKE();
}
END_TEST

START_TEST(what_is_wrong_with_a_request_is_said_all_the_same)
{
	table_set_storing(table, false);
	ck_assert_int_eq(CREATE(.pool = "none"), STATUS_NO_SUCH_POOL);
	ck_assert_int_eq(CREATE(.timeout_ms = TIMEOUT_ZERO), STATUS_TIMEOUT_OUT_OF_RANGE);
	ck_assert_int_eq(CREATE(.units = 201), STATUS_INVALID_PARAMETER);
}
END_TEST

START_TEST(known_request_ids_are_answered_while_nothing_can_be_stored)
{
	uint64_t id = TAKE_STORED(.request_id = "r");

	table_set_storing(table, false);
	ck_assert_uint_eq(TAKE(.request_id = "r", .owner = &alice_again), id);
	ck_assert(created.is_existing);
	ck_assert_int_eq(CREATE(.request_id = "r", .fingerprint = 9), STATUS_REQUEST_ID_IN_USE);
}
END_TEST

START_TEST(a_waiting_request_is_taken_over_while_nothing_can_be_stored)
{
	struct waiter *first, *second;

	set_limit("default", 1);
	TAKE_STORED(0);
	first = WAIT(.request_id = "r");
	table_set_storing(table, false);
	second = WAIT(.request_id = "r", .owner = &alice_again);
	expect_decided(first, STATUS_CANCELLED);
	ck_assert_uint_eq(position_of(second), 1);
}
END_TEST

START_TEST(those_who_wait_stay_and_are_granted_afterwards_in_order)
{
	uint64_t ids[2];
	struct waiter *first, *second;

	set_limit("default", 2);
	ids[0] = TAKE();
	ids[1] = TAKE();
	first = WAIT();
	second = WAIT(.owner = &alice_other);
	commit();
	table_set_storing(table, false);
	release(ids[0]);
	release(ids[1]);
	expect_nobody_decided();
	ck_assert_uint_eq(metrics().waiting, 2);
	table_set_storing(table, true);
	operate(0);
	expect_decided(first, 0);
	expect_decided(second, 0);
}
END_TEST

START_TEST(a_wait_times_out_though_nothing_can_be_stored)
{
	uint64_t id;
	struct waiter *waiter;

	set_limit("default", 1);
	id = TAKE_STORED(0);
	waiter = WAIT(.wait_ms = 100);
	table_set_storing(table, false);
	release(id);
	advance_ms(100);
	expire();
	expect_decided(waiter, STATUS_WAIT_TIMEOUT);
}
END_TEST

START_TEST(a_drain_ends_waits_though_nothing_can_be_stored)
{
	struct waiter *waiter;

	set_limit("default", 1);
	TAKE_STORED(0);
	waiter = WAIT();
	table_set_storing(table, false);
	drain();
	expect_decided(waiter, STATUS_SHUTTING_DOWN);
}
END_TEST

START_TEST(the_removal_of_a_pool_ends_waits_though_nothing_can_be_stored)
{
	struct waiter *waiter;

	set_limit("p", 1);
	TAKE_STORED(.pool = "p");
	waiter = WAIT(.pool = "p");
	table_set_storing(table, false);
	remove_pools_but("default");
	expect_decided(waiter, STATUS_NO_SUCH_POOL);
}
END_TEST

START_TEST(releases_work_while_nothing_can_be_stored)
{
	uint64_t id = TAKE_STORED(0);

	table_set_storing(table, false);
	ck_assert_int_eq(release(id), 0);
	ck_assert_int_eq(outcome_of(id), OUTCOME_COMPLETED);
}
END_TEST

/* ---- fences ---- */

START_TEST(fences_are_given_up_to_the_limit_but_not_itself)
{
	table_set_fence_limit(table, FENCE + 2);
	TAKE();
	TAKE();
	ck_assert_uint_eq(created.session.fence, FENCE + 1);
	ck_assert_int_eq(CREATE(), STATUS_STORE_UNAVAILABLE);
	table_set_fence_limit(table, FENCE + 3);
	TAKE();
	ck_assert_uint_eq(created.session.fence, FENCE + 2);
}
END_TEST

START_TEST(a_higher_fence_limit_lets_those_in_who_wait)
{
	uint64_t id;
	struct waiter *waiter;

	set_limit("default", 1);
	id = TAKE();
	waiter = WAIT();
	table_set_fence_limit(table, FENCE + 1);
	release(id);
	expect_nobody_decided();
	table_set_fence_limit(table, FENCE + 2);
	operate(0);
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(no_limit_lifts_the_end_of_fences)
{
	struct saved_table saved = {.next_fence = (UINT64_C(1) << 53) - 1};

	table_restore_globals(table, &saved, &change);
	table_set_fence_limit(table, UINT64_MAX);
	TAKE();
	ck_assert_int_eq(CREATE(), -EOVERFLOW);
}
END_TEST

/* ---- the daemon ends ---- */

static bool orphan(struct owner *owner, size_t max)
{
	return operate(table_orphan(table, owner, max));
}

START_TEST(the_sessions_of_a_connection_become_orphans_in_portions)
{
	uint64_t ids[3];

	for (int i = 0; i < 3; i++)
		ids[i] = TAKE(.timeout_ms = 1000);
	ck_assert(orphan(&alice, 2));
	ck_assert_uint_eq(metrics().orphaned, 2);
	ck_assert(!orphan(&alice, 2));
	ck_assert_uint_eq(metrics().orphaned, 3);
	ck_assert_uint_eq(pool_view("default")->orphaned, 3);
	ck_assert(view(&alice, ids[0])->is_orphaned);
	ck_assert_int_eq(view(&alice, ids[2])->state, SESSION_IDLE);
	ck_assert(!orphan(&alice, 2));
}
END_TEST

START_TEST(an_orphan_of_the_last_run_is_stored_as_it_was)
{
	uint64_t id = TAKE_STORED(0);

	orphan(&alice, 10);
	expect_unmarked(); /* the next run makes an orphan of it by itself */
	ck_assert_int_eq(view(&alice, id)->owner_kind, OWNER_CONNECTION);
}
END_TEST

START_TEST(an_audit_counts_what_becomes_an_orphan_on_its_way)
{
	struct audit audit;

	TAKE();
	TAKE();
	table_audit_begin(table, &audit);
	ck_assert(!table_audit_step(table, &audit, 1));
	orphan(&alice, 10);
	ck_assert(table_audit_step(table, &audit, 10));
	ck_assert_uint_eq(audit.orphaned, 2);
	ck_assert_uint_eq(audit.active, 2);
	table_audit_end(&audit);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup, stored_teardown);
	tcase_add_test(tcase, an_undone_creation_ends_as_cancelled_and_counts_as_refused);
	tcase_add_test(tcase, the_fence_of_an_undone_creation_is_burnt);
	tcase_add_test(tcase, the_request_id_of_an_undone_creation_is_free);
	tcase_add_test(tcase, an_undone_creation_of_a_process_gives_it_back);
	tcase_add_test(tcase, a_waiters_grant_that_cannot_be_stored_is_undone);
	tcase_add_test(tcase, an_undone_session_makes_room_for_the_next_waiter);
	tcase_add_test(tcase, one_that_ended_before_the_commit_failed_keeps_its_outcome);
	tcase_add_test(tcase, one_that_has_ended_is_not_undone);
	tcase_add_test(tcase, what_was_stored_is_not_undone_and_marked_again);
	tcase_add_test(tcase, an_end_that_could_not_be_stored_is_marked_again);
	tcase_add_test(tcase, a_change_while_the_commit_fails_is_marked_once);
	tcase_add_test(tcase, a_pool_that_could_not_be_stored_is_marked_again);
	tcase_add_test(tcase, a_pool_that_left_before_it_could_be_stored_is_not_marked);
	tcase_add_test(tcase, marking_everything_marks_what_lives_and_nothing_that_waits);
	tcase_add_test(tcase, a_store_that_begins_anew_is_not_asked_to_delete_what_it_never_had);
	tcase_add_test(tcase, newcomers_are_refused_while_nothing_can_be_stored);
	tcase_add_test(tcase, what_is_wrong_with_a_request_is_said_all_the_same);
	tcase_add_test(tcase, known_request_ids_are_answered_while_nothing_can_be_stored);
	tcase_add_test(tcase, a_waiting_request_is_taken_over_while_nothing_can_be_stored);
	tcase_add_test(tcase, those_who_wait_stay_and_are_granted_afterwards_in_order);
	tcase_add_test(tcase, a_wait_times_out_though_nothing_can_be_stored);
	tcase_add_test(tcase, a_drain_ends_waits_though_nothing_can_be_stored);
	tcase_add_test(tcase, the_removal_of_a_pool_ends_waits_though_nothing_can_be_stored);
	tcase_add_test(tcase, releases_work_while_nothing_can_be_stored);
	tcase_add_test(tcase, fences_are_given_up_to_the_limit_but_not_itself);
	tcase_add_test(tcase, a_higher_fence_limit_lets_those_in_who_wait);
	tcase_add_test(tcase, no_limit_lifts_the_end_of_fences);
	tcase_add_test(tcase, the_sessions_of_a_connection_become_orphans_in_portions);
	tcase_add_test(tcase, an_orphan_of_the_last_run_is_stored_as_it_was);
	tcase_add_test(tcase, an_audit_counts_what_becomes_an_orphan_on_its_way);
}

int main(void)
{
	return run_tests("table_undo", add);
}
