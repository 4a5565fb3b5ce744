/* SPDX-License-Identifier: MIT */
/* Binary min-heap of pointers with a set-position hook, so that any element leaves in O(log n).
 * The array is the caller's: it is given larger ones, made outside the lock, before it is full. */
#ifndef USHER_CORE_HEAP_H
#define USHER_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#define HEAP_NONE ((size_t)-1)

struct heap {
	void **items;
	size_t count;
	size_t capacity;
	bool (*is_before)(const void *a, const void *b); /* a strict order: ties broken by it */
	void (*set_index)(void *item, size_t index);     /* HEAP_NONE when it leaves */
};

void heap_init(struct heap *heap, bool (*is_before)(const void *, const void *),
	void (*set_index)(void *, size_t));

/* The item must fit: count < capacity. */
void heap_insert(struct heap *heap, void *item);
void heap_remove(struct heap *heap, size_t index);
/* The item at INDEX has changed its rank. */
void heap_update(struct heap *heap, size_t index);

static inline void *heap_top(const struct heap *heap)
{
	return heap->count ? heap->items[0] : NULL;
}

/* Take a larger array; returns the old one (or ITEMS, if it is no larger) for the caller to free.
 */
void **heap_give(struct heap *heap, void **items, size_t capacity);

#endif
