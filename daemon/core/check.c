/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <string.h>

struct sums {
	uint64_t active;
	uint64_t used_units;
	uint64_t overdue;
	uint64_t orphaned;
	uint64_t metadata_bytes;
	uint64_t with_deadline;
};

static const char *check_deadline(const struct table *table, const struct session *session)
{
	bool is_due = session->deadline_us != SESSION_NO_DEADLINE && !session->is_overdue;
	bool is_in_heap = session->heap_index != SESSION_NOT_IN_HEAP;

	if (is_due != is_in_heap)
		return "a session is in the deadline heap without cause, or missing";
	if (is_in_heap &&
		!heap_has(&table->deadlines, session->heap_index, session, session->deadline_us))
		return "a session has a wrong place in the deadline heap";
	if (session->owner_kind == OWNER_DETACHED && session->timeout_ms == SESSION_TIMEOUT_NONE)
		return "a detached session has no timeout";
	if (session->owner_kind == OWNER_DETACHED && session->is_overdue)
		return "a detached session is overdue";
	return NULL;
}

static const char *check_slots(const struct session *session)
{
	for (uint32_t i = 0; i < session->units; i++) {
		if (!slotmap_is_taken(session->pool->slots, session->slots[i]))
			return "a session's slot is free";
		if (i && session->slots[i] <= session->slots[i - 1])
			return "a session's slots do not ascend";
	}
	return NULL;
}

const char *check_session_links(const struct table *table, const struct session *session)
{
	bool is_owned = session->owner_kind != OWNER_DETACHED;

	if (table_find_session(table, session->id) != session)
		return "a session is not found by its id";
	if (table_find_by_request(table, session->creator_uid, session->request_id,
		    session->request_id_length) != session)
		return "a session is not found by its request id";
	if (session->is_orphaned && session->owner_kind != OWNER_CONNECTION)
		return "an orphan had no connection";
	if ((is_owned != !!session->owner && !session->is_orphaned) ||
		!session->owner != list_is_empty(&session->owner_link))
		return "a session's owner does not fit its kind";
	if (session->created_us > table->last_now_us)
		return "a session is younger than the table's clock";
	if (!session->pool || session->pool_name != session->pool->name)
		return "a session's pool has another name";
	if (session->fence >= table->next_fence || session->sequence >= table->next_sequence)
		return "a session has a number that was not given yet";
	return NULL;
}

static const char *check_session(
	const struct table *table, const struct session *session, struct sums *sums)
{
	const char *broken = check_session_links(table, session);

	if (session->state != SESSION_IDLE && session->state != SESSION_PROCESSING)
		return "a live session has a wrong state";
	if (!session->fence)
		return "a live session has no fence";
	sums->active++;
	sums->used_units += session->units;
	sums->overdue += session->is_overdue;
	sums->orphaned += session->is_orphaned;
	sums->metadata_bytes += text_length(session->metadata);
	sums->with_deadline += session->heap_index != SESSION_NOT_IN_HEAP;
	if (!broken)
		broken = check_slots(session);
	return broken ? broken : check_deadline(table, session);
}

static bool check_waits(const struct counters *counters, uint64_t waiting)
{
	return counters->queued == counters->granted_waits + counters->refused_waits +
					   counters->cancelled_waits + waiting;
}

/* As many taken slots as units, all of them taken: so no two sessions share one. */
static const char *check_pool_sums(const struct pool *pool, const struct sums *sums)
{
	if (sums->active != pool->active || sums->used_units != pool->used_units)
		return "a pool's sessions or units are not the sum of its sessions";
	if (sums->overdue != pool->overdue || sums->orphaned != pool->orphaned)
		return "a pool's overdue or orphaned sessions are miscounted";
	if (sums->metadata_bytes != pool->metadata_bytes)
		return "a pool's metadata bytes are not the sum of its sessions'";
	if (slotmap_count_taken(pool->slots) != sums->used_units)
		return "a pool's taken slots are not its used units";
	if (slotmap_capacity(pool->slots) < pool->settings.limit)
		return "a pool has fewer slots than its limit";
	if (pool->counters.created != sums->active + counters_ended(&pool->counters))
		return "a pool's created sessions are not the live and the ended ones";
	return check_waits(&pool->counters, pool->waiting)
		       ? NULL
		       : "a pool's waits are not the granted, refused, cancelled and waiting ones";
}

static void add_sums(struct sums *to, const struct sums *sums)
{
	to->active += sums->active;
	to->used_units += sums->used_units;
	to->overdue += sums->overdue;
	to->orphaned += sums->orphaned;
	to->metadata_bytes += sums->metadata_bytes;
	to->with_deadline += sums->with_deadline;
}

static const char *check_pool(const struct table *table, const struct pool *pool, struct sums *ret)
{
	struct sums sums = {0};
	uint64_t sequence = 0;
	const char *broken;

	if (pool->is_removed && list_is_empty(&pool->sessions) && list_is_empty(&pool->waiters))
		return "a removed pool is empty and still there";
	if (table_find_pool(table, pool->name->bytes, pool->name->length) != pool)
		return "a pool is not found by its name";
	list_for_each(link, &pool->sessions) {
		const struct session *session = container_of(link, struct session, pool_link);
		broken = check_session(table, session, &sums);
		if (broken)
			return broken;
		if (session->pool != pool)
			return "a session is in another pool's list";
		if (session->sequence <= sequence)
			return "a pool's sessions are not in the order of creation";
		sequence = session->sequence;
	}
	add_sums(ret, &sums);
	broken = check_pool_sums(pool, &sums);
	return broken ? broken : check_queue(table, pool);
}

static const char *check_pools(const struct table *table, struct sums *ret)
{
	const struct pool *before = NULL;
	size_t n = 0;

	list_for_each(link, &table->pools) {
		const struct pool *pool = container_of(link, struct pool, link);
		const char *broken = check_pool(table, pool, ret);

		if (broken)
			return broken;
		if (before && strcmp(before->name->bytes, pool->name->bytes) >= 0)
			return "the pools are not in the order of their names";
		before = pool;
		n++;
	}
	return n == table->pools_by_name.count ? NULL : "the map of pools has others than the list";
}

static const char *check_order(const struct table *table)
{
	const struct order_node *before = NULL;
	uint64_t fence = 0;
	uint64_t n = 0;

	for (struct order_node *node = order_first(&table->order); node; node = order_next(node)) {
		const struct session *session = container_of(node, struct session, order_node);

		if (node->key != session->sequence || (before && before->key >= node->key))
			return "the order of sessions is not that of their creation";
		if (session->state != SESSION_WAITING && session->fence <= fence)
			return "a later session has no larger fence";
		before = node;
		if (session->state != SESSION_WAITING)
			fence = session->fence;
		n++;
	}
	if (table->order.last != before)
		return "the order's last session is another one";
	return n == table->active + table->waiting ? NULL
						   : "the order has other sessions than the pools";
}

static const char *check_heap(const struct heap *heap)
{
	return heap_is_ordered(heap) ? NULL : "a heap is not in order";
}

static const char *check_history(const struct table *table)
{
	uint64_t n = 0;

	list_for_each(link, &table->history) {
		const struct session *session = container_of(link, struct session, pool_link);

		if (session->state != SESSION_ENDED || session->pool || session->owner)
			return "a session in the history is not an ended one";
		if (session->metadata)
			return "a session in the history has metadata";
		if (table_find_session(table, session->id) != session)
			return "a session in the history is not found by its id";
		n++;
	}
	if (n != table->n_history || n > table->history_limit)
		return "the history is miscounted or too long";
	return NULL;
}

static const char *check_sums(const struct table *table, const struct sums *sums)
{
	if (sums->active != table->active || sums->used_units != table->used_units)
		return "the sessions or units are not the sum of the pools'";
	if (sums->overdue != table->overdue || sums->orphaned != table->orphaned)
		return "the overdue or orphaned sessions are miscounted";
	if (sums->metadata_bytes != table->metadata_bytes)
		return "the metadata bytes are not the sum of the sessions'";
	if (sums->with_deadline != table->deadlines.count)
		return "the deadline heap has others than the sessions with a deadline";
	if (table->by_request.count != sums->active + table->waiting)
		return "the map of request ids has others than the live sessions";
	if (table->by_id.count != sums->active + table->waiting + table->n_history)
		return "the map of ids has others than the live and the ended sessions";
	if (table->totals.created != sums->active + counters_ended(&table->totals))
		return "created sessions are not the live and the ended ones";
	if (table->totals.created - table->base.created !=
		sums->active + counters_ended(&table->totals) - counters_ended(&table->base))
		return "since the reset, created sessions are not the live and the ended ones";
	if (!check_waits(&table->totals, table->waiting))
		return "the waits are not the granted, refused, cancelled and waiting ones";
	return table->peak >= sums->active ? NULL : "the peak is less than the live sessions";
}

const char *table_check(const struct table *table)
{
	struct sums sums = {0};
	const char *broken = check_pools(table, &sums);

	if (!broken)
		broken = check_sums(table, &sums);
	if (!broken)
		broken = check_order(table);
	if (!broken)
		broken = check_heap(&table->deadlines);
	if (!broken)
		broken = check_heap(&table->waits);
	if (!broken)
		broken = check_tallies(table);
	return broken ? broken : check_history(table);
}
