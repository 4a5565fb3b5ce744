/* SPDX-License-Identifier: MIT */
/* What has been measured, for people and as JSON, on standard output. */
#ifndef USHER_TESTS_BENCH_REPORT_H
#define USHER_TESTS_BENCH_REPORT_H

#include "tests/bench/load.h"
#include "tests/bench/options.h"

struct report {
	const struct options *options;
	const struct outcome *outcome;
	const char *peer;     /* "usherd 0.1.0 (2 loops, store ok)" */
	const char *path;     /* of its socket */
	size_t create_bytes;  /* of the request on the wire */
	const char *sentence; /* about the first error; NULL: none */
};

void report_print(const struct report *report);
void report_print_json(const struct report *report);

/* The share of their time for which the load's own threads ran, 0 to 1. */
double report_busy(const struct report *report);

/* Whether at a fixed rate less than 99 % of what was due was sent. */
bool report_is_behind(const struct report *report);

#endif
