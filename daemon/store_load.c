/* SPDX-License-Identifier: MIT */
/* What was stored is found again, and held against its sums. */
#include "daemon/store_private.h"

#include <errno.h>
#include <stdlib.h>

static const struct journal_place nowhere = {0, 0};

/* ---- replaying ---- */

static int replay_session(
	struct store *store, const struct journal_entry *entry, struct journal_place place)
{
	return entry->number ? store_move_session(store, NULL, entry->number, place, 0) : -EUCLEAN;
}

static int replay_pool(
	struct store *store, const struct journal_entry *entry, struct journal_place place)
{
	struct stored_pool *pool;
	uint32_t sum = 0;
	int r;

	if (entry->kind == KIND_POOL_GONE) {
		pool = store_pools_find(&store->pools, entry->key, entry->key_size, NULL);
		if (pool)
			store_move_pool(store, pool, nowhere, 0);
		return 0;
	}
	r = record_check(entry->bytes, entry->size, entry->key, entry->key_size, &sum);
	if (r < 0)
		return r;
	pool = store_pools_get(&store->pools, entry->key, entry->key_size);
	if (!pool)
		return -ENOMEM;
	store_move_pool(store, pool, place, sum);
	return 0;
}

static int replay(void *context, const struct journal_entry *entry, struct journal_place place)
{
	struct store *store = context;
	int r = store_reserve_undo(store);

	if (r < 0)
		return r;
	store_note_size(store, place.size);
	switch (entry->kind) {
	case KIND_SESSION:
		return replay_session(store, entry, place);
	case KIND_SESSION_GONE:
		return replay_session(store, entry, nowhere);
	case KIND_POOL:
	case KIND_POOL_GONE:
		return replay_pool(store, entry, place);
	case KIND_TABLE:
		store_move_table(store, place);
		return 0;
	default:
		return -EUCLEAN;
	}
}

static void settle(void *context)
{
	store_settle(context);
}

/* ---- checking ---- */

static int check_session(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct store *store = context;
	uint64_t told;
	uint32_t sum;
	int r = record_check(bytes, size, &sequence, sizeof(sequence), &sum);

	if (r < 0)
		return r;
	r = record_check_session(bytes, size, &told);
	if (r < 0)
		return r;
	store->sums.sessions += sum;
	return told == sequence ? 0 : -EBADMSG;
}

static int check_pool(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct saved_pool pool;
	int r = record_read_pool(bytes, size, &pool);

	(void)context;
	(void)sequence;
	if (r == 0)
		saved_pool_deinit(&pool);
	return r;
}

static int check_sessions(struct store *store)
{
	struct store_scan *scan;
	bool is_end = false;
	int r = store_scan_begin(store, &scan);

	store->sums.sessions = 0;
	while (r == 0 && !is_end)
		r = store_scan_next(scan, SIZE_MAX, check_session, store, &is_end);
	store_scan_end(scan);
	return r;
}

static int check_totals(struct store *store)
{
	struct saved_table table;
	struct record_totals totals;
	int r = store_read_table(store, &table, &totals);

	if (r == -ENOENT) /* nothing has been committed yet */
		return journal_transaction(store->file.journal) ? -EBADMSG : 0;
	if (r < 0)
		return r;
	if (table.active != store->sessions.count || totals.session_sums != store->sums.sessions ||
		totals.pool_sums != store->sums.pools ||
		table.totals.created != store->sessions.count + counters_ended(&table.totals))
		r = -EBADMSG;
	saved_table_deinit(&table);
	return r;
}

static bool is_whole(const struct store *store)
{
	return witness_confirms(store->file.path, journal_transaction(store->file.journal));
}

int store_load(struct store *store)
{
	int r = journal_replay(store->file.journal, replay, settle, store);

	store_undo(store); /* what was not settled */
	if (r == 0 && !is_whole(store))
		r = -EUCLEAN;
	if (r == 0)
		r = check_sessions(store);
	if (r == 0)
		r = store_each_pool(store, check_pool, store);
	if (r == 0)
		r = check_totals(store);
	store_settle(store);
	return r;
}
