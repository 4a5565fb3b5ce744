/* SPDX-License-Identifier: MIT */
#include "tests/unit/stored_table.h"

struct list_store store;
struct saved_session taken[TAKEN_MAX];
struct saved_pool taken_pools[TAKEN_MAX];
size_t n_contradictions;

static size_t n_taken, n_taken_pools;

/* ---- what is marked ---- */

static void forget_taken(void)
{
	while (n_taken)
		saved_session_deinit(&taken[--n_taken]);
	while (n_taken_pools)
		saved_pool_deinit(&taken_pools[--n_taken_pools]);
}

size_t take_sessions(size_t max)
{
	forget_taken();
	return n_taken = table_take_dirty_sessions(table, taken, max);
}

size_t take_pools(size_t max)
{
	forget_taken();
	return n_taken_pools = table_take_dirty_pools(table, taken_pools, max);
}

void forget_marks(void)
{
	while (take_sessions(TAKEN_MAX) || take_pools(TAKEN_MAX))
		;
}

/* ---- life ---- */

void stored_setup(void)
{
	table_keep_changes(table);
	list_store_init(&store);
	table_begin_section(table);
}

void stored_teardown(void)
{
	forget_taken();
	list_store_deinit(&store);
}

/* ---- commits ---- */

void commit(void)
{
	list_store_commit(&store, table, TAKEN_MAX);
	table_begin_section(table);
}

void fail_commit(void)
{
	list_store_fail(&store, table, now, &change);
	operate(0);
	table_begin_section(table);
}

uint64_t take_stored(const struct wish *wish)
{
	uint64_t id = take(wish);

	commit();
	return id;
}

/* ---- crashes ---- */

static struct process *make(struct identity *identity)
{
	struct owner of = {.peer = {.identity = identity}};

	return make_process(&of);
}

static void keep(struct process *process)
{
	(void)process; /* the fixture's until the table hands it back */
}

void fill(void)
{
	const struct list_store_world world = {make, keep, change_process_back, give_wanted};

	n_contradictions = list_store_restore(&store, table, &world, now.now_us + GRACE_US, now);
	table_keep_changes(table);
	operate(0);
}

void crash(void)
{
	commit();
	fixture_crash();
}

void crash_and_restore(void)
{
	crash();
	fill();
}

/* ---- pools ---- */

void set_hold(const char *name)
{
	struct pool_settings settings = pool_settings_builtin;

	settings.on_timeout = ON_TIMEOUT_HOLD;
	set_pool(name, &settings);
}

void set_file_limit(const char *name, uint32_t limit)
{
	struct pool_settings settings = pool_settings_builtin;
	struct pool *fresh;

	settings.limit = limit;
	fresh = pool_new(name, strlen(name), &settings, POOL_FILE);
	table_set_pool(table, fresh, now, &change);
	operate(0);
}

const struct owner *owner_of(uint64_t id)
{
	return view(&root, id)->owner;
}
