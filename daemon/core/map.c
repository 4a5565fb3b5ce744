/* SPDX-License-Identifier: MIT */
#include "daemon/core/map.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* Old buckets emptied by each insert and remove: more than one, so that a growth is finished long
 * before the next one is wanted. */
#define BUCKETS_PER_STEP 4

void map_init(struct map *map, struct map_node **buckets, size_t n_buckets)
{
	*map = (struct map){.buckets = buckets, .mask = n_buckets - 1};
}

void map_deinit(struct map *map)
{
	free(map->buckets);
	free(map->old_buckets);
	free(map->spare);
	*map = (struct map){0};
}

/* Buckets move as a whole and nothing is put into an old one, so all nodes of one hash are in the
 * same array: the old one as long as its bucket is not empty. */
static struct map_node **bucket_of(const struct map *map, uint64_t hash)
{
	if (map->old_buckets && map->old_buckets[hash & map->old_mask])
		return &map->old_buckets[hash & map->old_mask];
	return &map->buckets[hash & map->mask];
}

static void push(struct map_node **bucket, struct map_node *node)
{
	node->next = *bucket;
	*bucket = node;
}

static void empty_old_bucket(struct map *map, size_t index)
{
	struct map_node *node = map->old_buckets[index];

	while (node) {
		struct map_node *next = node->next;

		push(&map->buckets[node->hash & map->mask], node);
		node = next;
	}
	map->old_buckets[index] = NULL;
}

static void step(struct map *map)
{
	for (int i = 0; i < BUCKETS_PER_STEP && map->old_buckets; i++) {
		empty_old_bucket(map, map->moved++);
		if (map->moved <= map->old_mask)
			continue;
		map->spare = map->old_buckets;
		map->old_buckets = NULL;
	}
}

void map_insert(struct map *map, struct map_node *node, uint64_t hash)
{
	step(map);
	if (map->old_buckets)
		empty_old_bucket(map, hash & map->old_mask);
	node->hash = hash;
	push(&map->buckets[hash & map->mask], node);
	map->count++;
}

void map_remove(struct map *map, struct map_node *node)
{
	struct map_node **at = bucket_of(map, node->hash);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->next = NULL;
	map->count--;
	step(map);
}

static struct map_node *find_hash(struct map_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct map_node *map_first(const struct map *map, uint64_t hash)
{
	return find_hash(*bucket_of(map, hash), hash);
}

struct map_node *map_next(const struct map_node *node)
{
	return find_hash(node->next, node->hash);
}

void map_prefetch(const struct map *map, uint64_t hash)
{
	__builtin_prefetch(bucket_of(map, hash));
}

size_t map_wanted(const struct map *map)
{
	size_t n_buckets = map->mask + 1;

	if (map->spare || map_is_content(map))
		return 0;
	while (n_buckets < map->count + 1)
		n_buckets *= 2;
	return n_buckets;
}

struct map_node **map_give(struct map *map, struct map_node **buckets, size_t n_buckets)
{
	if (map->old_buckets || map->spare || n_buckets <= map->mask + 1)
		return buckets;
	map->old_buckets = map->buckets;
	map->old_mask = map->mask;
	map->moved = 0;
	map->buckets = buckets;
	map->mask = n_buckets - 1;
	return NULL;
}

struct map_node **map_take_spare(struct map *map)
{
	struct map_node **spare = map->spare;

	map->spare = NULL;
	return spare;
}

/* ---- SipHash-1-3 ---- */

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

static uint64_t load_le(const unsigned char *bytes, size_t n)
{
	uint64_t word = 0;

	memcpy(&word, bytes, n);
	return le64toh(word);
}

uint64_t map_hash(const uint64_t seed[2], const void *bytes, size_t length)
{
	struct sip s = {
		.v0 = seed[0] ^ UINT64_C(0x736f6d6570736575),
		.v1 = seed[1] ^ UINT64_C(0x646f72616e646f6d),
		.v2 = seed[0] ^ UINT64_C(0x6c7967656e657261),
		.v3 = seed[1] ^ UINT64_C(0x7465646279746573),
	};
	const unsigned char *at = bytes;
	size_t left = length;

	for (; left >= 8; at += 8, left -= 8)
		sip_word(&s, load_le(at, 8));
	sip_word(&s, load_le(at, left) | (uint64_t)length << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
