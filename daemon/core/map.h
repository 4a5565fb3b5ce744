/* SPDX-License-Identifier: MIT */
/* Intrusive hash table that never allocates and grows by steps.
 *
 * Chained buckets, a power of two. When it is crowded (map_wanted() > 0) the caller allocates a
 * larger array outside the lock and gives it (map_give); from then on each insert and remove moves
 * a few buckets, and map_take_spare() hands back the old array once it is empty. The map works at
 * any load; growing keeps chains short. Keys are compared by the caller (map_first, map_next).
 */
#ifndef USHER_CORE_MAP_H
#define USHER_CORE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

struct map {
	struct map_node **buckets;
	size_t mask;
	struct map_node **old_buckets; /* being emptied; NULL if none */
	size_t old_mask;
	size_t moved;            /* buckets of old_buckets that are empty for good */
	struct map_node **spare; /* emptied, to be freed by the caller */
	size_t count;
};

/* N_BUCKETS (a power of two) zeroed pointers from malloc(); the map owns them. */
void map_init(struct map *map, struct map_node **buckets, size_t n_buckets);

/* Frees the arrays, not the nodes. */
void map_deinit(struct map *map);

void map_insert(struct map *map, struct map_node *node, uint64_t hash);
void map_remove(struct map *map, struct map_node *node);

/* The first node of this hash, and the next one after NODE; NULL at the end. */
struct map_node *map_first(const struct map *map, uint64_t hash);
struct map_node *map_next(const struct map_node *node);

/* The bucket of HASH is about to be looked at. */
void map_prefetch(const struct map *map, uint64_t hash);

/* How many buckets an array to give should have; 0 while the present one is large enough or the
 * last growth has not been finished. */
size_t map_wanted(const struct map *map);

/* Whether map_wanted() or map_take_spare() may have something to say. */
static inline bool map_is_content(const struct map *map)
{
	return !map->spare && (map->old_buckets || map->count <= map->mask + 1);
}

/* Take N_BUCKETS zeroed pointers; returns NULL, or BUCKETS if it has no use for them now. */
struct map_node **map_give(struct map *map, struct map_node **buckets, size_t n_buckets);

/* An array the map is done with, for the caller to free outside the lock; NULL if none. */
struct map_node **map_take_spare(struct map *map);

/* SipHash-1-3 (Aumasson, Bernstein: https://www.aumasson.jp/siphash/) of BYTES. */
uint64_t map_hash(const uint64_t seed[2], const void *bytes, size_t length);

#endif
