/* SPDX-License-Identifier: MIT */
/* The command lines of usher-bench and peer-bench. */
#ifndef USHER_TESTS_BENCH_OPTIONS_H
#define USHER_TESTS_BENCH_OPTIONS_H

#include "tests/bench/operation.h"

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *program;
	const char *dialect; /* "usher", "echo" or "redis" */
	const char *socket;  /* NULL: not given */
	const char *pool;
	const char *waiters_pool; /* NULL: not given */
	const char *owner;        /* NULL: not given */
	const struct operation *operation;
	unsigned threads, connections, depth;
	int64_t warmup_ms, duration_ms;
	double rate;
	uint64_t count, sessions, waiters, idle, metadata_bytes, reply_bytes;
	bool json;
};

/* Read the command line of usher-bench, or with IS_PEER that of peer-bench. 0 and RET, whose texts
 * are those of ARGV; 1 if all is done, as with --help; -EINVAL after having said what is wrong;
 * -EIO if standard output takes nothing. */
int options_parse(int argc, char **argv, bool is_peer, struct options *ret);

/* Where --waiters wait. */
const char *options_waiters_pool(const struct options *options);

#endif
