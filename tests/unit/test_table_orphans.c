/* SPDX-License-Identifier: MIT */
/* Whose the sessions of an earlier run are: orphans, who may claim them, when they are given up. */
#include "tests/unit/stored_table.h"

/* ---- owners ---- */

START_TEST(a_connections_session_is_an_orphan_of_its_process)
{
	uint64_t id = TAKE();

	crash_and_restore();
	ck_assert(view(&alice, id)->is_orphaned);
	ck_assert_int_eq(view(&alice, id)->owner_kind, OWNER_CONNECTION);
	ck_assert_ptr_nonnull(owner_of(id));
	ck_assert_int_eq(owner_of(id)->peer.identity->pid, 100);
	ck_assert_uint_eq(metrics().orphaned, 1);
	ck_assert_uint_eq(pool_view("default")->orphaned, 1);
	ck_assert_uint_eq(metrics().processes, 1);
}
END_TEST

START_TEST(a_processes_session_is_its_own_again)
{
	uint64_t id = TAKE(.process = &alice_other);

	crash_and_restore();
	ck_assert(!view(&alice, id)->is_orphaned);
	ck_assert_int_eq(process_of(id)->peer.identity->pid, 101);
	ck_assert_uint_eq(metrics().orphaned, 0);
}
END_TEST

START_TEST(a_detached_session_is_nobodys)
{
	uint64_t id = TAKE(.kind = OWNER_DETACHED);

	crash_and_restore();
	ck_assert(!view(&alice, id)->is_orphaned);
	ck_assert_ptr_null(owner_of(id));
	ck_assert_uint_eq(metrics().processes, 0);
}
END_TEST

START_TEST(an_orphan_of_an_unknown_process_is_nobodys)
{
	uint64_t id = TAKE(.owner = &foreign);

	crash_and_restore();
	ck_assert(view(&alice, id)->is_orphaned);
	ck_assert_ptr_null(owner_of(id));
	ck_assert_uint_eq(metrics().processes, 0);
}
END_TEST

static size_t count_of_pid(int64_t pid)
{
	struct list_filter filter = {.uid = -1, .pid = pid, .state = -1};
	struct session_view found;
	uint64_t after;
	size_t n = table_page(table, &alice, &filter, 0, 10, now, &found, 1, &after);

	if (n)
		session_view_deinit(&found);
	return n;
}

/* As a store of an earlier daemon may have it: without a creator, too. */
START_TEST(a_session_of_no_known_process_is_found_by_no_pid_until_it_is_attached)
{
	struct session_params params = {
		.id = 7, .units = 1, .request_id = "r", .request_id_length = 1};
	struct saved_table saved = {.next_sequence = 10, .next_fence = FENCE + 10, .peak = 1};
	struct session *session = session_new(&params);
	bool is_new;

	saved.totals.created = 1;
	table_restore_globals(table, &saved, &change);
	session->sequence = 1;
	session->fence = FENCE;
	session->slots[0] = 0;
	session->created_us = now.now_us;
	session->state = SESSION_IDLE;
	session->owner_kind = OWNER_CONNECTION;
	session->timeout_ms = SESSION_TIMEOUT_NONE;
	session->uid = session->creator_uid = 1000;
	ck_assert_int_eq(table_restore_session(table, session, table_find_pool(table, "default", 7),
				 make_process(&bob), now, &is_new, &change),
		0);
	table_find_pool(table, "default", 7)->counters.created++;
	operate(0);
	ck_assert_ptr_null(table_maker(container_of(session->owner, struct process, owner)));
	ck_assert_uint_eq(count_of_pid(100), 0);
	ck_assert_int_eq(attach(&alice, 7, OWNER_CONNECTION), 0);
	ck_assert_uint_eq(count_of_pid(100), 1);
}
END_TEST

START_TEST(the_sessions_of_a_process_share_it)
{
	uint64_t orphan = TAKE(), other = TAKE(.owner = &alice_again);
	uint64_t own = TAKE(.process = &alice);

	crash_and_restore();
	ck_assert_uint_eq(metrics().processes, 1);
	ck_assert_ptr_eq(owner_of(orphan), owner_of(own));
	ck_assert_ptr_eq(owner_of(other), owner_of(own));
}
END_TEST

START_TEST(the_exit_of_the_process_ends_its_orphans)
{
	uint64_t orphan = TAKE(), own = TAKE(.process = &alice), other = TAKE(.owner = &bob);
	struct owner *process;

	crash_and_restore();
	process = (struct owner *)owner_of(orphan);
	ck_assert(gone(process, 1));
	ck_assert(!gone(process, 5));
	ck_assert_int_eq(outcome_of(orphan), OUTCOME_ABANDONED);
	ck_assert_int_eq(outcome_of(own), OUTCOME_ABANDONED);
	ck_assert_int_eq(look(other), 0);
	ck_assert_uint_eq(metrics().processes, 1);
	ck_assert_uint_eq(n_idle_processes, 1);
	ck_assert_uint_eq(metrics().orphaned, 1);
}
END_TEST

START_TEST(the_exit_of_a_holders_process_ends_its_orphans)
{
	uint64_t id;

	set_hold("p");
	id = TAKE(.pool = "p");
	crash_and_restore();
	gone((struct owner *)owner_of(id), 5);
	ck_assert_int_eq(outcome_of(id), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(the_end_of_the_last_orphan_hands_the_process_back)
{
	uint64_t id = TAKE();

	crash_and_restore();
	release(id);
	ck_assert_uint_eq(n_idle_processes, 1);
	ck_assert_uint_eq(metrics().processes, 0);
	ck_assert_uint_eq(metrics().orphaned, 0);
}
END_TEST

START_TEST(the_end_of_an_orphan_lets_a_waiter_in)
{
	uint64_t id;
	struct waiter *waiter;

	set_limit("default", 1);
	id = TAKE();
	crash_and_restore();
	waiter = WAIT(.owner = &bob);
	gone((struct owner *)owner_of(id), 5);
	expect_decided(waiter, 0);
}
END_TEST

/* ---- coming back ---- */

START_TEST(attach_claims_an_orphan)
{
	uint64_t id = TAKE();

	crash_and_restore();
	ck_assert_int_eq(attach(&alice_other, id, OWNER_CONNECTION), 0);
	ck_assert(!view(&alice, id)->is_orphaned);
	ck_assert_ptr_eq(owner_of(id), &alice_other);
	ck_assert_int_eq(view(&alice, id)->identity->pid, 101);
	ck_assert_uint_eq(metrics().orphaned, 0);
	ck_assert_uint_eq(metrics().processes, 0);
	gone(&alice_other, 5);
	ck_assert_int_eq(outcome_of(id), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(attach_of_the_same_process_claims_an_orphan)
{
	uint64_t id = TAKE();

	crash_and_restore();
	ck_assert_int_eq(attach(&alice, id, OWNER_CONNECTION), 0);
	ck_assert(!view(&alice, id)->is_orphaned);
	ck_assert_ptr_eq(owner_of(id), &alice);
	ck_assert_uint_eq(metrics().processes, 0);
}
END_TEST

START_TEST(attach_gives_an_orphan_to_its_process)
{
	uint64_t id = TAKE();

	crash_and_restore();
	ck_assert_int_eq(attach_process(&alice_again, id, &alice), 0);
	ck_assert(!view(&alice, id)->is_orphaned);
	ck_assert_int_eq(process_of(id)->peer.identity->pid, 100);
	ck_assert_uint_eq(metrics().processes, 1);
}
END_TEST

START_TEST(attach_detaches_an_orphan)
{
	uint64_t id = TAKE();

	crash_and_restore();
	ck_assert_int_eq(attach(&alice, id, OWNER_DETACHED), 0);
	ck_assert(!view(&alice, id)->is_orphaned);
	ck_assert_ptr_null(owner_of(id));
	ck_assert_int_eq(view(&alice, id)->timeout_ms, 30000);
}
END_TEST

START_TEST(another_user_cannot_have_an_orphan)
{
	uint64_t id = TAKE();

	crash_and_restore();
	ck_assert_int_eq(attach(&bob, id, OWNER_CONNECTION), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(release_as(&bob, id, OUTCOME_ERROR, NULL), STATUS_PERMISSION_DENIED);
	ck_assert(view(&alice, id)->is_orphaned);
	ck_assert_int_eq(attach(&root, id, OWNER_CONNECTION), 0);
}
END_TEST

START_TEST(an_orphan_of_the_overflow_uid_is_for_admins_only)
{
	uint64_t id = TAKE(.owner = &nobody, .request_id = "r");

	crash_and_restore();
	ck_assert_int_eq(attach(&nobody, id, OWNER_CONNECTION), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(CREATE(.owner = &nobody, .request_id = "r"), STATUS_REQUEST_ID_IN_USE);
	ck_assert_int_eq(revoke(&root, id, true), 0);
}
END_TEST

START_TEST(a_claimed_orphan_is_stored_as_its_new_owners)
{
	uint64_t id = TAKE();

	crash_and_restore();
	attach(&alice_other, id, OWNER_CONNECTION);
	crash_and_restore();
	ck_assert(view(&alice, id)->is_orphaned);
	ck_assert_int_eq(owner_of(id)->peer.identity->pid, 101);
}
END_TEST

START_TEST(the_same_create_by_another_process_claims_an_orphan)
{
	uint64_t id = TAKE(.request_id = "r", .fingerprint = 5);

	crash_and_restore();
	ck_assert_uint_eq(TAKE(.request_id = "r", .fingerprint = 5, .owner = &alice_other), id);
	ck_assert(created.is_existing);
	ck_assert_ptr_eq(owner_of(id), &alice_other);
	ck_assert(!view(&alice, id)->is_orphaned);
	ck_assert_int_eq(view(&alice, id)->creator->pid, 101);
	ck_assert_uint_eq(metrics().active, 1);
	ck_assert_uint_eq(metrics().processes, 0);
}
END_TEST

START_TEST(a_claimed_orphan_is_not_given_to_a_third_process)
{
	TAKE(.request_id = "r");
	crash_and_restore();
	TAKE(.request_id = "r", .owner = &alice_other);
	ck_assert_int_eq(CREATE(.request_id = "r", .owner = &alice), STATUS_REQUEST_ID_IN_USE);
}
END_TEST

START_TEST(another_create_with_an_orphans_request_id_is_refused)
{
	uint64_t id = TAKE(.request_id = "r", .fingerprint = 5);

	crash_and_restore();
	ck_assert_int_eq(CREATE(.request_id = "r", .fingerprint = 6), STATUS_REQUEST_ID_IN_USE);
	ck_assert_uint_eq(created.refusal.other_id, id);
	ck_assert(view(&alice, id)->is_orphaned);
	TAKE(.request_id = "r", .fingerprint = 6, .owner = &bob); /* his own */
	ck_assert(!created.is_existing);
}
END_TEST

START_TEST(a_processes_session_is_not_given_to_another_process)
{
	TAKE(.request_id = "r", .process = &alice);
	crash_and_restore();
	ck_assert_int_eq(CREATE(.request_id = "r", .owner = &alice_other, .process = &alice_other),
		STATUS_REQUEST_ID_IN_USE);
}
END_TEST

/* ---- the grace ---- */

static void end_grace(void)
{
	now.now_us += GRACE_US;
	now.wall_us += GRACE_US;
	expire();
}

START_TEST(orphans_are_given_up_at_the_end_of_the_grace)
{
	uint64_t id = TAKE();

	crash_and_restore();
	ck_assert_int_eq(table_next_deadline(table), now.now_us + GRACE_US);
	advance_ms(GRACE_US / 1000 - 1);
	expire();
	ck_assert_int_eq(look(id), 0);
	advance_ms(1);
	ck_assert_uint_gt(expire(), 0);
	ck_assert_int_eq(outcome_of(id), OUTCOME_ABANDONED);
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
	ck_assert_uint_eq(n_idle_processes, 1);
}
END_TEST

START_TEST(orphans_of_unknown_processes_are_given_up_too)
{
	uint64_t id = TAKE(.owner = &foreign);

	crash_and_restore();
	end_grace();
	ck_assert_int_eq(outcome_of(id), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(claimed_and_other_sessions_outlive_the_grace)
{
	uint64_t claimed = TAKE(), own = TAKE(.process = &alice);
	uint64_t detached = TAKE(.kind = OWNER_DETACHED, .timeout_ms = 90000);

	crash_and_restore();
	attach(&alice, claimed, OWNER_CONNECTION);
	end_grace();
	ck_assert_int_eq(look(claimed), 0);
	ck_assert_int_eq(look(own), 0);
	ck_assert_int_eq(look(detached), 0);
}
END_TEST

START_TEST(a_pool_that_holds_keeps_its_orphans)
{
	uint64_t held, other = TAKE();

	set_hold("p");
	held = TAKE(.pool = "p");
	crash_and_restore();
	end_grace();
	ck_assert_int_eq(look(held), 0);
	ck_assert(view(&alice, held)->is_orphaned);
	ck_assert_int_eq(outcome_of(other), OUTCOME_ABANDONED);
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
}
END_TEST

START_TEST(a_pool_that_does_not_hold_any_more_gives_its_orphans_up)
{
	uint64_t held;

	set_hold("p");
	held = TAKE(.pool = "p");
	crash_and_restore();
	end_grace();
	set_limit("p", 5);
	ck_assert_int_le(table_next_deadline(table), now.now_us);
	expire();
	ck_assert_int_eq(outcome_of(held), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(a_pool_that_stops_holding_within_the_grace_waits_for_its_end)
{
	uint64_t held;

	set_hold("p");
	held = TAKE(.pool = "p");
	crash_and_restore();
	set_limit("p", 5);
	expire();
	ck_assert_int_eq(look(held), 0);
	end_grace();
	ck_assert_int_eq(outcome_of(held), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(orphans_are_given_up_one_in_a_step)
{
	set_limit("default", 400);
	for (int i = 0; i < 3; i++)
		TAKE();
	TAKE(.owner = &bob, .process = &bob);
	crash_and_restore();
	now.now_us += GRACE_US;
	for (uint64_t left = 3; left-- > 0;) {
		ck_assert_uint_eq(table_expire(table, now, 1, &change), 1);
		operate(0);
		ck_assert_uint_eq(metrics().orphaned, left);
	}
	ck_assert_uint_eq(metrics().active, 1);
}
END_TEST

START_TEST(a_step_does_not_look_at_more_than_so_many)
{
	uint64_t last;

	set_limit("default", 400);
	for (int i = 0; i < 300; i++)
		TAKE(.kind = OWNER_DETACHED, .timeout_ms = 90000);
	last = TAKE();
	crash_and_restore();
	now.now_us += GRACE_US;
	ck_assert_uint_eq(table_expire(table, now, 1, &change), 1);
	operate(0);
	ck_assert_int_eq(look(last), 0);
	ck_assert_uint_eq(table_expire(table, now, 1, &change), 1);
	operate(0);
	ck_assert_int_eq(outcome_of(last), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(without_orphans_nothing_is_planned)
{
	TAKE(.process = &alice);
	crash_and_restore();
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
}
END_TEST

/* ---- deadlines ---- */

START_TEST(a_deadline_is_the_timeout_in_full_from_now)
{
	uint64_t id = TAKE(.timeout_ms = 5000);

	advance_ms(4000);
	crash();
	advance_ms(60000);
	fill();
	ck_assert_int_eq(view(&alice, id)->remaining_us, 5 * SECOND_US);
	advance_ms(5000);
	expire();
	ck_assert_int_eq(outcome_of(id), OUTCOME_TIMEOUT);
}
END_TEST

START_TEST(max_duration_is_from_creation)
{
	struct pool_settings settings = pool_settings_builtin;
	uint64_t id, other;

	settings.max_duration_ms = 10000;
	set_pool("p", &settings);
	id = TAKE(.pool = "p", .process = &alice, .timeout_ms = 8000);
	other = TAKE(.pool = "p", .process = &alice);
	advance_ms(4000);
	crash_and_restore();
	ck_assert_int_eq(view(&alice, id)->remaining_us, 6 * SECOND_US);
	ck_assert_int_eq(view(&alice, other)->remaining_us, 6 * SECOND_US);
}
END_TEST

START_TEST(a_max_duration_that_is_over_ends_the_session_at_once)
{
	struct pool_settings settings = pool_settings_builtin;
	uint64_t id;

	settings.max_duration_ms = 10000;
	set_pool("p", &settings);
	id = TAKE(.pool = "p", .process = &alice);
	crash();
	advance_ms(10000);
	fill();
	ck_assert_int_eq(look(id), 0);
	expire();
	ck_assert_int_eq(outcome_of(id), OUTCOME_TIMEOUT);
}
END_TEST

START_TEST(an_overdue_session_has_its_time_again)
{
	uint64_t id;

	set_hold("p");
	id = TAKE(.pool = "p", .timeout_ms = 1000, .process = &alice);
	advance_ms(1000);
	expire();
	ck_assert(view(&alice, id)->is_overdue);
	crash_and_restore();
	ck_assert(!view(&alice, id)->is_overdue);
	ck_assert_int_eq(view(&alice, id)->remaining_us, SECOND_US);
	advance_ms(1000);
	expire();
	ck_assert(view(&alice, id)->is_overdue);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, stored_setup, stored_teardown);
	tcase_add_test(tcase, a_connections_session_is_an_orphan_of_its_process);
	tcase_add_test(tcase, a_processes_session_is_its_own_again);
	tcase_add_test(tcase, a_detached_session_is_nobodys);
	tcase_add_test(tcase, an_orphan_of_an_unknown_process_is_nobodys);
	tcase_add_test(
		tcase, a_session_of_no_known_process_is_found_by_no_pid_until_it_is_attached);
	tcase_add_test(tcase, the_sessions_of_a_process_share_it);
	tcase_add_test(tcase, the_exit_of_the_process_ends_its_orphans);
	tcase_add_test(tcase, the_exit_of_a_holders_process_ends_its_orphans);
	tcase_add_test(tcase, the_end_of_the_last_orphan_hands_the_process_back);
	tcase_add_test(tcase, the_end_of_an_orphan_lets_a_waiter_in);
	tcase_add_test(tcase, attach_claims_an_orphan);
	tcase_add_test(tcase, attach_of_the_same_process_claims_an_orphan);
	tcase_add_test(tcase, attach_gives_an_orphan_to_its_process);
	tcase_add_test(tcase, attach_detaches_an_orphan);
	tcase_add_test(tcase, another_user_cannot_have_an_orphan);
	tcase_add_test(tcase, an_orphan_of_the_overflow_uid_is_for_admins_only);
	tcase_add_test(tcase, a_claimed_orphan_is_stored_as_its_new_owners);
	tcase_add_test(tcase, the_same_create_by_another_process_claims_an_orphan);
	tcase_add_test(tcase, a_claimed_orphan_is_not_given_to_a_third_process);
	tcase_add_test(tcase, another_create_with_an_orphans_request_id_is_refused);
	tcase_add_test(tcase, a_processes_session_is_not_given_to_another_process);
	tcase_add_test(tcase, orphans_are_given_up_at_the_end_of_the_grace);
	tcase_add_test(tcase, orphans_of_unknown_processes_are_given_up_too);
	tcase_add_test(tcase, claimed_and_other_sessions_outlive_the_grace);
	tcase_add_test(tcase, a_pool_that_holds_keeps_its_orphans);
	tcase_add_test(tcase, a_pool_that_does_not_hold_any_more_gives_its_orphans_up);
	tcase_add_test(tcase, a_pool_that_stops_holding_within_the_grace_waits_for_its_end);
	tcase_add_test(tcase, orphans_are_given_up_one_in_a_step);
	tcase_add_test(tcase, a_step_does_not_look_at_more_than_so_many);
	tcase_add_test(tcase, without_orphans_nothing_is_planned);
	tcase_add_test(tcase, a_deadline_is_the_timeout_in_full_from_now);
	tcase_add_test(tcase, max_duration_is_from_creation);
	tcase_add_test(tcase, a_max_duration_that_is_over_ends_the_session_at_once);
	tcase_add_test(tcase, an_overdue_session_has_its_time_again);
}

int main(void)
{
	return run_tests("table_orphans", add);
}
