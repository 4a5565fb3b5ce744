/* SPDX-License-Identifier: MIT */
/* Creates that wait: how a wait begins, who is told what, and how it ends. */
#include "tests/unit/table_fixture.h"

#include <errno.h>

static uint64_t holder;

/* A full pool of one slot. */
static void fill(void)
{
	set_limit("default", 1);
	holder = TAKE();
}

START_TEST(a_create_waits_where_it_would_be_refused)
{
	struct waiter *waiter;

	fill();
	ck_assert_int_eq(CREATE(.owner = &bob), STATUS_CAPACITY_REACHED);
	waiter = WAIT(.owner = &bob);
	ck_assert_int_eq(created.session.state, SESSION_WAITING);
	ck_assert(!created.session.has_slots);
	ck_assert(!created.is_existing);
	ck_assert_uint_eq(created.session.position, 1);
	ck_assert_uint_eq(created.session.waiting, 1);
	ck_assert_int_eq(waiter->since_us, now.now_us);
	ck_assert_int_eq(waiter->since_wall_us, now.wall_us);
	ck_assert_uint_eq(pool_view("default")->waiting, 1);
	ck_assert_uint_eq(metrics().waiting, 1);
	ck_assert_uint_eq(metrics().totals.queued, 1);
	ck_assert_uint_eq(metrics().totals.created, 1);
}
END_TEST

START_TEST(a_create_does_not_wait_where_there_is_room)
{
	ck_assert_int_eq(CREATE(.wait_ms = -1), 0);
	ck_assert(!created.is_waiting);
	ck_assert_uint_eq(metrics().totals.queued, 0);
}
END_TEST

START_TEST(a_waiting_session_counts_for_nothing_but_waiting)
{
	fill();
	WAIT(.metadata = "{\"a\":1}");
	ck_assert_uint_eq(metrics().active, 1);
	ck_assert_uint_eq(metrics().used_units, 1);
	ck_assert_uint_eq(metrics().metadata_bytes, 0);
}
END_TEST

START_TEST(release_hands_the_slot_to_the_waiter)
{
	struct waiter *waiter;

	fill();
	waiter = WAIT(.owner = &bob, .timeout_ms = 5000, .metadata = "{}");
	advance_ms(100);
	release(holder);
	ck_assert_uint_eq(rung, UINT64_C(1) << INBOX_INDEX);
	expect_decided(waiter, 0);
	ck_assert_int_eq(granted.state, SESSION_IDLE);
	ck_assert_uint_eq(waiter->session->slots[0], 0);
	ck_assert_int_eq(waiter->decided_us, now.now_us);
	ck_assert_int_eq(granted.remaining_us, 5 * SECOND_US);
	ck_assert_int_eq(granted.age_us, 0);
	ck_assert_uint_eq(metrics().metadata_bytes, 2);
	ck_assert_uint_eq(metrics().totals.granted_waits, 1);
	ck_assert_uint_eq(table_queue_waits(table)->sum, 100 * 1000 * 1000);
	expect_nobody_decided();
}
END_TEST

START_TEST(a_grant_has_a_larger_fence_and_sequence_than_all_before)
{
	struct waiter *waiter;
	uint64_t late;

	fill();
	waiter = WAIT();
	set_limit("other", 1);
	late = TAKE(.pool = "other");
	release(holder);
	ck_assert_uint_gt(waiter->session->fence, view(&alice, late)->fence);
	ck_assert_uint_gt(waiter->session->sequence, view(&alice, late)->sequence);
}
END_TEST

START_TEST(a_newcomer_does_not_pass_those_who_wait)
{
	struct waiter *large;

	set_limit("default", 2);
	holder = TAKE();
	large = WAIT(.units = 2, .owner = &bob);
	ck_assert_int_eq(CREATE(.owner = &carol), STATUS_CAPACITY_REACHED);
	release(holder);
	expect_decided(large, 0);
}
END_TEST

START_TEST(a_wait_ends_at_its_microsecond)
{
	struct waiter *waiter;

	fill();
	waiter = WAIT(.wait_ms = 50);
	ck_assert_int_eq(table_next_deadline(table), now.now_us + 50000);
	now.now_us += 50000 - 1;
	ck_assert_uint_eq(expire(), 0);
	now.now_us += 1;
	ck_assert_uint_eq(expire(), 1);
	expect_decided(waiter, STATUS_WAIT_TIMEOUT);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_WAIT_TIMEOUT], 1);
	ck_assert_uint_eq(metrics().totals.refused_waits, 1);
	ck_assert_int_eq(look(waiter->session->id), STATUS_NO_SUCH_SESSION);
}
END_TEST

START_TEST(a_wait_for_ever_has_no_end)
{
	fill();
	WAIT();
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
}
END_TEST

START_TEST(a_slot_that_is_free_in_time_beats_the_end_of_the_wait)
{
	struct waiter *waiter;

	set_limit("default", 1);
	TAKE(.timeout_ms = 50);
	waiter = WAIT(.wait_ms = 50 + _i);
	advance_ms(100);
	ck_assert_uint_eq(table_expire(table, now, 100, &change), 2);
	operate(0);
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(a_slot_that_is_free_too_late_does_not)
{
	struct waiter *waiter;

	set_limit("default", 1);
	TAKE(.timeout_ms = 50);
	waiter = WAIT(.wait_ms = 49);
	advance_ms(100);
	expire();
	expect_decided(waiter, STATUS_WAIT_TIMEOUT);
}
END_TEST

START_TEST(cancel_ends_the_wait_of_a_request)
{
	struct waiter *waiter;

	fill();
	waiter = WAIT(.owner = &bob, .request_id = "mine");
	ck_assert_int_eq(cancel(&alice, "mine"), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(cancel(&bob, "mine"), 0);
	expect_decided(waiter, STATUS_CANCELLED);
	ck_assert_uint_eq(metrics().totals.cancelled_waits, 1);
	ck_assert_int_eq(cancel(&bob, "mine"), STATUS_NO_SUCH_SESSION);
}
END_TEST

START_TEST(an_admin_cancels_the_wait_of_anybody)
{
	struct waiter *waiter;

	fill();
	waiter = WAIT(.owner = &bob, .request_id = "his");
	ck_assert_int_eq(cancel(&root, "his"), 0);
	expect_decided(waiter, STATUS_CANCELLED);
}
END_TEST

START_TEST(cancel_of_a_session_that_does_not_wait_is_an_invalid_state)
{
	TAKE(.request_id = "mine");
	ck_assert_int_eq(cancel(&alice, "mine"), STATUS_INVALID_STATE);
}
END_TEST

START_TEST(users_without_a_mapping_do_not_cancel_each_others_waits)
{
	fill();
	WAIT(.owner = &nobody, .request_id = "mine");
	ck_assert_int_eq(cancel(&nobody_else, "mine"), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(cancel(&nobody, "mine"), 0);
}
END_TEST

START_TEST(an_abandoned_wait_is_gone_without_a_word)
{
	struct waiter *waiter;

	fill();
	waiter = WAIT();
	abandon(waiter);
	expect_nobody_decided();
	ck_assert_uint_eq(metrics().waiting, 0);
	ck_assert_uint_eq(metrics().totals.cancelled_waits, 1);
	release(holder);
	expect_nobody_decided();
	ck_assert_uint_eq(metrics().active, 0);
}
END_TEST

START_TEST(an_abandoned_wait_that_was_decided_leaves_the_session)
{
	struct waiter *waiter;

	fill();
	waiter = WAIT();
	release(holder);
	abandon(waiter);
	expect_nobody_decided();
	ck_assert_uint_eq(metrics().active, 1);
}
END_TEST

START_TEST(an_abandoned_wait_lets_the_next_one_in)
{
	struct waiter *large, *small;

	set_limit("default", 2);
	TAKE();
	large = WAIT(.units = 2);
	small = WAIT();
	abandon(large);
	expect_decided(small, 0);
}
END_TEST

START_TEST(the_end_of_a_connection_cancels_its_waits)
{
	struct waiter *waiter;

	fill();
	waiter = WAIT(.owner = &bob);
	ck_assert(!gone(&bob, 10));
	expect_decided(waiter, STATUS_CANCELLED);
	ck_assert(list_is_empty(&bob.sessions));
}
END_TEST

START_TEST(revoke_cancels_a_wait)
{
	struct waiter *waiter;

	fill();
	waiter = WAIT(.owner = &bob);
	ck_assert_int_eq(revoke(&carol, waiter->session->id, _i), STATUS_PERMISSION_DENIED);
	ck_assert_int_eq(revoke(&root, waiter->session->id, _i), 0);
	expect_decided(waiter, STATUS_CANCELLED);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_REVOKED], 0);
}
END_TEST

START_TEST(what_needs_a_grant_is_an_invalid_state_of_a_waiting_session)
{
	uint64_t id;

	fill();
	id = WAIT()->session->id;
	ck_assert_int_eq(start(&alice, id), STATUS_INVALID_STATE);
	ck_assert_int_eq(ref.state, SESSION_WAITING);
	ck_assert_int_eq(renew(&alice, id, 1000), STATUS_INVALID_STATE);
	ck_assert_int_eq(update(&alice, id, "{}"), STATUS_INVALID_STATE);
	ck_assert_int_eq(release(id), STATUS_INVALID_STATE);
	ck_assert_int_eq(attach(&alice, id, OWNER_DETACHED), STATUS_INVALID_STATE);
	ck_assert_int_eq(attach_process(&alice, id, &alice), STATUS_INVALID_STATE);
}
END_TEST

START_TEST(get_shows_a_waiting_session_and_its_place)
{
	uint64_t id;

	fill();
	WAIT();
	id = WAIT()->session->id;
	advance_ms(20);
	ck_assert_int_eq(view(&alice, id)->state, SESSION_WAITING);
	ck_assert_uint_eq(view(&alice, id)->position, 2);
	ck_assert_uint_eq(view(&alice, id)->waiting, 2);
	ck_assert_int_eq(view(&alice, id)->age_us, 20000);
	ck_assert_int_eq(view(&alice, id)->remaining_us, -1);
	ck_assert_int_eq(pool_view("default")->oldest_wait_us, 20000);
	ck_assert_int_eq(metrics().oldest_wait_us, 20000);
}
END_TEST

START_TEST(list_shows_waiting_sessions_by_state)
{
	struct list_filter filter = {.uid = -1, .pid = -1, .state = SESSION_WAITING};
	struct session_view views[4];
	uint64_t after;

	fill();
	WAIT(.owner = &bob);
	ck_assert_uint_eq(table_page(table, &alice, &filter, 0, 100, now, views, 4, &after), 1);
	ck_assert_int_eq(views[0].state, SESSION_WAITING);
	ck_assert_uint_eq(views[0].position, 1);
	ck_assert(!views[0].is_visible);
	session_view_deinit(&views[0]);
}
END_TEST

START_TEST(pumping_goes_in_portions)
{
	struct waiter *first, *second;

	fill();
	first = WAIT();
	second = WAIT();
	table_set_pool(
		table, pool_new("default", 7, &pool_settings_builtin, POOL_RUNTIME), now, &change);
	ck_assert(table_pump(table, now, 1, &change));
	expect_decided(first, 0);
	expect_nobody_decided();
	operate(0);
	expect_decided(second, 0);
}
END_TEST

START_TEST(a_newcomer_waits_while_grants_are_left_to_do)
{
	fill();
	WAIT();
	table_set_pool(
		table, pool_new("default", 7, &pool_settings_builtin, POOL_RUNTIME), now, &change);
	ck_assert_int_eq(CREATE(.owner = &bob), STATUS_CAPACITY_REACHED);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_create_waits_where_it_would_be_refused);
	tcase_add_test(tcase, a_create_does_not_wait_where_there_is_room);
	tcase_add_test(tcase, a_waiting_session_counts_for_nothing_but_waiting);
	tcase_add_test(tcase, release_hands_the_slot_to_the_waiter);
	tcase_add_test(tcase, a_grant_has_a_larger_fence_and_sequence_than_all_before);
	tcase_add_test(tcase, a_newcomer_does_not_pass_those_who_wait);
	tcase_add_test(tcase, a_wait_ends_at_its_microsecond);
	tcase_add_test(tcase, a_wait_for_ever_has_no_end);
	tcase_add_loop_test(tcase, a_slot_that_is_free_in_time_beats_the_end_of_the_wait, 0, 2);
	tcase_add_test(tcase, a_slot_that_is_free_too_late_does_not);
	tcase_add_test(tcase, cancel_ends_the_wait_of_a_request);
	tcase_add_test(tcase, an_admin_cancels_the_wait_of_anybody);
	tcase_add_test(tcase, cancel_of_a_session_that_does_not_wait_is_an_invalid_state);
	tcase_add_test(tcase, users_without_a_mapping_do_not_cancel_each_others_waits);
	tcase_add_test(tcase, an_abandoned_wait_is_gone_without_a_word);
	tcase_add_test(tcase, an_abandoned_wait_that_was_decided_leaves_the_session);
	tcase_add_test(tcase, an_abandoned_wait_lets_the_next_one_in);
	tcase_add_test(tcase, the_end_of_a_connection_cancels_its_waits);
	tcase_add_loop_test(tcase, revoke_cancels_a_wait, 0, 2);
	tcase_add_test(tcase, what_needs_a_grant_is_an_invalid_state_of_a_waiting_session);
	tcase_add_test(tcase, get_shows_a_waiting_session_and_its_place);
	tcase_add_test(tcase, list_shows_waiting_sessions_by_state);
	tcase_add_test(tcase, pumping_goes_in_portions);
	tcase_add_test(tcase, a_newcomer_waits_while_grants_are_left_to_do);
}

int main(void)
{
	return run_tests("table_waiting", add);
}
