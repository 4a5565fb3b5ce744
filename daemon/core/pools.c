/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <string.h>

/* ---- settings ---- */

static struct list *first_after(const struct table *table, const char *name)
{
	struct list *link = table->pools.next;

	while (name && link != &table->pools &&
		strcmp(container_of(link, struct pool, link)->name->bytes, name) <= 0)
		link = link->next;
	return link;
}

static void add_pool(struct table *table, struct pool *pool)
{
	list_append(first_after(table, pool->name->bytes), &pool->link);
	map_insert(&table->pools_by_name, &pool->name_node,
		map_hash(table->hash_seed, pool->name->bytes, pool->name->length));
}

/* The larger map stays, so that numbers above a lowered limit are still known as taken. */
static void make_room(struct pool *pool, struct pool *fresh)
{
	struct slotmap *old = pool->slots;

	if (slotmap_capacity(fresh->slots) <= slotmap_capacity(old))
		return;
	slotmap_copy(fresh->slots, old);
	pool->slots = fresh->slots;
	fresh->slots = old;
}

void table_set_pool(struct table *table, struct pool *fresh, struct table_change *change)
{
	struct pool *pool = table_find_pool(table, fresh->name->bytes, fresh->name->length);

	if (!pool) {
		add_pool(table, fresh);
		return;
	}
	make_room(pool, fresh);
	pool->settings = fresh->settings;
	pool->source = fresh->source;
	pool->is_removed = false;
	change_add_pool(change, fresh);
}

static void mark_kept(struct table *table, const char *const *keep, size_t n_keep)
{
	list_for_each(link, &table->pools)
		container_of(link, struct pool, link)->is_kept = false;
	for (size_t i = 0; i < n_keep; i++) {
		struct pool *pool = table_find_pool(table, keep[i], strlen(keep[i]));

		if (pool)
			pool->is_kept = true;
	}
}

void table_remove_pools(struct table *table, const char *const *keep, size_t n_keep,
	struct pool *fresh_default, struct table_change *change)
{
	struct pool *builtin = table_find_pool(table, POOL_DEFAULT_NAME, strlen(POOL_DEFAULT_NAME));

	mark_kept(table, keep, n_keep);
	if (builtin->is_kept)
		change_add_pool(change, fresh_default);
	else
		table_set_pool(table, fresh_default, change);
	builtin->is_kept = true;
	list_for_each_safe(link, &table->pools) {
		struct pool *pool = container_of(link, struct pool, link);

		if (pool->is_kept)
			continue;
		pool->is_removed = true;
		table_maybe_drop_pool(table, pool, change);
	}
}

/* The table's own sums have all that was counted, so nothing is lost with the pool. */
void table_maybe_drop_pool(struct table *table, struct pool *pool, struct table_change *change)
{
	if (!pool->is_removed || pool->active)
		return;
	list_remove(&pool->link);
	map_remove(&table->pools_by_name, &pool->name_node);
	change_add_pool(change, pool);
}

uint64_t pool_over(const struct pool *pool)
{
	return pool->used_units > pool->settings.limit ? pool->used_units - pool->settings.limit
						       : 0;
}

/* ---- views ---- */

size_t table_view_pools(struct table *table, const char *after, struct table_time now,
	struct pool_view *views, size_t max)
{
	size_t n = 0;

	now = table_clamp(table, now);
	for (struct list *link = first_after(table, after); link != &table->pools && n < max;
		link = link->next)
		table_fill_pool_view(
			table, container_of(link, struct pool, link), now, &views[n++]);
	return n;
}

int table_view_pool(struct table *table, const char *name, size_t length, struct table_time now,
	struct pool_view *ret)
{
	const struct pool *pool = table_find_pool(table, name, length);

	now = table_clamp(table, now);
	if (!pool)
		return STATUS_NO_SUCH_POOL;
	table_fill_pool_view(table, pool, now, ret);
	return 0;
}

/* ---- pauses and the drain ---- */

static struct pause *find_pause(struct table *table, const char *name, size_t length)
{
	struct pool *pool;

	if (!name)
		return &table->pause;
	pool = table_find_pool(table, name, length);
	return pool ? &pool->pause : NULL;
}

int table_pause(struct table *table, const char *name, size_t length, int64_t for_us,
	struct text *reason, struct table_time now, struct table_change *change)
{
	struct pause *pause = find_pause(table, name, length);

	now = table_clamp(table, now);
	if (!pause)
		return STATUS_NO_SUCH_POOL;
	text_ref(reason);
	change_add_text(change, pause->reason);
	pause->is_on = true;
	pause->reason = reason;
	pause->until_us = for_us < INT64_MAX - now.now_us ? now.now_us + for_us : INT64_MAX;
	return 0;
}

int table_resume(struct table *table, const char *name, size_t length, struct table_change *change)
{
	struct pause *pause = find_pause(table, name, length);

	if (!pause)
		return STATUS_NO_SUCH_POOL;
	change_add_text(change, pause->reason);
	*pause = (struct pause){0};
	if (!name)
		table->is_draining = false;
	return 0;
}

static bool pause_is_over(const struct pause *pause, struct table_time now)
{
	return !pause->is_on || pause->until_us <= now.now_us;
}

/* Of two pauses the one that lasts longer matters to those who are refused. */
const struct pause *table_pause_of(
	const struct table *table, const struct pool *pool, struct table_time now)
{
	const struct pause *own = &pool->pause;
	const struct pause *all = &table->pause;

	if (pause_is_over(own, now))
		return pause_is_over(all, now) ? NULL : all;
	return pause_is_over(all, now) || own->until_us >= all->until_us ? own : all;
}

void table_drain(struct table *table)
{
	table->is_draining = true;
}

bool table_is_draining(const struct table *table)
{
	return table->is_draining;
}
