/* SPDX-License-Identifier: MIT */
/* What the journal's oldest chunks still have of what is needed goes to its end, so that they are
 * free. */
#include "daemon/store_private.h"

#include <errno.h>

#define FREE_PART 12 /* of the chunks, one in so many is to be free */
#define FREE_MIN  ((size_t)6)
#define LAP_TIMES                                                                                  \
	4 /* what is needed, and so much more, is all that is to be read at the next start */
#define LAP_MORE ((uint64_t)2 << 20)
#define URGENCY  4

static struct stored_pool *pool_of(const struct store *store, const struct journal_entry *entry)
{
	return store_pools_find(&store->pools, entry->key, entry->key_size, NULL);
}

static bool is_needed(const struct store *store, const struct journal_entry *entry, uint64_t at)
{
	struct journal_place place = {0, 0};
	const struct stored_pool *pool;

	if (entry->kind == KIND_SESSION) {
		place = index_find(&store->sessions, entry->number);
	} else if (entry->kind == KIND_POOL) {
		pool = pool_of(store, entry);
		if (pool)
			place = pool->place;
	} else if (entry->kind == KIND_TABLE) {
		place = store->table;
	}
	return place.size && place.at == at;
}

static int write_again(struct store *store, const struct journal_entry *entry)
{
	struct stored_pool *pool = entry->kind == KIND_POOL ? pool_of(store, entry) : NULL;
	struct journal_place place;
	uint64_t number = entry->number;
	enum store_kind kind = entry->kind;
	int r = store_reserve_undo(store);

	if (r < 0)
		return r;
	r = journal_append(store->file.journal, entry, &place);
	if (r < 0)
		return r;
	if (kind == KIND_SESSION)
		return store_move_session(store, NULL, number, place, 0);
	if (pool)
		store_move_pool(store, pool, place, pool->sum);
	else
		store_move_table(store, place);
	return 0;
}

/* 1: an entry has been dealt with, of *RET bytes; 0: there is no more, or no room. */
static int clean_entry(struct store *store, size_t *ret)
{
	struct journal *journal = store->file.journal;
	struct journal_entry entry;
	struct journal_place place = {0, 0};
	int r = journal_clean(journal, &entry, &place);

	*ret = place.size;
	if (r <= 0 || !is_needed(store, &entry, place.at))
		return r;
	if (!journal_has_room(journal, place.size, RESERVE_OF_CLEANING)) {
		journal_clean_again(journal);
		return 0;
	}
	if (entry.kind == KIND_SESSION && record_check(entry.bytes, entry.size, &entry.number,
						  sizeof(entry.number), NULL) < 0)
		return -EUCLEAN;
	r = write_again(store, &entry);
	return r < 0 ? r : 1;
}

int store_clean(struct store *store, size_t wanted)
{
	size_t size;
	int r = 1;

	while (r > 0 && wanted > 0) {
		r = clean_entry(store, &size);
		wanted -= size < wanted ? size : wanted;
	}
	return r < 0 ? r : 0;
}

/* Twice what was written, and the more the fewer chunks are free: the fuller the file, the less is
 * gained by each. */
static size_t bytes_to_clean(const struct journal_room *room, size_t enough, size_t written)
{
	size_t lacking = enough > room->free_chunks ? enough - room->free_chunks : 0;
	size_t wanted = written *
			(2 + URGENCY * room->chunks * lacking / (enough * (room->free_chunks + 1)));
	size_t most = room->free_chunks * JOURNAL_CHUNK / 2;

	return wanted < most ? wanted : most;
}

int store_clean_some(struct store *store)
{
	struct journal *journal = store->file.journal;
	struct journal_room room = journal_room(journal);
	size_t enough = room.chunks / FREE_PART;
	uint64_t used = (room.chunks - room.free_chunks) * JOURNAL_CHUNK;

	if (enough < FREE_MIN)
		enough = FREE_MIN;
	if (room.free_chunks >= enough && used <= store->live_bytes * LAP_TIMES + LAP_MORE)
		return 0;
	return store_clean(store, bytes_to_clean(&room, enough, journal_written(journal)));
}
