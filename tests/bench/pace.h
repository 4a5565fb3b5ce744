/* SPDX-License-Identifier: MIT */
/* When ops are due that come at a fixed rate, whether anybody is ready for them or not. Pure. */
#ifndef USHER_TESTS_BENCH_PACE_H
#define USHER_TESTS_BENCH_PACE_H

#include <stdint.h>

struct pace {
	double rate; /* a second; 0: an op is due whenever a lane is ready for it */
	int64_t start_ns;
	uint64_t taken;
};

/* When the next one is due. Counted from the start: no error adds up. */
static inline int64_t pace_due(const struct pace *pace)
{
	return pace->start_ns + (int64_t)((double)pace->taken * 1e9 / pace->rate);
}

#endif
