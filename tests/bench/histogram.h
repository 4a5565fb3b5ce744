/* SPDX-License-Identifier: MIT */
/* A distribution of times: log-linear buckets, each at most 1/1024 wide of its values, from 0 to
 * 2^63 - 1 ns. Nothing is lost or clamped at the ends, and adding allocates nothing.
 *
 * Pure. One thread at a time; each thread has one of its own, and they are added up at the end.
 */
#ifndef USHER_TESTS_BENCH_HISTOGRAM_H
#define USHER_TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 55296

/* All zeroes is an empty one. */
struct histogram {
	uint64_t count;
	int64_t min, max; /* exact; 0 while it is empty */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* A negative time counts as 0. */
void histogram_add(struct histogram *h, int64_t ns);

/* Add all of FROM to H. */
void histogram_merge(struct histogram *h, const struct histogram *from);

/* The least time that at least PARTS of 10000 of the values do not exceed: 5000 for the median, 0
 * for the least, 10000 for the largest; exact for these two, for others up to 1/1024 too large. 0
 * if it is empty. */
int64_t histogram_percentile(const struct histogram *h, unsigned parts);

#endif
