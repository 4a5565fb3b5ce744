/* SPDX-License-Identifier: MIT */
#include "daemon/core/heap.h"

#include <assert.h>
#include <string.h>

#define ARITY 4

void heap_init(struct heap *heap, bool (*is_before)(const void *, const void *),
	void (*set_index)(void *, size_t))
{
	*heap = (struct heap){.is_before = is_before, .set_index = set_index};
}

static bool is_before(const struct heap *heap, const struct heap_slot *a, const struct heap_slot *b)
{
	return a->key != b->key ? a->key < b->key : heap->is_before(a->item, b->item);
}

static void put_at(struct heap *heap, size_t index, const struct heap_slot *slot)
{
	heap->slots[index] = *slot;
	heap->set_index(slot->item, index);
}

static size_t sift_up(struct heap *heap, size_t index, const struct heap_slot *slot)
{
	while (index) {
		size_t parent = (index - 1) / ARITY;

		if (!is_before(heap, slot, &heap->slots[parent]))
			break;
		put_at(heap, index, &heap->slots[parent]);
		index = parent;
	}
	return index;
}

/* The first of those from FIRST on, which have one above them. */
static size_t first_of(const struct heap *heap, size_t first)
{
	size_t end = first + ARITY < heap->count ? first + ARITY : heap->count;
	size_t least = first;

	for (size_t i = first + 1; i < end; i++)
		if (is_before(heap, &heap->slots[i], &heap->slots[least]))
			least = i;
	return least;
}

static size_t sift_down(struct heap *heap, size_t index, const struct heap_slot *slot)
{
	while (index * ARITY + 1 < heap->count) {
		size_t child = first_of(heap, index * ARITY + 1);

		if (!is_before(heap, &heap->slots[child], slot))
			break;
		put_at(heap, index, &heap->slots[child]);
		index = child;
	}
	return index;
}

static void place(struct heap *heap, size_t index, struct heap_slot slot)
{
	size_t at = sift_up(heap, index, &slot);

	if (at == index)
		at = sift_down(heap, index, &slot);
	put_at(heap, at, &slot);
}

void heap_insert(struct heap *heap, void *item, int64_t key)
{
	struct heap_slot slot = {key, item};

	assert(heap->count < heap->capacity);
	heap->count++;
	put_at(heap, sift_up(heap, heap->count - 1, &slot), &slot);
}

void heap_remove(struct heap *heap, size_t index)
{
	void *item = heap->slots[index].item;
	struct heap_slot last = heap->slots[--heap->count];

	if (last.item != item)
		place(heap, index, last);
	heap->set_index(item, HEAP_NONE);
}

void heap_update(struct heap *heap, size_t index, int64_t key)
{
	place(heap, index, (struct heap_slot){key, heap->slots[index].item});
}

bool heap_is_ordered(const struct heap *heap)
{
	for (size_t i = 1; i < heap->count; i++)
		if (is_before(heap, &heap->slots[i], &heap->slots[(i - 1) / ARITY]))
			return false;
	return true;
}

struct heap_slot *heap_give(struct heap *heap, struct heap_slot *slots, size_t capacity)
{
	struct heap_slot *old = heap->slots;

	if (capacity <= heap->capacity)
		return slots;
	if (heap->count)
		memcpy(slots, old, heap->count * sizeof(*slots));
	heap->slots = slots;
	heap->capacity = capacity;
	return old;
}
