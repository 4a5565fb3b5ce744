/* SPDX-License-Identifier: MIT */
/* Errors by name, and one in full, to be explained.
 *
 * One thread at a time; each thread has one of its own, and they are added up at the end.
 */
#ifndef USHER_TESTS_BENCH_TALLY_H
#define USHER_TESTS_BENCH_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define TALLY_NAMES       32 /* those beyond count as the last */
#define TALLY_NAME_LENGTH 48

/* All zeroes is an empty one. */
struct tally {
	uint64_t sum;
	size_t n;
	struct {
		char name[TALLY_NAME_LENGTH];
		uint64_t count;
	} rows[TALLY_NAMES]; /* in the order of their first time */
	/* The one that came first, of those with a reply if there is one, and that reply,
	 * NUL-ended; NULL for none. A connection that is closed says less than why it is. */
	int64_t first_ns;
	char first_name[TALLY_NAME_LENGTH];
	char *first_reply;
};

/* Count one called NAME, which came at NOW in a reply of LENGTH bytes (0 if there was none). */
void tally_add(struct tally *tally, const char *name, size_t name_length, int64_t now_ns,
	const char *reply, size_t length);

/* Add all of FROM, whose first one is moved if it is to be preferred. */
void tally_merge(struct tally *tally, struct tally *from);

void tally_deinit(struct tally *tally);

#endif
