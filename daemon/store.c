/* SPDX-License-Identifier: MIT */
#include "daemon/store.h"

#include "daemon/store_file.h"
#include "daemon/store_scan.h"

#include <errno.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct undo {
	struct session *session;
	uint32_t sum;
};

struct store {
	struct store_file file;
	MDB_txn *txn;
	uint64_t last_key;     /* the largest there was */
	uint64_t session_sums; /* with the present transaction */
	uint64_t settled_sums; /* without */
	uint64_t pool_sums, settled_pool_sums;
	struct undo *undos; /* of the present transaction */
	size_t n_undos, undos_capacity;
	bool is_out_of_room; /* why the last transaction failed */
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t size_bytes;
};

#define FULL_PERCENT  90 /* of the file: copy on write needs the rest for deletes */
#define GROWN_PERCENT 70

bool store_is_lost(int error)
{
	return error == -EUCLEAN;
}

const char *store_error(int error)
{
	return store_is_lost(error) ? "the file is damaged" : strerror(-error);
}

/* ---- open ---- */

static int read_last_key(struct store *store)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int r = mdb_txn_begin(store->file.env, NULL, MDB_RDONLY, &store->txn);

	if (r)
		return store_errno(r);
	store->last_key = 0;
	r = mdb_cursor_open(store->txn, store->file.sessions, &cursor);
	if (r == 0) {
		if (mdb_cursor_get(cursor, &key, &value, MDB_LAST) == 0)
			memcpy(&store->last_key, key.mv_data, sizeof(store->last_key));
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(store->txn);
	store->txn = NULL;
	return store_errno(r);
}

static int read_sums(struct store *store)
{
	struct saved_table table;
	struct record_totals totals;
	int r = store_read_table(store, &table, &totals);

	if (r == -ENOENT) { /* a fresh one */
		store->settled_sums = store->session_sums = 0;
		store->settled_pool_sums = store->pool_sums = 0;
		return 0;
	}
	if (r < 0)
		return r;
	store->settled_sums = store->session_sums = totals.session_sums;
	store->settled_pool_sums = store->pool_sums = totals.pool_sums;
	saved_table_deinit(&table);
	return 0;
}

static void measure(struct store *store, MDB_txn *txn)
{
	const MDB_dbi all[] = {store->file.sessions, store->file.meta};
	uint64_t pages = 4; /* the two meta pages, and what lists the databases and free pages */
	MDB_stat stat;

	for (int i = 0; i < 2; i++)
		if (mdb_stat(txn, all[i], &stat) == 0)
			pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	atomic_store(&store->used_bytes, pages * store->file.page_size);
	atomic_store(&store->size_bytes, store->file.size);
}

static int begin_using(struct store *store)
{
	int r = read_last_key(store);

	return r == 0 ? read_sums(store) : r;
}

int store_open(struct store_options *options, struct store **ret, enum store_found *ret_found,
	const char **ret_aside)
{
	struct store *store = calloc(1, sizeof(*store));
	int r;

	*ret = store;
	if (!store)
		return -ENOMEM;
	r = store_file_open(&store->file, options, ret_found, ret_aside);
	if (r == 0)
		r = begin_using(store);
	atomic_store(&store->size_bytes, store->file.size);
	return r;
}

int store_begin_anew(struct store *store)
{
	int r;

	store_abort(store);
	r = store_file_begin_anew(&store->file);
	return r == 0 ? begin_using(store) : r;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_abort(store);
	store_file_close(&store->file);
	free(store->undos);
	free(store);
}

/* ---- one transaction ---- */

int store_begin(struct store *store)
{
	int r = mdb_txn_begin(store->file.env, NULL, 0, &store->txn);

	if (r)
		store->txn = NULL;
	store->is_out_of_room = false;
	store->n_undos = 0;
	return store_errno(r);
}

static int note(struct store *store, int r)
{
	if (r == MDB_MAP_FULL)
		store->is_out_of_room = true;
	return store_errno(r);
}

static int change_sum(struct store *store, struct session *session, uint32_t sum)
{
	if (store->n_undos == store->undos_capacity) {
		size_t capacity = store->undos_capacity ? store->undos_capacity * 2 : 256;
		struct undo *undos = realloc(store->undos, capacity * sizeof(*undos));

		if (!undos)
			return -ENOMEM;
		store->undos = undos;
		store->undos_capacity = capacity;
	}
	store->undos[store->n_undos++] = (struct undo){session, session->stored_sum};
	store->session_sums += (uint64_t)sum - session->stored_sum;
	session->stored_sum = sum;
	return 0;
}

int store_put_session(struct store *store, const struct saved_session *saved)
{
	uint64_t sequence = saved->session->sequence;
	MDB_val key = {sizeof(sequence), &sequence};
	MDB_val value = {record_session_size(saved), NULL};
	bool is_last = sequence > store->last_key;
	int r = mdb_put(store->txn, store->file.sessions, &key, &value,
		MDB_RESERVE | (is_last ? MDB_APPEND : 0));

	if (r)
		return note(store, r);
	if (is_last)
		store->last_key = sequence;
	return change_sum(store, saved->session, record_session(saved, value.mv_data));
}

int store_delete_session(struct store *store, struct session *session)
{
	uint64_t sequence = session->sequence;
	MDB_val key = {sizeof(sequence), &sequence};
	int r;

	if (!session->stored_sum)
		return 0;
	r = mdb_del(store->txn, store->file.sessions, &key, NULL);
	return r ? note(store, r) : change_sum(store, session, 0);
}

#define POOL_KEY_SIZE (sizeof(STORE_POOL_PREFIX) - 1 + POOL_NAME_MAX)

static MDB_val pool_key(char *buffer, const char *name, size_t length)
{
	size_t prefix = sizeof(STORE_POOL_PREFIX) - 1;

	memcpy(buffer, STORE_POOL_PREFIX, prefix);
	memcpy(buffer + prefix, name, length);
	return (MDB_val){prefix + length, buffer};
}

/* Of the record that is there; 0 if there is none. */
static uint32_t stored_pool_sum(struct store *store, MDB_val *key)
{
	struct record_head head = {0};
	MDB_val value;

	if (mdb_get(store->txn, store->file.meta, key, &value) == 0 &&
		value.mv_size >= sizeof(head))
		memcpy(&head, value.mv_data, sizeof(head));
	return head.sum;
}

int store_put_pool(struct store *store, const struct saved_pool *saved)
{
	char buffer[POOL_KEY_SIZE];
	MDB_val key = pool_key(buffer, saved->name->bytes, saved->name->length);
	MDB_val value = {record_pool_size(saved), NULL};
	uint32_t old_sum = stored_pool_sum(store, &key);
	int r = mdb_put(store->txn, store->file.meta, &key, &value, MDB_RESERVE);

	if (r)
		return note(store, r);
	store->pool_sums += (uint64_t)record_pool(saved, value.mv_data) - old_sum;
	return 0;
}

int store_delete_pool(struct store *store, const char *name, size_t length)
{
	char buffer[POOL_KEY_SIZE];
	MDB_val key = pool_key(buffer, name, length);
	uint32_t old_sum = stored_pool_sum(store, &key);
	int r = mdb_del(store->txn, store->file.meta, &key, NULL);

	if (r == 0)
		store->pool_sums -= old_sum;
	return r == MDB_NOTFOUND ? 0 : note(store, r);
}

int store_put_table(struct store *store, const struct saved_table *saved, int64_t stalled_us)
{
	struct record_totals totals = {.session_sums = store->session_sums,
		.stalled_us = stalled_us,
		.pool_sums = store->pool_sums,
		.transaction = mdb_txn_id(store->txn)};
	MDB_val key = {strlen(RECORD_TABLE_KEY), (void *)RECORD_TABLE_KEY};
	MDB_val value = {record_table_size(saved), NULL};
	int r = mdb_put(store->txn, store->file.meta, &key, &value, MDB_RESERVE);

	if (r)
		return note(store, r);
	record_table(saved, &totals, value.mv_data);
	return 0;
}

static void put_sums_back(struct store *store)
{
	while (store->n_undos > 0) {
		struct undo *undo = &store->undos[--store->n_undos];

		undo->session->stored_sum = undo->sum;
	}
	store->session_sums = store->settled_sums;
	store->pool_sums = store->settled_pool_sums;
}

void store_abort(struct store *store)
{
	if (store->txn)
		mdb_txn_abort(store->txn);
	store->txn = NULL;
	put_sums_back(store);
}

int store_commit(struct store *store)
{
	MDB_txn *txn = store->txn;
	uint64_t transaction;
	int r;

	measure(store, txn);
	transaction = mdb_txn_id(txn);
	store->txn = NULL;
	r = mdb_txn_commit(txn);
	if (r) {
		put_sums_back(store);
		return note(store, r);
	}
	witness_tell(&store->file.witness, transaction);
	store->settled_sums = store->session_sums;
	store->settled_pool_sums = store->pool_sums;
	store->n_undos = 0;
	if (atomic_load(&store->used_bytes) > store->file.size / 100 * GROWN_PERCENT)
		store_file_grow(&store->file); /* if it cannot, nine tenths are the limit */
	atomic_store(&store->size_bytes, store->file.size);
	return 0;
}

bool store_grow(struct store *store)
{
	bool is_larger = store_file_grow(&store->file);

	atomic_store(&store->size_bytes, store->file.size);
	return is_larger;
}

bool store_is_out_of_room(const struct store *store)
{
	return store->is_out_of_room;
}

struct store_room store_room(const struct store *store)
{
	struct store_room room = {
		.used_bytes = atomic_load(&store->used_bytes),
		.size_bytes = atomic_load(&store->size_bytes),
	};

	room.is_full = room.used_bytes > room.size_bytes / 100 * FULL_PERCENT;
	return room;
}

/* ---- reading ---- */

int store_each_pool(struct store *store, store_record_fn *fn, void *context)
{
	return store_errno(store_scan_pools(&store->file, fn, context));
}

int store_each_session(struct store *store, uint64_t after, size_t max, store_record_fn *fn,
	void *context, uint64_t *ret_after)
{
	return store_errno(store_scan_sessions(&store->file, after, max, fn, context, ret_after));
}

int store_read_table(struct store *store, struct saved_table *ret, struct record_totals *ret_totals)
{
	return store_errno(store_scan_table(&store->file, ret, ret_totals));
}

int store_count(struct store *store, uint64_t *ret)
{
	MDB_stat stat;
	MDB_txn *txn;
	int r = mdb_txn_begin(store->file.env, NULL, MDB_RDONLY, &txn);

	if (r)
		return store_errno(r);
	r = mdb_stat(txn, store->file.sessions, &stat);
	*ret = r ? 0 : stat.ms_entries;
	mdb_txn_abort(txn);
	return store_errno(r);
}
