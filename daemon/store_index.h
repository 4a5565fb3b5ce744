/* SPDX-License-Identifier: MIT */
/* Where in the journal the record of each session is, by its sequence number. Private to the store.
 *
 * Open addressing, 16 bytes a place. Eight sequence numbers in a row share their neighbourhood, for
 * sessions are made, and often end, in order. It grows by steps: from then on each change moves a
 * few of the old array, so that none waits for all of them. One thread at a time. */
#ifndef USHER_DAEMON_STORE_INDEX_H
#define USHER_DAEMON_STORE_INDEX_H

#include "daemon/journal.h"

struct index_slot {
	uint64_t sequence; /* 0: empty */
	uint64_t place;
};

struct index_array {
	struct index_slot *slots;
	size_t mask;
};

struct store_index {
	struct index_array now;
	struct index_array old; /* being emptied; slots is NULL if there is none */
	size_t moved;           /* of its slots */
	size_t count;
};

/* -ENOMEM. */
int index_init(struct store_index *index);
void index_deinit(struct store_index *index);
void index_clear(struct store_index *index);

/* Size 0 if it has none. */
struct journal_place index_find(const struct store_index *index, uint64_t sequence);

/* SEQUENCE is not 0. Size 0 removes it, which cannot fail; nor can putting back what was removed
 * last. -ENOMEM, and nothing has changed. */
int index_set(struct store_index *index, uint64_t sequence, struct journal_place place);

/* All that are there, in order; an array from malloc() of index->count. NULL without memory. */
uint64_t *index_list(const struct store_index *index);

#endif
