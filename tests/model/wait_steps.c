/* SPDX-License-Identifier: MIT */
/* Waits, owners that go, and what is due. */
#include "tests/model/model.h"

#include <stdlib.h>
#include <string.h>

/* ---- waiters ---- */

int draw_waiter(void)
{
	int first = (int)draw(N_WAITERS);

	for (int i = 0; i < N_WAITERS; i++)
		if (!model.is_waiter_used[(first + i) % N_WAITERS])
			return (first + i) % N_WAITERS;
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

static void free_waiter(int number)
{
	model.waiters[number].session = session_unref(model.waiters[number].session);
	model.is_waiter_used[number] = false;
}

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
	if (waiter->status == 0)
		compare_granted(&view, (int)(waiter->caller - model.owners));
	memmove(&naive.decided[i][0], &naive.decided[i][1],
		--naive.n_decided[i] * sizeof(naive.decided[i][0]));
	free_waiter((int)(waiter - model.waiters));
	return true;
}

void run_collect(void)
{
	for (int i = 0; i < NAIVE_INBOXES; i++)
		for (uint64_t n = draw(20); n && take_one(i); n--)
			;
}

static void abandon(int waiter)
{
	naive_abandon(waiter);
	table_abandon_wait(model.table, &model.waiters[waiter], model_now(), &model.change);
	free_waiter(waiter);
}

void run_abandon(void)
{
	int waiter = draw_used_waiter();

	if (waiter != NO_WAITER)
		abandon(waiter);
}

void run_cancel(void)
{
	int peer = draw_peer();
	int request = (int)draw(9);
	uint64_t id = 0, expected_id = 0;
	enum session_state state = 0, expected_state = 0;
	char request_id[32];
	int status;

	for (int tries = 0; naive.n_live && tries < 10 && chance(80); tries++) {
		const struct naive_session *session = &naive.live[draw(naive.n_live)];

		request = session->request;
		peer = chance(70) ? session->creator : draw_peer();
		if (naive_waits(session))
			break;
	}
	make_request_id(request, request_id, sizeof(request_id));
	status = naive_cancel(peer, request, &expected_id, &expected_state);
	EXPECT(table_cancel(model.table, &model.owners[peer], request_id, strlen(request_id),
		       model_now(), &id, &state, &model.change),
		status);
	EXPECT(id, expected_id);
	EXPECT(state, expected_state);
}

/* ---- owners ---- */

struct process *make_process_of(struct identity *identity)
{
	struct process *process = calloc(1, sizeof(*process));

	owner_init(&process->owner);
	process->owner.peer.identity = identity_ref(identity);
	return process;
}

struct process *make_process(int peer)
{
	return make_process_of(model.owners[peer].peer.identity);
}

/* The connection closes: its waits are abandoned; before, or as far as its end has not told them.
 */
void run_owner_gone(void)
{
	int peer = draw_peer();
	size_t max = chance(70) ? 1000 : draw(4);
	bool is_more;

	for (int i = 0; chance(50) && i < N_WAITERS; i++)
		if (model.is_waiter_used[i] && model.waiters[i].caller == &model.owners[peer])
			abandon(i);
	is_more = naive_owner_gone(OWNER_CONNECTION, peer, max);
	EXPECT(table_owner_gone(model.table, &model.owners[peer], model_now(), max, &model.change),
		is_more);
	EXPECT(!list_is_empty(&model.owners[peer].sessions), is_more);
}

void run_process_gone(void)
{
	int process = (int)draw(N_PEERS);
	size_t max = chance(70) ? 1000 : 1 + draw(4);

	if (!model.processes[process])
		return;
	EXPECT(table_owner_gone(model.table, &model.processes[process]->owner, model_now(), max,
		       &model.change),
		naive_owner_gone(OWNER_PROCESS, process, max));
}

/* ---- what is due ---- */

static void pass_session_deadline(void)
{
	int64_t at_us = naive_next_session_deadline();

	EXPECT(at_us <= naive.now_us && at_us <= naive_next_end_of_wait(), true);
	naive_pass_deadline();
}

static void give_up_orphan(void)
{
	EXPECT(naive_next_orphan_us() <= naive.now_us, true);
	naive_give_up_orphan();
}

/* By its time: but not if somebody could have been let in by what ended before. What pauses and
 * starvation have changed since is for later. */
static void end_wait(void)
{
	for (int p = 0; p < N_POOLS; p++)
		if (!naive.pause.is_on && !naive.pools[p].pause.is_on &&
			naive.pools[p].settings.starve_after_ms < 0)
			EXPECT(naive_can_pump(p), false);
	naive_end_wait();
}

/* By a grant or a refusal of what was due before, or by its time. */
static void pass_end_of_wait(bool is_granted)
{
	int p = changed_pool();

	EXPECT(naive_next_end_of_wait() <= naive.now_us, true);
	EXPECT(naive_next_end_of_wait() < naive_next_session_deadline(), true);
	if (is_granted)
		EXPECT(naive_can_pump(p), true);
	if (is_granted || naive.is_draining || naive.pools[p].is_removed)
		naive_pump(p);
	else
		end_wait();
	EXPECT(changed_pool(), NO_POOL);
}

/* A pause that is over, or whose turn it is by starvation, shows when it is pumped. */
static void expire_one(void)
{
	struct table_metrics before, after;

	table_metrics(model.table, model_now(), &before);
	EXPECT(table_expire(model.table, model_now(), 1, &model.change), 1);
	table_metrics(model.table, model_now(), &after);
	if (after.totals.ended[OUTCOME_ABANDONED] > before.totals.ended[OUTCOME_ABANDONED])
		give_up_orphan();
	else if (after.active < before.active || after.overdue != before.overdue)
		pass_session_deadline();
	else if (after.waiting != before.waiting)
		pass_end_of_wait(after.active > before.active);
}

void expire_steps(size_t max)
{
	for (; max; max--) {
		if (table_next_deadline(model.table) > naive.now_us) {
			EXPECT(naive_next_deadline() > naive.now_us, true);
			return;
		}
		expire_one();
	}
}

void run_expire(void)
{
	expire_steps(chance(70) ? 1000000 : draw(4));
}
