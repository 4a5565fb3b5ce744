/* SPDX-License-Identifier: MIT */
/* What a table has again that is filled from what was stored: sessions and counters. */
#include "tests/unit/stored_table.h"

#include <stdlib.h>

/* ---- sessions are what they were ---- */

static struct session_view saved_view(uint64_t id)
{
	struct session_ref get = {.id = id, .caller = &root};
	struct session_view saved;

	ck_assert_int_eq(table_get(table, &get, now, &saved), 0);
	return saved;
}

static void expect_same_text(const struct text *is, const struct text *was)
{
	ck_assert_uint_eq(is != NULL, was != NULL);
	ck_assert_uint_eq(text_length(is), text_length(was));
	if (is)
		ck_assert_str_eq(is->bytes, was->bytes);
}

static void expect_same_identity(const struct identity *is, const struct identity *was)
{
	ck_assert_int_eq(is->pid, was->pid);
	ck_assert_uint_eq(is->start_time, was->start_time);
	ck_assert_str_eq(is->comm, was->comm);
	expect_same_text(is->systemd_unit, was->systemd_unit);
}

static void expect_same_fixed(const struct session *is, const struct session *was)
{
	ck_assert_uint_eq(is->sequence, was->sequence);
	ck_assert_uint_eq(is->fence, was->fence);
	ck_assert_uint_eq(is->fingerprint, was->fingerprint);
	ck_assert_int_eq(is->created_us, was->created_us);
	ck_assert_int_eq(is->created_wall_us, was->created_wall_us);
	ck_assert_str_eq(is->request_id, was->request_id);
	ck_assert_uint_eq(is->creator_uid, was->creator_uid);
	ck_assert_uint_eq(is->priority, was->priority);
	ck_assert_uint_eq(is->stored_sum, was->stored_sum);
	ck_assert_uint_eq(is->units, was->units);
	ck_assert_mem_eq(is->slots, was->slots, was->units * sizeof(was->slots[0]));
	expect_same_text(is->pool_name, was->pool_name);
	expect_same_text(is->label, was->label);
}

/* WAS is of the table before the crash; it is freed. */
static void expect_same(struct session_view *was)
{
	struct session_view is = saved_view(was->session->id);

	expect_same_fixed(is.session, was->session);
	expect_same_identity(is.identity, was->identity);
	expect_same_identity(is.creator, was->creator);
	expect_same_text(is.metadata, was->metadata);
	ck_assert_int_eq(is.state, was->state);
	ck_assert_int_eq(is.owner_kind, was->owner_kind);
	ck_assert_int_eq(is.is_revoking, was->is_revoking);
	ck_assert_uint_eq(is.uid, was->uid);
	ck_assert_int_eq(is.timeout_ms, was->timeout_ms);
	ck_assert_int_eq(is.started_wall_us, was->started_wall_us);
	ck_assert_int_eq(is.is_orphaned, was->owner_kind == OWNER_CONNECTION);
	session_view_deinit(&is);
	session_view_deinit(was);
}

static uint64_t take_with_everything(enum owner_kind kind)
{
	struct wish wish = {
		.owner = &bob,
		.process = kind == OWNER_PROCESS ? &carol : NULL,
		.kind = kind,
		.request_id = "the-request",
		.metadata = "{\"a\":1}",
		.label = "label",
		.timeout_ms = 60000,
		.priority = 7,
		.units = 3,
		.fingerprint = 12345,
	};
	uint64_t id = take(&wish);

	advance_ms(5);
	ck_assert_int_eq(start(&bob, id), 0);
	ck_assert_int_eq(revoke(&bob, id, false), 0);
	return id;
}

START_TEST(every_field_of_a_session_is_as_it_was)
{
	struct session_view was;
	uint64_t id;

	TAKE();
	id = take_with_everything((enum owner_kind)_i);
	was = saved_view(id);
	crash_and_restore();
	ck_assert_uint_eq(n_contradictions, 0);
	expect_same(&was);
	ck_assert_uint_eq(metrics().active, 2);
	ck_assert_uint_eq(metrics().used_units, 4);
	ck_assert_uint_eq(metrics().metadata_bytes, 7);
}
END_TEST

START_TEST(a_session_without_anything_is_as_it_was)
{
	uint64_t id = TAKE();
	struct session_view was = saved_view(id);

	crash_and_restore();
	expect_same(&was);
	ck_assert_ptr_null(view(&alice, id)->metadata);
	ck_assert_int_eq(view(&alice, id)->expires_wall_us, 0);
}
END_TEST

START_TEST(a_second_crash_changes_nothing)
{
	struct session_view was = saved_view(take_with_everything(OWNER_PROCESS));
	struct session_view first = saved_view(TAKE(.metadata = ""));

	crash_and_restore();
	crash_and_restore();
	ck_assert_uint_eq(n_contradictions, 0);
	expect_same(&was);
	expect_same(&first);
}
END_TEST

START_TEST(what_was_not_committed_is_not_there)
{
	uint64_t kept = TAKE(), ended, fresh;

	ended = TAKE();
	commit();
	fresh = TAKE();
	release(ended);
	fixture_crash();
	fill();
	ck_assert_int_eq(look(kept), 0);
	ck_assert_int_eq(look(ended), 0); /* its end was told to nobody */
	ck_assert_int_eq(look(fresh), STATUS_NO_SUCH_SESSION);
}
END_TEST

START_TEST(the_slots_of_the_restored_are_taken)
{
	uint64_t first = TAKE();

	TAKE();
	release(first);
	crash_and_restore();
	TAKE(.units = 2);
	ck_assert_uint_eq(created.session.session->slots[0], 0);
	ck_assert_uint_eq(created.session.session->slots[1], 2);
}
END_TEST

START_TEST(later_sessions_have_larger_numbers)
{
	uint64_t fence, sequence;

	TAKE();
	release(TAKE());
	fence = created.session.fence;
	sequence = created.session.sequence;
	crash_and_restore();
	TAKE();
	ck_assert_uint_gt(created.session.fence, fence);
	ck_assert_uint_gt(created.session.sequence, sequence);
}
END_TEST

START_TEST(a_fence_that_is_ahead_already_is_not_taken_back)
{
	struct saved_table saved = {.next_fence = 5, .next_sequence = 1};

	table_restore_globals(table, &saved, &change);
	operate(0);
	ck_assert_uint_eq(table_next_fence(table), FENCE);
}
END_TEST

START_TEST(a_session_from_the_future_is_as_old_as_the_clock)
{
	uint64_t id = TAKE();

	crash();
	now.now_us -= 500 * SECOND_US;
	fill();
	ck_assert_int_eq(view(&alice, id)->age_us, 0);
}
END_TEST

START_TEST(a_waiter_is_not_there)
{
	struct waiter *waiter;
	uint64_t id;

	set_limit("default", 1);
	TAKE();
	waiter = WAIT(.request_id = "w");
	id = waiter->session->id;
	crash_and_restore();
	ck_assert_int_eq(look(id), STATUS_NO_SUCH_SESSION);
	ck_assert_uint_eq(metrics().waiting, 0);
	WAIT(.request_id = "w");
	ck_assert(!created.is_existing);
}
END_TEST

START_TEST(quotas_count_the_restored)
{
	struct pool_settings settings = pool_settings_builtin;

	settings.quotas[BY_UID] = 2;
	settings.quotas[BY_PROCESS] = 1;
	set_pool("p", &settings);
	TAKE(.pool = "p");
	crash_and_restore();
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_QUOTA_EXCEEDED);
	ck_assert_int_eq(created.refusal.quota, BY_PROCESS);
	TAKE(.pool = "p", .owner = &alice_other);
	ck_assert_int_eq(CREATE(.pool = "p", .owner = &foreign), STATUS_QUOTA_EXCEEDED);
	ck_assert_int_eq(created.refusal.quota, BY_UID);
}
END_TEST

START_TEST(the_oldest_holders_are_told_in_the_order_of_creation)
{
	uint64_t ids[3];

	set_limit("default", 3);
	for (int i = 0; i < 3; i++)
		ids[i] = TAKE();
	crash_and_restore();
	ck_assert_int_eq(CREATE(), STATUS_CAPACITY_REACHED);
	ck_assert_uint_eq(created.refusal.n_holders, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(created.refusal.holders[i].session->id, ids[i]);
}
END_TEST

/* ---- counters ---- */

static void make_history(void)
{
	struct waiter *waiter;
	uint64_t first;

	set_limit("p", 1);
	first = TAKE(.pool = "p");
	waiter = WAIT(.pool = "p");
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_CAPACITY_REACHED);
	release_as(&alice, first, OUTCOME_ERROR, NULL);
	expect_decided(waiter, 0);
	WAIT(.pool = "p", .wait_ms = 1);
	advance_ms(1);
	expire();
	WAIT(.pool = "p");
	release(TAKE());
	TAKE();
}

static void expect_counters(const struct counters *is, const struct counters *was)
{
	ck_assert_uint_eq(is->created, was->created);
	ck_assert_mem_eq(is->ended, was->ended, sizeof(was->ended));
	ck_assert_mem_eq(is->rejected, was->rejected, sizeof(was->rejected));
	ck_assert_uint_eq(is->queued, was->queued);
	ck_assert_uint_eq(is->granted_waits, was->granted_waits);
	ck_assert_uint_eq(is->refused_waits, was->refused_waits);
	ck_assert_uint_eq(is->shadow_capacity, was->shadow_capacity);
	ck_assert_uint_eq(is->shadow_quota, was->shadow_quota);
}

START_TEST(counters_go_on_from_where_they_were)
{
	struct table_metrics was, is;

	make_history();
	was = metrics();
	crash_and_restore();
	is = metrics();
	expect_counters(&is.totals, &was.totals);
	expect_counters(&is.counted, &was.counted);
	ck_assert_uint_eq(is.peak, was.peak);
	ck_assert_uint_eq(is.totals.created, 4);
}
END_TEST

START_TEST(a_pools_counters_go_on_from_where_they_were)
{
	struct counters was;

	make_history();
	was = pool_view("p")->counters;
	crash_and_restore();
	expect_counters(&pool_view("p")->counters, &was);
	ck_assert_uint_eq(was.granted_waits, 1);
	ck_assert_uint_eq(was.refused_waits, 1);
}
END_TEST

START_TEST(who_waited_when_it_crashed_counts_as_cancelled)
{
	make_history(); /* and one still waits */
	crash_and_restore();
	ck_assert_uint_eq(metrics().totals.queued, 3);
	ck_assert_uint_eq(metrics().totals.cancelled_waits, 1);
	ck_assert_uint_eq(pool_view("p")->counters.cancelled_waits, 1);
}
END_TEST

START_TEST(a_reset_of_the_metrics_is_remembered)
{
	TAKE();
	release(TAKE());
	table_reset_metrics(table);
	TAKE();
	crash_and_restore();
	ck_assert_uint_eq(metrics().totals.created, 3);
	ck_assert_uint_eq(metrics().counted.created, 2);
	ck_assert_uint_eq(metrics().counted.ended[OUTCOME_COMPLETED], 0);
	ck_assert_uint_eq(metrics().peak, 2);
}
END_TEST

START_TEST(what_was_lost_counts_as_abandoned)
{
	set_limit("p", 5);
	TAKE(.pool = "p");
	TAKE(.pool = "p");
	commit();
	free(store.sessions.items[--store.sessions.count].bytes);
	fixture_crash();
	fill();
	ck_assert_uint_eq(metrics().active, 1);
	ck_assert_uint_eq(metrics().totals.created, 2);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_ABANDONED], 1);
	ck_assert_uint_eq(pool_view("p")->counters.ended[OUTCOME_ABANDONED], 1);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, stored_setup, stored_teardown);
	tcase_add_loop_test(
		tcase, every_field_of_a_session_is_as_it_was, OWNER_CONNECTION, OWNER_DETACHED + 1);
	tcase_add_test(tcase, a_session_without_anything_is_as_it_was);
	tcase_add_test(tcase, a_second_crash_changes_nothing);
	tcase_add_test(tcase, what_was_not_committed_is_not_there);
	tcase_add_test(tcase, the_slots_of_the_restored_are_taken);
	tcase_add_test(tcase, later_sessions_have_larger_numbers);
	tcase_add_test(tcase, a_fence_that_is_ahead_already_is_not_taken_back);
	tcase_add_test(tcase, a_session_from_the_future_is_as_old_as_the_clock);
	tcase_add_test(tcase, a_waiter_is_not_there);
	tcase_add_test(tcase, quotas_count_the_restored);
	tcase_add_test(tcase, the_oldest_holders_are_told_in_the_order_of_creation);
	tcase_add_test(tcase, counters_go_on_from_where_they_were);
	tcase_add_test(tcase, a_pools_counters_go_on_from_where_they_were);
	tcase_add_test(tcase, who_waited_when_it_crashed_counts_as_cancelled);
	tcase_add_test(tcase, a_reset_of_the_metrics_is_remembered);
	tcase_add_test(tcase, what_was_lost_counts_as_abandoned);
}

int main(void)
{
	return run_tests("table_restore", add);
}
