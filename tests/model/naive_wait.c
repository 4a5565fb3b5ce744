/* SPDX-License-Identifier: MIT */
/* Who waits, who is next, and how waits end: from the prose of the design. */
#include "tests/model/counts.h"
#include "tests/model/naive.h"

#include <string.h>

uint64_t naive_waiting(int pool)
{
	uint64_t n = 0;

	for (size_t i = 0; i < naive.n_live; i++)
		n += naive_waits(&naive.live[i]) && (pool == NO_POOL || naive.live[i].pool == pool);
	return n;
}

/* ---- what users, processes and labels hold ---- */

static uint32_t uid_of(const struct naive_session *session)
{
	return naive_peers[session->creator].uid;
}

/* Unknown processes of one user count as one. */
static bool is_of_same_process(const struct naive_session *a, const struct naive_session *b)
{
	if (!naive_peers[a->process].pid && !naive_peers[b->process].pid)
		return uid_of(a) == uid_of(b);
	return naive_is_same_process(a->process, b->process);
}

static bool is_of_same(
	enum dimension by, const struct naive_session *a, const struct naive_session *b)
{
	switch (by) {
	case BY_UID:
		return uid_of(a) == uid_of(b);
	case BY_PROCESS:
		return is_of_same_process(a, b);
	case BY_LABEL:
		return a->label == b->label;
	default:
		return true;
	}
}

static uint64_t held_by(enum dimension by, const struct naive_session *like)
{
	uint64_t units = 0;

	for (size_t i = 0; i < naive.n_live; i++)
		if (!naive_waits(&naive.live[i]) && naive.live[i].pool == like->pool &&
			is_of_same(by, &naive.live[i], like))
			units += naive.live[i].units;
	return units;
}

/* The first quota that SESSION's units exceed, with all that is held, or alone. */
enum dimension naive_quota_exceeded(const struct naive_session *session, bool is_alone)
{
	const struct pool_settings *settings = &naive.pools[session->pool].settings;

	for (int by = BY_UID; by < DIMENSIONS; by++) {
		if (settings->quotas[by] < 0 || (by == BY_LABEL && session->label == NO_TEXT))
			continue;
		if ((is_alone ? 0 : held_by((enum dimension)by, session)) + session->units >
			(uint64_t)settings->quotas[by])
			return (enum dimension)by;
	}
	return DIMENSIONS;
}

bool naive_has_quota(int p)
{
	const struct pool_settings *settings = &naive.pools[p].settings;

	for (int by = BY_UID; by < DIMENSIONS; by++)
		if (settings->enforce && settings->quotas[by] >= 0)
			return true;
	return false;
}

/* ---- who is next ---- */

static bool is_passed_over(const struct naive_session *session)
{
	return naive.pools[session->pool].settings.enforce &&
	       naive_quota_exceeded(session, false) != DIMENSIONS;
}

static bool is_starved(const struct naive_session *session)
{
	int64_t after_ms = naive.pools[session->pool].settings.starve_after_ms;

	return after_ms >= 0 && naive.now_us - session->since_us > after_ms * 1000;
}

static int64_t rank_of(const struct naive_session *session)
{
	int64_t step_ms = naive.pools[session->pool].settings.age_step_ms;

	return session->since_us - (int64_t)session->priority * step_ms * 1000;
}

/* Of two that are not starved. */
static bool is_before(const struct naive_session *a, const struct naive_session *b)
{
	enum dimension by = naive.pools[a->pool].settings.fair_by;
	uint64_t held_a = held_by(by, a);
	uint64_t held_b = held_by(by, b);

	if (held_a != held_b)
		return held_a < held_b;
	if (rank_of(a) != rank_of(b))
		return rank_of(a) < rank_of(b);
	return a->sequence < b->sequence;
}

/* They stand in the order of arrival. */
static const struct naive_session *first_starved(int p)
{
	for (size_t i = 0; i < naive.n_live; i++) {
		const struct naive_session *session = &naive.live[i];

		if (naive_waits(session) && session->pool == p && is_starved(session) &&
			!is_passed_over(session))
			return session;
	}
	return NULL;
}

static const struct naive_session *best_by_key(int p)
{
	const struct naive_session *best = NULL;

	for (size_t i = 0; i < naive.n_live; i++) {
		const struct naive_session *session = &naive.live[i];

		if (naive_waits(session) && session->pool == p && !is_passed_over(session) &&
			(!best || is_before(session, best)))
			best = session;
	}
	return best;
}

const struct naive_session *naive_next(int p)
{
	const struct naive_session *starved = first_starved(p);

	return starved ? starved : best_by_key(p);
}

/* ---- the end of waits ---- */

static void decide(const struct naive_session *session, int status)
{
	int inbox = session->caller % NAIVE_INBOXES;
	const struct pool_settings *settings = &naive.pools[session->pool].settings;
	struct naive_decision decision = {
		.waiter = session->waiter, .status = status, .id = session->id};

	if (status == STATUS_QUOTA_EXCEEDED) {
		decision.quota = naive_quota_exceeded(session, true);
		decision.limit = settings->quotas[decision.quota];
	}
	if (status == STATUS_INVALID_PARAMETER)
		decision.limit = settings->limit;
	naive.decided[inbox][naive.n_decided[inbox]++] = decision;
}

static void count_refused(struct counters *counters, int status)
{
	enum rejection why = status == STATUS_WAIT_TIMEOUT     ? REJECTED_WAIT_TIMEOUT
			     : status == STATUS_SHUTTING_DOWN  ? REJECTED_SHUTDOWN
			     : status == STATUS_QUOTA_EXCEEDED ? REJECTED_QUOTA
							       : REJECTED_INVALID;

	if (status == STATUS_CANCELLED) {
		counters->cancelled_waits++;
		return;
	}
	counters->refused_waits++;
	counters->rejected[why]++;
}

static struct naive_session pull(struct naive_session *session)
{
	struct naive_session pulled = *session;

	memmove(session, session + 1,
		(size_t)(&naive.live[--naive.n_live] - session) * sizeof(*session));
	return pulled;
}

void naive_refuse_wait(struct naive_session *session, int status)
{
	int p = session->pool;

	decide(session, status);
	count_refused(&naive.totals, status);
	count_refused(&naive.pools[p].counters, status);
	pull(session);
	naive.n_freed_sessions++;
	naive_drop_if_empty(p);
}

static struct naive_session *first_waiting(int p)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (naive_waits(&naive.live[i]) && naive.live[i].pool == p)
			return &naive.live[i];
	return NULL;
}

static bool may_grant(int p)
{
	const struct naive_session *next = naive_next(p);

	return next && !naive_pause_of(p) && !(naive.next_fence >> 53) && !naive.cannot_store &&
	       naive.next_fence < naive.fence_limit && naive_fits(p, next->units);
}

bool naive_lacks_memory(int p)
{
	return may_grant(p) && !naive_has_memory(naive_next(p));
}

bool naive_can_pump(int p)
{
	if (!naive.pools[p].is_there || !first_waiting(p))
		return false;
	if (naive.is_draining || naive.pools[p].is_removed)
		return true;
	return may_grant(p) && naive_has_memory(naive_next(p));
}

static void count_wait(struct naive_pool *pool, uint64_t waited_us)
{
	pool->n_waits++;
	pool->counters.granted_waits++;
	naive.totals.granted_waits++;
	naive.n_waits++;
	naive.sum_waits_us += waited_us;
	if (waited_us > naive.max_wait_us)
		naive.max_wait_us = waited_us;
	if (waited_us > naive.max_wait_since_reset_us)
		naive.max_wait_since_reset_us = waited_us;
}

/* By which rule NEXT comes before who came before it. */
static void note_turn(int p, const struct naive_session *next)
{
	const struct naive_session *first = first_waiting(p);
	enum dimension by = naive.pools[p].settings.fair_by;

	met(CASE_FAIR_BY_UID + by);
	if (first_starved(p) && best_by_key(p) != next)
		met(CASE_BY_STARVATION);
	if (first == next)
		return;
	if (is_passed_over(first))
		met(CASE_PASSED_OVER);
	else if (held_by(by, next) < held_by(by, first))
		met(CASE_BY_FEWEST_UNITS);
	else
		met(CASE_BY_HEAD_START);
}

void naive_pump(int p)
{
	struct naive_session session;

	if (naive.is_draining || naive.pools[p].is_removed) {
		naive_refuse_wait(first_waiting(p),
			naive.is_draining ? STATUS_SHUTTING_DOWN : STATUS_NO_SUCH_POOL);
		return;
	}
	note_turn(p, naive_next(p));
	session = pull(naive_find_live(naive_next(p)->id));
	naive.live[naive.n_live++] = session;
	decide(&session, 0);
	count_wait(&naive.pools[p], (uint64_t)(naive.now_us - session.since_us));
	naive_grant(&naive.live[naive.n_live - 1]);
}

/* ---- the time of a wait ---- */

int64_t naive_end_of_wait(const struct naive_create *want)
{
	return want->wait_us == INT64_MAX ? INT64_MAX : naive.now_us + want->wait_us;
}

bool naive_has_room_to_wait(int64_t until_us)
{
	size_t n = 0;

	for (size_t i = 0; i < naive.n_live; i++)
		n += naive_waits(&naive.live[i]) && naive.live[i].until_us != INT64_MAX;
	return until_us == INT64_MAX || n < naive.wait_capacity;
}

static struct naive_session *first_over(void)
{
	struct naive_session *first = NULL;

	for (size_t i = 0; i < naive.n_live; i++)
		if (naive_waits(&naive.live[i]) && naive.live[i].until_us != INT64_MAX &&
			(!first || naive.live[i].until_us < first->until_us))
			first = &naive.live[i];
	return first;
}

int64_t naive_next_end_of_wait(void)
{
	return first_over() ? first_over()->until_us : INT64_MAX;
}

void naive_end_wait(void)
{
	naive_refuse_wait(first_over(), STATUS_WAIT_TIMEOUT);
}

/* ---- the daemon's part ---- */

void naive_take_over(struct naive_session *session, const struct naive_create *want)
{
	struct counters *of_pool = &naive.pools[session->pool].counters;

	decide(session, STATUS_CANCELLED);
	count_refused(&naive.totals, STATUS_CANCELLED);
	count_refused(of_pool, STATUS_CANCELLED);
	naive.totals.queued++;
	of_pool->queued++;
	session->waiter = want->waiter;
	session->caller = want->peer;
	session->until_us = naive_end_of_wait(want);
}

const struct naive_session *naive_by_waiter(int waiter)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (naive_waits(&naive.live[i]) && naive.live[i].waiter == waiter)
			return &naive.live[i];
	return NULL;
}

static void forget_decision(int inbox, int waiter)
{
	struct naive_decision *decided = naive.decided[inbox];

	for (size_t i = 0; i < naive.n_decided[inbox]; i++) {
		if (decided[i].waiter != waiter)
			continue;
		memmove(&decided[i], &decided[i + 1],
			(--naive.n_decided[inbox] - i) * sizeof(*decided));
		return;
	}
}

void naive_abandon(int waiter)
{
	const struct naive_session *session = naive_by_waiter(waiter);

	if (session)
		naive_refuse_wait(naive_find_live(session->id), STATUS_CANCELLED);
	for (int i = 0; i < NAIVE_INBOXES; i++)
		forget_decision(i, waiter);
}

static int count_waiting(int request, const struct naive_session **ret)
{
	int n = 0;

	for (size_t i = 0; i < naive.n_live; i++)
		if (naive_waits(&naive.live[i]) && naive.live[i].request == request) {
			*ret = &naive.live[i];
			n++;
		}
	return n;
}

int naive_cancel(int peer, int request, uint64_t *ret_id, enum session_state *ret_state)
{
	const struct naive_session *session = naive_find_request(naive_peers[peer].uid, request);
	bool is_own_wait = session && naive_waits(session);

	/* An admin may mean another user's; but which one must be clear. */
	if (!is_own_wait && naive_peers[peer].is_admin && count_waiting(request, &session) > 1)
		return STATUS_INVALID_PARAMETER;
	if (!session)
		return STATUS_NO_SUCH_SESSION;
	if (!naive_may_act(session, peer))
		return STATUS_PERMISSION_DENIED;
	*ret_id = session->id;
	*ret_state = session->state;
	if (!naive_waits(session))
		return STATUS_INVALID_STATE;
	naive_refuse_wait(naive_find_live(session->id), STATUS_CANCELLED);
	return 0;
}
