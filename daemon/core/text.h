/* SPDX-License-Identifier: MIT */
/* An immutable, counted text: metadata, results, reasons, names. A reader takes a reference inside
 * the lock and reads outside of it; the count is atomic, the bytes never change. */
#ifndef USHER_CORE_TEXT_H
#define USHER_CORE_TEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	atomic_uint references;
	uint32_t length;         /* bytes, without the NUL that follows them */
	struct text *next_freed; /* chain in a table_change; for the only holder */
	char bytes[];
};

/* A copy of BYTES with one reference; NULL without memory. LENGTH must be below 2^32 - 1. */
struct text *text_new(const char *bytes, size_t length);

/* One more reference; TEXT may be NULL. Returns TEXT. */
struct text *text_ref(struct text *text);

/* One reference less; the last one frees. TEXT may be NULL. Returns NULL. */
struct text *text_unref(struct text *text);

/* One reference less, unless it is the last one: then false, TEXT stays the caller's, and nobody
 * else has it. Never frees, so it may be called inside the lock. */
bool text_unref_unless_last(struct text *text);

/* The same for any count of references. */
bool count_drop_unless_last(atomic_uint *references);

static inline uint32_t text_length(const struct text *text)
{
	return text ? text->length : 0;
}

#endif
