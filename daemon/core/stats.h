/* SPDX-License-Identifier: MIT */
/* Log-linear histogram (as HdrHistogram: 32 steps an octave, so percentiles are within 1/32) and
 * the counters of a pool. One thread writes (or the lock's holder); others may read at any time:
 * cells are relaxed atomics, so a reader sees each cell whole, not all of them at one instant. */
#ifndef USHER_CORE_STATS_H
#define USHER_CORE_STATS_H

#include "daemon/core/session.h"

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_MAX_BITS 54 /* values of 2^54 ns (208 days) and more share the last cell */
#define HISTOGRAM_CELLS    ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
	_Atomic uint64_t count;
	_Atomic uint64_t sum;
	_Atomic uint64_t max;
	_Atomic uint64_t cells[HISTOGRAM_CELLS];
};

/* Record VALUE (>= 0; negative counts as 0) TIMES times. */
void histogram_add(struct histogram *h, int64_t value, uint64_t times);

/* A plain copy for calculations, with another one added or taken away. */
struct histogram_copy {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t cells[HISTOGRAM_CELLS];
};
void histogram_copy_add(struct histogram_copy *to, const struct histogram *from);
/* Take away what an earlier copy held. TO's max becomes the bound of its largest value's cell, or
 * stays if that is less: whoever knows the exact one sets it. */
void histogram_copy_subtract(struct histogram_copy *to, const struct histogram_copy *earlier);

/* The smallest cell bound that at least FRACTION (0..1) of the values do not exceed, never above
 * max; 0 if empty. */
uint64_t histogram_percentile(const struct histogram_copy *h, double fraction);

/* The same for 0.5 and the histogram itself, without a copy. */
uint64_t histogram_median(const struct histogram *h);

/* How many values are at most 2^BITS (a cell's bound, so the count is exact); all of them from
 * HISTOGRAM_MAX_BITS on. */
uint64_t histogram_count_up_to(const struct histogram_copy *h, unsigned bits);

enum rejection {
	REJECTED_CAPACITY,
	REJECTED_METADATA_SIZE,
	REJECTED_CREATION_ERROR,
	REJECTED_SHUTDOWN,
	REJECTED_PAUSED,
	REJECTED_QUOTA,
	REJECTED_QUEUE_FULL,
	REJECTED_WAIT_TIMEOUT,
	REJECTED_INVALID,
	REJECTED_STORE,
	REJECTED_COUNT,
};

struct counters {
	uint64_t created;
	uint64_t ended[OUTCOME_COUNT];
	uint64_t rejected[REJECTED_COUNT];
	uint64_t queued;          /* waits begun */
	uint64_t granted_waits;   /* each wait is granted, */
	uint64_t refused_waits;   /* refused (counted in rejected, too), */
	uint64_t cancelled_waits; /* cancelled, or goes on */
	uint64_t shadow_capacity; /* granted above the limit where it is not enforced */
	uint64_t shadow_quota;
};

/* All that have ended, in whatever way. */
uint64_t counters_ended(const struct counters *counters);

#endif
