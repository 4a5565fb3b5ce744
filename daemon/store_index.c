/* SPDX-License-Identifier: MIT */
#include "daemon/store_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024
#define MOVED_A_SET 16
#define SIZE_BITS   24 /* of a place, in units of 8 bytes; the rest is where */
#define NEIGHBOURS  8
#define GONE        UINT64_MAX /* in the old array: looked past, not stopped at */

static uint64_t pack(struct journal_place place)
{
	return (place.at / 8) << SIZE_BITS | place.size / 8;
}

static struct journal_place unpack(uint64_t place)
{
	return (struct journal_place){
		.at = (place >> SIZE_BITS) * 8,
		.size = (uint32_t)(place & ((1U << SIZE_BITS) - 1)) * 8,
	};
}

/* Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4) of what is shared. */
static size_t home_of(const struct index_array *array, uint64_t sequence)
{
	uint64_t mixed = (sequence / NEIGHBOURS) * UINT64_C(0x9e3779b97f4a7c15);

	return ((size_t)(mixed >> 32) * NEIGHBOURS + sequence % NEIGHBOURS) & array->mask;
}

static bool make_array(struct index_array *array, size_t n_slots)
{
	array->slots = calloc(n_slots, sizeof(*array->slots));
	array->mask = n_slots - 1;
	return array->slots != NULL;
}

int index_init(struct store_index *index)
{
	*index = (struct store_index){.count = 0};
	return make_array(&index->now, FIRST_SLOTS) ? 0 : -ENOMEM;
}

void index_deinit(struct store_index *index)
{
	free(index->now.slots);
	free(index->old.slots);
	*index = (struct store_index){.count = 0};
}

void index_clear(struct store_index *index)
{
	free(index->old.slots);
	index->old = (struct index_array){NULL, 0};
	index->count = 0;
	memset(index->now.slots, 0, (index->now.mask + 1) * sizeof(*index->now.slots));
}

/* Its slot, or the empty one where it would be. */
static struct index_slot *look(const struct index_array *array, uint64_t sequence)
{
	size_t at = home_of(array, sequence);

	while (array->slots[at].sequence && array->slots[at].sequence != sequence)
		at = (at + 1) & array->mask;
	return &array->slots[at];
}

static struct index_slot *look_in_old(const struct store_index *index, uint64_t sequence)
{
	struct index_slot *slot;

	if (!index->old.slots)
		return NULL;
	slot = look(&index->old, sequence);
	return slot->sequence ? slot : NULL;
}

struct journal_place index_find(const struct store_index *index, uint64_t sequence)
{
	struct index_slot *slot = look(&index->now, sequence);

	if (!slot->sequence)
		slot = look_in_old(index, sequence);
	return slot ? unpack(slot->place) : (struct journal_place){0, 0};
}

/* ---- growing ---- */

static void move_some(struct store_index *index, size_t n)
{
	for (; index->old.slots && n > 0; n--) {
		struct index_slot *slot = &index->old.slots[index->moved++];

		if (slot->sequence && slot->sequence != GONE) {
			*look(&index->now, slot->sequence) = *slot;
			slot->sequence = GONE;
		}
		if (index->moved <= index->old.mask)
			continue;
		free(index->old.slots);
		index->old.slots = NULL;
	}
}

/* Three quarters are full; the old array is empty long before the new one is so. */
static int grow(struct store_index *index)
{
	struct index_array larger;

	if (index->count < (index->now.mask + 1) / 4 * 3)
		return 0;
	move_some(index, SIZE_MAX);
	if (!make_array(&larger, (index->now.mask + 1) * 2))
		return index->count < index->now.mask ? 0 : -ENOMEM;
	index->old = index->now;
	index->now = larger;
	index->moved = 0;
	return 0;
}

/* ---- changing ---- */

/* Whoever was pushed aside by it comes nearer. */
static void close_gap(struct index_array *array, size_t gap)
{
	size_t at = gap;

	for (;;) {
		size_t home;

		at = (at + 1) & array->mask;
		if (!array->slots[at].sequence)
			break;
		home = home_of(array, array->slots[at].sequence);
		if (((at - home) & array->mask) < ((at - gap) & array->mask))
			continue;
		array->slots[gap] = array->slots[at];
		gap = at;
	}
	array->slots[gap].sequence = 0;
}

static void remove_it(struct store_index *index, uint64_t sequence)
{
	struct index_slot *slot = look(&index->now, sequence);

	if (slot->sequence) {
		close_gap(&index->now, (size_t)(slot - index->now.slots));
		index->count--;
		return;
	}
	slot = look_in_old(index, sequence);
	if (!slot)
		return;
	slot->sequence = GONE;
	index->count--;
}

int index_set(struct store_index *index, uint64_t sequence, struct journal_place place)
{
	struct index_slot *slot;

	if (!place.size) {
		remove_it(index, sequence);
		return 0;
	}
	move_some(index, MOVED_A_SET);
	slot = look(&index->now, sequence);
	if (!slot->sequence)
		slot = look_in_old(index, sequence);
	if (!slot && grow(index) < 0)
		return -ENOMEM;
	if (!slot) {
		slot = look(&index->now, sequence);
		slot->sequence = sequence;
		index->count++;
	}
	slot->place = pack(place);
	return 0;
}

/* ---- listing ---- */

static size_t copy_sequences(const struct index_array *array, uint64_t *to)
{
	size_t n = 0;

	if (!array->slots)
		return 0;
	for (size_t i = 0; i <= array->mask; i++)
		if (array->slots[i].sequence && array->slots[i].sequence != GONE)
			to[n++] = array->slots[i].sequence;
	return n;
}

static int by_sequence(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t *index_list(const struct store_index *index)
{
	uint64_t *list = malloc((index->count + 1) * sizeof(*list));
	size_t n;

	if (!list)
		return NULL;
	n = copy_sequences(&index->now, list);
	n += copy_sequences(&index->old, list + n);
	qsort(list, n, sizeof(*list), by_sequence);
	return list;
}
