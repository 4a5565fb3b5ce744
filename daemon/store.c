/* SPDX-License-Identifier: MIT */
#include "daemon/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FULL_PERCENT  90 /* of the file: the rest is for deletes, and to clean in */
#define MOST_PERCENT  93 /* what one transaction may reach */
#define GROWN_PERCENT 70

static const struct journal_place nowhere = {0, 0};

bool store_is_lost(int error)
{
	return error == -EUCLEAN;
}

const char *store_error(int error)
{
	return store_is_lost(error) ? "the file is damaged" : strerror(-error);
}

/* ---- what is where ---- */

int store_reserve_undo(struct store *store)
{
	size_t capacity = store->undos_capacity ? store->undos_capacity * 2 : 256;
	struct undo *undos;

	if (store->n_undos < store->undos_capacity)
		return 0;
	undos = realloc(store->undos, capacity * sizeof(*undos));
	if (!undos)
		return -ENOMEM;
	store->undos = undos;
	store->undos_capacity = capacity;
	return 0;
}

static void count(struct store *store, struct journal_place from, struct journal_place to)
{
	struct journal *journal = store->file.journal;

	if (from.size)
		journal_count_live(journal, from, -1);
	if (to.size)
		journal_count_live(journal, to, 1);
	store->live_bytes += (uint64_t)to.size - from.size;
}

int store_move_session(struct store *store, struct session *session, uint64_t sequence,
	struct journal_place place, uint32_t sum)
{
	struct undo undo = {.session = session,
		.sequence = sequence,
		.place = index_find(&store->sessions, sequence),
		.sum = session ? session->stored_sum : 0};
	int r = index_set(&store->sessions, sequence, place);

	if (r < 0)
		return r;
	count(store, undo.place, place);
	store->undos[store->n_undos++] = undo;
	if (!session)
		return 0;
	store->sums.sessions += (uint64_t)sum - session->stored_sum;
	store_tell_audits(store, sequence, session->stored_sum, sum);
	session->stored_sum = sum;
	return 0;
}

void store_move_pool(
	struct store *store, struct stored_pool *pool, struct journal_place place, uint32_t sum)
{
	store->undos[store->n_undos++] =
		(struct undo){.pool = pool, .place = pool->place, .sum = pool->sum};
	count(store, pool->place, place);
	store->sums.pools += (uint64_t)sum - pool->sum;
	pool->place = place;
	pool->sum = sum;
}

void store_move_table(struct store *store, struct journal_place place)
{
	count(store, store->table, place);
	store->table = place;
}

static void undo_one(struct store *store, const struct undo *undo)
{
	if (undo->pool) {
		count(store, undo->pool->place, undo->place);
		undo->pool->place = undo->place;
		undo->pool->sum = undo->sum;
		return;
	}
	count(store, index_find(&store->sessions, undo->sequence), undo->place);
	index_set(&store->sessions, undo->sequence, undo->place);
	if (!undo->session)
		return;
	store_tell_audits(store, undo->sequence, undo->session->stored_sum, undo->sum);
	undo->session->stored_sum = undo->sum;
}

void store_undo(struct store *store)
{
	while (store->n_undos > 0)
		undo_one(store, &store->undos[--store->n_undos]);
	store_move_table(store, store->settled_table);
	store->sums = store->settled_sums;
	store_pools_sweep(&store->pools);
}

void store_settle(struct store *store)
{
	bool has_pools = false;

	for (size_t i = 0; i < store->n_undos; i++)
		has_pools |= store->undos[i].pool && !store->undos[i].pool->place.size;
	store->n_undos = 0;
	store->settled_table = store->table;
	store->settled_sums = store->sums;
	if (has_pools)
		store_pools_sweep(&store->pools);
}

static void measure(struct store *store)
{
	atomic_store(&store->used_bytes, store->live_bytes);
	atomic_store(&store->size_bytes, store->file.size);
}

/* ---- open ---- */

static void empty(struct store *store)
{
	store_empty_audits(store);
	store->n_undos = 0;
	index_clear(&store->sessions);
	store_pools_clear(&store->pools);
	store->table = store->settled_table = nowhere;
	store->live_bytes = 0;
	store->largest = 0;
	store->sums = store->settled_sums = (struct stored_sums){0, 0};
}

static int make(struct store *store)
{
	int r = store_file_make(&store->file);

	empty(store);
	return r == 0 ? store_load(store) : r;
}

static bool is_damage(int r)
{
	return r == -EUCLEAN || r == -EBADMSG;
}

static int load(struct store *store, enum store_found *ret_found)
{
	int r = store_load(store);

	if (r == 0) {
		store_file_use(&store->file);
		return 0;
	}
	if (r == -EPROTONOSUPPORT)
		*ret_found = STORE_NEWER;
	else if (is_damage(r))
		*ret_found = STORE_CORRUPT;
	else
		return r;
	return 0;
}

static int open_file(struct store *store, enum store_found *ret_found, const char **ret_aside)
{
	int r = store_file_open(&store->file, ret_found);

	if (r == 0 && *ret_found == STORE_LOADED)
		r = load(store, ret_found);
	*ret_aside = store_file_aside(*ret_found);
	if (r == 0 && *ret_aside)
		r = store_file_set_aside(&store->file, *ret_aside);
	if (r == 0 && *ret_found != STORE_LOADED)
		r = make(store);
	return r;
}

int store_open(struct store_options *options, struct store **ret, enum store_found *ret_found,
	const char **ret_aside)
{
	struct store *store = calloc(1, sizeof(*store));
	int r;

	*ret = store;
	*ret_found = STORE_UNKNOWN;
	*ret_aside = NULL;
	if (!store)
		return -ENOMEM;
	list_init(&store->audits);
	r = index_init(&store->sessions);
	if (r == 0)
		r = store_file_init(&store->file, options);
	if (r == 0)
		r = open_file(store, ret_found, ret_aside);
	if (r == 0)
		witness_tell(&store->file.witness, journal_transaction(store->file.journal));
	memcpy(options->seed, store->file.origin.seed, sizeof(options->seed));
	measure(store);
	return r;
}

int store_begin_anew(struct store *store)
{
	int r;

	store_abort(store);
	store_file_close(&store->file);
	/* If it is still there. */
	store_file_set_aside(&store->file, store_file_aside(STORE_CORRUPT));
	r = make(store);
	measure(store);
	return r;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_abort(store);
	store_file_deinit(&store->file);
	index_deinit(&store->sessions);
	store_pools_clear(&store->pools);
	store_free_audits(store);
	free(store->undos);
	free(store->record);
	free(store);
}

/* ---- one transaction ---- */

int store_begin(struct store *store)
{
	store->is_out_of_room = false;
	if (!store->file.journal)
		return -EUCLEAN;
	journal_trim(store->file.journal);
	return 0;
}

static int reserve_record(struct store *store, size_t size)
{
	size_t larger = store->record_size ? store->record_size : 4096;
	char *record;

	if (size <= store->record_size)
		return 0;
	while (larger < size)
		larger *= 2;
	record = realloc(store->record, larger);
	if (!record)
		return -ENOMEM;
	store->record = record;
	store->record_size = larger;
	return 0;
}

void store_note_size(struct store *store, uint32_t size)
{
	if (size > store->largest)
		store->largest = size;
}

static int append(struct store *store, const struct journal_entry *entry,
	enum store_reserve reserve, struct journal_place *ret)
{
	struct journal *journal = store->file.journal;
	size_t size = journal_size(entry->key_size, entry->size);
	size_t largest = size > store->largest ? size : store->largest;
	int r;

	while (!journal_has_room(journal, size, reserve + largest / JOURNAL_CHUNK + 1))
		if (!store_file_grow(&store->file)) {
			store->is_out_of_room = true;
			return -ENOSPC;
		}
	r = journal_append(journal, entry, ret);
	store_note_size(store, (uint32_t)size);
	return r;
}

/* The journal may be able to take it, but not to go on with it. */
static bool has_room_to_live(struct store *store, const struct journal_entry *entry)
{
	uint64_t old = index_find(&store->sessions, entry->number).size;
	uint64_t live = store->live_bytes + journal_size(0, entry->size) - old;

	while (live > store->live_bytes && live > store->file.size / 100 * MOST_PERCENT)
		if (!store_file_grow(&store->file)) {
			store->is_out_of_room = true;
			return false;
		}
	return true;
}

int store_put_session(struct store *store, const struct saved_session *saved)
{
	struct journal_entry entry = {.kind = KIND_SESSION,
		.number = saved->session->sequence,
		.size = (uint32_t)record_session_size(saved)};
	struct journal_place place;
	uint32_t sum;
	int r = reserve_record(store, entry.size);

	if (r == 0)
		r = store_reserve_undo(store);
	if (r < 0)
		return r;
	if (!has_room_to_live(store, &entry))
		return -ENOSPC;
	sum = record_session(saved, store->record);
	entry.bytes = store->record;
	r = append(store, &entry, RESERVE_OF_SESSIONS, &place);
	if (r < 0)
		return r;
	return store_move_session(store, saved->session, entry.number, place, sum);
}

int store_delete_session(struct store *store, struct session *session)
{
	struct journal_entry entry = {.kind = KIND_SESSION_GONE, .number = session->sequence};
	struct journal_place place;
	int r;

	if (!session->stored_sum)
		return 0;
	r = store_reserve_undo(store);
	if (r == 0)
		r = append(store, &entry, RESERVE_OF_DELETES, &place);
	return r < 0 ? r : store_move_session(store, session, entry.number, nowhere, 0);
}

int store_put_pool(struct store *store, const struct saved_pool *saved)
{
	struct journal_entry entry = {.kind = KIND_POOL,
		.key = saved->name->bytes,
		.key_size = (uint16_t)saved->name->length,
		.size = (uint32_t)record_pool_size(saved)};
	struct stored_pool *pool = store_pools_get(&store->pools, entry.key, entry.key_size);
	struct journal_place place;
	uint32_t sum;
	int r = pool ? reserve_record(store, entry.size) : -ENOMEM;

	if (r == 0)
		r = store_reserve_undo(store);
	if (r < 0)
		return r;
	sum = record_pool(saved, store->record);
	entry.bytes = store->record;
	r = append(store, &entry, RESERVE_OF_DELETES, &place);
	if (r == 0)
		store_move_pool(store, pool, place, sum);
	return r;
}

int store_delete_pool(struct store *store, const char *name, size_t length)
{
	struct stored_pool *pool = store_pools_find(&store->pools, name, length, NULL);
	struct journal_entry entry = {
		.kind = KIND_POOL_GONE, .key = name, .key_size = (uint16_t)length};
	struct journal_place place;
	int r;

	if (!pool || !pool->place.size)
		return 0;
	r = store_reserve_undo(store);
	if (r == 0)
		r = append(store, &entry, RESERVE_OF_DELETES, &place);
	if (r == 0)
		store_move_pool(store, pool, nowhere, 0);
	return r;
}

int store_put_table(struct store *store, const struct saved_table *saved, int64_t stalled_us)
{
	struct record_totals totals = {.session_sums = store->sums.sessions,
		.stalled_us = stalled_us,
		.pool_sums = store->sums.pools};
	struct journal_entry entry = {
		.kind = KIND_TABLE, .size = (uint32_t)record_table_size(saved)};
	struct journal_place place;
	int r = reserve_record(store, entry.size);

	if (r < 0)
		return r;
	record_table(saved, &totals, store->record);
	entry.bytes = store->record;
	r = append(store, &entry, RESERVE_OF_DELETES, &place);
	if (r == 0)
		store_move_table(store, place);
	return r;
}

void store_abort(struct store *store)
{
	if (!store->file.journal)
		return;
	store_undo(store);
	journal_abort(store->file.journal);
}

static int commit(struct store *store)
{
	int r = journal_commit(store->file.journal);

	if (r < 0) {
		store_abort(store);
		return r;
	}
	witness_tell(&store->file.witness, journal_transaction(store->file.journal));
	store_settle(store);
	return 0;
}

int store_commit(struct store *store)
{
	int r = store_clean_some(store);

	if (r < 0) {
		store_abort(store);
		return r;
	}
	r = commit(store);
	if (r < 0)
		return r;
	if (store->live_bytes > store->file.size / 100 * GROWN_PERCENT)
		store_file_grow(&store->file); /* if it cannot, nine tenths are the limit */
	measure(store);
	return 0;
}

/* ---- room ---- */

bool store_grow(struct store *store)
{
	bool is_larger = store_file_grow(&store->file);

	measure(store);
	return is_larger;
}

/* What is not needed any more is all over the file: then more of it is cleaned, in transactions
 * of their own. */
static bool clean_more(struct store *store)
{
	struct journal *journal = store->file.journal;
	size_t before = journal_room(journal).free_chunks;

	for (size_t i = journal_room(journal).chunks; i > 0; i--) {
		size_t wanted = journal_room(journal).free_chunks * JOURNAL_CHUNK / 2;

		if (store_clean(store, wanted) < 0) {
			store_abort(store);
			return false;
		}
		if (commit(store) < 0)
			return false;
		journal_trim(journal);
		if (journal_room(journal).free_chunks > before)
			return true;
	}
	return false;
}

bool store_make_room(struct store *store)
{
	return store_grow(store) || (store->file.journal && clean_more(store));
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
	int r = 0;

	for (size_t i = 0; r == 0 && i < store->pools.count; i++) {
		const struct stored_pool *pool = store->pools.items[i];
		struct journal_entry entry;

		r = journal_read(store->file.journal, pool->place, &entry);
		if (r == 0 && (entry.kind != KIND_POOL || entry.key_size != pool->length ||
				      memcmp(entry.key, pool->name, pool->length) != 0))
			r = -EUCLEAN;
		if (r == 0)
			r = record_check(entry.bytes, entry.size, pool->name, pool->length, NULL);
		if (r == 0)
			r = fn(context, 0, entry.bytes, entry.size);
	}
	return r;
}

int store_read_table(struct store *store, struct saved_table *ret, struct record_totals *ret_totals)
{
	struct journal_entry entry;
	int r;

	if (!store->table.size)
		return -ENOENT;
	r = journal_read(store->file.journal, store->table, &entry);
	if (r == 0 && entry.kind != KIND_TABLE)
		r = -EUCLEAN;
	if (r == 0)
		r = record_check(
			entry.bytes, entry.size, RECORD_TABLE_KEY, strlen(RECORD_TABLE_KEY), NULL);
	return r == 0 ? record_read_table(entry.bytes, entry.size, ret, ret_totals) : r;
}

uint64_t store_count(const struct store *store)
{
	return store->sessions.count;
}

int store_read_session(struct store *store, uint64_t sequence, store_record_fn *fn, void *context)
{
	struct journal_place place = index_find(&store->sessions, sequence);
	struct journal_entry entry;
	int r = place.size ? journal_read(store->file.journal, place, &entry) : -ENOENT;

	if (r == 0 && (entry.kind != KIND_SESSION || entry.number != sequence))
		r = -EUCLEAN;
	return r == 0 ? fn(context, sequence, entry.bytes, entry.size) : r;
}

/* ---- sessions in order ---- */

struct store_scan {
	struct store *store;
	uint64_t *sequences;
	size_t n_sequences, next;
};

int store_scan_begin(struct store *store, struct store_scan **ret)
{
	struct store_scan *scan = calloc(1, sizeof(*scan));

	*ret = scan;
	if (!scan)
		return -ENOMEM;
	scan->store = store;
	scan->n_sequences = store->sessions.count;
	scan->sequences = index_list(&store->sessions);
	return scan->sequences ? 0 : -ENOMEM;
}

int store_scan_next(
	struct store_scan *scan, size_t max, store_record_fn *fn, void *context, bool *ret_is_end)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < max && scan->next < scan->n_sequences; i++)
		r = store_read_session(scan->store, scan->sequences[scan->next++], fn, context);
	*ret_is_end = scan->next == scan->n_sequences;
	return r;
}

void store_scan_end(struct store_scan *scan)
{
	if (scan)
		free(scan->sequences);
	free(scan);
}
