/* SPDX-License-Identifier: MIT */
#include "tests/model/naive.h"

#include <string.h>

bool naive_allows(int allow, int peer)
{
	const struct naive_peer *who = &naive_peers[peer];

	switch (allow) {
	case 0:
		return true;
	case 1: /* user 1000 */
		return who->uid == 1000;
	case 2: /* group 5000 and user 1001 */
		return who->group == 5000 || who->uid == 1001;
	default: /* the group that has the number of user 1000: its first one */
		return who->uid == 1000;
	}
}

/* Why SESSION will never come in. */
static int misfit_of(const struct naive_session *session)
{
	const struct naive_pool *pool = &naive.pools[session->pool];

	if (!naive_allows(pool->allow, session->caller))
		return STATUS_PERMISSION_DENIED;
	if (!pool->settings.enforce)
		return 0;
	if (session->units > pool->settings.limit)
		return STATUS_INVALID_PARAMETER;
	return naive_quota_exceeded(session, true) != DIMENSIONS ? STATUS_QUOTA_EXCEEDED : 0;
}

void naive_refuse_misfits(int p)
{
	for (size_t i = 0; i < naive.n_live;) {
		struct naive_session *session = &naive.live[i];
		int status = naive_waits(session) && session->pool == p ? misfit_of(session) : 0;

		if (status)
			naive_refuse_wait(session, status);
		else
			i++;
	}
}

/* What is overdue is due again. */
void naive_end_holding(int p)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (naive.live[i].pool == p)
			naive.live[i].is_overdue = false;
}

void naive_set_pool(int p, const struct pool_settings *settings, enum pool_source source, int allow)
{
	struct naive_pool *pool = &naive.pools[p];

	naive.n_freed_pools += pool->is_there;
	pool->is_there = true;
	pool->is_removed = false;
	pool->settings = *settings;
	pool->source = source;
	pool->allow = allow;
	if (pool->capacity < settings->limit)
		pool->capacity = settings->limit;
	if (settings->on_timeout == ON_TIMEOUT_RELEASE)
		naive_end_holding(p);
	naive_refuse_misfits(p);
}

void naive_remove_pools(const bool keep[N_POOLS])
{
	for (int p = 0; p < N_POOLS; p++) {
		if (p == NAIVE_DEFAULT_POOL && keep[p])
			naive.n_freed_pools++; /* the spare one */
		if (keep[p] || !naive.pools[p].is_there)
			continue;
		if (p == NAIVE_DEFAULT_POOL) {
			naive_set_pool(p, &pool_settings_builtin, POOL_BUILTIN, 0);
			continue;
		}
		naive.pools[p].is_removed = true;
		naive_drop_if_empty(p);
	}
}

static struct naive_pause *pause_at(int pool)
{
	return pool == NO_POOL ? &naive.pause : &naive.pools[pool].pause;
}

void naive_set_pause(int pool, int64_t for_us, int reason)
{
	__int128 until_us = (__int128)naive.now_us + for_us;

	*pause_at(pool) = (struct naive_pause){
		.is_on = true,
		.until_us = until_us > INT64_MAX ? INT64_MAX : (int64_t)until_us,
		.reason = reason,
	};
}

void naive_resume(int pool)
{
	*pause_at(pool) = (struct naive_pause){0};
	if (pool == NO_POOL)
		naive.is_draining = false;
}

const struct naive_pause *naive_pause_of(int pool)
{
	const struct naive_pause *longest = NULL;
	const struct naive_pause *both[] = {&naive.pools[pool].pause, &naive.pause};

	for (int i = 0; i < 2; i++)
		if (both[i]->is_on && both[i]->until_us > naive.now_us &&
			(!longest || both[i]->until_us > longest->until_us))
			longest = both[i];
	return longest;
}

void naive_reset(void)
{
	naive.base = naive.totals;
	naive.base.created = naive.totals.created - naive_active(NO_POOL);
	naive.base.queued = naive.totals.queued - naive_waiting(NO_POOL);
	naive.peak = naive_active(NO_POOL);
	naive.max_since_reset_us = naive.max_wait_since_reset_us = 0;
}
