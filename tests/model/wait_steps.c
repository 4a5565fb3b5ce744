/* SPDX-License-Identifier: MIT */
/* Waits, and how they end. */
#include "tests/model/model.h"

#include <string.h>

/* ---- waiters ---- */

int free_waiter(void)
{
	for (int i = 0; i < N_WAITERS; i++)
		if (!model.is_waiter_used[i])
			return i;
	return NO_WAITER;
}

static int draw_used_waiter(void)
{
	int first = (int)draw(N_WAITERS);

	for (int i = 0; i < N_WAITERS; i++)
		if (model.is_waiter_used[(first + i) % N_WAITERS])
			return (first + i) % N_WAITERS;
	return NO_WAITER;
}

static void let_go_waiter(int number)
{
	model.waiters[number].session = session_unref(model.waiters[number].session);
	model.is_waiter_used[number] = false;
}

/* ---- what is decided ---- */

static void compare_decided(const struct waiter *is, const struct naive_decision *expected)
{
	EXPECT(is - model.waiters, expected->waiter);
	EXPECT(is->status, expected->status);
	EXPECT(is->session->id, expected->id);
	EXPECT(is->is_decided, true);
	if (expected->status == STATUS_QUOTA_EXCEEDED)
		EXPECT(is->quota, expected->quota);
	if (expected->status == STATUS_QUOTA_EXCEEDED ||
		expected->status == STATUS_INVALID_PARAMETER)
		EXPECT(is->limit, expected->limit);
	if (is->deadline_us == WAIT_FOR_EVER && !is->status)
		met(CASE_GRANTED_FOR_EVER);
}

/* What was granted may have ended since, and its id be another one's. */
static void compare_granted(struct session_view *view, int peer)
{
	const struct naive_session *session = naive_find(view->session->id);

	if (session && session->sequence == view->sequence)
		compare_view(view, session, peer);
	session_view_deinit(view);
}

static bool take_one(int i)
{
	struct session_view view;
	struct waiter *waiter =
		table_take_decided(model.table, &model.inboxes[i], model_now(), &view);

	EXPECT(waiter != NULL, naive.n_decided[i] > 0);
	if (!waiter)
		return false;
	compare_decided(waiter, &naive.decided[i][0]);
	came_of(OPERATION_WAIT, waiter->status);
	if (waiter->status == 0)
		compare_granted(&view, (int)(waiter->caller - model.owners));
	memmove(&naive.decided[i][0], &naive.decided[i][1],
		--naive.n_decided[i] * sizeof(naive.decided[i][0]));
	let_go_waiter((int)(waiter - model.waiters));
	return true;
}

static void collect(int inbox, int64_t n)
{
	while (n-- > 0 && take_one(inbox))
		;
}

void run_collect(void)
{
	collect(0, DECIDE("first", 20, draw(20)));
	collect(1, DECIDE("second", 20, draw(20)));
}

void collect_all(void)
{
	for (int i = 0; i < NAIVE_INBOXES; i++)
		collect(i, INT64_MAX);
}

/* ---- giving up ---- */

void abandon_wait(int waiter)
{
	naive_abandon(waiter);
	table_abandon_wait(model.table, &model.waiters[waiter], model_now(), &model.change);
	let_go_waiter(waiter);
}

void run_abandon(void)
{
	int waiter = (int)DECIDE("waiter", NO_WAITER, draw_used_waiter());

	if (waiter != NO_WAITER && model.is_waiter_used[waiter])
		abandon_wait(waiter);
}

static unsigned count_waiting_with(int request)
{
	unsigned n = 0;

	for (size_t i = 0; i < naive.n_live; i++)
		n += naive_waits(&naive.live[i]) && naive.live[i].request == request;
	return n;
}

/* By an admin, who says whose only if there is no doubt. */
static bool draw_doubtful(int *ret_request, int *ret_peer)
{
	for (size_t i = 0; i < naive.n_live; i++) {
		if (count_waiting_with(naive.live[i].request) < 2)
			continue;
		*ret_request = naive.live[i].request;
		do
			*ret_peer = draw_peer();
		while (!naive_peers[*ret_peer].is_admin);
		return true;
	}
	return false;
}

static void draw_cancel(int *ret_request, int *ret_peer)
{
	if (chance(50) && draw_doubtful(ret_request, ret_peer))
		return;
	*ret_peer = draw_peer();
	*ret_request = (int)draw(9);
	for (int tries = 0; naive.n_live && tries < 10 && chance(80); tries++) {
		const struct naive_session *session = &naive.live[draw(naive.n_live)];

		*ret_request = session->request;
		*ret_peer = chance(70) ? session->creator : draw_peer();
		if (naive_waits(session))
			break;
	}
}

static uint32_t uid_waiting(int request)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (naive_waits(&naive.live[i]) && naive.live[i].request == request)
			return naive_peers[naive.live[i].creator].uid;
	return UINT32_MAX;
}

void run_cancel(void)
{
	int peer = 0, request = 0, status;
	uint64_t id = 0, expected_id = 0;
	enum session_state state = 0, expected_state = 0;
	char request_id[32];
	uint32_t uid;

	if (!script_is_played)
		draw_cancel(&request, &peer);
	request = (int)DECIDE("request", 0, request);
	peer = (int)DECIDE("peer", 0, peer);
	uid = uid_waiting(request);
	make_request_id(request, request_id, sizeof(request_id));
	status = naive_cancel(peer, request, &expected_id, &expected_state);
	EXPECT(table_cancel(model.table, &model.owners[peer], request_id, strlen(request_id),
		       model_now(), &id, &state, &model.change),
		status);
	came(status);
	EXPECT(id, expected_id);
	EXPECT(state, expected_state);
	if (!status && uid != naive_peers[peer].uid)
		met(CASE_CANCELLED_BY_ADMIN);
}
