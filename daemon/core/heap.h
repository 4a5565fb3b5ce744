/* SPDX-License-Identifier: MIT */
/* Min-heap of pointers by a key, with a set-position hook, so that any element leaves in O(log n).
 * The keys stand in the array, and each element has four below it (a d-ary heap: Johnson 1975), so
 * that a step down looks at one or two cache lines and not at the elements. The array is the
 * caller's: it is given larger ones, made outside the lock, before it is full. */
#ifndef USHER_CORE_HEAP_H
#define USHER_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_NONE ((size_t)-1)

struct heap_slot {
	int64_t key;
	void *item;
};

struct heap {
	struct heap_slot *slots;
	size_t count;
	size_t capacity;
	bool (*is_before)(const void *a, const void *b); /* of two with the same key */
	void (*set_index)(void *item, size_t index);     /* HEAP_NONE when it leaves */
};

void heap_init(struct heap *heap, bool (*is_before)(const void *, const void *),
	void (*set_index)(void *, size_t));

/* The item must fit: count < capacity. */
void heap_insert(struct heap *heap, void *item, int64_t key);
void heap_remove(struct heap *heap, size_t index);
/* The item at INDEX has another key. */
void heap_update(struct heap *heap, size_t index, int64_t key);

static inline void *heap_top(const struct heap *heap)
{
	return heap->count ? heap->slots[0].item : NULL;
}

/* For those who check: whether ITEM is at INDEX, with this key. */
static inline bool heap_has(const struct heap *heap, size_t index, const void *item, int64_t key)
{
	return index < heap->count && heap->slots[index].item == item &&
	       heap->slots[index].key == key;
}

/* Whether each is not before the one above it. */
bool heap_is_ordered(const struct heap *heap);

/* Take a larger array; returns the old one (or SLOTS, if it is no larger) for the caller to free.
 */
struct heap_slot *heap_give(struct heap *heap, struct heap_slot *slots, size_t capacity);

#endif
