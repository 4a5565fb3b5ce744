/* SPDX-License-Identifier: MIT */
/* Commits to a store, ones that fail, and crashes. */
#include "tests/model/model.h"

#include <string.h>

#define PORTION 64

/* ---- the store ---- */

void commit(void)
{
	list_store_commit(&model.store, model.table, 1 + draw(PORTION));
	naive_commit();
}

void run_commit(void)
{
	if (naive.keeps_changes)
		commit();
}

void run_fail_commit(void)
{
	if (!naive.keeps_changes)
		return;
	list_store_fail(&model.store, model.table, model_now(), &model.change);
	naive_fail();
}

/* Away for a while, or soon without fences; then well again. */
void run_store_trouble(void)
{
	bool is_well = !naive.cannot_store && naive.fence_limit == UINT64_MAX;

	if (is_well && chance(85))
		return;
	naive.cannot_store = is_well && chance(50);
	naive.fence_limit =
		is_well && !naive.cannot_store ? naive.next_fence + draw(10) : UINT64_MAX;
	table_set_storing(model.table, !naive.cannot_store);
	table_set_fence_limit(model.table, naive.fence_limit);
}

/* ---- the crash ---- */

static struct process *make(struct identity *identity)
{
	return make_process_of(identity);
}

static void take(struct process *process)
{
	const struct identity *identity = process->owner.peer.identity;

	for (int peer = N_PEERS; peer-- > 0;)
		if (naive_peers[peer].pid == identity->pid &&
			naive_peers[peer].start_time == identity->start_time)
			model.processes[naive_process_of(peer)] = process;
}

/* Which pools are in the files of the next run: mostly those that were. */
static void draw_files(bool ret[N_POOLS])
{
	for (int p = 0; p < N_POOLS; p++) {
		const struct naive_pool *pool = naive_stored_pool(p);

		ret[p] = pool && chance(pool->source == POOL_FILE && !pool->is_removed ? 80 : 20);
		if (ret[p])
			set_pool(p, &pool->settings, POOL_FILE, pool->allow);
	}
	table_change_deinit(&model.change);
}

/* Who began to wait and who gave up is no change that is stored at once: what a pool has of that
 * may be older. */
static void adopt_waits(int p)
{
	const struct pool *pool =
		table_find_pool(model.table, naive_pool_names[p], strlen(naive_pool_names[p]));
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

static void restore(uint64_t first_fence)
{
	const struct list_store_world world = {make, take, free_process, give_memory};
	int64_t grace_us = (int64_t)draw(40) * 500;
	bool has_file[N_POOLS];

	draw_files(has_file);
	naive_crash(has_file, first_fence, grace_us);
	EXPECT(list_store_restore(
		       &model.store, model.table, &world, naive.now_us + grace_us, model_now()),
		0);
	for (int p = 0; p < N_POOLS; p++)
		adopt_waits(p);
	table_keep_changes(model.table);
	if (chance(70))
		commit();
}

void run_crash(void)
{
	uint64_t first_fence = chance(50) ? 1 : naive.next_fence + draw(5);

	if (!naive.keeps_changes)
		return;
	model.now_us = naive.now_us; /* the new table has seen no time yet */
	lose_world();
	make_world(first_fence);
	restore(first_fence);
	begin_readers();
}
