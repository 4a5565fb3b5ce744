/* SPDX-License-Identifier: MIT */
/* What outlives a crash: a copy of all, made at each commit. */
#include "tests/model/naive.h"

#include <string.h>

#define DEFAULT_POOL 2

static struct naive stored;

void naive_commit(void)
{
	for (size_t i = 0; i < naive.n_live; i++)
		naive.live[i].is_stored = !naive_waits(&naive.live[i]);
	stored = naive;
}

const struct naive_pool *naive_stored_pool(int pool)
{
	return stored.pools[pool].is_there ? &stored.pools[pool] : NULL;
}

static void undo(struct naive_session *session)
{
	naive.totals.rejected[REJECTED_STORE]++;
	naive.pools[session->pool].counters.rejected[REJECTED_STORE]++;
	naive_end(session, OUTCOME_CANCELLED, NO_TEXT);
}

void naive_fail(void)
{
	for (size_t i = 0; i < naive.n_live;) {
		struct naive_session *session = &naive.live[i];

		if (naive_waits(session) || session->is_stored)
			i++;
		else
			undo(session);
	}
}

/* ---- orphans ---- */

struct naive_session *naive_first_orphan(void)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (naive.live[i].is_orphaned && !naive_is_held(&naive.live[i]))
			return &naive.live[i];
	return NULL;
}

int64_t naive_next_orphan_us(void)
{
	return naive_first_orphan() ? naive.orphans_until_us : INT64_MAX;
}

void naive_give_up_orphan(void)
{
	naive_end(naive_first_orphan(), OUTCOME_ABANDONED, NO_TEXT);
}

/* ---- the crash ---- */

/* What a run has for itself. */
static void forget_run(void)
{
	naive.n_history = 0;
	naive.is_draining = naive.cannot_store = false;
	naive.fence_limit = UINT64_MAX;
	naive.heap_capacity = naive.wait_capacity = 64;
	naive.n_durations = naive.sum_durations_us = naive.max_duration_us = 0;
	naive.n_waits = naive.sum_waits_us = naive.max_wait_us = 0;
	naive.max_since_reset_us = naive.max_wait_since_reset_us = 0;
	naive.n_freed_sessions = naive.n_freed_pools = naive.n_ended = 0;
	memset(naive.n_decided, 0, sizeof(naive.n_decided));
	for (int p = 0; p < N_POOLS; p++)
		naive.pools[p].n_durations = naive.pools[p].n_waits = 0;
}

static void restore_pool(int p, bool has_file)
{
	struct naive_pool *pool = &naive.pools[p];

	if (!pool->is_there || (pool->source == POOL_RUNTIME && !pool->is_removed))
		return;
	if (has_file) {
		pool->source = POOL_FILE;
		pool->is_removed = false;
	} else if (p == DEFAULT_POOL) {
		pool->source = POOL_BUILTIN;
		pool->settings = pool_settings_builtin;
		pool->allow = 0;
	} else {
		pool->is_removed = true;
	}
}

static void drop_waiting(void)
{
	size_t n = 0;

	for (size_t i = 0; i < naive.n_live; i++)
		if (!naive_waits(&naive.live[i]))
			naive.live[n++] = naive.live[i];
	naive.n_live = n;
	naive.totals.cancelled_waits =
		naive.totals.queued - naive.totals.granted_waits - naive.totals.refused_waits;
}

static bool is_first_of_its_process(const struct naive_session *session)
{
	for (const struct naive_session *s = naive.live; s < session; s++)
		if (s->kind != OWNER_DETACHED && s->owner == session->owner)
			return false;
	return true;
}

static void restore_session(struct naive_session *session)
{
	session->deadline_us = naive_deadline_of(
		&naive.pools[session->pool], session->created_us, session->timeout_ms);
	session->is_overdue = false;
	session->is_orphaned = session->kind == OWNER_CONNECTION;
	session->owned_since = naive.next_owned++;
	if (session->kind == OWNER_DETACHED)
		return;
	session->owner = naive_process_of(session->process);
	if (session->owner != NO_PEER && is_first_of_its_process(session))
		naive.shown[session->owner] = session->process;
}

void naive_crash(const bool has_file[N_POOLS], uint64_t first_fence, int64_t grace_us)
{
	int64_t now_us = naive.now_us, wall_us = naive.wall_us;

	naive = stored;
	naive.now_us = now_us;
	naive.wall_us = wall_us;
	if (naive.next_fence < first_fence)
		naive.next_fence = first_fence;
	forget_run();
	drop_waiting();
	for (int p = 0; p < N_POOLS; p++)
		restore_pool(p, has_file[p]);
	for (size_t i = 0; i < naive.n_live; i++)
		restore_session(&naive.live[i]);
	for (int p = 0; p < N_POOLS; p++)
		naive_drop_if_empty(p);
	if (naive.peak < naive_active(NO_POOL))
		naive.peak = naive_active(NO_POOL);
	naive.orphans_until_us = naive_orphaned(NO_POOL) ? naive.now_us + grace_us : INT64_MAX;
}
