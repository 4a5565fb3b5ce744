/* SPDX-License-Identifier: MIT */
/* What a store is, for its own files. */
#ifndef USHER_DAEMON_STORE_PRIVATE_H
#define USHER_DAEMON_STORE_PRIVATE_H

#include "daemon/store_file.h"
#include "daemon/store_index.h"
#include "daemon/store_pools.h"

#include <stdatomic.h>

/* Of the journal's entries. Never reuse one. */
enum store_kind {
	KIND_SESSION = 1, /* number: its sequence */
	KIND_SESSION_GONE,
	KIND_POOL, /* key: its name */
	KIND_POOL_GONE,
	KIND_TABLE,
};

/* Chunks that are not for everything, so that there is always room to delete, and to clean in. */
enum store_reserve {
	RESERVE_OF_CLEANING = 1, /* for the end of the transaction */
	RESERVE_OF_DELETES,      /* and what the largest entry needs to be written again */
	RESERVE_OF_SESSIONS = 4, /* the same */
};

/* How a change is taken back. */
struct undo {
	struct session *session;  /* whose stored_sum was SUM, or NULL */
	struct stored_pool *pool; /* or NULL: it is of session SEQUENCE */
	uint64_t sequence;
	struct journal_place place;
	uint32_t sum;
};

struct stored_sums {
	uint64_t sessions;
	uint64_t pools;
};

struct store {
	struct store_file file;
	struct store_index sessions;
	struct store_pools pools;
	struct journal_place table, settled_table;
	uint64_t live_bytes; /* of all entries that are needed */
	uint32_t largest;    /* entry that there was */
	struct stored_sums sums, settled_sums;
	struct list audits; /* store_audit.link */
	struct undo *undos; /* of the present transaction */
	size_t n_undos, undos_capacity;
	char *record; /* being made */
	size_t record_size;
	bool is_out_of_room; /* why the last transaction failed */
	_Atomic uint64_t used_bytes;
	_Atomic uint64_t size_bytes;
};

/* The record of session SEQUENCE had the sum FROM and has TO; 0: there is none. */
void store_tell_audits(struct store *store, uint64_t sequence, uint32_t from, uint32_t to);
/* There is none of any session. */
void store_empty_audits(struct store *store);
void store_free_audits(struct store *store);

/* Before each of the next ones but that of the table. -ENOMEM. */
int store_reserve_undo(struct store *store);
/* The entry of a session, a pool or the table is at PLACE now. SESSION, which may be NULL, has SUM.
 * -ENOMEM. */
int store_move_session(struct store *store, struct session *session, uint64_t sequence,
	struct journal_place place, uint32_t sum);
void store_move_pool(
	struct store *store, struct stored_pool *pool, struct journal_place place, uint32_t sum);
void store_move_table(struct store *store, struct journal_place place);

/* There is an entry of SIZE bytes. */
void store_note_size(struct store *store, uint32_t size);

/* What was changed since the last one is not taken back any more; or is. */
void store_settle(struct store *store);
void store_undo(struct store *store);

/* Fill the store from what is in its file. -EUCLEAN, -EBADMSG, -EPROTONOSUPPORT: it is damaged. */
int store_load(struct store *store);

/* Write again what is still needed of the oldest chunks, WANTED bytes of entries at most. */
int store_clean(struct store *store, size_t wanted);
/* As much of it as what was written now asks for. */
int store_clean_some(struct store *store);

#endif
