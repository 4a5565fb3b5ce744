/* SPDX-License-Identifier: MIT */
#include "daemon/core/persist.h"

#include "daemon/core/table_internal.h"

/* ---- marks ---- */

uint64_t table_changed(const struct table *table)
{
	return table->changed_section;
}

void table_note_change(struct table *table)
{
	table->changed_section = table->section;
}

void table_touch_pool(struct table *table, struct pool *pool)
{
	if (table->keeps_changes && list_is_empty(&pool->dirty_link))
		list_append(&table->dirty_pools, &pool->dirty_link);
}

void table_mark_session(struct table *table, struct session *session)
{
	table_note_change(table);
	if (!table->keeps_changes || session->is_dirty)
		return;
	session->is_dirty = true;
	session->next_dirty = NULL;
	session_ref(session);
	if (table->dirty)
		table->last_dirty->next_dirty = session;
	else
		table->dirty = session;
	table->last_dirty = session;
}

void table_mark_pool(struct table *table, const char *name, size_t length)
{
	struct pool *pool = table_find_pool(table, name, length);

	if (pool)
		table_touch_pool(table, pool);
	table_note_change(table);
}

static void touch_all_pools(struct table *table)
{
	list_for_each(link, &table->pools)
		table_touch_pool(table, container_of(link, struct pool, link));
	table_note_change(table);
}

void table_mark_everything(struct table *table)
{
	for (struct session *session = table->dirty; session; session = session->next_dirty)
		session->stored_sum = 0; /* those that have ended are in no order */
	for (struct order_node *node = order_first(&table->order); node; node = order_next(node)) {
		struct session *session = container_of(node, struct session, order_node);

		if (session->state == SESSION_WAITING)
			continue;
		session->stored_sum = 0;
		table_mark_session(table, session);
	}
	touch_all_pools(table);
}

void table_keep_changes(struct table *table)
{
	table->keeps_changes = true;
	touch_all_pools(table);
}

/* ---- what is marked ---- */

static void save_session(struct session *session, struct saved_session *ret)
{
	*ret = (struct saved_session){
		.session = session, /* the mark's reference */
		.is_gone = session->state == SESSION_ENDED,
	};
	if (ret->is_gone)
		return;
	ret->state = session->state;
	ret->owner_kind = session->owner_kind;
	ret->is_revoking = session->is_revoking;
	ret->uid = session->uid;
	ret->timeout_ms = session->timeout_ms;
	ret->started_wall_us = session->started_wall_us;
	ret->identity = identity_ref(session->identity);
	ret->creator = identity_ref(session->creator);
	ret->metadata = text_ref(session->metadata);
}

size_t table_take_dirty_sessions(struct table *table, struct saved_session *items, size_t max)
{
	size_t n = 0;

	for (; n < max && table->dirty; n++) {
		struct session *session = table->dirty;

		table->dirty = session->next_dirty;
		session->is_dirty = false;
		save_session(session, &items[n]);
	}
	return n;
}

void saved_session_deinit(struct saved_session *saved)
{
	identity_unref(saved->identity);
	identity_unref(saved->creator);
	text_unref(saved->metadata);
	session_unref(saved->session);
	*saved = (struct saved_session){0};
}

static struct pause copy_pause(const struct pause *pause)
{
	struct pause copy = *pause;

	text_ref(copy.reason);
	return copy;
}

size_t table_take_dirty_pools(struct table *table, struct saved_pool *items, size_t max)
{
	size_t n = 0;

	for (; n < max && !list_is_empty(&table->dirty_pools); n++) {
		struct pool *pool = container_of(table->dirty_pools.next, struct pool, dirty_link);

		list_remove(&pool->dirty_link);
		items[n] = (struct saved_pool){
			.name = text_ref(pool->name),
			.settings = pool->settings,
			.source = pool->source,
			.is_removed = pool->is_removed,
			.pause = copy_pause(&pool->pause),
			.slots = slotmap_capacity(pool->slots),
			.counters = pool->counters,
		};
		allow_list_ref(items[n].settings.allow);
	}
	return n;
}

void saved_pool_deinit(struct saved_pool *saved)
{
	text_unref(saved->name);
	allow_list_unref(saved->settings.allow);
	text_unref(saved->pause.reason);
	*saved = (struct saved_pool){0};
}

struct pool *table_take_dropped_pools(struct table *table)
{
	struct pool *dropped = table->dropped_pools;

	table->dropped_pools = NULL;
	return dropped;
}

void table_save_globals(const struct table *table, struct saved_table *ret)
{
	*ret = (struct saved_table){
		.next_sequence = table->next_sequence,
		.next_fence = table->next_fence,
		.active = table->active,
		.peak = table->peak,
		.pause = copy_pause(&table->pause),
		.totals = table->totals,
		.base = table->base,
	};
}

void saved_table_deinit(struct saved_table *saved)
{
	text_unref(saved->pause.reason);
	*saved = (struct saved_table){0};
}

static void add_stored_ends(
	const struct table *table, uint64_t position, struct stored_portion *portion)
{
	for (const struct session *s = table->dirty; s; s = s->next_dirty) {
		if (s->state != SESSION_ENDED || !s->stored_sum || s->sequence <= position ||
			s->sequence > portion->position)
			continue;
		portion->n_ended++;
		portion->ended_sums += s->stored_sum;
	}
}

void table_stored_after(const struct table *table, uint64_t position, struct stored_portion *ret)
{
	struct order_node *node = order_after(&table->order, position);

	ret->n = ret->n_ended = ret->ended_sums = 0;
	for (int i = 0; node && i < STORED_A_PORTION; i++, node = order_next(node)) {
		const struct session *session = container_of(node, struct session, order_node);

		if (session->stored_sum)
			ret->sessions[ret->n++] = (struct stored_session){
				session->sequence, session->id, session->stored_sum};
		ret->position = node->key;
	}
	if (!node)
		ret->position = UINT64_MAX;
	add_stored_ends(table, position, ret);
}

/* ---- the end of the daemon ---- */

bool table_orphan(struct table *table, struct owner *owner, size_t max)
{
	for (size_t n = 0; n < max && !list_is_empty(&owner->sessions); n++) {
		struct session *session =
			container_of(owner->sessions.next, struct session, owner_link);

		list_remove(&session->owner_link);
		session->owner = NULL;
		audits_uncount(table, session);
		session->is_orphaned = true;
		session->pool->orphaned++;
		table->orphaned++;
		audits_count(table, session);
	}
	return !list_is_empty(&owner->sessions);
}

/* ---- a store that is away ---- */

void table_set_storing(struct table *table, bool is_possible)
{
	if (table->cannot_store && is_possible)
		table_mark_all_for_pump(table);
	table->cannot_store = !is_possible;
}

void table_set_fence_limit(struct table *table, uint64_t limit)
{
	table->fence_limit = limit < FENCE_END ? limit : FENCE_END;
	table_mark_all_for_pump(table);
}

bool table_may_grant(const struct table *table)
{
	return !table->cannot_store && !table->is_carrying &&
	       table->next_fence < table->fence_limit;
}
