/* SPDX-License-Identifier: MIT */
/* The operations on one session, and who may do them. */
#include "tests/unit/table_fixture.h"

#include <errno.h>

/* ---- which session, and who asks ---- */

START_TEST(an_unknown_session_is_none)
{
	ck_assert_int_eq(start(&root, 99), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(renew(&root, 99, 1), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(update(&root, 99, "{}"), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(release_as(&root, 99, OUTCOME_COMPLETED, NULL), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(attach(&root, 99, OWNER_CONNECTION), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(revoke(&root, 99, true), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(look(99), STATUS_NO_SUCH_SESSION);
}
END_TEST

START_TEST(an_ended_session_tells_its_outcome_to_everyone)
{
	uint64_t id = TAKE();

	release_as(&alice, id, OUTCOME_ERROR, NULL);
	ck_assert_int_eq(start(&bob, id), STATUS_SESSION_ENDED);
	ck_assert_int_eq(ref.outcome, OUTCOME_ERROR);
	ck_assert_int_eq(renew(&bob, id, 1), STATUS_SESSION_ENDED);
	ck_assert_int_eq(update(&bob, id, "{}"), STATUS_SESSION_ENDED);
	ck_assert_int_eq(release_as(&bob, id, OUTCOME_COMPLETED, NULL), STATUS_SESSION_ENDED);
	ck_assert_int_eq(attach(&bob, id, OWNER_CONNECTION), STATUS_SESSION_ENDED);
	ck_assert_int_eq(revoke(&bob, id, true), STATUS_SESSION_ENDED);
	ck_assert_int_eq(outcome_of(id), OUTCOME_ERROR);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_COMPLETED], 0);
}
END_TEST

START_TEST(another_user_may_do_nothing)
{
	uint64_t id = TAKE(.metadata = "{}");

	ck_assert_int_eq(start(&bob, id), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(renew(&bob, id, 1), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(update(&bob, id, "{}"), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(release_as(&bob, id, OUTCOME_COMPLETED, NULL), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(attach(&bob, id, OWNER_DETACHED), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(revoke(&bob, id, true), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(view(&bob, id)->is_visible, false);
}
END_TEST

START_TEST(another_process_of_the_user_may_act)
{
	uint64_t id = TAKE();

	ck_assert_int_eq(start(&alice_other, id), 0);
	ck_assert(view(&alice_other, id)->is_visible);
	ck_assert_int_eq(release_as(&alice_other, id, OUTCOME_COMPLETED, NULL), 0);
}
END_TEST

START_TEST(an_admin_may_act)
{
	uint64_t id = TAKE(.owner = &nobody);

	ck_assert_int_eq(start(&root, id), 0);
	ck_assert(view(&root, id)->is_visible);
	ck_assert_int_eq(revoke(&root, id, true), 0);
}
END_TEST

START_TEST(the_overflow_uid_has_rights_through_its_connection_only)
{
	uint64_t id = TAKE(.owner = &nobody);

	ck_assert_int_eq(start(&nobody_else, id), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(view(&nobody_else, id)->is_visible, false);
	ck_assert_int_eq(start(&nobody, id), 0);
	ck_assert_int_eq(attach(&nobody, id, OWNER_DETACHED), 0);
	ck_assert_int_eq(renew(&nobody, id, 1), STATUS_PERMISSION_DENIED);
}
END_TEST

/* ---- start ---- */

START_TEST(start_marks_the_session_as_processing)
{
	uint64_t id = TAKE();

	advance_ms(5);
	ck_assert_int_eq(start(&alice, id), 0);
	ck_assert_int_eq(view(&alice, id)->state, SESSION_PROCESSING);
	ck_assert_int_eq(view(&alice, id)->started_wall_us, now.wall_us);
}
END_TEST

START_TEST(a_session_starts_once)
{
	uint64_t id = TAKE();

	start(&alice, id);
	ck_assert_int_eq(start(&alice, id), STATUS_INVALID_STATE);
	ck_assert_int_eq(ref.state, SESSION_PROCESSING);
}
END_TEST

/* ---- update ---- */

START_TEST(update_replaces_the_metadata_and_counts_the_difference)
{
	uint64_t id = TAKE(.metadata = "{\"long\":true}");

	TAKE(.metadata = "{}");
	ck_assert_int_eq(update(&alice, id, "{\"a\":1}"), 0);
	ck_assert_str_eq(view(&alice, id)->metadata->bytes, "{\"a\":1}");
	ck_assert_uint_eq(metrics().metadata_bytes, 7 + 2);
	ck_assert_int_eq(update(&alice, id, "{\"longer\":1}"), 0);
	ck_assert_uint_eq(metrics().metadata_bytes, 12 + 2);
	ck_assert_uint_eq(pool_view("default")->metadata_bytes, 12 + 2);
}
END_TEST

START_TEST(update_gives_metadata_to_a_session_that_had_none)
{
	uint64_t id = TAKE();

	ck_assert_int_eq(update(&alice, id, "{}"), 0);
	ck_assert_uint_eq(metrics().metadata_bytes, 2);
	release(id);
	ck_assert_uint_eq(metrics().metadata_bytes, 0);
}
END_TEST

START_TEST(too_long_metadata_changes_nothing)
{
	struct pool_settings settings = pool_settings_builtin;
	struct text *text = text_new("{   }", 5);
	struct session_ref r = {.caller = &alice};
	uint32_t limit = 0;

	settings.max_metadata_bytes = 4;
	set_pool("p", &settings);
	r.id = TAKE(.pool = "p", .metadata = "{}");
	ck_assert_int_eq(
		table_update(table, &r, text, now, &limit, &change), STATUS_METADATA_TOO_LARGE);
	operate(0);
	ck_assert_uint_eq(limit, 4);
	ck_assert_str_eq(view(&alice, r.id)->metadata->bytes, "{}");
	text_unref(text);
}
END_TEST

START_TEST(a_reader_keeps_the_metadata_that_was_replaced)
{
	uint64_t id = TAKE(.metadata = "{\"old\":1}");
	struct text *old = text_ref(view(&alice, id)->metadata);

	update(&alice, id, "{}");
	release(id);
	ck_assert_str_eq(old->bytes, "{\"old\":1}");
	text_unref(old);
}
END_TEST

/* ---- release ---- */

START_TEST(release_counts_the_outcome_and_tells_the_duration)
{
	static const enum outcome outcomes[] = {
		OUTCOME_COMPLETED, OUTCOME_ERROR, OUTCOME_CANCELLED};
	uint64_t id = TAKE();

	advance_ms(1234);
	ck_assert_int_eq(release_as(&alice, id, outcomes[_i], "done"), 0);
	ck_assert_int_eq(duration_us, 1234000);
	ck_assert_int_eq(outcome_of(id), outcomes[_i]);
	ck_assert_uint_eq(metrics().totals.ended[outcomes[_i]], 1);
	ck_assert_uint_eq(metrics().active, 0);
	ck_assert_uint_eq(metrics().used_units, 0);
}
END_TEST

START_TEST(a_session_is_released_once)
{
	uint64_t id = TAKE();

	release(id);
	ck_assert_int_eq(release(id), STATUS_SESSION_ENDED);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_COMPLETED], 1);
}
END_TEST

START_TEST(without_a_history_an_ended_session_is_unknown)
{
	uint64_t id;

	fixture_without_history();
	id = TAKE(.metadata = "{}");
	ck_assert_int_eq(release(id), 0);
	ck_assert_uint_eq(n_freed_sessions, 1);
	ck_assert_int_eq(look(id), STATUS_NO_SUCH_SESSION);
}
END_TEST

/* ---- attach ---- */

START_TEST(an_attached_session_ends_with_its_new_connection)
{
	uint64_t id = TAKE();

	ck_assert_int_eq(attach(&alice_other, id, OWNER_CONNECTION), 0);
	gone(&alice, 10);
	ck_assert_int_eq(view(&alice, id)->identity->pid, 101);
	ck_assert_str_eq(view(&alice, id)->identity->comm, "other");
	ck_assert_str_eq(view(&alice, id)->identity->systemd_unit->bytes, "other");
	gone(&alice_other, 10);
	ck_assert_int_eq(outcome_of(id), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(an_admin_who_attaches_becomes_the_process_but_not_the_user)
{
	uint64_t id = TAKE();

	attach(&root, id, OWNER_CONNECTION);
	ck_assert_uint_eq(view(&alice, id)->uid, 1000);
	ck_assert_int_eq(view(&alice, id)->identity->pid, 1);
	ck_assert_str_eq(view(&alice, id)->identity->comm, "root");
}
END_TEST

START_TEST(an_admin_who_detaches_leaves_the_process_as_it_is)
{
	uint64_t id = TAKE();

	attach(&root, id, OWNER_DETACHED);
	ck_assert_int_eq(view(&alice, id)->identity->pid, 100);
	ck_assert_str_eq(view(&alice, id)->identity->comm, "alice");
}
END_TEST

START_TEST(a_detached_session_outlives_its_connection_for_30_s)
{
	uint64_t id = TAKE();

	advance_ms(1000);
	attach(&alice, id, OWNER_DETACHED);
	gone(&alice, 10);
	ck_assert_int_eq(view(&alice, id)->timeout_ms, 30000);
	ck_assert_int_eq(view(&alice, id)->remaining_us, 30 * SECOND_US);
}
END_TEST

START_TEST(a_deadline_stays_when_its_session_is_detached)
{
	uint64_t id = TAKE(.timeout_ms = 5000);

	advance_ms(2000);
	attach(&alice, id, OWNER_DETACHED);
	ck_assert_int_eq(view(&alice, id)->timeout_ms, 5000);
	ck_assert_int_eq(view(&alice, id)->remaining_us, 3 * SECOND_US);
}
END_TEST

START_TEST(detaching_respects_the_largest_timeout)
{
	struct pool_settings settings = pool_settings_builtin;
	uint64_t id = TAKE();

	settings.max_timeout_ms = 1000;
	set_pool("default", &settings);
	attach(&alice, id, OWNER_DETACHED);
	ck_assert_int_eq(view(&alice, id)->timeout_ms, 1000);
}
END_TEST

/* ---- revoke, get ---- */

START_TEST(a_revoked_session_stays_counted_until_it_is_released)
{
	uint64_t id = TAKE();

	ck_assert_int_eq(revoke(&root, id, false), 0);
	ck_assert(view(&alice, id)->is_revoking);
	ck_assert_uint_eq(metrics().active, 1);
	release(id);
	ck_assert_int_eq(outcome_of(id), OUTCOME_COMPLETED);
}
END_TEST

START_TEST(force_ends_a_session_as_revoked)
{
	uint64_t id = TAKE();

	ck_assert_int_eq(revoke(&alice, id, true), 0);
	ck_assert_int_eq(outcome_of(id), OUTCOME_REVOKED);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_REVOKED], 1);
}
END_TEST

START_TEST(a_live_session_is_found_by_its_creators_request_id)
{
	uint64_t id = TAKE(.request_id = "r1");
	uint64_t found = 0;

	ck_assert_int_eq(table_find_request(table, 1000, "r1", 2, &found), 0);
	ck_assert_uint_eq(found, id);
	ck_assert_int_eq(table_find_request(table, 1000, "r12", 3, &found), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(table_find_request(table, 1000, "r", 1, &found), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(table_find_request(table, 1001, "r1", 2, &found), STATUS_NO_SUCH_SESSION);
	release(id);
	ck_assert_int_eq(table_find_request(table, 1000, "r1", 2, &found), STATUS_NO_SUCH_SESSION);
}
END_TEST

START_TEST(a_request_id_that_is_too_long_is_not_found)
{
	char name[SESSION_REQUEST_ID_MAX + 1];
	uint64_t found;

	memset(name, 'x', sizeof(name));
	ck_assert_int_eq(table_find_request(table, 1000, name, sizeof(name), &found),
		STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(table_find_request(table, 1000, name, sizeof(name) - 1, &found),
		STATUS_NO_SUCH_SESSION);
}
END_TEST

/* ---- the end of owners ---- */

START_TEST(what_a_gone_owner_had_is_abandoned_in_portions)
{
	for (int i = 0; i < 10; i++)
		TAKE(.owner = &bob, .metadata = "{}");
	TAKE();
	ck_assert(gone(&bob, 4));
	ck_assert_uint_eq(metrics().active, 7);
	ck_assert(gone(&bob, 4));
	ck_assert(!gone(&bob, 4));
	ck_assert_uint_eq(metrics().active, 1);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_ABANDONED], 10);
	ck_assert_uint_eq(metrics().metadata_bytes, 0);
	ck_assert(list_is_empty(&bob.sessions));
}
END_TEST

START_TEST(sessions_that_share_one_metadata_text_end_together)
{
	struct text *text = text_new("{}", 2);

	for (int i = 0; i < 3; i++) {
		struct session_ref r = {.id = TAKE(), .caller = &alice};
		uint32_t limit;

		table_update(table, &r, text, now, &limit, &change);
		operate(0);
	}
	ck_assert_uint_eq(metrics().metadata_bytes, 6);
	text_unref(text);
	gone(&alice, 10);
	ck_assert_uint_eq(metrics().metadata_bytes, 0);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, an_unknown_session_is_none);
	tcase_add_test(tcase, an_ended_session_tells_its_outcome_to_everyone);
	tcase_add_test(tcase, another_user_may_do_nothing);
	tcase_add_test(tcase, another_process_of_the_user_may_act);
	tcase_add_test(tcase, an_admin_may_act);
	tcase_add_test(tcase, the_overflow_uid_has_rights_through_its_connection_only);
	tcase_add_test(tcase, start_marks_the_session_as_processing);
	tcase_add_test(tcase, a_session_starts_once);
	tcase_add_test(tcase, update_replaces_the_metadata_and_counts_the_difference);
	tcase_add_test(tcase, update_gives_metadata_to_a_session_that_had_none);
	tcase_add_test(tcase, too_long_metadata_changes_nothing);
	tcase_add_test(tcase, a_reader_keeps_the_metadata_that_was_replaced);
	tcase_add_loop_test(tcase, release_counts_the_outcome_and_tells_the_duration, 0, 3);
	tcase_add_test(tcase, a_session_is_released_once);
	tcase_add_test(tcase, without_a_history_an_ended_session_is_unknown);
	tcase_add_test(tcase, an_attached_session_ends_with_its_new_connection);
	tcase_add_test(tcase, an_admin_who_attaches_becomes_the_process_but_not_the_user);
	tcase_add_test(tcase, an_admin_who_detaches_leaves_the_process_as_it_is);
	tcase_add_test(tcase, a_detached_session_outlives_its_connection_for_30_s);
	tcase_add_test(tcase, a_deadline_stays_when_its_session_is_detached);
	tcase_add_test(tcase, detaching_respects_the_largest_timeout);
	tcase_add_test(tcase, a_revoked_session_stays_counted_until_it_is_released);
	tcase_add_test(tcase, force_ends_a_session_as_revoked);
	tcase_add_test(tcase, a_live_session_is_found_by_its_creators_request_id);
	tcase_add_test(tcase, a_request_id_that_is_too_long_is_not_found);
	tcase_add_test(tcase, what_a_gone_owner_had_is_abandoned_in_portions);
	tcase_add_test(tcase, sessions_that_share_one_metadata_text_end_together);
}

int main(void)
{
	return run_tests("table_ops", add);
}
