/* SPDX-License-Identifier: MIT */
#include "daemon/core/persist.h"
#include "daemon/core/table_internal.h"

#include <errno.h>

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void table_restore_globals(
	struct table *table, const struct saved_table *saved, struct table_change *change)
{
	table->next_sequence = larger(table->next_sequence, saved->next_sequence);
	table->next_fence = larger(table->next_fence, saved->next_fence);
	table->peak = saved->peak;
	table->totals = saved->totals;
	table->base = saved->base;
	change_add_text(change, table->pause.reason);
	table->pause = saved->pause;
	text_ref(table->pause.reason);
	table_plan_pause_end(table);
}

/* ---- pools ---- */

/* The sessions and the waiters that those counters speak of are no more, or still to come. */
static void take_past(struct table *table, struct pool *pool, const struct saved_pool *saved,
	struct table_change *change)
{
	pool->counters = saved->counters;
	change_add_text(change, pool->pause.reason);
	pool->pause = saved->pause;
	text_ref(pool->pause.reason);
	table_plan_pause_end(table);
}

void table_restore_pool(struct table *table, struct pool *fresh, const struct saved_pool *saved,
	struct table_time now, struct table_change *change)
{
	struct pool *pool = table_find_pool(table, saved->name->bytes, saved->name->length);

	now = table_clamp(table, now);
	if (!pool || (saved->source == POOL_RUNTIME && !saved->is_removed)) {
		bool is_unknown = !pool && (saved->source != POOL_RUNTIME || saved->is_removed);

		table_set_pool(table, fresh, now, change);
		pool = table_find_pool(table, saved->name->bytes, saved->name->length);
		pool->is_removed = is_unknown;
	} else {
		pool_make_room(pool, fresh);
		change_add_pool(change, fresh);
	}
	take_past(table, pool, saved, change);
}

/* ---- sessions ---- */

/* They come in the order of their creation, as they are listed; the first number is 1. */
static bool comes_too_late(const struct session *session, const struct pool *pool)
{
	uint64_t last = 0;

	if (!list_is_empty(&pool->sessions))
		last = container_of(pool->sessions.prev, struct session, pool_link)->sequence;
	return session->sequence <= last;
}

static bool is_contradiction(
	const struct table *table, const struct session *session, const struct pool *pool)
{
	if (table_knows(table, session) || session->sequence >= table->next_sequence ||
		session->fence >= table->next_fence || comes_too_late(session, pool))
		return true;
	for (uint32_t i = 0; i < session->units; i++)
		if (session->slots[i] >= slotmap_capacity(pool->slots) ||
			slotmap_is_taken(pool->slots, session->slots[i]) ||
			(i && session->slots[i] <= session->slots[i - 1]))
			return true;
	return false;
}

static void take_its_slots(struct table *table, struct session *session)
{
	struct pool *pool = session->pool;

	for (uint32_t i = 0; i < session->units; i++)
		slotmap_take_at(pool->slots, session->slots[i]);
	pool->active++;
	pool->used_units += session->units;
	pool->metadata_bytes += text_length(session->metadata);
	table->active++;
	table->used_units += session->units;
	table->metadata_bytes += text_length(session->metadata);
}

static void take_its_owner(struct table *table, struct session *session, struct process *process,
	bool *ret_is_new, struct table_change *change)
{
	if (session->owner_kind == OWNER_CONNECTION) {
		session->is_orphaned = true;
		session->pool->orphaned++;
		table->orphaned++;
	}
	if (!process)
		return;
	process = table_adopt_process(table, process, ret_is_new, change);
	session->owner = &process->owner;
	list_append(&process->owner.sessions, &session->owner_link);
}

/* A process' session comes with its process, a detached one alone, an orphan either way. */
static bool has_wrong_process(const struct session *session, const struct process *process)
{
	return session->owner_kind == (process ? OWNER_DETACHED : OWNER_PROCESS);
}

int table_restore_session(struct table *table, struct session *session, struct pool *pool,
	struct process *process, struct table_time now, bool *ret_is_process_new,
	struct table_change *change)
{
	int64_t deadline_us;

	now = table_clamp(table, now);
	*ret_is_process_new = false;
	if (is_contradiction(table, session, pool) || has_wrong_process(session, process))
		return -EINVAL;
	session->pool = pool;
	if (table_lacks_tallies(table) || !table_has_deadline_room(table))
		return -ENOBUFS;
	if (session->created_us > now.now_us)
		session->created_us = now.now_us;
	deadline_us = deadline_from(&pool->settings, session->created_us, session->timeout_ms, now);
	session->pool_name = text_ref(pool->name);
	table_link_session(table, session);
	take_its_owner(table, session, process, ret_is_process_new, change);
	table_join_tallies(table, session);
	take_its_slots(table, session);
	list_append(&pool->sessions, &session->pool_link);
	table_set_deadline(table, session, deadline_us);
	return 0;
}

/* ---- the end ---- */

/* What is counted as created and neither lives nor has ended was lost; who waited is gone. */
static void settle(struct counters *counters, uint64_t active)
{
	counters->ended[OUTCOME_ABANDONED] += counters->created - active - counters_ended(counters);
	counters->cancelled_waits += counters->queued - counters->granted_waits -
				     counters->refused_waits - counters->cancelled_waits;
}

void table_end_restoring(struct table *table, int64_t orphans_until_us, struct table_time now,
	struct table_change *change)
{
	table_clamp(table, now);
	settle(&table->totals, table->active);
	list_for_each_safe(link, &table->pools) {
		struct pool *pool = container_of(link, struct pool, link);

		settle(&pool->counters, pool->active);
		table_maybe_drop_pool(table, pool, change);
	}
	table->peak = larger(table->peak, table->active);
	table->orphans_until_us = table->orphaned ? orphans_until_us : INT64_MAX;
	table->orphans_after = 0;
}
