/* SPDX-License-Identifier: MIT */
#include "daemon/store_scan.h"

#include <errno.h>
#include <string.h>

struct scan {
	MDB_txn *txn;
	MDB_cursor *cursor;
};

static void end_scan(struct scan *scan)
{
	if (scan->cursor)
		mdb_cursor_close(scan->cursor);
	if (scan->txn)
		mdb_txn_abort(scan->txn);
}

static int begin_scan(const struct store_file *file, MDB_dbi dbi, struct scan *ret)
{
	int r = mdb_txn_begin(file->env, NULL, MDB_RDONLY, &ret->txn);

	ret->cursor = NULL;
	if (r)
		ret->txn = NULL;
	else
		r = mdb_cursor_open(ret->txn, dbi, &ret->cursor);
	if (r)
		end_scan(ret);
	return r;
}

/* LMDB's positive results are errnos: FN's are made so. */
static int call(store_record_fn *fn, void *context, uint64_t sequence, const MDB_val *value)
{
	return -fn(context, sequence, value->mv_data, value->mv_size);
}

static bool is_pool_key(const MDB_val *key)
{
	size_t prefix = sizeof(STORE_POOL_PREFIX) - 1;

	return key->mv_size > prefix && memcmp(key->mv_data, STORE_POOL_PREFIX, prefix) == 0;
}

/* It is the record of its key. */
static int check_key(const MDB_val *key, const MDB_val *value)
{
	size_t prefix = sizeof(STORE_POOL_PREFIX) - 1;

	return -record_check(value->mv_data, value->mv_size, (char *)key->mv_data + prefix,
		key->mv_size - prefix, NULL);
}

int store_scan_pools(const struct store_file *file, store_record_fn *fn, void *context)
{
	MDB_val key = {sizeof(STORE_POOL_PREFIX) - 1, (void *)STORE_POOL_PREFIX}, value;
	struct scan scan;
	int r = begin_scan(file, file->meta, &scan);

	if (r)
		return r;
	r = mdb_cursor_get(scan.cursor, &key, &value, MDB_SET_RANGE);
	while (r == 0 && is_pool_key(&key)) {
		r = check_key(&key, &value);
		if (r == 0)
			r = call(fn, context, 0, &value);
		if (r == 0)
			r = mdb_cursor_get(scan.cursor, &key, &value, MDB_NEXT);
	}
	end_scan(&scan);
	return r == MDB_NOTFOUND ? 0 : r;
}

int store_scan_sessions(const struct store_file *file, uint64_t after, size_t max,
	store_record_fn *fn, void *context, uint64_t *ret_after)
{
	uint64_t sequence = after + 1;
	MDB_val key = {sizeof(sequence), &sequence}, value;
	struct scan scan;
	int r = begin_scan(file, file->sessions, &scan);

	*ret_after = after;
	if (r)
		return r;
	r = mdb_cursor_get(scan.cursor, &key, &value, MDB_SET_RANGE);
	for (size_t n = 0; r == 0 && n < max; n++) {
		if (key.mv_size != sizeof(sequence)) {
			r = MDB_CORRUPTED;
			break;
		}
		memcpy(&sequence, key.mv_data, sizeof(sequence));
		*ret_after = sequence;
		r = call(fn, context, sequence, &value);
		if (r == 0)
			r = mdb_cursor_get(scan.cursor, &key, &value, MDB_NEXT);
	}
	end_scan(&scan);
	if (r != MDB_NOTFOUND)
		return r;
	*ret_after = 0;
	return 0;
}

int store_scan_table(
	const struct store_file *file, struct saved_table *ret, struct record_totals *ret_totals)
{
	MDB_val key = {strlen(RECORD_TABLE_KEY), (void *)RECORD_TABLE_KEY}, value;
	MDB_txn *txn;
	int r = mdb_txn_begin(file->env, NULL, MDB_RDONLY, &txn);

	if (r)
		return r;
	r = mdb_get(txn, file->meta, &key, &value);
	if (r == 0)
		r = -record_check(value.mv_data, value.mv_size, key.mv_data, key.mv_size, NULL);
	if (r == 0)
		r = -record_read_table(value.mv_data, value.mv_size, ret, ret_totals);
	mdb_txn_abort(txn);
	return r;
}

int store_scan_meta(const struct store_file *file, const char *name, void *ret, size_t size)
{
	MDB_val key = {strlen(name), (void *)name}, value;
	MDB_txn *txn;
	int r = mdb_txn_begin(file->env, NULL, MDB_RDONLY, &txn);

	if (r)
		return r;
	r = mdb_get(txn, file->meta, &key, &value);
	if (r == 0 && value.mv_size != size)
		r = MDB_CORRUPTED;
	if (r == 0)
		memcpy(ret, value.mv_data, size);
	mdb_txn_abort(txn);
	return r;
}
