/* SPDX-License-Identifier: MIT */
/* What usher-bench and peer-bench do alike: the options made into a load, signals, the report. */
#ifndef USHER_TESTS_BENCH_BENCH_H
#define USHER_TESTS_BENCH_BENCH_H

#include "tests/bench/load.h"
#include "tests/bench/options.h"

/* The load that the options ask for, without what only the peer can tell. */
struct load bench_load(const struct options *options, const struct dialect *dialect);

/* Have SIGINT and SIGTERM end the load in good order the first time, and the process the second;
 * and get as many descriptors as this process may have. */
void bench_begin(void);

/* Whether a signal has come. */
bool bench_is_interrupted(void);

/* The exit status of a program that a signal has ended. */
int bench_interrupted_exit(void);

/* Whether WANTED descriptors beside a few are more than there may be; says so. */
bool bench_lacks_files(const struct options *options, uint64_t wanted);

/* "usher-bench: ..." on standard error. */
void bench_complain(const struct options *options, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether nothing was measured; says so, with what SENTENCE tells of the first
 * (NULL: nothing). */
bool bench_is_futile(
	const struct options *options, const struct outcome *outcome, const char *sentence);

/* The exit status for a load that was run and reported. */
int bench_exit(const struct options *options, const struct outcome *outcome);

#endif
