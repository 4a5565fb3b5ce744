/* SPDX-License-Identifier: MIT */
#include "daemon/core/stats.h"

#include <stdbool.h>

#define SUB_CELLS (1u << HISTOGRAM_SUB_BITS)

/* Cells include their upper bound, not the lower one, so that powers of two are bounds: the number
 * before the value decides. */
static unsigned cell_of(uint64_t value)
{
	uint64_t before = value ? value - 1 : 0;

	if (before < SUB_CELLS)
		return (unsigned)before;
	if (before >> HISTOGRAM_MAX_BITS)
		return HISTOGRAM_CELLS - 1;

	unsigned exponent = 63 - (unsigned)__builtin_clzll(before);
	unsigned shift = exponent - HISTOGRAM_SUB_BITS;
	unsigned sub = (unsigned)(before >> shift) & (SUB_CELLS - 1);

	return ((shift + 1) << HISTOGRAM_SUB_BITS) + sub;
}

static uint64_t bound_of(unsigned cell)
{
	unsigned octave = cell >> HISTOGRAM_SUB_BITS;
	uint64_t sub = cell & (SUB_CELLS - 1);

	if (cell == HISTOGRAM_CELLS - 1)
		return UINT64_MAX;
	if (!octave)
		return sub + 1;
	return (SUB_CELLS + sub + 1) << (octave - 1);
}

/* There is one writer, so a load and a store do; they are atomic for the readers. */
static void increase(_Atomic uint64_t *cell, uint64_t by)
{
	uint64_t value = atomic_load_explicit(cell, memory_order_relaxed);

	atomic_store_explicit(cell, value + by, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

void histogram_add(struct histogram *h, int64_t value, uint64_t times)
{
	uint64_t v = value > 0 ? (uint64_t)value : 0;

	if (!times)
		return;
	increase(&h->count, times);
	increase(&h->sum, v * times);
	increase(&h->cells[cell_of(v)], times);
	if (v > load(&h->max))
		atomic_store_explicit(&h->max, v, memory_order_relaxed);
}

void histogram_copy_add(struct histogram_copy *to, const struct histogram *from)
{
	uint64_t max = load(&from->max);

	to->sum += load(&from->sum);
	if (max > to->max)
		to->max = max;
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
		uint64_t cell = load(&from->cells[i]);

		to->cells[i] += cell;
		to->count += cell; /* the writer's own may be older: no bucket may exceed it */
	}
}

void histogram_copy_subtract(struct histogram_copy *to, const struct histogram_copy *earlier)
{
	uint64_t bound = 0;

	to->count -= earlier->count;
	to->sum -= earlier->sum;
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
		to->cells[i] -= earlier->cells[i];
		if (to->cells[i])
			bound = bound_of(i);
	}
	if (bound < to->max)
		to->max = bound;
}

static uint64_t rank_of(double fraction, uint64_t count)
{
	double exact = fraction * (double)count;
	uint64_t rank = (uint64_t)exact;

	if ((double)rank < exact)
		rank++;
	return rank ? rank : 1;
}

static uint64_t at_most(uint64_t value, uint64_t max)
{
	return value < max ? value : max;
}

uint64_t histogram_percentile(const struct histogram_copy *h, double fraction)
{
	uint64_t rank = rank_of(fraction, h->count);
	uint64_t seen = h->cells[0];
	unsigned i = 0;

	if (!h->count)
		return 0;
	while (i < HISTOGRAM_CELLS - 1 && seen < rank)
		seen += h->cells[++i];
	return at_most(bound_of(i), h->max);
}

uint64_t histogram_median(const struct histogram *h)
{
	uint64_t count = load(&h->count);
	uint64_t seen = load(&h->cells[0]);
	unsigned i = 0;

	if (!count)
		return 0;
	while (i < HISTOGRAM_CELLS - 1 && seen < (count + 1) / 2)
		seen += load(&h->cells[++i]);
	return at_most(bound_of(i), load(&h->max));
}

uint64_t histogram_count_up_to(const struct histogram_copy *h, unsigned bits)
{
	uint64_t count = 0;

	if (bits >= HISTOGRAM_MAX_BITS)
		return h->count;
	for (unsigned i = 0; i <= cell_of(UINT64_C(1) << bits); i++)
		count += h->cells[i];
	return count;
}

uint64_t counters_ended(const struct counters *counters)
{
	uint64_t ended = 0;

	for (int i = 0; i < OUTCOME_COUNT; i++)
		ended += counters->ended[i];
	return ended;
}
