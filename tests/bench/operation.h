/* SPDX-License-Identifier: MIT */
/* What can be measured: what each lane calls in turn, and what of it counts. Constant tables. */
#ifndef USHER_TESTS_BENCH_OPERATION_H
#define USHER_TESTS_BENCH_OPERATION_H

#include "tests/bench/dialect.h"

struct operation {
	const char *name;
	const char *unit;   /* what one op is, for people */
	enum call idle;     /* what a lane without a session calls */
	enum call holding;  /* what a lane with one calls */
	unsigned begins;    /* BIT() of the calls with which an op begins */
	unsigned counted;   /* those whose replies complete one */
	bool is_prepared;   /* before the run each lane calls `idle` once */
	bool is_stocked;    /* sessions are kept to the end, and the lane creates the next */
	bool reconnects;    /* a connection is for one op */
	bool hands_over;    /* an op begins in another lane: with the release of the same slot */
	bool needs_timeout; /* its sessions have a deadline */
};

#define BIT(call) (1u << (call))

/* NULL if there is none of this name. */
const struct operation *operation_find(const char *name);

/* All names, separated by commas. Static. */
const char *operation_names(void);

/* Whether it holds sessions at all. */
bool operation_has_sessions(const struct operation *operation);

/* Whether DIALECT has what it calls. */
bool operation_is_known(const struct operation *operation, const struct dialect *dialect);

#endif
