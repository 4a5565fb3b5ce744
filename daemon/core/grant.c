/* SPDX-License-Identifier: MIT */
#include "daemon/core/persist.h"
#include "daemon/core/table_internal.h"

bool pool_has_room(const struct pool *pool, uint32_t units)
{
	return pool->used_units + units <= pool->settings.limit;
}

bool pool_admits(const struct pool *pool, uint32_t units)
{
	return pool->settings.enforce ? pool_has_room(pool, units)
				      : pool->used_units + units <= SLOTMAP_MAX;
}

/* Pools that do not enforce their limit may have more in use than they have slot numbers for. */
static bool has_numbers(const struct pool *pool, uint32_t units)
{
	return pool->used_units + units <= slotmap_capacity(pool->slots);
}

bool table_can_grant(const struct table *table, const struct session *session)
{
	const struct pool_settings *settings = &session->pool->settings;
	bool has_deadline = session->timeout_ms != SESSION_TIMEOUT_NONE ||
			    settings->max_duration_ms != SESSION_TIMEOUT_NONE;

	return has_numbers(session->pool, session->units) &&
	       (!has_deadline || table_has_deadline_room(table));
}

/* What a pool that enforced its limits would have refused. The tallies have SESSION already. */
static void count_shadow(struct table *table, const struct session *session)
{
	struct pool *pool = session->pool;
	uint64_t held[DIMENSIONS];
	bool is_over_limit, is_over_quota;

	if (pool->settings.enforce)
		return;
	for (int i = 0; i < DIMENSIONS; i++)
		held[i] = session->tallies[i]->held_units;
	is_over_limit = !pool_has_room(pool, session->units);
	is_over_quota = quota_exceeded(&pool->settings, session->label, held, 0) != DIMENSIONS;
	table->totals.shadow_capacity += is_over_limit;
	pool->counters.shadow_capacity += is_over_limit;
	table->totals.shadow_quota += is_over_quota;
	pool->counters.shadow_quota += is_over_quota;
}

static void take_slots(struct pool *pool, struct session *session)
{
	for (uint32_t i = 0; i < session->units; i++)
		session->slots[i] = slotmap_take(pool->slots);
	pool->active++;
	pool->used_units += session->units;
	pool->metadata_bytes += text_length(session->metadata);
	pool->counters.created++;
}

static void count_grant(struct table *table, const struct session *session)
{
	table->active++;
	table->used_units += session->units;
	table->metadata_bytes += text_length(session->metadata);
	table->totals.created++;
	if (table->active > table->peak)
		table->peak = table->active;
}

/* The order is that of creation, which a grant is: who waited goes to its end. */
static void renumber(struct table *table, struct session *session)
{
	order_remove(&table->order, &session->order_node);
	session->sequence = table->next_sequence++;
	order_insert(&table->order, &session->order_node, session->sequence);
}

void table_grant(struct table *table, struct session *session, struct table_time now)
{
	struct pool *pool = session->pool;

	if (session->state == SESSION_WAITING)
		renumber(table, session);
	session->state = SESSION_IDLE;
	session->fence = table->next_fence++;
	session->created_us = now.now_us;
	session->created_wall_us = now.wall_us;
	count_shadow(table, session);
	take_slots(pool, session);
	count_grant(table, session);
	list_append(&pool->sessions, &session->pool_link);
	table_touch_pool(table, pool);
	table_mark_session(table, session);
	table_set_deadline(table, session,
		deadline_from(&pool->settings, now.now_us, session->timeout_ms, now));
}
