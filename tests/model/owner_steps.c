/* SPDX-License-Identifier: MIT */
/* Owners that go, and what is due. */
#include "tests/model/model.h"

/* ---- owners ---- */

static bool owns(enum owner_kind kind, int owner, bool is_wait)
{
	for (size_t i = 0; i < naive.n_live; i++) {
		const struct naive_session *session = &naive.live[i];

		if ((session->is_orphaned ? OWNER_PROCESS : session->kind) == kind &&
			session->owner == owner && naive_waits(session) == is_wait)
			return true;
	}
	return false;
}

/* The connection closes: its waits are abandoned; before, or as far as its end has not told them.
 */
static void abandon_waits(int peer)
{
	for (int i = 0; i < N_WAITERS; i++)
		if (model.is_waiter_used[i] && model.waiters[i].caller == &model.owners[peer])
			abandon_wait(i);
}

void run_owner_gone(void)
{
	int peer = (int)DECIDE("peer", 0, draw_peer());
	size_t max = (size_t)DECIDE("portion", 1000, draw_portion(4));
	bool is_more;

	if (DECIDE("abandons", false, chance(50)))
		abandon_waits(peer);
	if (owns(OWNER_CONNECTION, peer, false))
		met(CASE_OWNER_GONE);
	if (owns(OWNER_CONNECTION, peer, true))
		met(CASE_OWNER_GONE_WAITING);
	is_more = naive_owner_gone(OWNER_CONNECTION, peer, max);
	EXPECT(table_owner_gone(model.table, &model.owners[peer], model_now(), max, &model.change),
		is_more);
	EXPECT(!list_is_empty(&model.owners[peer].sessions), is_more);
	came(is_more ? CAME_TRUE : CAME_FALSE);
}

static void note_process_gone(int process)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (naive.live[i].is_orphaned && naive.live[i].owner == process)
			met(CASE_ORPHANS_PROCESS_GONE);
	if (owns(OWNER_PROCESS, process, false))
		met(CASE_PROCESS_GONE);
	if (owns(OWNER_PROCESS, process, true))
		met(CASE_PROCESS_GONE_WAITING);
}

/* Somebody else has made or attached what it owns, if the table says so: somebody who has. */
static void compare_maker(int process)
{
	const struct identity *is = table_maker(model.processes[process]);
	bool is_one = false;

	EXPECT(is != NULL, naive_maker(process));
	if (!is)
		return;
	met(CASE_MADE_FOR_OTHER);
	for (int peer = 0; peer < N_PEERS; peer++)
		is_one = is_one || (is->pid == naive_peers[peer].pid &&
					   is->start_time == naive_peers[peer].start_time &&
					   naive_process_of(peer) != process);
	EXPECT(is_one, true);
}

void run_process_gone(void)
{
	int process = (int)DECIDE("process", 0, draw(N_PEERS));
	size_t max = (size_t)DECIDE("portion", 1000, draw_portion(4) + 1);
	bool is_more;

	if (!model.processes[process])
		return;
	compare_maker(process);
	note_process_gone(process);
	is_more = naive_owner_gone(OWNER_PROCESS, process, max);
	EXPECT(table_owner_gone(model.table, &model.processes[process]->owner, model_now(), max,
		       &model.change),
		is_more);
	came(is_more ? CAME_TRUE : CAME_FALSE);
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
	met(CASE_ORPHAN_GIVEN_UP);
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
	expire_steps((size_t)DECIDE("portion", 1000000, chance(70) ? 1000000 : draw(4)));
}
