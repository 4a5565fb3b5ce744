/* SPDX-License-Identifier: MIT */
#include "tests/model/naive.h"

#include <string.h>

/* Two connections of one process, another process of its user, another user, root, an admin, two
 * processes of users without a mapping, and one of an unknown process. */
const struct naive_peer naive_peers[N_PEERS] = {
	{1000, 100, false},
	{1000, 100, false},
	{1000, 101, false},
	{1001, 200, false},
	{0, 1, true},
	{1002, 300, true},
	{SESSION_OVERFLOW_UID, 400, false},
	{SESSION_OVERFLOW_UID, 401, false},
	{1000, 0, false},
};
const char *const naive_pool_names[N_POOLS] = {"a", "build", "default", "default-2", "gpu"};
#define DEFAULT_POOL 2

struct naive naive;

static bool is_in(const struct naive_session *session, int pool)
{
	return pool == NO_POOL || session->pool == pool;
}

#define SUM(name, what)                                                                            \
	uint64_t name(int pool)                                                                    \
	{                                                                                          \
		uint64_t sum = 0;                                                                  \
		for (size_t i = 0; i < naive.n_live; i++) {                                        \
			const struct naive_session *s = &naive.live[i];                            \
			if (is_in(s, pool))                                                        \
				sum += (what);                                                     \
		}                                                                                  \
		return sum;                                                                        \
	}

SUM(naive_used, s->units)
SUM(naive_active, s->units > 0)
SUM(naive_overdue, s->is_overdue)
SUM(naive_bytes, s->metadata == NO_TEXT ? 0 : (uint64_t)s->metadata)

uint64_t naive_over(int pool)
{
	uint64_t over = 0;

	for (int p = 0; p < N_POOLS; p++)
		if (naive.pools[p].is_there && (pool == NO_POOL || pool == p) &&
			naive_used(p) > naive.pools[p].settings.limit)
			over += naive_used(p) - naive.pools[p].settings.limit;
	return over;
}

void naive_init(uint64_t first_fence, size_t history_limit)
{
	memset(&naive, 0, sizeof(naive));
	naive.history_limit = history_limit;
	naive.next_fence = first_fence;
	naive.next_sequence = 1;
	naive.heap_capacity = 64;
	naive_set_pool(DEFAULT_POOL, &pool_settings_builtin, POOL_BUILTIN);
}

void naive_clock(int64_t now_us, int64_t wall_us)
{
	if (now_us > naive.now_us)
		naive.now_us = now_us;
	naive.wall_us = wall_us;
}

/* ---- lookup ---- */

struct naive_session *naive_find_live(uint64_t id)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (naive.live[i].id == id)
			return &naive.live[i];
	return NULL;
}

const struct naive_session *naive_find(uint64_t id)
{
	for (size_t i = 0; i < naive.n_history; i++)
		if (naive.history[i].id == id)
			return &naive.history[i];
	return naive_find_live(id);
}

const struct naive_session *naive_find_request(uint32_t uid, int request)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (naive.live[i].request == request &&
			naive_peers[naive.live[i].creator].uid == uid)
			return &naive.live[i];
	return NULL;
}

bool naive_may_act(const struct naive_session *session, int peer)
{
	uint32_t uid = naive_peers[session->creator].uid;

	if (naive_peers[peer].is_admin || session->owner == peer)
		return true;
	return uid == naive_peers[peer].uid && uid != SESSION_OVERFLOW_UID;
}

/* ---- pools ---- */

void naive_set_pool(int p, const struct pool_settings *settings, enum pool_source source)
{
	struct naive_pool *pool = &naive.pools[p];

	naive.n_freed_pools += pool->is_there;
	pool->is_there = true;
	pool->is_removed = false;
	pool->settings = *settings;
	pool->source = source;
}

void naive_remove_pools(const bool keep[N_POOLS])
{
	for (int p = 0; p < N_POOLS; p++) {
		if (p == DEFAULT_POOL && keep[p])
			naive.n_freed_pools++; /* the spare one */
		if (keep[p] || !naive.pools[p].is_there)
			continue;
		if (p == DEFAULT_POOL) {
			naive_set_pool(p, &pool_settings_builtin, POOL_BUILTIN);
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
	naive.base.created = naive.totals.created - naive.n_live;
	naive.peak = naive.n_live;
	naive.max_since_reset_us = 0;
}
