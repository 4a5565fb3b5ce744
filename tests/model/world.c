/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

#include <stdlib.h>
#include <string.h>

#define SPARE_TALLIES 512 /* that a table has when it has been given what it wants */

/* ---- memory ---- */

const struct pool *find_pool(int p)
{
	return table_find_pool(model.table, naive_pool_names[p], strlen(naive_pool_names[p]));
}

void note_tallies(void)
{
	struct table_wants wants;

	naive.lacks_tallies =
		table_wants(model.table, &wants) && wants.tallies > SPARE_TALLIES - DIMENSIONS;
}

/* How many slot numbers the pool has from now on that WANTS speaks of. */
static void note_slots(const struct table_wants *wants)
{
	for (int p = 0; p < N_POOLS && wants->slots_pool; p++) {
		const struct pool *pool = find_pool(p);

		if (pool && pool->number == wants->slots_pool)
			naive.pools[p].capacity = wants->slots;
	}
}

static void note_given(const struct table_wants *wants, const struct table_supply *supply)
{
	if (supply->arrays[ARRAY_DEADLINES])
		naive.heap_capacity = wants->arrays[ARRAY_DEADLINES];
	if (supply->arrays[ARRAY_WAITS])
		naive.wait_capacity = wants->arrays[ARRAY_WAITS];
	if (supply->slots)
		note_slots(wants);
}

/* Part of what was wanted could not be had: it goes where the rest will go. */
static void fail_supply(struct table_supply *supply)
{
	struct table_supply missing = {0};

	for (int i = 0; i < ARRAY_COUNT; i++)
		if (model.is_missing >> i & 1) {
			missing.arrays[i] = supply->arrays[i];
			supply->arrays[i] = NULL;
		}
	if (model.is_missing >> ARRAY_COUNT & 1) {
		missing.tallies = supply->tallies;
		missing.events = supply->events;
		missing.slots = supply->slots;
		supply->tallies = NULL;
		supply->events = NULL;
		supply->slots = NULL;
	}
	table_supply_deinit(&missing);
	met(CASE_MEMORY_FAILED);
}

static bool give_if_wanted(void)
{
	struct table_wants wants;
	struct table_supply supply;

	if (!table_wants(model.table, &wants))
		return false;
	table_supply_init(&supply, &wants);
	if (model.is_missing)
		fail_supply(&supply);
	note_given(&wants, &supply);
	table_give(model.table, &wants, &supply);
	table_supply_deinit(&supply);
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
		const struct pool *pool = find_pool(p);

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

static void expect_memory_is_late(void)
{
	EXPECT(anybody_lacks_memory(), true);
	met(CASE_NO_MEMORY_FOR_GRANT);
	if (model.gives_memory)
		EXPECT(give_if_wanted(), true);
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
			expect_memory_is_late();
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

void take_process(struct process *process)
{
	const struct identity *identity = process->owner.peer.identity;

	for (int peer = N_PEERS; peer-- > 0;)
		if (naive_peers[peer].pid == identity->pid &&
			naive_peers[peer].start_time == identity->start_time)
			model.processes[naive_process_of(peer)] = process;
}

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
	if (model.gives_memory)
		give_memory();
	pump();
	take_change();
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

static void decide_seed(struct table_options *options)
{
	options->hash_seed[0] = (uint64_t)DECIDE("hashes", 1, draw(INT64_MAX));
	options->hash_seed[1] = options->hash_seed[0] * 31;
}

void make_world(uint64_t first_fence)
{
	struct table_options options = {
		.first_fence = first_fence,
		.history_limit = (uint32_t)naive.history_limit,
	};

	model.is_missing = 0; /* a daemon that lacks memory as it starts does not start */
	decide_seed(&options);
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

#define FENCES_END (UINT64_C(1) << 53)

/* A new table, now and then without a history, or soon without fences, or without a store. */
void begin_world(void)
{
	uint64_t first_fence = (uint64_t)DECIDE("first_fence", 1,
		chance(10) ? FENCES_END - 1 - draw(500) : 1 + draw(FENCES_END / 2));

	if (!first_fence)
		first_fence = 1;
	naive_init(first_fence,
		(size_t)DECIDE("history", 2, chance(10) ? 0 : draw(NAIVE_HISTORY + 1)));
	model.is_told_ends = DECIDE("is_told_ends", true, chance(70));
	for (int i = 0; i < N_SHARED; i++)
		model.shared[i] = make_text(i);
	init_owners();
	make_world(first_fence);
	list_store_init(&model.store);
	if (DECIDE("is_stored", true, chance(80))) {
		begin_keeping();
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
	drop_views();
	for (int i = 0; i < N_SHARED; i++)
		text_unref(model.shared[i]);
	for (int i = 0; i < N_PEERS; i++)
		peer_deinit(&model.owners[i].peer);
}
