/* SPDX-License-Identifier: MIT */
/* The daemon crashes, or is stopped, and another one is filled from what was stored. */
#include "tests/model/model.h"

#include <string.h>

/* ---- the files of the next run ---- */

static int64_t draw_files(const struct naive_pool *before)
{
	int64_t files = 0;

	for (int p = 0; p < N_POOLS; p++) {
		bool is_of_file = before[p].source == POOL_FILE && !before[p].is_removed;

		files |= (int64_t)chance(is_of_file ? 80 : 20) << p;
	}
	return files;
}

/* What was edited is there; else what BEFORE had there is, as it was, or not any more. */
static struct naive_file choose_file(int p, const struct naive_pool *before, int64_t files)
{
	struct naive_file file = {0};

	if (model.files[p].is_there) {
		met(CASE_FILE_CHANGED);
		return model.files[p];
	}
	if (!(files >> p & 1) || !before[p].is_there)
		return file;
	file.is_there = true;
	file.settings = before[p].settings;
	file.allow = before[p].allow;
	return file;
}

void decide_files(struct naive_file files[N_POOLS], const struct naive_pool *before)
{
	int64_t mask = DECIDE("files", 0, draw_files(before));

	for (int p = 0; p < N_POOLS; p++) {
		files[p] = choose_file(p, before, mask);
		if (files[p].is_there)
			set_pool(p, &files[p].settings, POOL_FILE, files[p].allow);
		model.files[p].is_there = false;
	}
	table_change_deinit(&model.change);
}

/* ---- the crash ---- */

/* Who began to wait and who gave up is no change that is stored at once: what a pool has of that
 * may be older. */
static void adopt_waits(int p)
{
	const struct pool *pool = find_pool(p);
	struct counters *expected = &naive.pools[p].counters;

	if (!pool)
		return;
	EXPECT(pool->counters.queued <= expected->queued, true);
	EXPECT(pool->counters.queued, pool->counters.granted_waits + pool->counters.refused_waits +
					      pool->counters.cancelled_waits);
	expected->queued = pool->counters.queued;
	expected->cancelled_waits = pool->counters.cancelled_waits;
	naive.pools[p].capacity = slotmap_capacity(pool->slots);
}

/* As the daemon asks for it before it reads the sessions. */
static void expect_sessions(size_t n)
{
	struct table_wants wants;
	struct table_supply supply;

	table_wants_for(model.table, n, &wants);
	table_supply_init(&supply, &wants);
	table_give(model.table, &wants, &supply);
	table_supply_deinit(&supply);
	if (wants.arrays[ARRAY_DEADLINES] > naive.heap_capacity)
		naive.heap_capacity = wants.arrays[ARRAY_DEADLINES];
}

static void restore(uint64_t first_fence)
{
	const struct list_store_world world = {
		make_process_of, take_process, free_process, give_memory};
	int64_t grace_us = DECIDE("grace_us", 0, draw(40) * 500);
	struct naive_file files[N_POOLS];

	decide_files(files, naive_stored_pools());
	naive_crash(files, first_fence, grace_us);
	if (DECIDE("is_expected", false, chance(50)))
		expect_sessions(model.store.sessions.count);
	EXPECT(list_store_restore(
		       &model.store, model.table, &world, naive.now_us + grace_us, model_now()),
		0);
	for (int p = 0; p < N_POOLS; p++)
		adopt_waits(p);
	begin_keeping();
	if (DECIDE("commits", true, chance(70)))
		commit();
}

/* All is stored, the loops end, and what their connections own is left to the next run. */
static void stop(void)
{
	struct table_metrics metrics;
	uint64_t orphaned = 0;

	commit();
	for (int i = 0; i < N_WAITERS; i++)
		if (model.is_waiter_used[i])
			abandon_wait(i);
	for (size_t i = 0; i < naive.n_live; i++)
		orphaned += naive.live[i].kind == OWNER_CONNECTION;
	for (int i = 0; i < N_PEERS; i++)
		while (table_orphan(model.table, &model.owners[i], 2))
			;
	table_metrics(model.table, model_now(), &metrics);
	EXPECT(metrics.waiting, 0);
	EXPECT(metrics.orphaned, orphaned);
	EXPECT(table_check(model.table) == NULL, true);
	met(CASE_STOPPED);
}

static void note_crash(void)
{
	if (naive_waiting(NO_POOL))
		met(CASE_CRASHED_WITH_WAITERS);
	if (naive_has_changed())
		met(CASE_CRASHED_UNSTORED);
}

void run_crash(void)
{
	uint64_t first_fence =
		(uint64_t)DECIDE("first_fence", 1, chance(50) ? 1 : naive.next_fence + draw(5));

	if (!naive.keeps_changes)
		return;
	if (DECIDE("is_stopped", false, chance(20)))
		stop();
	else
		note_crash();
	model.now_us = naive.now_us; /* the new table has seen no time yet */
	model.wall_us = naive.wall_us;
	lose_world();
	make_world(first_fence);
	restore(first_fence);
	begin_readers();
	came(STATUS_OK);
}
