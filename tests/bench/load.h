/* SPDX-License-Identifier: MIT */
/* A load: some threads, each with its share of the connections, measure an operation in a dialect.
 *
 * Three phases. Sessions that are to be there are created; ops are begun, at once or as a rate has
 * it, for a warm-up and the time that is measured; what was begun is awaited, and each session is
 * released. An op counts if it was begun within the measured time, whenever its reply comes. At a
 * fixed rate it begins when it was to be sent: that it could not be, since all lanes were waiting,
 * is part of its latency; but what the warm-up leaves is forgotten. Those that could not be sent at
 * all are in the latencies with the time that they had waited at the end, and in no other number.
 *
 * One load at a time in a process.
 */
#ifndef USHER_TESTS_BENCH_LOAD_H
#define USHER_TESTS_BENCH_LOAD_H

#include "tests/bench/dialect.h"
#include "tests/bench/histogram.h"
#include "tests/bench/operation.h"
#include "tests/bench/tally.h"

#include <stdbool.h>
#include <stdint.h>

struct load {
	const struct dialect *dialect;
	const struct operation *operation;
	const char *path; /* of the server's socket */
	unsigned threads; /* no more than connections */
	unsigned connections;
	unsigned depth; /* lanes of a connection */
	int64_t warmup_ns, duration_ns;
	double rate;       /* ops a second; 0: each lane begins the next one at once */
	uint64_t count;    /* ops that are begun at most; 0: no limit */
	uint64_t sessions; /* created before and held meanwhile, on connections of their own */
	uint64_t holders;  /* of an operation that hands over: how many sessions fit */
	uint64_t slots;    /* of the pool where it does */
	bool outlive;      /* sessions do not end with their connection */
};

enum stop {
	STOP_NOT,
	STOP_ASKED,  /* by load_stop() */
	STOP_FAILED, /* it makes no sense to go on */
};

struct outcome {
	uint64_t ops;
	double duration_s;
	struct histogram latency; /* ns */
	struct tally errors;
	uint64_t created, released; /* sessions, in all phases */
	uint64_t begun;             /* at a fixed rate: ops that were sent within their time */
	uint64_t unsent;            /* and those that were due and never sent */
	int64_t lag_ns;             /* the most by which one was sent too late */
	int64_t cpu_ns;             /* user and system time of the threads, while measuring */
	enum stop stop;
};

/* Run it. 0 and RET, which is the caller's to end with outcome_deinit(); or -ENOMEM, -EMFILE and
 * the like if it could not begin. What the server refuses is in RET's errors. */
int load_run(const struct load *load, struct outcome *ret);

void outcome_deinit(struct outcome *outcome);

/* End it soon and in good order; for signal handlers and any thread. */
void load_stop(void);

#endif
