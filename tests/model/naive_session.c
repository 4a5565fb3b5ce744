/* SPDX-License-Identifier: MIT */
#include "tests/model/counts.h"
#include "tests/model/naive.h"

#include <errno.h>
#include <string.h>

/* ---- times ---- */

static int64_t after(int64_t from_us, int64_t ms)
{
	__int128 sum = (__int128)from_us + (__int128)ms * 1000;

	if (ms == -1)
		return INT64_MAX;
	return sum > INT64_MAX - 1 ? INT64_MAX - 1 : (int64_t)sum;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t naive_deadline_of(const struct naive_pool *pool, int64_t created_us, int64_t timeout_ms)
{
	return least(
		after(naive.now_us, timeout_ms), after(created_us, pool->settings.max_duration_ms));
}

int64_t naive_timeout_of(const struct naive_pool *pool, enum owner_kind kind, int64_t asked_ms)
{
	bool is_detached = kind == OWNER_DETACHED;
	int64_t max_ms = pool->settings.max_timeout_ms;
	int64_t fallback_ms = pool->settings.default_timeout_ms;

	if (asked_ms == ABSENT) {
		if (fallback_ms < 0 && is_detached)
			fallback_ms = 30000;
		if (fallback_ms < 0)
			return max_ms;
		return max_ms < 0 ? fallback_ms : least(fallback_ms, max_ms);
	}
	if (asked_ms == -1 && (max_ms >= 0 || is_detached))
		return -2;
	if (asked_ms < -1 || asked_ms == 0 || (max_ms >= 0 && asked_ms > max_ms))
		return -2;
	return asked_ms;
}

bool naive_is_due(const struct naive_session *session)
{
	return session->deadline_us != INT64_MAX && !session->is_overdue;
}

bool naive_has_room(const struct naive_session *session, int64_t deadline_us)
{
	size_t n_due = 0;

	for (size_t i = 0; i < naive.n_live; i++)
		n_due += naive.live[i].deadline_us != INT64_MAX;
	if (deadline_us == INT64_MAX || (session && session->deadline_us != INT64_MAX))
		return true;
	return n_due < naive.heap_capacity;
}

static int set_deadline(struct naive_session *session, int64_t timeout_ms)
{
	int64_t deadline_us =
		naive_deadline_of(&naive.pools[session->pool], session->created_us, timeout_ms);

	if (!naive_has_room(session, deadline_us))
		return -ENOBUFS;
	session->timeout_ms = timeout_ms;
	session->deadline_us = deadline_us;
	session->is_overdue = false;
	return 0;
}

int64_t naive_to_wall(int64_t at_us)
{
	__int128 wall_us = (__int128)naive.wall_us + at_us - naive.now_us;

	if (at_us == INT64_MAX)
		return 0;
	return wall_us > INT64_MAX ? INT64_MAX : (int64_t)wall_us;
}

static struct naive_session *first_due(void)
{
	struct naive_session *first = NULL;

	for (size_t i = 0; i < naive.n_live; i++)
		if (naive_is_due(&naive.live[i]) &&
			(!first || naive.live[i].deadline_us < first->deadline_us))
			first = &naive.live[i];
	return first;
}

int64_t naive_next_session_deadline(void)
{
	return first_due() ? first_due()->deadline_us : INT64_MAX;
}

int64_t naive_next_deadline(void)
{
	return least(least(naive_next_session_deadline(), naive_next_orphan_us()),
		naive_next_end_of_wait());
}

/* ---- ends ---- */

static void count_duration(struct naive_pool *pool, int64_t duration_us)
{
	if (pool->n_durations < NAIVE_DURATIONS)
		pool->durations_us[pool->n_durations] = duration_us;
	pool->n_durations++;
	naive.n_durations++;
	naive.sum_durations_us += (uint64_t)duration_us;
	if ((uint64_t)duration_us > naive.max_duration_us)
		naive.max_duration_us = (uint64_t)duration_us;
	if ((uint64_t)duration_us > naive.max_since_reset_us)
		naive.max_since_reset_us = (uint64_t)duration_us;
}

void naive_drop_if_empty(int p)
{
	if (!naive.pools[p].is_there || !naive.pools[p].is_removed || naive_active(p) ||
		naive_waiting(p))
		return;
	memset(&naive.pools[p], 0, sizeof(naive.pools[p]));
	met(CASE_POOL_LEFT);
	naive.n_freed_pools += !naive.keeps_changes; /* the store has to know first */
}

void naive_end(struct naive_session *session, enum outcome outcome, int result)
{
	struct naive_session ended = *session;
	size_t index = (size_t)(session - naive.live);

	memmove(session, session + 1, (naive.n_live - index - 1) * sizeof(*session));
	naive.n_live--;
	met(CASE_ENDED_COMPLETED + outcome);
	ended.state = SESSION_ENDED;
	ended.outcome = outcome;
	ended.result = result;
	ended.metadata = NO_TEXT;
	ended.owner = NO_PEER;
	ended.is_overdue = false;
	ended.is_orphaned = false;
	ended.deadline_us = INT64_MAX;
	ended.ended_us = naive.now_us;
	ended.ended_wall_us = naive.wall_us;
	naive.ended_ids[naive.n_ended++] = ended.id;
	naive.n_stored_ends += ended.is_stored;
	naive.totals.ended[outcome]++;
	naive.pools[ended.pool].counters.ended[outcome]++;
	count_duration(&naive.pools[ended.pool], ended.ended_us - ended.created_us);
	naive.history[naive.n_history++] = ended;
	if (naive.n_history > naive.history_limit) {
		memmove(naive.history, naive.history + 1, NAIVE_HISTORY * sizeof(ended));
		naive.n_history--;
		naive.n_freed_sessions++;
	}
	naive_drop_if_empty(ended.pool);
}

/* Orphans are their process'. */
static bool is_owned_by(const struct naive_session *session, enum owner_kind kind, int owner)
{
	enum owner_kind is = session->is_orphaned ? OWNER_PROCESS : session->kind;

	return is == kind && session->owner == owner;
}

/* Who owns it already goes on as before. */
void naive_own(struct naive_session *session, enum owner_kind kind, int owner)
{
	bool is_the_same = is_owned_by(session, kind, owner);

	session->is_orphaned = false;
	session->kind = kind;
	if (is_the_same)
		return;
	session->owner = owner;
	session->owned_since = naive.next_owned++;
}

static struct naive_session *first_owned(enum owner_kind kind, int owner)
{
	struct naive_session *first = NULL;

	for (size_t i = 0; i < naive.n_live; i++)
		if (is_owned_by(&naive.live[i], kind, owner) &&
			(!first || naive.live[i].owned_since < first->owned_since))
			first = &naive.live[i];
	return first;
}

bool naive_owner_gone(enum owner_kind kind, int owner, size_t max)
{
	struct naive_session *session;

	while (max-- && (session = first_owned(kind, owner))) {
		if (naive_waits(session))
			naive_refuse_wait(session, STATUS_CANCELLED);
		else
			naive_end(session, OUTCOME_ABANDONED, NO_TEXT);
	}
	return first_owned(kind, owner);
}

bool naive_is_held(const struct naive_session *session)
{
	return naive.pools[session->pool].settings.on_timeout == ON_TIMEOUT_HOLD &&
	       session->kind != OWNER_DETACHED;
}

void naive_pass_deadline(void)
{
	struct naive_session *session = first_due();

	if (!naive_is_held(session)) {
		naive_end(session, OUTCOME_TIMEOUT, NO_TEXT);
		return;
	}
	session->is_overdue = true;
	met(CASE_HOLD);
}

/* ---- operations on one session ---- */

static int find_for(int peer, uint64_t id, struct naive_session **ret)
{
	const struct naive_session *session = naive_find(id);

	if (!session)
		return STATUS_NO_SUCH_SESSION;
	if (session->state == SESSION_ENDED)
		return STATUS_SESSION_ENDED;
	if (!naive_may_act(session, peer))
		return STATUS_PERMISSION_DENIED;
	*ret = naive_find_live(id);
	return 0;
}

static int find_granted(int peer, uint64_t id, struct naive_session **ret)
{
	int status = find_for(peer, id, ret);

	return !status && naive_waits(*ret) ? STATUS_INVALID_STATE : status;
}

int naive_get(uint64_t id)
{
	struct naive_session *session;

	return find_for(4, id, &session); /* root may see what everyone may */
}

int naive_start(int peer, uint64_t id)
{
	struct naive_session *session;
	int status = find_granted(peer, id, &session);

	if (status)
		return status;
	if (session->state != SESSION_IDLE)
		return STATUS_INVALID_STATE;
	status = set_deadline(session, session->timeout_ms);
	if (status)
		return status;
	session->state = SESSION_PROCESSING;
	session->started_wall_us = naive.wall_us;
	return 0;
}

int naive_renew(int peer, uint64_t id, int64_t timeout_ms)
{
	struct naive_session *session;
	int status = find_granted(peer, id, &session);

	if (status)
		return status;
	if (timeout_ms == ABSENT)
		return set_deadline(session, session->timeout_ms);
	timeout_ms = naive_timeout_of(&naive.pools[session->pool], session->kind, timeout_ms);
	return timeout_ms == -2 ? STATUS_TIMEOUT_OUT_OF_RANGE : set_deadline(session, timeout_ms);
}

int naive_update(int peer, uint64_t id, int metadata)
{
	struct naive_session *session;
	int status = find_granted(peer, id, &session);

	if (status)
		return status;
	if ((uint32_t)metadata > naive.pools[session->pool].settings.max_metadata_bytes)
		return STATUS_METADATA_TOO_LARGE;
	session->metadata = metadata;
	return 0;
}

int naive_release(int peer, uint64_t id, enum outcome outcome, int result)
{
	struct naive_session *session;
	int status = find_granted(peer, id, &session);

	if (!status)
		naive_end(session, outcome, result);
	return status;
}

int naive_attach(int peer, uint64_t id, enum owner_kind kind, int process, bool *ret_process_new)
{
	struct naive_session *session;
	int status = naive.lacks_tallies ? -ENOBUFS : find_granted(peer, id, &session);
	bool detach = kind == OWNER_DETACHED;
	int owner = kind == OWNER_CONNECTION ? peer : NO_PEER;
	int64_t max_ms;

	*ret_process_new = false;
	if (status)
		return status;
	max_ms = naive.pools[session->pool].settings.max_timeout_ms;
	if (detach && session->timeout_ms < 0)
		status = set_deadline(session, max_ms < 0 ? 30000 : least(30000, max_ms));
	else if (detach && session->is_overdue)
		status = set_deadline(session, session->timeout_ms);
	if (status)
		return status;
	if (kind == OWNER_PROCESS)
		owner = naive_adopt(process, ret_process_new);
	naive_own(session, kind, owner);
	session->last = peer;
	if (kind == OWNER_PROCESS)
		session->process = naive.shown[owner];
	else if (!detach || naive_peers[peer].uid == naive_peers[session->creator].uid)
		session->process = peer;
	return 0;
}

int naive_revoke(int peer, uint64_t id, bool force)
{
	struct naive_session *session;
	int status = find_for(peer, id, &session);

	if (status)
		return status;
	if (naive_waits(session))
		naive_refuse_wait(session, STATUS_CANCELLED);
	else if (force)
		naive_end(session, OUTCOME_REVOKED, NO_TEXT);
	else
		session->is_revoking = true;
	return 0;
}
