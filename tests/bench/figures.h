/* SPDX-License-Identifier: MIT */
/* Times measured, and how they are printed. */
#ifndef USHER_TESTS_BENCH_FIGURES_H
#define USHER_TESTS_BENCH_FIGURES_H

#include <stdint.h>

struct figures {
	const char *name; /* for people */
	const char *key;  /* in JSON */
	int64_t *ns;      /* N of them */
	long n;
};

/* Sort all, of which the first is the yardstick: its median is what the others' are divided by. */
void figures_print(struct figures *figures, int count);
void figures_print_json(struct figures *figures, int count);

#endif
