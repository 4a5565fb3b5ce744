/* SPDX-License-Identifier: MIT */
#include "daemon/core/heap.h"

#include <assert.h>
#include <string.h>

void heap_init(struct heap *heap, bool (*is_before)(const void *, const void *),
	void (*set_index)(void *, size_t))
{
	*heap = (struct heap){.is_before = is_before, .set_index = set_index};
}

static void put_at(struct heap *heap, size_t index, void *item)
{
	heap->items[index] = item;
	heap->set_index(item, index);
}

static size_t sift_up(struct heap *heap, size_t index, void *item)
{
	while (index) {
		size_t parent = (index - 1) / 2;

		if (!heap->is_before(item, heap->items[parent]))
			break;
		put_at(heap, index, heap->items[parent]);
		index = parent;
	}
	return index;
}

static size_t sift_down(struct heap *heap, size_t index, void *item)
{
	for (;;) {
		size_t child = 2 * index + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
			heap->is_before(heap->items[child + 1], heap->items[child]))
			child++;
		if (!heap->is_before(heap->items[child], item))
			break;
		put_at(heap, index, heap->items[child]);
		index = child;
	}
	return index;
}

static void place(struct heap *heap, size_t index, void *item)
{
	size_t at = sift_up(heap, index, item);

	if (at == index)
		at = sift_down(heap, index, item);
	put_at(heap, at, item);
}

void heap_insert(struct heap *heap, void *item)
{
	assert(heap->count < heap->capacity);
	heap->count++;
	put_at(heap, sift_up(heap, heap->count - 1, item), item);
}

void heap_remove(struct heap *heap, size_t index)
{
	void *item = heap->items[index];
	void *last = heap->items[--heap->count];

	if (last != item)
		place(heap, index, last);
	heap->set_index(item, HEAP_NONE);
}

void heap_update(struct heap *heap, size_t index)
{
	place(heap, index, heap->items[index]);
}

void **heap_give(struct heap *heap, void **items, size_t capacity)
{
	void **old = heap->items;

	if (capacity <= heap->capacity)
		return items;
	if (heap->count)
		memcpy(items, old, heap->count * sizeof(*items));
	heap->items = items;
	heap->capacity = capacity;
	return old;
}
