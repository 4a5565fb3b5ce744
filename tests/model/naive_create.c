/* SPDX-License-Identifier: MIT */
#include "tests/model/counts.h"
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
	naive.n_refused += status > 0;
	return status;
}

static bool is_taken(int pool, uint32_t slot)
{
	for (size_t i = 0; i < naive.n_live; i++)
		for (uint32_t k = 0; naive.live[i].pool == pool && !naive_waits(&naive.live[i]) &&
				     k < naive.live[i].units;
			k++)
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

bool naive_fits(int p, uint32_t units)
{
	const struct pool_settings *settings = &naive.pools[p].settings;

	return !settings->enforce || naive_used(p) + units <= settings->limit;
}

/* There are slot numbers, and room in the heap. */
bool naive_has_memory(const struct naive_session *session)
{
	const struct naive_pool *pool = &naive.pools[session->pool];

	return naive_used(session->pool) + session->units <= pool->capacity &&
	       naive_has_room(NULL, naive_deadline_of(pool, naive.now_us, session->timeout_ms));
}

static void count_shadow(struct naive_pool *pool, const struct naive_session *session)
{
	bool is_over = naive_used(session->pool) + session->units > pool->settings.limit;
	bool is_over_quota = naive_quota_exceeded(session, false) != DIMENSIONS;

	if (pool->settings.enforce)
		return;
	if (is_over)
		met(CASE_SHADOW_CAPACITY);
	if (is_over_quota)
		met(CASE_SHADOW_QUOTA);
	naive.totals.shadow_capacity += is_over;
	pool->counters.shadow_capacity += is_over;
	naive.totals.shadow_quota += is_over_quota;
	pool->counters.shadow_quota += is_over_quota;
}

/* SESSION, which is the last one, is in its pool. */
void naive_grant(struct naive_session *session)
{
	struct naive_pool *pool = &naive.pools[session->pool];

	count_shadow(pool, session);
	session->sequence = naive.next_sequence++;
	session->fence = naive.next_fence++;
	session->created_us = naive.now_us;
	session->created_wall_us = naive.wall_us;
	session->deadline_us = naive_deadline_of(pool, naive.now_us, session->timeout_ms);
	fill_slots(session);
	session->state = SESSION_IDLE;
	naive.totals.created++;
	pool->counters.created++;
	if (naive_active(NO_POOL) > naive.peak)
		naive.peak = naive_active(NO_POOL);
}

static struct naive_session draft(const struct naive_create *want, int64_t timeout_ms)
{
	return (struct naive_session){
		.id = want->id,
		.fingerprint = want->fingerprint,
		.request = want->request,
		.label = want->label,
		.metadata = want->metadata,
		.result = NO_TEXT,
		.creator = want->peer,
		.last = want->peer,
		.process = want->peer,
		.pool = want->pool,
		.units = want->units,
		.priority = want->priority,
		.kind = want->kind,
		.owner = NO_PEER,
		.state = SESSION_WAITING,
		.timeout_ms = timeout_ms,
		.deadline_us = INT64_MAX,
		.created_us = naive.now_us,
		.created_wall_us = naive.wall_us,
		.waiter = NO_WAITER,
	};
}

static struct naive_session *add(
	struct naive_session *session, const struct naive_create *want, struct naive_created *ret)
{
	int owner = want->kind == OWNER_CONNECTION ? want->peer : NO_PEER;

	if (want->kind == OWNER_PROCESS) {
		owner = naive_adopt(want->process, &ret->is_process_new);
		session->process = naive.shown[owner];
	}
	naive_own(session, want->kind, owner);
	naive.live[naive.n_live] = *session;
	ret->session = &naive.live[naive.n_live];
	return &naive.live[naive.n_live++];
}

static void begin_wait(struct naive_session *session, const struct naive_create *want)
{
	session->sequence = naive.next_sequence++;
	session->since_us = naive.now_us;
	session->waiter = want->waiter;
	session->caller = want->peer;
	session->until_us = naive_end_of_wait(want);
	naive.totals.queued++;
	naive.pools[session->pool].counters.queued++;
}

static void note_retry(const struct naive_session *known, const struct naive_create *want)
{
	if (naive_waits(known)) {
		met(CASE_RETRY_WAITING);
		return;
	}
	met(CASE_RETRY_LIVE);
	if (known->is_orphaned)
		met(CASE_RETRY_AFTER_CRASH);
	else if (known->kind == OWNER_CONNECTION && known->owner != want->peer)
		met(CASE_RETRY_MOVED);
	if (known->kind == OWNER_DETACHED && !naive_is_same_process(known->last, want->peer))
		met(CASE_RETRY_DETACHED);
}

static int create_again(
	struct naive_session *known, const struct naive_create *want, struct naive_created *ret)
{
	bool is_orphan = known->is_orphaned;
	bool is_free = is_orphan || (known->kind == OWNER_DETACHED && !naive_waits(known));

	ret->session = known;
	ret->pool = known->pool;
	if (known->fingerprint != want->fingerprint || !naive_may_act(known, want->peer) ||
		(!is_free && !naive_is_same_process(known->last, want->peer)))
		return refuse(want->pool, REJECTED_INVALID, STATUS_REQUEST_ID_IN_USE);
	if (naive_waits(known) && want->wait_us == 0)
		return refuse(known->pool, REJECTED_CAPACITY, STATUS_CAPACITY_REACHED);
	if (naive_waits(known) && !naive_has_room_to_wait(naive_end_of_wait(want)))
		return -ENOBUFS;
	note_retry(known, want);
	ret->is_existing = true;
	ret->is_waiting = naive_waits(known);
	naive.n_freed_sessions++;
	if (ret->is_waiting)
		naive_take_over(known, want);
	else if (known->kind == OWNER_CONNECTION && (is_orphan || known->owner != want->peer))
		known->process = want->peer;
	if (is_orphan)
		known->last = want->peer;
	if (known->kind == OWNER_CONNECTION)
		naive_own(known, OWNER_CONNECTION, want->peer);
	return 0;
}

/* What time can cure. */
static int refuse_for_now(const struct naive_session *session, enum rejection *ret_why)
{
	const struct naive_pool *pool = &naive.pools[session->pool];

	*ret_why = REJECTED_PAUSED;
	if (naive_pause_of(session->pool))
		return STATUS_PAUSED;
	*ret_why = REJECTED_QUOTA;
	if (pool->settings.enforce && naive_quota_exceeded(session, false) != DIMENSIONS)
		return STATUS_QUOTA_EXCEEDED;
	*ret_why = REJECTED_CAPACITY;
	if (!naive_fits(session->pool, session->units))
		return STATUS_CAPACITY_REACHED;
	if (!naive_next(session->pool))
		return 0;
	met(CASE_BLOCKED_BY_FIRST);
	return STATUS_CAPACITY_REACHED;
}

uint64_t naive_waiting_of_user(int p, uint32_t uid)
{
	uint64_t n = 0;

	for (size_t i = 0; i < naive.n_live; i++)
		n += naive_waits(&naive.live[i]) && naive.live[i].pool == p &&
		     naive_peers[naive.live[i].creator].uid == uid;
	return n;
}

static bool queue_is_full(const struct naive_create *want)
{
	const struct pool_settings *settings = &naive.pools[want->pool].settings;

	return naive_waiting(want->pool) >= settings->max_waiters ||
	       (settings->per_uid_waiters >= 0 &&
		       naive_waiting_of_user(want->pool, naive_peers[want->peer].uid) >=
			       (uint64_t)settings->per_uid_waiters);
}

static int create_or_wait(
	const struct naive_create *want, struct naive_session *session, struct naive_created *ret)
{
	enum rejection why;
	int status = refuse_for_now(session, &why);

	if (status && want->wait_us == 0)
		return refuse(want->pool, why, status);
	if (status && queue_is_full(want))
		return refuse(want->pool, REJECTED_QUEUE_FULL, STATUS_QUEUE_FULL);
	if (status ? !naive_has_room_to_wait(naive_end_of_wait(want)) : !naive_has_memory(session))
		return -ENOBUFS;
	ret->is_waiting = status != 0;
	session = add(session, want, ret);
	if (status)
		begin_wait(session, want);
	else
		naive_grant(session);
	return 0;
}

static int create_in(
	const struct naive_create *want, struct naive_pool *pool, struct naive_created *ret)
{
	int64_t timeout_ms = naive_timeout_of(pool, want->kind, want->timeout_ms);
	struct naive_session session = draft(want, timeout_ms);

	if (want->kind == OWNER_PROCESS && naive_process_of(want->process) != NO_PEER)
		session.process = want->process;
	if (!naive_allows(pool->allow, want->peer))
		return refuse(want->pool, REJECTED_INVALID, STATUS_PERMISSION_DENIED);
	if (want->metadata != NO_TEXT &&
		(uint32_t)want->metadata > pool->settings.max_metadata_bytes)
		return refuse(want->pool, REJECTED_METADATA_SIZE, STATUS_METADATA_TOO_LARGE);
	if (timeout_ms == -2)
		return refuse(want->pool, REJECTED_INVALID, STATUS_TIMEOUT_OUT_OF_RANGE);
	if (pool->settings.enforce && want->units > pool->settings.limit)
		return refuse(want->pool, REJECTED_INVALID, STATUS_INVALID_PARAMETER);
	ret->quota = naive_quota_exceeded(&session, true);
	if (pool->settings.enforce && ret->quota != DIMENSIONS)
		return refuse(want->pool, REJECTED_QUOTA, STATUS_QUOTA_EXCEEDED);
	ret->quota = naive_quota_exceeded(&session, false);
	if (naive.next_fence >> 53)
		return refuse(want->pool, REJECTED_CREATION_ERROR, -EOVERFLOW);
	if (naive.cannot_store || naive.next_fence >= naive.fence_limit)
		return refuse(want->pool, REJECTED_STORE, STATUS_STORE_UNAVAILABLE);
	return create_or_wait(want, &session, ret);
}

int naive_create(const struct naive_create *want, struct naive_created *ret)
{
	const struct naive_session *known =
		naive_find_request(naive_peers[want->peer].uid, want->request);

	*ret = (struct naive_created){.pool = want->pool};
	if (naive.lacks_tallies)
		return -ENOBUFS;
	if (known)
		return create_again(naive_find_live(known->id), want, ret);
	if (naive_find(want->id))
		return -EEXIST;
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
		if (naive.live[i].pool != p || naive_waits(&naive.live[i]))
			continue;
		left_us = sorted[(n - 1) / 2] - (naive.now_us - naive.live[i].created_us);
		return left_us > 0 ? left_us : 0;
	}
	return -1;
}
