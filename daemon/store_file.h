/* SPDX-License-Identifier: MIT */
/* The store's file: where it is, how it is opened, made, set aside, and how large it is. Private to
 * the store. */
#ifndef USHER_DAEMON_STORE_FILE_H
#define USHER_DAEMON_STORE_FILE_H

#include "daemon/journal.h"
#include "daemon/store.h"
#include "daemon/store_witness.h"

struct store_file {
	char *directory;
	char *path;
	struct witness witness;
	struct journal *journal; /* NULL while it is not open */
	size_t size;
	bool is_allocated; /* when it was opened */
	size_t max_bytes;
	struct journal_origin origin;
};

int store_file_init(struct store_file *file, const struct store_options *options);
void store_file_deinit(struct store_file *file);

/* Open what is there. RET_FOUND: STORE_FRESH if there is nothing; STORE_LOADED if its records are
 * to be read; STORE_UNKNOWN with an error; else it is to be set aside. */
int store_file_open(struct store_file *file, enum store_found *ret_found);
/* What is open is used: with the seed that it has, and room allocated. */
void store_file_use(struct store_file *file);
void store_file_close(struct store_file *file);

/* The name that what is there gets for this reason, or NULL. */
const char *store_file_aside(enum store_found found);
int store_file_set_aside(const struct store_file *file, const char *name);

/* An empty one takes the place of what is there. */
int store_file_make(struct store_file *file);

/* One step larger; false if that is not possible. */
bool store_file_grow(struct store_file *file);

#endif
