/* SPDX-License-Identifier: MIT */
/* Connections that are only there: idle ones, and such that wait for a slot of a full pool.
 *
 * Functions that return exit codes have said why. One thread.
 */
#ifndef USHER_TESTS_BENCH_CROWD_H
#define USHER_TESTS_BENCH_CROWD_H

#include "tests/bench/target.h"

#include <stddef.h>

struct crowd {
	int *fds; /* the waiting ones first */
	size_t n;
};

/* Open TARGET's idle connections, fill the pool of its waiters and have them wait, until the broker
 * has them all. 0 or an exit code; crowd_close() in both cases. */
int crowd_open(struct crowd *crowd, struct target *target);

/* Whether all are still there; says so if not. */
bool crowd_is_whole(const struct crowd *crowd, const struct target *target);

/* The waits end, and the connections. */
void crowd_close(struct crowd *crowd);

#endif
