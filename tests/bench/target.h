/* SPDX-License-Identifier: MIT */
/* The broker that is measured, by the way that any program has to it: what it is, whether its pool
 * has room for the load, and sessions that fill a pool until the end. Nothing of it is changed.
 *
 * Functions that return exit codes have said why. One thread.
 */
#ifndef USHER_TESTS_BENCH_TARGET_H
#define USHER_TESTS_BENCH_TARGET_H

#include "client/usher.h"
#include "tests/bench/options.h"

#include <stdbool.h>
#include <stdint.h>

/* A pool as it was when it was last looked at. */
struct pool_facts {
	int64_t limit, used, waiting;
	int64_t default_timeout_ms, max_timeout_ms; /* -1: none */
	bool enforces;
};

struct target {
	const struct options *options;
	struct usher *usher;
	char name[160]; /* "usherd 0.1.0 (2 loops, store ok)" */
	struct pool_facts pool;
	char (*fillers)[64]; /* ids of sessions that fill a pool */
	size_t n_fillers, fillers_room;
};

/* Connect and look. 0 or an exit code; target_close() in both cases. */
int target_open(struct target *target, const struct options *options);

/* Release what fills, and disconnect. */
void target_close(struct target *target);

/* Refuse a load for which the pool has no room; an exit code then. */
int target_check_room(const struct target *target);

/* The sessions' deadline that keeps them to the end; 0: none has to be given. */
int64_t target_timeout_ms(const struct target *target);

/* Look at the pool called NAME. 0 or an exit code. */
int target_look(const struct target *target, const char *name, struct pool_facts *ret);

/* How many connections the broker has. 0 or an exit code. */
int target_count_connections(const struct target *target, int64_t *ret);

/* Take slots of the pool called NAME until no more than LEFT are free. 0 or an exit code. */
int target_fill(struct target *target, const char *name, int64_t left);

#endif
