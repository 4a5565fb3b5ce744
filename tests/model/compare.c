/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

#include <stdio.h>
#include <string.h>

void expect_string(const char *is, const char *expected)
{
	if (!is != !expected || (is && strcmp(is, expected)))
		printf("is \"%s\", expected \"%s\"\n", is ? is : "", expected ? expected : "");
	EXPECT(!is, !expected);
	EXPECT(is ? strcmp(is, expected) : 0, 0);
}

void expect_text(const struct text *is, int number)
{
	struct text *expected = make_text(number);

	expect_string(is ? is->bytes : NULL, expected ? expected->bytes : NULL);
	EXPECT(text_length(is), text_length(expected));
	text_unref(expected);
}

/* ---- sessions ---- */

static void compare_fixed(const struct session *is, const struct naive_session *expected)
{
	char buffer[64];

	EXPECT(is->id, expected->id);
	EXPECT(is->sequence, expected->sequence);
	EXPECT(is->fence, expected->fence);
	EXPECT(is->fingerprint, expected->fingerprint);
	EXPECT(is->created_us, expected->created_us);
	EXPECT(is->created_wall_us, expected->created_wall_us);
	EXPECT(is->creator_uid, naive_peers[expected->creator].uid);
	expect_string(is->pool_name->bytes, naive_pool_names[expected->pool]);
	make_request_id(expected->request, buffer, sizeof(buffer));
	expect_string(is->request_id, buffer);
	make_label(expected->label, buffer, sizeof(buffer));
	expect_string(
		is->label ? is->label->bytes : NULL, expected->label == NO_TEXT ? NULL : buffer);
	EXPECT(is->priority, expected->priority);
	EXPECT(is->units, expected->units);
	if (naive_waits(expected))
		return;
	for (uint32_t i = 0; i < expected->units; i++)
		EXPECT(is->slots[i], expected->slots[i]);
}

static void compare_identity(const struct identity *is, int peer)
{
	char buffer[64];

	make_name("peer", peer, buffer, sizeof(buffer));
	EXPECT(is->pid, naive_peers[peer].pid);
	EXPECT(is->start_time, naive_peers[peer].start_time);
	expect_string(is->comm, buffer);
	expect_string(is->systemd_unit->bytes, buffer);
}

static void compare_owner(const struct session_view *is, const struct naive_session *expected)
{
	bool has_ended = expected->state == SESSION_ENDED;
	const struct owner *owner = NULL;

	EXPECT(is->uid, naive_peers[expected->creator].uid);
	EXPECT(is->owner_kind, expected->kind);
	compare_identity(is->identity, expected->process);
	EXPECT(is->creator->pid, naive_peers[expected->last].pid);
	EXPECT(is->creator->start_time, naive_peers[expected->last].start_time);
	EXPECT(is->is_orphaned, expected->is_orphaned);
	if (!has_ended && expected->kind == OWNER_CONNECTION && !expected->is_orphaned)
		owner = &model.owners[expected->owner];
	if (!has_ended && (expected->kind == OWNER_PROCESS || expected->is_orphaned) &&
		expected->owner != NO_PEER && model.processes[expected->owner])
		owner = &model.processes[expected->owner]->owner;
	EXPECT(is->owner == owner, true);
}

/* A place is a guess, but for the first one, and for those whom quotas pass over. */
static void compare_place(const struct session_view *is, const struct naive_session *expected)
{
	uint64_t waiting = naive_waits(expected) ? naive_waiting(expected->pool) : 0;

	EXPECT(is->has_slots, !naive_waits(expected));
	EXPECT(is->waiting, waiting);
	EXPECT(is->position <= waiting, true);
	EXPECT(is->position > 0, naive_waits(expected));
	if (naive_waits(expected) && !naive_has_quota(expected->pool) &&
		(is->position == 1 || script_is_played || !draw_aside(10)))
		EXPECT(is->position == 1, naive_next(expected->pool)->id == expected->id);
}

static void compare_times(const struct session_view *is, const struct naive_session *expected)
{
	bool has_ended = expected->state == SESSION_ENDED;
	int64_t left_us = expected->deadline_us - naive.now_us;

	if (left_us < 0)
		left_us = 0;
	if (expected->deadline_us == INT64_MAX)
		left_us = -1;
	EXPECT(is->timeout_ms, expected->timeout_ms);
	EXPECT(is->remaining_us, left_us);
	EXPECT(is->expires_wall_us, naive_to_wall(expected->deadline_us));
	EXPECT(is->started_wall_us, expected->started_wall_us);
	EXPECT(is->ended_wall_us, expected->ended_wall_us);
	EXPECT(is->age_us, (has_ended ? expected->ended_us : naive.now_us) - expected->created_us);
}

void compare_view(const struct session_view *is, const struct naive_session *expected, int peer)
{
	compare_fixed(is->session, expected);
	compare_owner(is, expected);
	compare_times(is, expected);
	compare_place(is, expected);
	EXPECT(is->state, expected->state);
	if (expected->state == SESSION_ENDED)
		EXPECT(is->outcome, expected->outcome);
	EXPECT(is->is_overdue, expected->is_overdue);
	EXPECT(is->is_revoking, expected->is_revoking);
	EXPECT(is->is_visible, naive_may_act(expected, peer));
	expect_text(is->metadata, expected->metadata);
	expect_text(is->result, expected->result);
}

static void compare_sessions(int peer)
{
	struct list_filter all = {.uid = -1, .pid = -1, .state = -1};
	struct session_view view;
	uint64_t after = 0;

	for (size_t i = 0; i < naive.n_live; i++) {
		EXPECT(table_page(model.table, &model.owners[peer], &all, after, 1, model_now(),
			       &view, 1, &after),
			1);
		compare_view(&view, &naive.live[i], peer);
		session_view_deinit(&view);
		EXPECT(after, i + 1 < naive.n_live ? naive.live[i].sequence : 0);
	}
}

static void compare_history(int peer)
{
	struct session_view views[NAIVE_HISTORY + 1];
	size_t n = table_history(model.table, &model.owners[peer], 0, views, NAIVE_HISTORY + 1);

	EXPECT(n, naive.n_history);
	for (size_t i = 0; i < n; i++) {
		compare_view(&views[i], &naive.history[n - 1 - i], peer);
		session_view_deinit(&views[i]);
	}
}

/* ---- sums ---- */

static struct counters counted(void)
{
	struct counters counters = naive.totals;

	counters.created -= naive.base.created;
	for (int i = 0; i < OUTCOME_COUNT; i++)
		counters.ended[i] -= naive.base.ended[i];
	for (int i = 0; i < REJECTED_COUNT; i++)
		counters.rejected[i] -= naive.base.rejected[i];
	counters.queued -= naive.base.queued;
	counters.granted_waits -= naive.base.granted_waits;
	counters.refused_waits -= naive.base.refused_waits;
	counters.cancelled_waits -= naive.base.cancelled_waits;
	counters.shadow_capacity -= naive.base.shadow_capacity;
	counters.shadow_quota -= naive.base.shadow_quota;
	return counters;
}

static void compare_metrics(void)
{
	struct counters expected = counted();
	struct table_metrics is;
	uint64_t ended = 0;

	table_metrics(model.table, model_now(), &is);
	compare_counters(&is.totals, &naive.totals);
	compare_counters(&is.counted, &expected);
	for (int i = 0; i < OUTCOME_COUNT; i++)
		ended += is.counted.ended[i];
	EXPECT(is.counted.created, naive_active(NO_POOL) + ended);
	EXPECT(is.counted.queued, is.counted.granted_waits + is.counted.refused_waits +
					  is.counted.cancelled_waits + naive_waiting(NO_POOL));
	EXPECT(is.active, naive_active(NO_POOL));
	EXPECT(is.used_units, naive_used(NO_POOL));
	EXPECT(is.over, naive_over(NO_POOL));
	EXPECT(is.overdue, naive_overdue(NO_POOL));
	EXPECT(is.orphaned, naive_orphaned(NO_POOL));
	EXPECT(is.metadata_bytes, naive_bytes(NO_POOL));
	EXPECT(is.peak, naive.peak);
	EXPECT(is.oldest_age_us, oldest_age_us(NO_POOL));
	EXPECT(is.waiting, naive_waiting(NO_POOL));
	EXPECT(is.oldest_wait_us, oldest_wait_us(NO_POOL));
	EXPECT(is.processes, naive_processes());
	EXPECT(is.since_reset_queue_wait_max_ns, naive.max_wait_since_reset_us * 1000);
	EXPECT(is.is_draining, naive.is_draining);
	EXPECT(is.since_reset_duration_max_ns, naive.max_since_reset_us * 1000);
}

static void compare_durations(void)
{
	const struct histogram *all = table_durations(model.table);
	const struct histogram *waits = table_queue_waits(model.table);

	EXPECT(all->count, naive.n_durations);
	EXPECT(all->sum, naive.sum_durations_us * 1000);
	EXPECT(all->max, naive.max_duration_us * 1000);
	EXPECT(waits->count, naive.n_waits);
	EXPECT(waits->sum, naive.sum_waits_us * 1000);
	EXPECT(waits->max, naive.max_wait_us * 1000);
	for (int p = 0; p < N_POOLS; p++) {
		const struct pool *pool = table_find_pool(
			model.table, naive_pool_names[p], strlen(naive_pool_names[p]));

		EXPECT(pool != NULL, naive.pools[p].is_there);
		EXPECT(pool ? pool->durations.count : 0, naive.pools[p].n_durations);
		EXPECT(pool ? pool->queue_wait.count : 0, naive.pools[p].n_waits);
	}
}

/* An audit has the sums over the sessions that it has passed, whatever became of them since. */
static void compare_audit(const struct audit *audit)
{
	uint64_t active = 0, used_units = 0, overdue = 0, orphaned = 0, bytes = 0;

	for (size_t i = 0; i < naive.n_live; i++) {
		const struct naive_session *session = &naive.live[i];

		if (session->sequence > audit->position || naive_waits(session))
			continue;
		active++;
		used_units += session->units;
		overdue += session->is_overdue;
		orphaned += session->is_orphaned;
		bytes += session->metadata == NO_TEXT ? 0 : (uint64_t)session->metadata;
	}
	EXPECT(audit->active, active);
	EXPECT(audit->used_units, used_units);
	EXPECT(audit->overdue, overdue);
	EXPECT(audit->orphaned, orphaned);
	EXPECT(audit->metadata_bytes, bytes);
	EXPECT(audit->unindexed, 0);
	EXPECT(audit->bad_slots, 0);
}

/* The timer is never late; for what is due it does not matter since when. */
static void compare_next_deadline(void)
{
	int64_t next_us = naive_next_deadline();

	if (next_us < naive.now_us)
		next_us = naive.now_us;
	EXPECT(table_next_deadline(model.table) <= next_us, true);
}

void compare_all(int peer)
{
	compare_sessions(peer);
	compare_history(peer);
	compare_pools();
	compare_metrics();
	compare_durations();
	for (int i = 0; i < N_AUDITS; i++)
		if (model.is_auditing[i])
			compare_audit(&model.audits[i]);
	compare_next_deadline();
	EXPECT(table_next_fence(model.table), naive.next_fence);
	EXPECT(table_active(model.table), naive_active(NO_POOL));
	EXPECT(table_is_draining(model.table), naive.is_draining);
}
