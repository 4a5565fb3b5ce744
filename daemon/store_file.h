/* SPDX-License-Identifier: MIT */
/* The store's file: where it is, how it is opened, made, set aside, and how large it is. Private to
 * the store. */
#ifndef USHER_DAEMON_STORE_FILE_H
#define USHER_DAEMON_STORE_FILE_H

#include "daemon/store.h"
#include "daemon/store_witness.h"

#include <lmdb.h>

#define STORE_POOL_PREFIX "pool:" /* of keys of the meta database */
#define STORE_VERSION_KEY "version"
#define STORE_BOOT_KEY    "boot"
#define STORE_SEED_KEY    "seed"

#define STORE_VERSION_SIZE  8  /* a number as text, and zeros */
#define STORE_CHECK_SECONDS 60 /* a million sessions take less than one */

struct store_file {
	char *directory;
	char *path;
	MDB_env *env; /* NULL while it is not open */
	struct witness witness;
	MDB_dbi sessions;
	MDB_dbi meta;
	size_t size; /* allocated, and mapped */
	size_t max_bytes;
	size_t page_size;
	char boot_id[STORE_BOOT_ID];
	uint64_t seed[2];
};

/* What a seed is stored as. */
struct store_seed {
	uint64_t seed[2];
	uint64_t sum;
};

/* 0 and the seed; MDB_CORRUPTED. An LMDB result. */
int store_file_read_seed(const struct store_file *file, uint64_t *ret);

/* LMDB's results, its own negative ones and positive errnos, as a negated errno: -ENOSPC when the
 * file has no room, -ENOENT for what is not there, -EUCLEAN for damage. */
int store_errno(int r);

int store_file_open(struct store_file *file, struct store_options *options,
	enum store_found *ret_found, const char **ret_aside);
void store_file_close(struct store_file *file);

/* An empty one takes its place. */
int store_file_begin_anew(struct store_file *file);

/* One step larger; false if that is not possible. Without a transaction. */
bool store_file_grow(struct store_file *file);

/* Map PATH, of SIZE bytes; WRITABLE: creating it, and the databases in it. An LMDB result. */
int store_file_map(struct store_file *file, const char *path, size_t size, bool is_writable);

#endif
