/* SPDX-License-Identifier: MIT */
#include "daemon/core/slotmap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS_MAX 4 /* 64^4 = SLOTMAP_MAX */

/* A bit of level 0 says that its slot is free, a bit above that the word below it has a free one.
 * The highest level is one word. */
struct slotmap {
	uint32_t capacity;
	unsigned n_levels;
	uint64_t *levels[LEVELS_MAX];
	uint64_t words[];
};

static size_t n_words(size_t n_bits)
{
	return (n_bits + 63) / 64;
}

static void set_bits(uint64_t *words, size_t n_bits)
{
	for (size_t i = 0; i < n_bits / 64; i++)
		words[i] = UINT64_MAX;
	if (n_bits % 64)
		words[n_bits / 64] = (UINT64_C(1) << (n_bits % 64)) - 1;
}

struct slotmap *slotmap_new(uint32_t capacity)
{
	size_t total = 0;
	size_t n_bits = capacity;

	do {
		n_bits = n_words(n_bits);
		total += n_bits;
	} while (n_bits > 1);

	struct slotmap *map = calloc(1, sizeof(*map) + total * sizeof(map->words[0]));

	if (!map)
		return NULL;
	map->capacity = capacity;
	n_bits = capacity;
	for (uint64_t *words = map->words; words < map->words + total; words += n_bits) {
		map->levels[map->n_levels++] = words;
		set_bits(words, n_bits);
		n_bits = n_words(n_bits);
	}
	return map;
}

void slotmap_free(struct slotmap *map)
{
	free(map);
}

uint32_t slotmap_capacity(const struct slotmap *map)
{
	return map->capacity;
}

static uint64_t bit_of(uint32_t index)
{
	return UINT64_C(1) << (index % 64);
}

static void clear_bit(struct slotmap *map, uint32_t index)
{
	for (unsigned level = 0; level < map->n_levels; level++) {
		uint64_t *word = &map->levels[level][index / 64];

		*word &= ~bit_of(index);
		if (*word)
			return;
		index /= 64;
	}
}

uint32_t slotmap_take(struct slotmap *map)
{
	uint32_t index = 0;

	for (unsigned level = map->n_levels; level-- > 0;) {
		uint64_t word = map->levels[level][index];

		if (!word)
			return UINT32_MAX; /* only at the top */
		index = index * 64 + (uint32_t)__builtin_ctzll(word);
	}
	clear_bit(map, index);
	return index;
}

bool slotmap_take_at(struct slotmap *map, uint32_t slot)
{
	if (slot >= map->capacity || slotmap_is_taken(map, slot))
		return false;
	clear_bit(map, slot);
	return true;
}

void slotmap_put(struct slotmap *map, uint32_t slot)
{
	assert(slotmap_is_taken(map, slot));
	for (unsigned level = 0; level < map->n_levels; level++) {
		uint64_t *word = &map->levels[level][slot / 64];
		bool was_full = !*word;

		*word |= bit_of(slot);
		if (!was_full)
			return;
		slot /= 64;
	}
}

bool slotmap_is_taken(const struct slotmap *map, uint32_t slot)
{
	return slot < map->capacity && !(map->levels[0][slot / 64] & bit_of(slot));
}

uint32_t slotmap_count_taken(const struct slotmap *map)
{
	uint32_t n_free = 0;

	for (size_t i = 0; i < n_words(map->capacity); i++) {
		uint64_t word = map->levels[0][i];

		if (word == UINT64_MAX)
			n_free += 64; /* as most are in a pool that does not enforce its limit */
		else
			for (; word; word &= word - 1)
				n_free++;
	}
	return map->capacity - n_free;
}

/* Free bits beyond FROM's capacity lie in its last word: they must not become taken in TO. */
static void copy_free_bits(struct slotmap *to, const struct slotmap *from)
{
	size_t whole = from->capacity / 64;
	uint64_t last_mask = bit_of(from->capacity) - 1;

	memcpy(to->levels[0], from->levels[0], whole * sizeof(uint64_t));
	if (last_mask)
		to->levels[0][whole] &= from->levels[0][whole] | ~last_mask;
}

void slotmap_copy(struct slotmap *to, const struct slotmap *from)
{
	assert(to->capacity >= from->capacity);
	copy_free_bits(to, from);

	size_t below = n_words(from->capacity);

	for (unsigned level = 1; level < to->n_levels; level++, below = n_words(below))
		for (size_t i = 0; i < below; i++)
			if (!to->levels[level - 1][i])
				to->levels[level][i / 64] &= ~bit_of((uint32_t)i);
}
