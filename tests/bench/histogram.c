/* SPDX-License-Identifier: MIT */
#include "tests/bench/histogram.h"

/* Values below 2 * LINEAR have a bucket each; from there on, each power of two has LINEAR. */
#define LINEAR_BITS 10
#define LINEAR      (1 << LINEAR_BITS)

static unsigned shift_of_value(uint64_t value)
{
	unsigned top = 63 - (unsigned)__builtin_clzll(value | 1);

	return top > LINEAR_BITS ? top - LINEAR_BITS : 0;
}

static unsigned bucket_of(uint64_t value)
{
	unsigned shift = shift_of_value(value);

	return (shift << LINEAR_BITS) + (unsigned)(value >> shift);
}

/* The largest value that falls into it. */
static int64_t upper_end(unsigned bucket)
{
	unsigned shift = bucket < 2 * LINEAR ? 0 : (bucket >> LINEAR_BITS) - 1;
	uint64_t begin = (uint64_t)(bucket - (shift << LINEAR_BITS)) << shift;

	return (int64_t)(begin + (UINT64_C(1) << shift) - 1);
}

void histogram_add(struct histogram *h, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	if (h->count == 0 || ns < h->min)
		h->min = ns;
	if (ns > h->max)
		h->max = ns;
	h->count++;
	h->buckets[bucket_of((uint64_t)ns)]++;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
	if (from->count == 0)
		return;
	if (h->count == 0 || from->min < h->min)
		h->min = from->min;
	if (from->max > h->max)
		h->max = from->max;
	h->count += from->count;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
}

int64_t histogram_percentile(const struct histogram *h, unsigned parts)
{
	uint64_t rank = (h->count * parts + 9999) / 10000, seen = 0;

	if (rank <= 1)
		return h->min;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank)
			return upper_end(i) < h->max ? upper_end(i) : h->max;
	}
	return h->max;
}
