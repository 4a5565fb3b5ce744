/* SPDX-License-Identifier: MIT */
/* What outlives a daemon: a copy of all, made at each commit; or everything, handed over. */
#include "tests/model/naive.h"

#include <string.h>

static struct naive stored;

/* ---- commits ---- */

void naive_commit(void)
{
	for (size_t i = 0; i < naive.n_live; i++)
		naive.live[i].is_stored = !naive_waits(&naive.live[i]);
	naive.n_stored_ends = 0;
	/* All but what is beyond the end of the lists, which are large. */
	memcpy(stored.live, naive.live, naive.n_live * sizeof(naive.live[0]));
	memcpy(&stored.n_live, &naive.n_live,
		offsetof(struct naive, decided) - offsetof(struct naive, n_live));
	memcpy(&stored.n_decided, &naive.n_decided,
		sizeof(naive) - offsetof(struct naive, n_decided));
}

const struct naive_pool *naive_stored_pools(void)
{
	return stored.pools;
}

static const struct naive_session *next_granted(const struct naive *of, size_t *at)
{
	while (*at < of->n_live && naive_waits(&of->live[*at]))
		++*at;
	return *at < of->n_live ? &of->live[(*at)++] : NULL;
}

uint64_t naive_stored_active(void)
{
	uint64_t n = 0;

	for (size_t at = 0; next_granted(&stored, &at);)
		n++;
	return n;
}

/* Of what a record has. */
static bool is_same_session(const struct naive_session *a, const struct naive_session *b)
{
	return a->sequence == b->sequence && a->state == b->state && a->kind == b->kind &&
	       a->metadata == b->metadata && a->timeout_ms == b->timeout_ms &&
	       a->process == b->process && a->last == b->last && a->is_revoking == b->is_revoking;
}

static bool is_same_pool(const struct naive_pool *a, const struct naive_pool *b)
{
	return a->is_there == b->is_there && a->is_removed == b->is_removed &&
	       a->source == b->source && a->pause.is_on == b->pause.is_on &&
	       a->settings.limit == b->settings.limit;
}

bool naive_has_changed(void)
{
	const struct naive_session *now, *before;
	size_t at = 0, at_before = 0;

	/* The end of a pause by its time need not be stored. */
	for (int p = 0; p < N_POOLS; p++)
		if (!is_same_pool(&naive.pools[p], &stored.pools[p]) &&
			naive.pools[p].pause.is_on == stored.pools[p].pause.is_on)
			return true;
	if (naive.totals.created != stored.totals.created)
		return true;
	do {
		now = next_granted(&naive, &at);
		before = next_granted(&stored, &at_before);
		if (!now != !before || (now && !is_same_session(now, before)))
			return true;
	} while (now);
	return false;
}

/* It has not been told yet that it was granted, and will not be. */
static void undo_decision(const struct naive_session *session)
{
	for (int i = 0; i < NAIVE_INBOXES; i++)
		for (size_t k = 0; k < naive.n_decided[i]; k++) {
			struct naive_decision *decision = &naive.decided[i][k];

			if (decision->waiter == session->waiter && decision->id == session->id)
				decision->status = STATUS_STORE_UNAVAILABLE;
		}
}

static void undo(struct naive_session *session)
{
	undo_decision(session);
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

/* ---- another table ---- */

/* What a table has for itself. */
static void forget_table(void)
{
	naive.is_draining = naive.cannot_store = false;
	naive.fence_limit = UINT64_MAX;
	naive.heap_capacity = naive.wait_capacity = 64;
	naive.n_freed_sessions = naive.n_freed_pools = naive.n_ended = 0;
}

/* And what a run has. */
static void forget_run(void)
{
	naive.n_history = 0;
	naive.n_durations = naive.sum_durations_us = naive.max_duration_us = 0;
	naive.n_waits = naive.sum_waits_us = naive.max_wait_us = 0;
	naive.max_since_reset_us = naive.max_wait_since_reset_us = 0;
	memset(naive.n_decided, 0, sizeof(naive.n_decided));
	for (int p = 0; p < N_POOLS; p++)
		naive.pools[p].n_durations = naive.pools[p].n_waits = 0;
}

static void take_file(struct naive_pool *pool, const struct naive_file *file)
{
	pool->is_there = true;
	pool->is_removed = false;
	pool->source = POOL_FILE;
	pool->settings = file->settings;
	pool->allow = file->allow;
}

/* The files win, but for what was set while running; and what is in none drains. */
static void restore_pool(int p, const struct naive_file *file)
{
	struct naive_pool *pool = &naive.pools[p];

	if (pool->is_there && pool->source == POOL_RUNTIME && !pool->is_removed)
		return;
	if (file->is_there) {
		take_file(pool, file);
	} else if (p == NAIVE_DEFAULT_POOL) {
		pool->source = POOL_BUILTIN;
		pool->settings = pool_settings_builtin;
		pool->allow = 0;
	} else if (pool->is_there) {
		pool->is_removed = true;
	}
}

static void renumber_owned(void)
{
	for (size_t i = 0; i < naive.n_live; i++)
		naive.live[i].owned_since = naive.next_owned++;
}

/* ---- the crash ---- */

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
	if (session->kind == OWNER_DETACHED)
		return;
	session->owner = naive_process_of(session->process);
	if (session->owner != NO_PEER && is_first_of_its_process(session))
		naive.shown[session->owner] = session->process;
}

void naive_crash(const struct naive_file files[N_POOLS], uint64_t first_fence, int64_t grace_us)
{
	int64_t now_us = naive.now_us, wall_us = naive.wall_us;

	naive = stored;
	naive.now_us = now_us;
	naive.wall_us = wall_us;
	if (naive.next_fence < first_fence)
		naive.next_fence = first_fence;
	forget_table();
	forget_run();
	drop_waiting();
	for (int p = 0; p < N_POOLS; p++)
		restore_pool(p, &files[p]);
	for (size_t i = 0; i < naive.n_live; i++)
		restore_session(&naive.live[i]);
	renumber_owned();
	for (int p = 0; p < N_POOLS; p++)
		naive_drop_if_empty(p);
	if (naive.peak < naive_active(NO_POOL))
		naive.peak = naive_active(NO_POOL);
	naive.orphans_until_us = naive_orphaned(NO_POOL) ? naive.now_us + grace_us : INT64_MAX;
}

/* ---- handing over ---- */

void naive_hand_over(const struct naive_file files[N_POOLS])
{
	forget_table();
	for (int p = 0; p < N_POOLS; p++)
		restore_pool(p, &files[p]);
	renumber_owned();
	naive.keeps_changes = false;
}

void naive_begin_again(void)
{
	for (int p = 0; p < N_POOLS; p++) {
		if (naive.pools[p].settings.on_timeout == ON_TIMEOUT_RELEASE)
			naive_end_holding(p);
		naive_refuse_misfits(p);
		naive_drop_if_empty(p);
	}
}
