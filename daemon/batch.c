/* SPDX-License-Identifier: MIT */
#include "daemon/batch.h"

#include "daemon/failpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_A_LOCK 256
#define POOLS_A_LOCK    32

/* ---- taking ---- */

static int reserve(void **items, size_t *capacity, size_t needed, size_t size)
{
	size_t larger = *capacity ? *capacity : 64;
	void *fresh;

	if (needed <= *capacity)
		return 0;
	while (larger < needed)
		larger *= 2;
	fresh = realloc(*items, larger * size);
	if (!fresh)
		return -ENOMEM;
	*items = fresh;
	*capacity = larger;
	return 0;
}

static int reserve_portion(struct batch *b)
{
	int r = reserve((void **)&b->sessions, &b->sessions_capacity,
		b->n_sessions + SESSIONS_A_LOCK, sizeof(*b->sessions));

	if (r < 0)
		return r;
	return reserve((void **)&b->pools, &b->pools_capacity, b->n_pools + POOLS_A_LOCK,
		sizeof(*b->pools));
}

#define HAS_LEFT 0 /* slots of a saved pool that is not to be stored */

/* It was taken in an earlier portion, and has left since. What it holds is freed with the batch. */
static void note_has_left(struct batch *b, const struct text *name)
{
	for (size_t i = 0; i < b->n_pools; i++) {
		struct saved_pool *saved = &b->pools[i];

		if (saved->name->length == name->length &&
			!memcmp(saved->name->bytes, name->bytes, name->length))
			saved->slots = HAS_LEFT;
	}
}

/* What is taken later under the same name is another pool, made since. */
static void take_dropped(struct batch *b, struct table *table)
{
	struct pool *pool = table_take_dropped_pools(table);

	while (pool) {
		struct pool *next = pool->next_freed;

		note_has_left(b, pool->name);
		pool->next_freed = b->dropped;
		b->dropped = pool;
		pool = next;
	}
}

/* True when nothing is left. What leaving the section itself changes belongs to the next batch. */
static bool take_portion(struct batch *b, struct broker *broker)
{
	struct section section;
	size_t n, n_pools;

	broker_enter(broker, &section);
	n = table_take_dirty_sessions(section.table, b->sessions + b->n_sessions, SESSIONS_A_LOCK);
	take_dropped(b, section.table);
	n_pools = table_take_dirty_pools(section.table, b->pools + b->n_pools, POOLS_A_LOCK);
	b->n_sessions += n;
	b->n_pools += n_pools;
	if (n < SESSIONS_A_LOCK && n_pools < POOLS_A_LOCK) {
		table_save_globals(section.table, &b->table);
		b->section = table_section(section.table) - 1;
	}
	broker_leave(&section);
	return n < SESSIONS_A_LOCK && n_pools < POOLS_A_LOCK;
}

int batch_take(struct batch *b, struct broker *broker)
{
	int r;

	saved_table_deinit(&b->table); /* of a batch that was not stored */
	do
		r = reserve_portion(b);
	while (r == 0 && !take_portion(b, broker));
	return r;
}

static void forget_saved(struct batch *b)
{
	for (size_t i = 0; i < b->n_sessions; i++)
		saved_session_deinit(&b->sessions[i]);
	for (size_t i = 0; i < b->n_pools; i++)
		saved_pool_deinit(&b->pools[i]);
	saved_table_deinit(&b->table);
	b->n_sessions = b->n_pools = 0;
}

static void forget_dropped(struct batch *b)
{
	while (b->dropped) {
		struct pool *pool = b->dropped;

		b->dropped = pool->next_freed;
		pool_free(pool);
	}
}

void batch_forget(struct batch *b)
{
	forget_saved(b);
	forget_dropped(b);
}

void batch_deinit(struct batch *b)
{
	batch_forget(b);
	free(b->sessions);
	free(b->pools);
}

/* ---- into the store ---- */

static int put_session(struct store *store, const struct saved_session *saved)
{
	return saved->is_gone ? store_delete_session(store, saved->session)
			      : store_put_session(store, saved);
}

static int put_all(const struct batch *b, struct store *store, struct broker *broker)
{
	int r = failpoint_error("store.commit");

	for (struct pool *pool = b->dropped; r == 0 && pool; pool = pool->next_freed)
		r = store_delete_pool(store, pool->name->bytes, pool->name->length);
	for (size_t i = 0; r == 0 && i < b->n_sessions; i++)
		r = put_session(store, &b->sessions[i]);
	for (size_t i = 0; r == 0 && i < b->n_pools; i++)
		if (b->pools[i].slots != HAS_LEFT)
			r = store_put_pool(store, &b->pools[i]);
	if (r == 0)
		r = store_put_table(store, &b->table, broker_stalled_us(broker));
	return r;
}

static int try_once(const struct batch *b, struct store *store, struct broker *broker)
{
	int r = store_begin(store);

	if (r < 0)
		return r;
	r = put_all(b, store, broker);
	if (r < 0) {
		store_abort(store);
		return r;
	}
	FAILPOINT("store.before-commit");
	r = store_commit(store);
	if (r == 0)
		FAILPOINT("store.after-commit");
	return r;
}

int batch_store(const struct batch *b, struct store *store, struct broker *broker)
{
	int r;

	do
		r = try_once(b, store, broker);
	while (r == -ENOSPC && store_is_out_of_room(store) && store_make_room(store));
	return r;
}

/* ---- not into the store ---- */

static void put_back_session(
	struct section *section, const struct saved_session *saved, bool undoes, bool marks)
{
	struct session *session = saved->session;
	bool is_stored = session->stored_sum != 0;

	if (!is_stored && !saved->is_gone && undoes)
		table_undo_session(section->table, session, section->now, &section->change);
	else if ((is_stored || !saved->is_gone) && marks)
		table_mark_session(section->table, session);
}

static void put_back_sessions(const struct batch *b, struct broker *broker, bool undoes, bool marks)
{
	struct section section;

	for (size_t i = 0; i < b->n_sessions;) {
		broker_enter(broker, &section);
		for (size_t end = i + SESSIONS_A_LOCK; i < end && i < b->n_sessions; i++)
			put_back_session(&section, &b->sessions[i], undoes, marks);
		broker_leave(&section);
	}
}

void batch_put_back(struct batch *b, struct broker *broker, bool undoes, bool marks)
{
	struct section section;

	put_back_sessions(b, broker, undoes, marks);
	broker_enter(broker, &section);
	for (size_t i = 0; i < b->n_pools; i++)
		table_mark_pool(section.table, b->pools[i].name->bytes, b->pools[i].name->length);
	broker_leave(&section);
	forget_saved(b);
}
