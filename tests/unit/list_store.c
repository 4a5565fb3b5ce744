/* SPDX-License-Identifier: MIT */
#include "tests/unit/list_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORTION 64

/* ---- records ---- */

static struct list_record *find(struct list_records *records, const struct list_record *like)
{
	for (size_t i = records->count; i-- > 0;)
		if (records->items[i].sequence == like->sequence &&
			records->items[i].key_length == like->key_length &&
			!memcmp(records->items[i].key, like->key, like->key_length))
			return &records->items[i];
	return NULL;
}

/* Sessions stay in order: after all that have a lower number. */
static struct list_record *add(struct list_records *records, const struct list_record *like)
{
	size_t at = records->count;

	if (records->count == records->capacity) {
		records->capacity = records->capacity ? 2 * records->capacity : 64;
		records->items =
			realloc(records->items, records->capacity * sizeof(*records->items));
	}
	while (at && records->items[at - 1].sequence > like->sequence)
		at--;
	memmove(&records->items[at + 1], &records->items[at],
		(records->count++ - at) * sizeof(*records->items));
	records->items[at] = *like;
	return &records->items[at];
}

/* Room for SIZE bytes under the key of LIKE. */
static void *put(struct list_records *records, const struct list_record *like, size_t size)
{
	struct list_record *record = find(records, like);

	if (record)
		free(record->bytes);
	else
		record = add(records, like);
	record->bytes = malloc(size);
	record->size = size;
	return record->bytes;
}

/* Returns whether there was one. */
static bool drop(struct list_records *records, const struct list_record *like)
{
	struct list_record *record = find(records, like);

	if (!record)
		return false;
	free(record->bytes);
	memmove(record, record + 1,
		(size_t)(&records->items[--records->count] - record) * sizeof(*record));
	return true;
}

static struct list_record pool_key(const struct text *name)
{
	struct list_record key = {.key_length = name->length};

	memcpy(key.key, name->bytes, name->length);
	return key;
}

/* ---- life ---- */

void list_store_init(struct list_store *store)
{
	*store = (struct list_store){0};
}

static void free_dropped(struct list_store *store)
{
	while (store->dropped) {
		struct pool *pool = store->dropped;

		store->dropped = pool->next_freed;
		pool_free(pool);
	}
}

static void free_records(struct list_records *records)
{
	for (size_t i = 0; i < records->count; i++)
		free(records->items[i].bytes);
	free(records->items);
}

void list_store_deinit(struct list_store *store)
{
	free_records(&store->sessions);
	free_records(&store->pools);
	free(store->table.bytes);
	free_dropped(store);
	list_store_init(store);
}

/* ---- commits ---- */

static void take_dropped(struct list_store *store, struct table *table)
{
	struct pool *pool = table_take_dropped_pools(table);

	while (pool) {
		struct pool *next = pool->next_freed;

		pool->next_freed = store->dropped;
		store->dropped = pool;
		pool = next;
	}
}

static void delete_dropped(struct list_store *store)
{
	for (struct pool *pool = store->dropped; pool; pool = pool->next_freed) {
		struct list_record key = pool_key(pool->name);

		drop(&store->pools, &key);
	}
	free_dropped(store);
}

/* A delete of what is not there would be an error of the real store. */
static void store_session(struct list_store *store, struct saved_session *saved)
{
	struct session *session = saved->session;
	struct list_record key = {.sequence = session->sequence};

	if (saved->is_gone) {
		if (session->stored_sum && !drop(&store->sessions, &key))
			abort();
		session->stored_sum = 0;
	} else {
		session->stored_sum = record_session(
			saved, put(&store->sessions, &key, record_session_size(saved)));
	}
	saved_session_deinit(saved);
}

static void store_pool(struct list_store *store, struct saved_pool *saved)
{
	struct list_record key = pool_key(saved->name);

	record_pool(saved, put(&store->pools, &key, record_pool_size(saved)));
	saved_pool_deinit(saved);
}

static void store_table(struct list_store *store, const struct table *table)
{
	const struct record_totals totals = {0};
	struct saved_table saved;

	table_save_globals(table, &saved);
	free(store->table.bytes);
	store->table.size = record_table_size(&saved);
	store->table.bytes = malloc(store->table.size);
	record_table(&saved, &totals, store->table.bytes);
	saved_table_deinit(&saved);
}

void list_store_commit(struct list_store *store, struct table *table, size_t portion)
{
	struct saved_session sessions[PORTION];
	struct saved_pool pools[PORTION];
	size_t n_sessions, n_pools;

	do {
		n_sessions = table_take_dirty_sessions(table, sessions, portion);
		n_pools = table_take_dirty_pools(table, pools, portion);
		take_dropped(store, table);
		delete_dropped(store);
		for (size_t i = 0; i < n_sessions; i++)
			store_session(store, &sessions[i]);
		for (size_t i = 0; i < n_pools; i++)
			store_pool(store, &pools[i]);
	} while (n_sessions == portion || n_pools == portion);
	store_table(store, table);
}

static void put_back(struct table *table, struct saved_session *saved, struct table_time now,
	struct table_change *change)
{
	struct session *session = saved->session;

	if (!session->stored_sum && !saved->is_gone)
		table_undo_session(table, session, now, change);
	else if (session->stored_sum)
		table_mark_session(table, session);
	saved_session_deinit(saved);
}

/* What putting back marks is not taken here. */
void list_store_fail(struct list_store *store, struct table *table, struct table_time now,
	struct table_change *change)
{
	struct saved_pool pools[PORTION];
	struct saved_session *sessions = NULL;
	size_t n = 0, n_pools = table_take_dirty_pools(table, pools, PORTION), n_more;

	take_dropped(store, table);
	do {
		sessions = realloc(sessions, (n + PORTION) * sizeof(*sessions));
		n_more = table_take_dirty_sessions(table, sessions + n, PORTION);
		n += n_more;
	} while (n_more == PORTION);
	for (size_t i = 0; i < n; i++)
		put_back(table, &sessions[i], now, change);
	free(sessions);
	for (size_t i = 0; i < n_pools; i++) {
		table_mark_pool(table, pools[i].name->bytes, pools[i].name->length);
		saved_pool_deinit(&pools[i]);
	}
}

/* ---- restoring ---- */

struct restoring {
	struct table *table;
	const struct list_store_world *world;
	struct table_time now;
	struct table_change change;
	size_t contradictions;
};

static void settle(struct restoring *r)
{
	table_change_deinit(&r->change);
	r->world->give_memory();
}

static void restore_globals(struct restoring *r, const struct list_record *record)
{
	struct saved_table saved;
	struct record_totals totals;

	if (!record->bytes)
		return;
	if (record_read_table(record->bytes, record->size, &saved, &totals) < 0)
		abort();
	table_restore_globals(r->table, &saved, &r->change);
	saved_table_deinit(&saved);
	settle(r);
}

static void restore_pool(struct restoring *r, const struct list_record *record)
{
	struct saved_pool saved;
	struct pool *fresh;

	if (record_read_pool(record->bytes, record->size, &saved) < 0)
		abort();
	fresh = pool_new_sized(
		saved.name->bytes, saved.name->length, &saved.settings, saved.source, saved.slots);
	table_restore_pool(r->table, fresh, &saved, r->now, &r->change);
	saved_pool_deinit(&saved);
	settle(r);
}

static struct identity *make_identity(const struct record_identity *record)
{
	struct text *unit =
		record->unit_length ? text_new(record->unit, record->unit_length) : NULL;
	struct identity *identity = NULL;

	if (record->is_known)
		identity = identity_new(record->pid, record->start_time, record->comm, unit);
	text_unref(unit);
	return identity;
}

static bool has_process(const struct session *session)
{
	return session->owner_kind != OWNER_DETACHED && session->identity &&
	       session->identity->pid != IDENTITY_PID_UNKNOWN;
}

static int enter(struct restoring *r, const struct record_session_view *view)
{
	struct session *session = view->session;
	struct pool *pool = table_find_pool(r->table, view->pool, view->pool_length);
	struct process *process = NULL, *fresh = NULL;
	bool is_new = false;
	int result;

	if (has_process(session))
		process = table_find_process(r->table, session->identity);
	if (has_process(session) && !process)
		process = fresh = r->world->make(session->identity);
	result = pool ? table_restore_session(
				r->table, session, pool, process, r->now, &is_new, &r->change)
		      : -EINVAL;
	if (fresh && is_new)
		r->world->take(fresh);
	else if (fresh)
		r->world->give_back(fresh);
	return result;
}

static void restore_session(struct restoring *r, const struct list_record *record)
{
	struct record_session_view view;
	uint32_t sum;
	int result;

	if (record_check(record->bytes, record->size, &record->sequence, sizeof(record->sequence),
		    &sum) < 0 ||
		record_read_session(record->bytes, record->size, &view) < 0)
		abort();
	view.session->stored_sum = sum;
	view.session->identity = make_identity(&view.identity);
	view.session->creator = make_identity(&view.creator);
	result = enter(r, &view);
	if (result == -ENOBUFS)
		abort();
	if (result == -EINVAL) {
		session_unref(view.session);
		r->contradictions++;
	}
	settle(r);
}

size_t list_store_restore(const struct list_store *store, struct table *table,
	const struct list_store_world *world, int64_t orphans_until_us, struct table_time now)
{
	struct restoring r = {.table = table, .world = world, .now = now};

	table_change_init(&r.change);
	restore_globals(&r, &store->table);
	for (size_t i = 0; i < store->pools.count; i++)
		restore_pool(&r, &store->pools.items[i]);
	for (size_t i = 0; i < store->sessions.count; i++)
		restore_session(&r, &store->sessions.items[i]);
	table_keep_changes(table); /* what leaves now has to leave the store, too */
	table_end_restoring(table, orphans_until_us, now, &r.change);
	table_change_deinit(&r.change);
	return r.contradictions;
}
