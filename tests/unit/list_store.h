/* SPDX-License-Identifier: MIT */
/* A store in memory, for the tests of the core: the records of what is marked, as the daemon's
 * store has them, in plain lists. Takes from a table what the committer takes, gives to a new one
 * what recovery gives. */
#ifndef USHER_TESTS_LIST_STORE_H
#define USHER_TESTS_LIST_STORE_H

#include "daemon/core/persist.h"
#include "daemon/record.h"

struct list_record {
	char key[POOL_NAME_MAX]; /* of a pool */
	size_t key_length;
	uint64_t sequence; /* of a session */
	void *bytes;
	size_t size;
};

struct list_records {
	struct list_record *items;
	size_t count, capacity;
};

struct list_store {
	struct list_records sessions; /* by sequence */
	struct list_records pools;
	struct list_record table;
	struct pool *dropped; /* chain by next_freed: still to be deleted */
};

void list_store_init(struct list_store *store);
void list_store_deinit(struct list_store *store);

/* Everything that is marked, taken in portions of PORTION. */
void list_store_commit(struct list_store *store, struct table *table, size_t portion);

/* The same, but it cannot be stored: what was never stored is undone, the rest marked again. */
void list_store_fail(struct list_store *store, struct table *table, struct table_time now,
	struct table_change *change);

/* Who has the processes of a table that is filled again, and gives it memory. */
struct list_store_world {
	struct process *(*make)(struct identity *identity); /* references it */
	void (*take)(struct process *process);              /* the table has it now */
	void (*give_back)(struct process *process);         /* it was not needed */
	void (*give_memory)(void);                          /* what the table wants */
};

/* Fill TABLE, which has the pools of the configuration. Returns how many sessions contradicted
 * others. */
size_t list_store_restore(const struct list_store *store, struct table *table,
	const struct list_store_world *world, int64_t orphans_until_us, struct table_time now);

#endif
