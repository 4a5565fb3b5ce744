/* SPDX-License-Identifier: MIT */
/* A log of transactions in one file, whose cost does not depend on how much is in it. Private to
 * the store, which says what its entries mean.
 *
 * The file is a number of chunks, used in any order. A chunk begins with a head: its number, that
 * of the chunk before, and that of the oldest one that was needed when it was begun. Then come
 * fragments: the bytes of one transaction as far as they fit; a transaction goes on in the next
 * chunk if it has to. Each fragment has a sum over itself and over the sum of the one before, so
 * that nothing but the one that was written after it can follow it: where the chain breaks is the
 * end. What a killed process left half-written is behind the end, as is what was given up.
 *
 * An entry is written once and stays where it is. What is still needed of the oldest chunk is
 * written again, at the end, and then the chunk is free (log cleaning: Rosenblum and Ousterhout,
 * "The design and implementation of a log-structured file system", 1992). As the oldest goes first,
 * an entry that says that something is gone is needed no longer than what it speaks of.
 *
 * Written by pwrite() into room that was allocated: it is there when the process is killed, not
 * when the machine is. Numbers are in native order. Results: 0 or a negated errno; -EUCLEAN is
 * damage. One thread at a time.
 */
#ifndef USHER_DAEMON_JOURNAL_H
#define USHER_DAEMON_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_VERSION   1
#define JOURNAL_CHUNK     ((size_t)128 << 10) /* bytes; the file is a multiple of it */
#define JOURNAL_BOOT_SIZE 40
#define JOURNAL_ENTRY_MAX ((size_t)127 << 20) /* bytes of one entry */

/* What every chunk says. */
struct journal_origin {
	char boot_id[JOURNAL_BOOT_SIZE];
	uint64_t seed[2];
};

/* Where an entry is; size 0: nowhere. */
struct journal_place {
	uint64_t at;
	uint32_t size; /* in the file */
};

struct journal_entry {
	uint16_t kind; /* the store's */
	uint16_t key_size;
	uint32_t size; /* of BYTES */
	uint64_t number;
	const char *key;
	const void *bytes;
};

struct journal_room {
	uint64_t size_bytes;
	size_t chunks;
	size_t free_chunks;
};

struct journal;

/* Make an empty one, of one chunk, of the empty file FD. */
int journal_format(int fd, const struct journal_origin *origin);

enum journal_found { JOURNAL_SOUND, JOURNAL_DAMAGED, JOURNAL_NEWER };

/* Open what is in FD, which RET owns from then on, on failure too. If it is
 * JOURNAL_SOUND journal_replay() is next. */
int journal_open(int fd, size_t size, enum journal_found *ret_found, struct journal **ret);
/* What the newest chunk says; empty if there is none. */
struct journal_origin journal_origin(const struct journal *journal);
void journal_close(struct journal *journal);

/* FN is called for each entry with its place, in the order in which they were written; SETTLE after
 * the last one of a transaction. What comes after the last SETTLE does not count. -EUCLEAN if no
 * end can be found, and what FN returns. */
typedef int journal_entry_fn(
	void *context, const struct journal_entry *entry, struct journal_place place);
int journal_replay(struct journal *journal, journal_entry_fn *fn, void (*settle)(void *context),
	void *context);

/* The number of the last transaction; 0: none. */
uint64_t journal_transaction(const struct journal *journal);

/* ---- writing ---- */

/* How much an entry takes. */
size_t journal_size(size_t key_size, size_t size);
/* Whether there is room for SIZE bytes more, with RESERVE chunks to spare: the end of a transaction
 * may need one. */
bool journal_has_room(const struct journal *journal, size_t size, size_t reserve);
/* A transaction begins with its first entry. -E2BIG, -ENOSPC, what pwrite() says: then it is to be
 * given up. */
int journal_append(
	struct journal *journal, const struct journal_entry *entry, struct journal_place *ret);
/* How much has been written in this transaction. */
size_t journal_written(const struct journal *journal);
/* After a failure the transaction is to be given up, too. */
int journal_commit(struct journal *journal);
void journal_abort(struct journal *journal);

/* ---- reading ---- */

/* The entry at PLACE, until the journal is used again. -EUCLEAN if there is none. */
int journal_read(struct journal *journal, struct journal_place place, struct journal_entry *ret);

/* ---- cleaning ---- */

/* The bytes of an entry that are needed: WHAT is +1 or -1. */
void journal_count_live(struct journal *journal, struct journal_place place, int what);

/* The next entry from the oldest chunk on: 1; 0 when there is none left but in the newest chunk.
 * One that is still needed is to be appended again. */
int journal_clean(
	struct journal *journal, struct journal_entry *ret, struct journal_place *ret_place);
/* Begin with the oldest chunk again: there was no room for what it gave. */
void journal_clean_again(struct journal *journal);
/* The oldest chunks of which nothing is needed are free. Not in a transaction. */
void journal_trim(struct journal *journal);

/* ---- room ---- */

struct journal_room journal_room(const struct journal *journal);
/* Allocate the file up to SIZE bytes. */
int journal_grow(struct journal *journal, size_t size);

#endif
