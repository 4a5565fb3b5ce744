/* SPDX-License-Identifier: MIT */
/* Reading the store's records; private to the store. The results are LMDB's (store_errno()), or -1
 * with FN's own in errno. */
#ifndef USHER_DAEMON_STORE_SCAN_H
#define USHER_DAEMON_STORE_SCAN_H

#include "daemon/store_file.h"

int store_scan_pools(const struct store_file *file, store_record_fn *fn, void *context);
int store_scan_sessions(const struct store_file *file, uint64_t after, size_t max,
	store_record_fn *fn, void *context, uint64_t *ret_after);
int store_scan_table(
	const struct store_file *file, struct saved_table *ret, struct record_totals *ret_totals);

/* The value of a key of the meta database, of exactly SIZE bytes. */
int store_scan_meta(const struct store_file *file, const char *key, void *ret, size_t size);

#endif
