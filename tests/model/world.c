/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

#include <stdlib.h>
#include <string.h>

#define N_HELD 16 /* views kept for a while, as readers outside the lock do */

static struct session_view held[N_HELD];
static struct naive_session held_sessions[N_HELD];

/* ---- memory ---- */

/* How many slot numbers the pool has from now on that WANTS speaks of. */
static void note_slots(const struct table_wants *wants)
{
	for (int p = 0; p < N_POOLS && wants->slots_pool; p++) {
		const struct pool *pool = table_find_pool(
			model.table, naive_pool_names[p], strlen(naive_pool_names[p]));

		if (pool && pool->number == wants->slots_pool)
			naive.pools[p].capacity = wants->slots;
	}
}

static bool give_if_wanted(void)
{
	struct table_wants wants;
	struct table_supply supply;

	if (!table_wants(model.table, &wants))
		return false;
	table_supply_init(&supply, &wants);
	table_give(model.table, &wants, &supply);
	table_supply_deinit(&supply);
	if (wants.arrays[ARRAY_DEADLINES] > naive.heap_capacity)
		naive.heap_capacity = wants.arrays[ARRAY_DEADLINES];
	if (wants.arrays[ARRAY_WAITS] > naive.wait_capacity)
		naive.wait_capacity = wants.arrays[ARRAY_WAITS];
	note_slots(&wants);
	return true;
}

void give_memory(void)
{
	give_if_wanted();
}

/* ---- pumping ---- */

int changed_pool(void)
{
	for (int p = 0; p < N_POOLS; p++) {
		const struct pool *pool = table_find_pool(
			model.table, naive_pool_names[p], strlen(naive_pool_names[p]));

		if ((pool ? pool->waiting : 0) != naive_waiting(p))
			return p;
	}
	return NO_POOL;
}

static bool anybody_lacks_memory(void)
{
	for (int p = 0; p < N_POOLS; p++)
		if (naive_lacks_memory(p))
			return true;
	return false;
}

/* What the table does in one step, whatever the order of the pools, must be what is next there. */
static bool pump_once(bool *ret_more)
{
	int p;

	*ret_more = table_pump(model.table, model_now(), 1, &model.change);
	p = changed_pool();
	if (p == NO_POOL)
		return false;
	EXPECT(naive_can_pump(p), true);
	naive_pump(p);
	EXPECT(changed_pool(), NO_POOL);
	return true;
}

static void pump(void)
{
	bool is_more = true;

	for (int idle = 0; is_more && idle <= N_POOLS;) {
		if (pump_once(&is_more)) {
			idle = 0;
			continue;
		}
		idle++;
		if (is_more)
			EXPECT(anybody_lacks_memory(), true);
		if (is_more && !model.is_stingy)
			EXPECT(give_if_wanted(), true);
	}
	for (int p = 0; p < N_POOLS; p++)
		EXPECT(naive_can_pump(p), false);
}

/* ---- what an operation leaves ---- */

static void compare_ended(void)
{
	size_t n = 0;

	for (struct session *s = model.change.ended; s; s = s->next_ended, n++)
		EXPECT(s->id, n < naive.n_ended ? naive.ended_ids[n] : 0);
	EXPECT(n, model.is_told_ends ? naive.n_ended : 0);
	naive.n_ended = 0;
}

void free_process(struct process *process)
{
	for (int i = 0; i < N_PEERS; i++)
		if (model.processes[i] == process)
			model.processes[i] = NULL;
	peer_deinit(&process->owner.peer);
	free(process);
}

static void take_processes(void)
{
	while (model.change.processes) {
		struct process *process = model.change.processes;

		model.change.processes = process->next_idle;
		EXPECT(list_is_empty(&process->owner.sessions), true);
		free_process(process);
	}
	for (int i = 0; i < N_PEERS; i++)
		if (model.processes[i])
			EXPECT(list_is_empty(&model.processes[i]->owner.sessions), false);
}

static void take_change(void)
{
	size_t n_sessions = 0, n_pools = 0;

	for (struct session *s = model.change.sessions; s; s = s->next_freed)
		n_sessions++;
	for (struct pool *p = model.change.pools; p; p = p->next_freed)
		n_pools++;
	EXPECT(n_sessions, naive.n_freed_sessions);
	EXPECT(n_pools, naive.n_freed_pools);
	naive.n_freed_sessions = naive.n_freed_pools = 0;
	compare_ended();
	take_processes();
	table_change_deinit(&model.change);
	model.change.ring = 0;
}

void settle(void)
{
	pump();
	take_change();
	if (!model.is_stingy || !draw(300))
		give_memory();
	pump();
	take_change();
}

/* ---- views that are kept ---- */

void hold_view(const struct session_view *view, const struct naive_session *session)
{
	size_t i = draw(N_HELD);

	if (held[i].session) {
		struct text *metadata = make_text(held_sessions[i].metadata);

		EXPECT(held[i].session->id, held_sessions[i].id);
		EXPECT(text_length(held[i].metadata), text_length(metadata));
		if (metadata)
			EXPECT(strcmp(held[i].metadata->bytes, metadata->bytes), 0);
		text_unref(metadata);
	}
	session_view_deinit(&held[i]);
	held[i] = *view;
	held_sessions[i] = *session;
}

/* ---- the begin and the end ---- */

static void init_owners(void)
{
	for (int i = 0; i < N_PEERS; i++) {
		struct peer *peer = &model.owners[i].peer;
		char name[16];
		struct text *unit;

		make_name("peer", i, name, sizeof(name));
		unit = text_new(name, strlen(name));
		owner_init(&model.owners[i]);
		peer->uid = naive_peers[i].uid;
		peer->gid = naive_peers[i].uid;
		peer->pid = naive_peers[i].pid;
		peer->is_admin = naive_peers[i].is_admin;
		peer->identity = identity_new(peer->pid, naive_peers[i].start_time, name, unit);
		peer->groups = naive_peers[i].group ? groups_new(1) : NULL;
		if (peer->groups)
			peer->groups->gids[0] = naive_peers[i].group;
		text_unref(unit);
	}
}

void make_world(uint64_t first_fence)
{
	struct table_options options;

	options.hash_seed[0] = draw(UINT64_MAX);
	options.hash_seed[1] = draw(UINT64_MAX);
	options.first_fence = first_fence;
	options.history_limit = (uint32_t)naive.history_limit;
	model.table = table_new(&options);
	table_report_ends(model.table, model.is_told_ends);
	table_change_init(&model.change);
	memset(model.is_auditing, 0, sizeof(model.is_auditing));
	memset(model.is_waiter_used, 0, sizeof(model.is_waiter_used));
	memset(model.processes, 0, sizeof(model.processes));
	for (int i = 0; i < N_PEERS; i++)
		list_init(&model.owners[i].sessions);
	for (unsigned i = 0; i < NAIVE_INBOXES; i++)
		inbox_init(&model.inboxes[i], i);
}

/* A new table, now and then without a history, or soon without fences, or without a store. */
void begin_world(void)
{
	uint64_t first_fence = chance(5) ? (UINT64_C(1) << 53) - 500 : 1 + draw(UINT64_C(1) << 52);

	naive_init(first_fence, chance(10) ? 0 : draw(NAIVE_HISTORY + 1));
	model.is_told_ends = chance(70);
	for (int i = 0; i < N_SHARED; i++)
		model.shared[i] = make_text(i);
	init_owners();
	make_world(first_fence);
	list_store_init(&model.store);
	naive.keeps_changes = chance(80);
	if (naive.keeps_changes) {
		table_keep_changes(model.table);
		commit();
	}
	begin_readers();
}

/* With live and waiting sessions and owners, as it happens to be. */
void lose_world(void)
{
	end_readers();
	table_change_deinit(&model.change);
	table_free(model.table);
	for (int i = 0; i < N_WAITERS; i++)
		if (model.is_waiter_used[i])
			session_unref(model.waiters[i].session);
	for (int i = 0; i < N_PEERS; i++)
		if (model.processes[i])
			free_process(model.processes[i]);
}

void end_world(void)
{
	lose_world();
	list_store_deinit(&model.store);
	for (int i = 0; i < N_HELD; i++)
		session_view_deinit(&held[i]);
	for (int i = 0; i < N_SHARED; i++)
		text_unref(model.shared[i]);
	for (int i = 0; i < N_PEERS; i++)
		peer_deinit(&model.owners[i].peer);
}
