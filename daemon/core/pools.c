/* SPDX-License-Identifier: MIT */
#include "daemon/core/persist.h"
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
	pool->number = ++table->next_pool_number;
	table->n_shadow_pools += !pool->settings.enforce;
}

/* The larger map stays, so that numbers above a lowered limit are still known as taken. */
void pool_make_room(struct pool *pool, struct pool *fresh)
{
	struct slotmap *old = pool->slots;

	if (slotmap_capacity(fresh->slots) <= slotmap_capacity(old))
		return;
	slotmap_copy(fresh->slots, old);
	pool->slots = fresh->slots;
	fresh->slots = old;
}

/* 0, or why no waiting can help WAITER any more. */
static int check_waiter(const struct pool *pool, struct waiter *waiter)
{
	const struct pool_settings *settings = &pool->settings;
	const struct session *session = waiter->session;
	const uint64_t nothing[DIMENSIONS] = {0};

	if (!pool_allows(settings, &waiter->caller->peer))
		return STATUS_PERMISSION_DENIED;
	if (!settings->enforce)
		return 0;
	waiter->limit = settings->limit;
	if (session->units > settings->limit)
		return STATUS_INVALID_PARAMETER;
	waiter->quota = quota_exceeded(settings, session->label, nothing, session->units);
	if (waiter->quota == DIMENSIONS)
		return 0;
	waiter->limit = settings->quotas[waiter->quota];
	return STATUS_QUOTA_EXCEEDED;
}

void pool_refuse_misfits(
	struct table *table, struct pool *pool, struct table_time now, struct table_change *change)
{
	list_for_each_safe(link, &pool->waiters) {
		struct waiter *waiter = container_of(link, struct waiter, link);
		int status = check_waiter(pool, waiter);

		if (status)
			table_refuse_waiter(table, waiter, status, now, change);
	}
}

/* The allow lists change places: each pool frees its own. */
static void exchange_settings(struct table *table, struct pool *pool, struct pool *fresh)
{
	struct pool_settings old = pool->settings;

	table->n_shadow_pools += (uint32_t)old.enforce;
	table->n_shadow_pools -= (uint32_t)fresh->settings.enforce;
	pool->settings = fresh->settings;
	fresh->settings = old;
}

static void pool_changed(struct table *table, struct pool *pool)
{
	table_touch_pool(table, pool);
	table_note_change(table);
}

void table_set_pool(
	struct table *table, struct pool *fresh, struct table_time now, struct table_change *change)
{
	struct pool *pool = table_find_pool(table, fresh->name->bytes, fresh->name->length);

	now = table_clamp(table, now);
	if (!pool) {
		add_pool(table, fresh);
		pool_changed(table, fresh);
		emit_pool(table, fresh, now, change);
		return;
	}
	pool_make_room(pool, fresh);
	exchange_settings(table, pool, fresh);
	pool->source = fresh->source;
	pool->is_removed = false;
	change_add_pool(change, fresh);
	if (pool->settings.on_timeout == ON_TIMEOUT_RELEASE)
		table_end_holding(table, pool, now);
	queue_rebuild(table, pool);
	pool_changed(table, pool);
	pool_refuse_misfits(table, pool, now, change);
	table_mark_for_pump(table, pool);
	emit_pool(table, pool, now, change);
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
	struct pool *fresh_default, struct table_time now, struct table_change *change)
{
	struct pool *builtin = table_find_pool(table, POOL_DEFAULT_NAME, strlen(POOL_DEFAULT_NAME));

	now = table_clamp(table, now);
	mark_kept(table, keep, n_keep);
	if (builtin->is_kept)
		change_add_pool(change, fresh_default);
	else
		table_set_pool(table, fresh_default, now, change);
	builtin->is_kept = true;
	list_for_each_safe(link, &table->pools) {
		struct pool *pool = container_of(link, struct pool, link);

		if (pool->is_kept || pool->is_removed)
			continue;
		pool->is_removed = true;
		pool_changed(table, pool);
		table_mark_for_pump(table, pool);
		emit_pool(table, pool, now, change);
		table_maybe_drop_pool(table, pool, change);
	}
}

/* The table's own sums have all that was counted, so nothing is lost with the pool. */
void table_maybe_drop_pool(struct table *table, struct pool *pool, struct table_change *change)
{
	if (!pool->is_removed || pool->active || pool->waiting || list_is_empty(&pool->link))
		return; /* the last: it has left, with the last one that waited */
	table->n_shadow_pools -= !pool->settings.enforce;
	list_remove(&pool->pump_link);
	list_remove(&pool->link);
	list_remove(&pool->dirty_link);
	map_remove(&table->pools_by_name, &pool->name_node);
	if (!table->keeps_changes) {
		change_add_pool(change, pool);
		return;
	}
	pool->next_freed = table->dropped_pools; /* the store has to know first */
	table->dropped_pools = pool;
	table_note_change(table);
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

/* POOL is NULL for all. False if there is none of this name. */
static bool find_pause(struct table *table, const char *name, size_t length,
	struct pause **ret_pause, struct pool **ret_pool)
{
	*ret_pool = name ? table_find_pool(table, name, length) : NULL;
	*ret_pause = *ret_pool ? &(*ret_pool)->pause : &table->pause;
	return !name || *ret_pool;
}

static void plan_end(struct table *table, const struct pause *pause)
{
	if (pause->is_on && pause->until_us < table->next_pause_end_us)
		table->next_pause_end_us = pause->until_us;
}

static void plan_next_end(struct table *table)
{
	table->next_pause_end_us = INT64_MAX;
	plan_end(table, &table->pause);
	list_for_each(link, &table->pools)
		plan_end(table, &container_of(link, struct pool, link)->pause);
}

void table_plan_pause_end(struct table *table)
{
	plan_next_end(table);
}

/* POOL's pause, or with NULL that of all, has changed. */
static void after_pause(
	struct table *table, struct pool *pool, struct table_time now, struct table_change *change)
{
	plan_next_end(table);
	list_for_each(link, &table->pools) {
		struct pool *each = container_of(link, struct pool, link);

		if (pool && each != pool)
			continue;
		table_mark_for_pump(table, each);
		pool_changed(table, each);
		emit_pool(table, each, now, change);
	}
}

int table_pause(struct table *table, const char *name, size_t length, int64_t for_us,
	struct text *reason, struct table_time now, struct table_change *change)
{
	struct pause *pause;
	struct pool *pool;

	now = table_clamp(table, now);
	if (!find_pause(table, name, length, &pause, &pool))
		return STATUS_NO_SUCH_POOL;
	text_ref(reason);
	change_add_text(change, pause->reason);
	pause->is_on = true;
	pause->reason = reason;
	pause->until_us = for_us < INT64_MAX - now.now_us ? now.now_us + for_us : INT64_MAX;
	after_pause(table, pool, now, change);
	return 0;
}

static void end_pause(struct pause *pause, struct table_change *change)
{
	change_add_text(change, pause->reason);
	*pause = (struct pause){0};
}

int table_resume(struct table *table, const char *name, size_t length, struct table_time now,
	struct table_change *change)
{
	struct pause *pause;
	struct pool *pool;

	now = table_clamp(table, now);
	if (!find_pause(table, name, length, &pause, &pool))
		return STATUS_NO_SUCH_POOL;
	end_pause(pause, change);
	if (!name && table->is_draining) {
		table->is_draining = false;
		emit_drain(table, now, change);
	}
	after_pause(table, pool, now, change);
	return 0;
}

static bool has_passed(const struct pause *pause, struct table_time now)
{
	return pause->is_on && pause->until_us <= now.now_us;
}

void table_end_pauses(struct table *table, struct table_time now, struct table_change *change)
{
	bool is_all = has_passed(&table->pause, now);

	if (is_all)
		end_pause(&table->pause, change);
	list_for_each(link, &table->pools) {
		struct pool *pool = container_of(link, struct pool, link);
		bool is_own = has_passed(&pool->pause, now);

		if (is_own)
			end_pause(&pool->pause, change);
		if (!is_all && !is_own)
			continue;
		table_mark_for_pump(table, pool);
		emit_pool(table, pool, now, change);
	}
	plan_next_end(table);
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

void table_drain(struct table *table, struct table_time now, struct table_change *change)
{
	now = table_clamp(table, now);
	if (table->is_draining)
		return;
	table->is_draining = true;
	table_mark_all_for_pump(table);
	emit_drain(table, now, change);
}

/* ---- who may come in ---- */

bool pool_allows(const struct pool_settings *settings, const struct peer *peer)
{
	const struct allow_list *list = settings->allow;

	for (size_t i = 0; list && i < list->count; i++) {
		const struct allowed *allowed = &list->entries[i];

		if (allowed->is_group
				? peer->gid == allowed->id || groups_have(peer->groups, allowed->id)
				: peer->uid == allowed->id)
			return true;
	}
	return !list;
}

bool table_is_draining(const struct table *table)
{
	return table->is_draining;
}
