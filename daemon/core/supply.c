/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <stdlib.h>

/* ---- what the table would like ---- */

static size_t wanted_items(const struct heap *heap, size_t n_needed)
{
	return n_needed >= heap->capacity / 4 * 3 ? heap->capacity * 2 : 0;
}

static struct map *map_of(struct table *table, enum table_array array)
{
	struct map *const maps[] = {
		[ARRAY_IDS] = &table->by_id,
		[ARRAY_REQUESTS] = &table->by_request,
		[ARRAY_TALLIES] = &table->tallies,
		[ARRAY_PROCESSES] = &table->processes,
	};

	return maps[array];
}

static bool wants_slots(const struct pool *pool)
{
	return !pool->settings.enforce && slotmap_capacity(pool->slots) < SLOTMAP_MAX &&
	       slotmap_capacity(pool->slots) - pool->used_units < SESSION_UNITS_MAX;
}

static void want_slots(const struct table *table, struct table_wants *ret)
{
	ret->slots_pool = 0;
	if (!table->n_shadow_pools)
		return;
	list_for_each(link, &table->pools) {
		const struct pool *pool = container_of(link, struct pool, link);

		if (!wants_slots(pool))
			continue;
		ret->slots_pool = pool->number;
		ret->slots = slotmap_capacity(pool->slots) + 2 * SESSION_UNITS_MAX;
		ret->slots += ret->slots / 2;
		if (ret->slots > SLOTMAP_MAX)
			ret->slots = SLOTMAP_MAX;
		return;
	}
}

static size_t missing(size_t have, size_t want)
{
	return have < want ? 2 * want - have : 0;
}

/* As nearly always: told at a glance. */
static bool is_content(const struct table *table)
{
	return map_is_content(&table->by_id) && map_is_content(&table->by_request) &&
	       map_is_content(&table->tallies) && map_is_content(&table->processes) &&
	       !wanted_items(&table->deadlines, table->deadlines.count + table->overdue) &&
	       !wanted_items(&table->waits, table->waits.count) &&
	       !missing(table->n_spare_tallies, TALLIES_SPARE) && !table->n_shadow_pools &&
	       (!(table->n_readers + table->n_announced) ||
		       !missing(table->n_spare_events, EVENTS_SPARE));
}

bool table_wants(const struct table *table, struct table_wants *ret)
{
	bool has_spare = false, is_any = false;

	if (is_content(table))
		return false;
	for (int i = 0; i <= ARRAY_PROCESSES; i++) {
		const struct map *map = map_of((struct table *)table, (enum table_array)i);

		ret->arrays[i] = map_wanted(map);
		has_spare = has_spare || map->spare;
	}
	ret->arrays[ARRAY_DEADLINES] =
		wanted_items(&table->deadlines, table->deadlines.count + table->overdue);
	ret->arrays[ARRAY_WAITS] = wanted_items(&table->waits, table->waits.count);
	ret->tallies = missing(table->n_spare_tallies, TALLIES_SPARE);
	ret->events = table->n_readers + table->n_announced
			      ? missing(table->n_spare_events, EVENTS_SPARE)
			      : 0;
	want_slots(table, ret);
	for (int i = 0; i < ARRAY_COUNT; i++)
		is_any = is_any || ret->arrays[i];
	return is_any || has_spare || ret->tallies || ret->events || ret->slots_pool;
}

void table_wants_for(const struct table *table, size_t n_sessions, struct table_wants *ret)
{
	size_t n_buckets = table->by_id.mask + 1;

	while (n_buckets < n_sessions)
		n_buckets *= 2;
	*ret = (struct table_wants){0};
	ret->arrays[ARRAY_IDS] = n_buckets;
	ret->arrays[ARRAY_REQUESTS] = n_buckets;
	ret->arrays[ARRAY_DEADLINES] = n_sessions / 2 * 3 + table->deadlines.capacity;
}

/* ---- outside the lock ---- */

static size_t element_size(enum table_array array)
{
	return array < ARRAY_DEADLINES ? sizeof(struct map_node *) : sizeof(struct heap_slot);
}

void table_supply_init(struct table_supply *supply, const struct table_wants *wants)
{
	*supply = (struct table_supply){0};
	for (int i = 0; i < ARRAY_COUNT; i++)
		if (wants->arrays[i])
			supply->arrays[i] =
				calloc(wants->arrays[i], element_size((enum table_array)i));
	for (size_t i = 0; i < wants->tallies; i++) {
		struct tally *tally = tally_new();

		if (!tally)
			break;
		tally->next_free = supply->tallies;
		supply->tallies = tally;
	}
	for (size_t i = 0; i < wants->events; i++) {
		struct event *event = event_new();

		if (!event)
			break;
		event->next_freed = supply->events;
		supply->events = event;
	}
	if (wants->slots_pool)
		supply->slots = slotmap_new(wants->slots);
}

static void free_tallies(struct tally *tally)
{
	while (tally) {
		struct tally *next = tally->next_free;

		tally_free(tally);
		tally = next;
	}
}

static void free_events(struct event *event)
{
	while (event) {
		struct event *next = event->next_freed;

		event_free(event);
		event = next;
	}
}

void table_supply_deinit(struct table_supply *supply)
{
	for (int i = 0; i < ARRAY_COUNT; i++)
		free(supply->arrays[i]);
	free_tallies(supply->tallies);
	free_events(supply->events);
	slotmap_free(supply->slots);
	*supply = (struct table_supply){0};
}

void table_free_spares(struct table *table)
{
	free_tallies(table->spare_tallies);
	free_events(table->spare_events);
}

void change_free_memory(struct table_change *change)
{
	free_tallies(change->tallies);
	free_events(change->events);
	change->tallies = NULL;
	change->events = NULL;
}

/* ---- the gift ---- */

static void *exchange_buckets(struct map *map, void *buckets, size_t n_buckets)
{
	return buckets ? map_give(map, buckets, n_buckets) : map_take_spare(map);
}

static void take_tallies(struct table *table, struct table_supply *supply)
{
	while (supply->tallies) {
		struct tally *tally = supply->tallies;

		supply->tallies = tally->next_free;
		tally->next_free = table->spare_tallies;
		table->spare_tallies = tally;
		table->n_spare_tallies++;
	}
}

static void take_events(struct table *table, struct table_supply *supply)
{
	while (supply->events) {
		struct event *event = supply->events;

		supply->events = event->next_freed;
		event->next_freed = table->spare_events;
		table->spare_events = event;
		table->n_spare_events++;
	}
}

static void take_slots(
	struct table *table, const struct table_wants *wants, struct table_supply *supply)
{
	struct slotmap *old;

	list_for_each(link, &table->pools) {
		struct pool *pool = container_of(link, struct pool, link);

		old = pool->slots;
		if (pool->number != wants->slots_pool || !supply->slots ||
			slotmap_capacity(supply->slots) <= slotmap_capacity(old))
			continue;
		slotmap_copy(supply->slots, old);
		pool->slots = supply->slots;
		supply->slots = old;
		return;
	}
}

void table_give(struct table *table, const struct table_wants *wants, struct table_supply *supply)
{
	struct heap *heaps[] = {&table->deadlines, &table->waits};

	for (int i = 0; i <= ARRAY_PROCESSES; i++)
		supply->arrays[i] = exchange_buckets(
			map_of(table, (enum table_array)i), supply->arrays[i], wants->arrays[i]);
	for (int i = ARRAY_DEADLINES; i <= ARRAY_WAITS; i++)
		if (supply->arrays[i])
			supply->arrays[i] = heap_give(
				heaps[i - ARRAY_DEADLINES], supply->arrays[i], wants->arrays[i]);
	take_tallies(table, supply);
	take_events(table, supply);
	if (wants->slots_pool)
		take_slots(table, wants, supply);
}
