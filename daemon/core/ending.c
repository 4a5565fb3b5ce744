/* SPDX-License-Identifier: MIT */
#include "daemon/core/persist.h"
#include "daemon/core/table_internal.h"

static void unlink_session(
	struct table *table, struct session *session, struct table_change *change)
{
	order_remove(&table->order, &session->order_node);
	map_remove(&table->by_request, &session->request_node);
	table_leave_owner(table, session, change);
	table_leave_tallies(table, session, change);
	list_remove(&session->pool_link);
	if (session->heap_index != SESSION_NOT_IN_HEAP)
		heap_remove(&table->deadlines, session->heap_index);
}

static void give_back(struct table *table, struct session *session)
{
	struct pool *pool = session->pool;

	for (uint32_t i = 0; i < session->units; i++)
		slotmap_put(pool->slots, session->slots[i]);
	pool->active--;
	pool->used_units -= session->units;
	pool->overdue -= session->is_overdue;
	pool->orphaned -= session->is_orphaned;
	pool->metadata_bytes -= text_length(session->metadata);
	table->active--;
	table->used_units -= session->units;
	table->overdue -= session->is_overdue;
	table->orphaned -= session->is_orphaned;
	table->metadata_bytes -= text_length(session->metadata);
}

static void forget(struct table *table, struct session *session, struct table_change *change)
{
	map_remove(&table->by_id, &session->id_node);
	change_add_session(change, session);
}

void table_add_to_history(struct table *table, struct session *session, struct table_change *change)
{
	struct list *oldest;

	list_append(&table->history, &session->pool_link);
	if (table->n_history++ < table->history_limit)
		return;
	oldest = table->history.next;
	table->n_history--;
	list_remove(oldest);
	forget(table, container_of(oldest, struct session, pool_link), change);
}

/* Metadata is not kept: it would be most of the memory. */
static void remember(struct table *table, struct session *session, struct table_change *change)
{
	if (!table->history_limit) {
		forget(table, session, change);
		return;
	}
	change_add_text(change, session->metadata);
	session->metadata = NULL;
	table_add_to_history(table, session, change);
}

/* Of many sessions each is somewhere else: what is beside it in each container is fetched at once,
 * and not one after the other as it is unlinked. */
static void prefetch_neighbours(const struct table *table, const struct session *session)
{
	__builtin_prefetch(session->pool_link.next, 1);
	__builtin_prefetch(session->pool_link.prev, 1);
	__builtin_prefetch(session->owner_link.next, 1);
	__builtin_prefetch(session->owner_link.prev, 1);
	__builtin_prefetch(session->order_node.parent, 1);
	__builtin_prefetch(session->order_node.left, 1);
	__builtin_prefetch(session->order_node.right, 1);
	if (session->heap_index != SESSION_NOT_IN_HEAP)
		__builtin_prefetch(&table->deadlines.slots[session->heap_index], 1);
	map_prefetch(&table->by_request, session->request_node.hash);
}

void table_end_session(struct table *table, struct session *session, enum outcome outcome,
	struct text *result, struct table_time now, struct table_change *change)
{
	struct pool *pool = session->pool;

	prefetch_neighbours(table, session);
	emit_ended(table, session, outcome, now, change);
	audits_uncount(table, session);
	unlink_session(table, session, change);
	give_back(table, session);
	session->state = SESSION_ENDED;
	session->outcome = (uint8_t)outcome;
	session->result = text_ref(result);
	session->ended_us = now.now_us;
	session->ended_wall_us = now.wall_us;
	session->is_overdue = false;
	session->is_orphaned = false;
	session->pool = NULL;
	table_touch_pool(table, pool);
	table_mark_session(table, session);
	table_mark_for_pump(table, pool);
	table_count_end(table, pool, outcome, now.now_us - session->created_us);
	if (table->reports_ends)
		change_add_ended(change, session);
	remember(table, session, change);
	table_maybe_drop_pool(table, pool, change);
}

void table_undo_session(struct table *table, struct session *session, struct table_time now,
	struct table_change *change)
{
	struct pool *pool = session->pool;

	if (session->state == SESSION_ENDED)
		return;
	now = table_clamp(table, now);
	session->is_undone = true;
	table_count_refusal(table, pool, REJECTED_STORE);
	table_end_session(table, session, OUTCOME_CANCELLED, NULL, now, change);
}

bool table_owner_gone(struct table *table, struct owner *owner, struct table_time now, size_t max,
	struct table_change *change)
{
	bool is_empty = list_is_empty(&owner->sessions);

	now = table_clamp(table, now);
	for (size_t n = 0; n < max && !is_empty; n++) {
		struct session *session =
			container_of(owner->sessions.next, struct session, owner_link);

		is_empty = owner->sessions.next == owner->sessions.prev;
		if (session->state == SESSION_WAITING)
			table_refuse_waiter(table, session->waiter, STATUS_CANCELLED, now, change);
		else
			table_end_session(table, session, OUTCOME_ABANDONED, NULL, now, change);
	}
	return !is_empty;
}
