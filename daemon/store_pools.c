/* SPDX-License-Identifier: MIT */
#include "daemon/store_pools.h"

#include <stdlib.h>
#include <string.h>

static int compare(const struct stored_pool *pool, const char *name, size_t length)
{
	size_t shorter = pool->length < length ? pool->length : length;
	int order = shorter ? memcmp(pool->name, name, shorter) : 0;

	return order ? order : (pool->length > length) - (pool->length < length);
}

struct stored_pool *store_pools_find(
	const struct store_pools *pools, const char *name, size_t length, size_t *ret_at)
{
	size_t low = 0, high = pools->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(pools->items[middle], name, length);

		if (order == 0)
			return pools->items[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (ret_at)
		*ret_at = low;
	return NULL;
}

static int make_room(struct store_pools *pools)
{
	size_t capacity = pools->capacity ? pools->capacity * 2 : 16;
	struct stored_pool **items;

	if (pools->count < pools->capacity)
		return 0;
	items = realloc(pools->items, capacity * sizeof(struct stored_pool *));
	if (!items)
		return -1;
	pools->items = items;
	pools->capacity = capacity;
	return 0;
}

struct stored_pool *store_pools_get(struct store_pools *pools, const char *name, size_t length)
{
	size_t at = 0;
	struct stored_pool *pool = store_pools_find(pools, name, length, &at);

	if (pool)
		return pool;
	pool = calloc(1, sizeof(*pool) + length);
	if (!pool || make_room(pools) < 0) {
		free(pool);
		return NULL;
	}
	pool->length = length;
	memcpy(pool->name, name, length);
	memmove(pools->items + at + 1, pools->items + at,
		(pools->count - at) * sizeof(struct stored_pool *));
	pools->items[at] = pool;
	pools->count++;
	return pool;
}

void store_pools_sweep(struct store_pools *pools)
{
	size_t n = 0;

	for (size_t i = 0; i < pools->count; i++) {
		if (pools->items[i]->place.size)
			pools->items[n++] = pools->items[i];
		else
			free(pools->items[i]);
	}
	pools->count = n;
}

void store_pools_clear(struct store_pools *pools)
{
	for (size_t i = 0; i < pools->count; i++)
		free(pools->items[i]);
	free(pools->items);
	*pools = (struct store_pools){NULL, 0, 0};
}
