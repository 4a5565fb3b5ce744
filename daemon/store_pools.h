/* SPDX-License-Identifier: MIT */
/* Where in the journal the record of each pool is, by its name. Private to the store. */
#ifndef USHER_DAEMON_STORE_POOLS_H
#define USHER_DAEMON_STORE_POOLS_H

#include "daemon/journal.h"

struct stored_pool {
	struct journal_place place; /* size 0: not stored, and of this transaction only */
	uint32_t sum;               /* of the record; 0 if it is not stored */
	size_t length;
	char name[];
};

struct store_pools {
	struct stored_pool **items; /* by name */
	size_t count, capacity;
};

/* NULL if there is none; RET_AT, which may be NULL, is where it would be. */
struct stored_pool *store_pools_find(
	const struct store_pools *pools, const char *name, size_t length, size_t *ret_at);
/* The same, and made if there is none. NULL without memory. */
struct stored_pool *store_pools_get(struct store_pools *pools, const char *name, size_t length);
/* Forget those that are not stored. */
void store_pools_sweep(struct store_pools *pools);
void store_pools_clear(struct store_pools *pools);

#endif
