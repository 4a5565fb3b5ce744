/* SPDX-License-Identifier: MIT */
#include "tests/model/naive.h"

#include <string.h>

/* Two connections of one process, another process of its user, another user, root, an admin, two
 * processes of users without a mapping, one of an unknown process, and one whose pid another one
 * had before. */
const struct naive_peer naive_peers[N_PEERS] = {
	{1000, 100, false, 7, 0},
	{1000, 100, false, 7, 0},
	{1000, 101, false, 8, 5000},
	{1001, 200, false, 9, 0},
	{0, 1, true, 1, 0},
	{1002, 300, true, 10, 5000},
	{SESSION_OVERFLOW_UID, 400, false, 11, 0},
	{SESSION_OVERFLOW_UID, 401, false, 12, 0},
	{1000, 0, false, 0, 0},
	{1000, 100, false, 99, 0},
};
const char *const naive_pool_names[N_POOLS] = {"a", "build", "default", "default-2", "gpu"};

struct naive naive;

bool naive_waits(const struct naive_session *session)
{
	return session->state == SESSION_WAITING;
}

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
			if (is_in(s, pool) && !naive_waits(s))                                     \
				sum += (what);                                                     \
		}                                                                                  \
		return sum;                                                                        \
	}

SUM(naive_used, s->units)
SUM(naive_active, s->units > 0)
SUM(naive_overdue, s->is_overdue)
SUM(naive_orphaned, s->is_orphaned)
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
	naive.fence_limit = UINT64_MAX;
	naive.orphans_until_us = INT64_MAX;
	naive.heap_capacity = naive.wait_capacity = 64;
	naive_set_pool(NAIVE_DEFAULT_POOL, &pool_settings_builtin, POOL_BUILTIN, 0);
}

void naive_clock(int64_t now_us, int64_t wall_us)
{
	int64_t back_us = naive.now_us - now_us;

	naive.wall_us = back_us > 0 ? wall_us + back_us : wall_us;
	naive.now_us = back_us > 0 ? naive.now_us : now_us;
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

	if (naive_peers[peer].is_admin || (session->kind == OWNER_CONNECTION &&
						  !session->is_orphaned && session->owner == peer))
		return true;
	return uid == naive_peers[peer].uid && uid != SESSION_OVERFLOW_UID;
}

/* ---- processes ---- */

bool naive_is_same_process(int a, int b)
{
	return naive_peers[a].pid && naive_peers[a].pid == naive_peers[b].pid &&
	       naive_peers[a].start_time == naive_peers[b].start_time;
}

int naive_process_of(int peer)
{
	for (int i = 0; i < N_PEERS; i++)
		if (naive_is_same_process(i, peer))
			return i;
	return NO_PEER;
}

static bool owns_any(int process)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if ((naive.live[i].kind == OWNER_PROCESS || naive.live[i].is_orphaned) &&
			naive.live[i].owner == process)
			return true;
	return false;
}

int naive_adopt(int process, bool *ret_is_new)
{
	int owner = naive_process_of(process);

	*ret_is_new = !owns_any(owner);
	if (*ret_is_new)
		naive.shown[owner] = process;
	return owner;
}

bool naive_maker(int process)
{
	for (size_t i = 0; i < naive.n_live; i++) {
		const struct naive_session *session = &naive.live[i];

		if ((session->kind == OWNER_PROCESS || session->is_orphaned) &&
			session->owner == process && naive_process_of(session->last) != process)
			return true;
	}
	return false;
}

uint64_t naive_processes(void)
{
	uint64_t n = 0;

	for (int i = 0; i < N_PEERS; i++)
		n += owns_any(i);
	return n;
}
