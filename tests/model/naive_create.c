/* SPDX-License-Identifier: MIT */
#include "tests/model/naive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int refuse(int pool, enum rejection why, int status)
{
	naive.totals.rejected[why]++;
	if (pool != NO_POOL && naive.pools[pool].is_there)
		naive.pools[pool].counters.rejected[why]++;
	naive.n_freed_sessions++;
	return status;
}

static bool is_taken(int pool, uint32_t slot)
{
	for (size_t i = 0; i < naive.n_live; i++)
		for (uint32_t k = 0; naive.live[i].pool == pool && k < naive.live[i].units; k++)
			if (naive.live[i].slots[k] == slot)
				return true;
	return false;
}

static void fill_slots(struct naive_session *session)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; n < session->units; slot++)
		if (!is_taken(session->pool, slot))
			session->slots[n++] = slot;
}

static const struct naive_session *add_session(const struct naive_create *want, int64_t timeout_ms)
{
	struct naive_session session = {
		.id = want->id,
		.sequence = naive.next_sequence++,
		.fence = naive.next_fence++,
		.fingerprint = want->fingerprint,
		.request = want->request,
		.label = want->label,
		.metadata = want->metadata,
		.result = NO_TEXT,
		.creator = want->peer,
		.process = want->peer,
		.pool = want->pool,
		.units = want->units,
		.is_detached = want->is_detached,
		.timeout_ms = timeout_ms,
		.deadline_us =
			naive_deadline_of(&naive.pools[want->pool], naive.now_us, timeout_ms),
		.created_us = naive.now_us,
		.created_wall_us = naive.wall_us,
	};

	naive_own(&session, want->is_detached ? NO_PEER : want->peer);
	fill_slots(&session);
	naive.live[naive.n_live++] = session;
	naive.totals.created++;
	naive.pools[want->pool].counters.created++;
	if (naive.n_live > naive.peak)
		naive.peak = naive.n_live;
	return &naive.live[naive.n_live - 1];
}

static int create_again(struct naive_session *known, const struct naive_create *want,
	const struct naive_session **ret, bool *ret_existing)
{
	bool is_same_process = naive_peers[known->process].pid == naive_peers[want->peer].pid &&
			       naive_peers[want->peer].pid != 0;

	*ret = known;
	if (known->fingerprint != want->fingerprint || !naive_may_act(known, want->peer) ||
		(!known->is_detached && !is_same_process))
		return refuse(want->pool, REJECTED_INVALID, STATUS_REQUEST_ID_IN_USE);
	*ret_existing = true;
	naive.n_freed_sessions++;
	if (known->is_detached)
		return 0;
	naive_own(known, want->peer);
	known->process = want->peer;
	return 0;
}

static int create_in(
	const struct naive_create *want, struct naive_pool *pool, const struct naive_session **ret)
{
	int64_t timeout_ms = naive_timeout_of(pool, want->is_detached, want->timeout_ms);

	if (want->metadata != NO_TEXT &&
		(uint32_t)want->metadata > pool->settings.max_metadata_bytes)
		return refuse(want->pool, REJECTED_METADATA_SIZE, STATUS_METADATA_TOO_LARGE);
	if (timeout_ms == -2)
		return refuse(want->pool, REJECTED_INVALID, STATUS_TIMEOUT_OUT_OF_RANGE);
	if (want->units > pool->settings.limit)
		return refuse(want->pool, REJECTED_INVALID, STATUS_INVALID_PARAMETER);
	if (naive_pause_of(want->pool))
		return refuse(want->pool, REJECTED_PAUSED, STATUS_PAUSED);
	if (naive_used(want->pool) + want->units > pool->settings.limit)
		return refuse(want->pool, REJECTED_CAPACITY, STATUS_CAPACITY_REACHED);
	if (naive.next_fence >> 53)
		return refuse(want->pool, REJECTED_CREATION_ERROR, -EOVERFLOW);
	if (naive_find(want->id))
		return -EEXIST;
	if (!naive_has_room(NULL, naive_deadline_of(pool, naive.now_us, timeout_ms)))
		return -ENOBUFS;
	*ret = add_session(want, timeout_ms);
	return 0;
}

int naive_create(
	const struct naive_create *want, const struct naive_session **ret, bool *ret_existing)
{
	const struct naive_session *known =
		naive_find_request(naive_peers[want->peer].uid, want->request);

	*ret_existing = false;
	if (known)
		return create_again(naive_find_live(known->id), want, ret, ret_existing);
	if (naive.is_draining)
		return refuse(want->pool, REJECTED_SHUTDOWN, STATUS_SHUTTING_DOWN);
	if (want->pool == NO_POOL || !naive.pools[want->pool].is_there ||
		naive.pools[want->pool].is_removed)
		return refuse(want->pool, REJECTED_INVALID, STATUS_NO_SUCH_POOL);
	return create_in(want, &naive.pools[want->pool], ret);
}

static int compare_durations(const void *a, const void *b)
{
	int64_t first = *(const int64_t *)a;
	int64_t second = *(const int64_t *)b;

	return (first > second) - (first < second);
}

int64_t naive_retry_us(int p)
{
	const struct naive_pool *pool = &naive.pools[p];
	int64_t sorted[NAIVE_DURATIONS];
	size_t n = pool->n_durations;
	int64_t left_us;

	if (!n)
		return -1;
	if (n > NAIVE_DURATIONS)
		return -2;
	memcpy(sorted, pool->durations_us, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), compare_durations);
	for (size_t i = 0; i < naive.n_live; i++) {
		if (naive.live[i].pool != p)
			continue;
		left_us = sorted[(n - 1) / 2] - (naive.now_us - naive.live[i].created_us);
		return left_us > 0 ? left_us : 0;
	}
	return 0;
}
