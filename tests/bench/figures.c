/* SPDX-License-Identifier: MIT */
#include "tests/bench/figures.h"

#include <stdio.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void sort(struct figures *figures, int count)
{
	for (int i = 0; i < count; i++)
		qsort(figures[i].ns, (size_t)figures[i].n, sizeof(figures[i].ns[0]), by_size);
}

/* In microseconds, of sorted ones; the nearest rank: 0 is the least, 100 the largest. */
static double percentile(const struct figures *figures, int percent)
{
	long rank = (figures->n * percent + 99) / 100;

	return (double)figures->ns[rank > 0 ? rank - 1 : 0] / 1000;
}

static double ratio(const struct figures *figures, const struct figures *yardstick)
{
	return percentile(figures, 50) / percentile(yardstick, 50);
}

void figures_print(struct figures *figures, int count)
{
	sort(figures, count);
	printf("%-32s%6s%9s%9s%9s%9s%9s%7s\n", "microseconds", "n", "min", "p50", "p90", "p99",
		"max", "ratio");
	for (int i = 0; i < count; i++) {
		const struct figures *f = &figures[i];

		printf("%-32s%6ld%9.1f%9.1f%9.1f%9.1f%9.1f%7.2f\n", f->name, f->n, percentile(f, 0),
			percentile(f, 50), percentile(f, 90), percentile(f, 99), percentile(f, 100),
			ratio(f, figures));
	}
	printf("ratio: p50 to that of the %s\n", figures[0].name);
}

void figures_print_json(struct figures *figures, int count)
{
	sort(figures, count);
	printf("{");
	for (int i = 0; i < count; i++) {
		const struct figures *f = &figures[i];

		printf("%s\"%s\": {\"n\": %ld, \"min_us\": %.1f, \"p50_us\": %.1f, \"p90_us\": "
		       "%.1f, "
		       "\"p99_us\": %.1f, \"max_us\": %.1f, \"ratio\": %.3f}",
			i ? ", " : "", f->key, f->n, percentile(f, 0), percentile(f, 50),
			percentile(f, 90), percentile(f, 99), percentile(f, 100),
			ratio(f, figures));
	}
	printf("}\n");
}
