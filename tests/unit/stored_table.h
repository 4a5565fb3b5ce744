/* SPDX-License-Identifier: MIT */
/* A table whose changes go to a store in memory, for the tests of what is stored and restored. */
#ifndef USHER_TESTS_STORED_TABLE_H
#define USHER_TESTS_STORED_TABLE_H

#include "tests/unit/list_store.h"
#include "tests/unit/table_fixture.h"

#define TAKEN_MAX 16
#define GRACE_US  (30 * SECOND_US) /* of orphans */

extern struct list_store store;

/* In addition to the fixture of the table. */
void stored_setup(void);
void stored_teardown(void);

/* ---- what is marked ---- */

extern struct saved_session taken[TAKEN_MAX]; /* by the last take_sessions() */
extern struct saved_pool taken_pools[TAKEN_MAX];

size_t take_sessions(size_t max);
size_t take_pools(size_t max);
/* Nothing is marked any more. */
void forget_marks(void);

/* ---- commits ---- */

void commit(void);
void fail_commit(void);
/* A session that is stored. */
uint64_t take_stored(const struct wish *wish);
#define TAKE_STORED(...) take_stored(&(struct wish){__VA_ARGS__})

/* ---- crashes ---- */

extern size_t n_contradictions; /* of the last fill() */

/* All that was changed is stored, and the next run has no pools in its files. */
void crash(void);
/* The new table is filled from the store. */
void fill(void);
void crash_and_restore(void);

/* ---- pools ---- */

/* That holds what is overdue. */
void set_hold(const char *name);
void set_file_limit(const char *name, uint32_t limit);

const struct owner *owner_of(uint64_t id);

#endif
