/* SPDX-License-Identifier: MIT */
/* A store in a directory of its own, and sessions to be put into it. */
#ifndef USHER_TESTS_STORE_FIXTURE_H
#define USHER_TESTS_STORE_FIXTURE_H

#include "daemon/store.h"
#include "daemon/store_witness.h"

#include <check.h>

#define SESSIONS 4000
#define BOOT_ID  "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

extern char directory[64];
extern struct store *store;
extern struct store_options options; /* max_bytes: four steps */
extern enum store_found found;       /* by the last open_store() */
extern const char *aside;

void store_setup(void);
void store_teardown(void);

/* store_open() as OPTIONS say; returns its result. */
int open_store(void);
void close_store(void);
/* The same process again: what lives is what is stored. */
void reopen(void);

/* PATH in the directory; static. */
const char *path_of(const char *name);
bool is_there(const char *name);

/* ---- what is put ---- */

/* Session NUMBER, from 1 on: made when first asked for. */
struct session *session_of(uint64_t number);
void set_metadata(uint64_t number, size_t bytes);
int put(uint64_t number);
int drop(uint64_t number);
int put_pool(const char *name);
/* The table's record, true to what was put and dropped; then the commit. */
int commit(void);
/* One transaction with the sessions FIRST to LAST. */
void commit_range(uint64_t first, uint64_t last);
void commit_drop(uint64_t number);
void abort_all(void);
/* It was put, but that is not what is in the store now. */
void take_back(uint64_t number);
/* The store has nothing any more. */
void forget_stored(void);

/* ---- what is there ---- */

uint64_t count(void);
/* All records, one after another: equal only if all is. */
struct dump {
	char *bytes;
	size_t size, capacity;
};
struct dump dump_store(void);
bool dumps_are_equal(const struct dump *a, const struct dump *b);
void dump_free(struct dump *dump);

#endif
