/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

/* ---- the end of a wait ---- */

static void count_end_of_wait(struct table *table, struct pool *pool, int status)
{
	if (status == STATUS_CANCELLED) {
		table->totals.cancelled_waits++;
		pool->counters.cancelled_waits++;
		return;
	}
	table->totals.refused_waits++;
	pool->counters.refused_waits++;
	table_count_refusal(table, pool, rejection_of(status));
}

void table_decide(
	struct waiter *waiter, int status, struct table_time now, struct table_change *change)
{
	waiter->is_decided = true;
	waiter->status = status;
	waiter->decided_us = now.now_us;
	list_append(&waiter->inbox->decided, &waiter->link);
	change->ring |= UINT64_C(1) << waiter->inbox->index;
}

/* The session is gone: what it was waiting for will not come. The waiter keeps it to be read. */
static void forget_waiting(
	struct table *table, struct session *session, struct table_change *change)
{
	order_remove(&table->order, &session->order_node);
	map_remove(&table->by_request, &session->request_node);
	map_remove(&table->by_id, &session->id_node);
	table_leave_owner(table, session, change);
	table_leave_tallies(table, session, change);
	session->state = SESSION_ENDED;
	session->outcome = OUTCOME_CANCELLED;
	session->pool = NULL;
	session->result = NULL;
	session->ended_us = table->last_now_us;
	session->ended_wall_us = 0;
	change_add_session(change, session);
}

void table_refuse_waiter(struct table *table, struct waiter *waiter, int status,
	struct table_time now, struct table_change *change)
{
	struct session *session = waiter->session;
	struct pool *pool = session->pool;

	emit_wait_ended(table, session, status, now, change);
	queue_remove(table, waiter);
	count_end_of_wait(table, pool, status);
	forget_waiting(table, session, change);
	table_decide(waiter, status, now, change);
	table_mark_for_pump(table, pool);
	table_maybe_drop_pool(table, pool, change);
}

/* ---- pumping ---- */

void table_mark_for_pump(struct table *table, struct pool *pool)
{
	if (pool->waiting && list_is_empty(&pool->pump_link))
		list_append(&table->pumping, &pool->pump_link);
}

void table_mark_all_for_pump(struct table *table)
{
	list_for_each(link, &table->pools)
		table_mark_for_pump(table, container_of(link, struct pool, link));
}

static void grant_waiter(struct table *table, struct waiter *waiter, struct table_time now,
	struct table_change *change)
{
	struct session *session = waiter->session;
	struct pool *pool = session->pool;

	queue_remove(table, waiter);
	table_promote_in_tallies(table, session);
	table_count_grant_of_wait(table, pool, now.now_us - waiter->since_us);
	table_grant(table, session, now);
	table_decide(waiter, 0, now, change);
	emit_session(table, EVENT_GRANTED, session, now, change);
}

/* There is room, but not for the one whose turn it is: when the next one is starved, the turn may
 * be that one's. */
static void plan_starvation(struct table *table, const struct pool *pool, struct table_time now)
{
	if (pool->used_units >= pool->settings.limit)
		return;
	list_for_each(link, &pool->waiters) {
		int64_t at_us = starves_at_us(pool, container_of(link, struct waiter, link));

		if (at_us <= now.now_us)
			continue;
		if (at_us < table->next_starve_us)
			table->next_starve_us = at_us;
		return;
	}
}

enum pumped { PUMPED_ONE, PUMPED_NO_MEMORY, PUMPED_DRY };

static enum pumped refuse_first(struct table *table, struct pool *pool, int status,
	struct table_time now, struct table_change *change)
{
	table_refuse_waiter(
		table, container_of(pool->waiters.next, struct waiter, link), status, now, change);
	return PUMPED_ONE;
}

static enum pumped pump_one(
	struct table *table, struct pool *pool, struct table_time now, struct table_change *change)
{
	struct waiter *next;

	if (list_is_empty(&pool->waiters))
		return PUMPED_DRY;
	if (table->is_draining)
		return refuse_first(table, pool, STATUS_SHUTTING_DOWN, now, change);
	if (pool->is_removed)
		return refuse_first(table, pool, STATUS_NO_SUCH_POOL, now, change);
	next = table_pause_of(table, pool, now) ? NULL : queue_next(pool, now);
	if (!next || !table_may_grant(table))
		return PUMPED_DRY;
	if (!pool_admits(pool, next->session->units)) {
		plan_starvation(table, pool, now);
		return PUMPED_DRY;
	}
	if (!table_can_grant(table, next->session))
		return PUMPED_NO_MEMORY;
	grant_waiter(table, next, now, change);
	return PUMPED_ONE;
}

bool table_pump(struct table *table, struct table_time now, size_t max, struct table_change *change)
{
	size_t n = 0;

	now = table_clamp(table, now);
	while (!list_is_empty(&table->pumping) && n < max) {
		struct pool *pool = container_of(table->pumping.next, struct pool, pump_link);

		enum pumped pumped = pump_one(table, pool, now, change);

		if (pumped == PUMPED_ONE) {
			n++;
			continue;
		}
		list_remove(&pool->pump_link);
		if (pumped == PUMPED_NO_MEMORY) { /* the others are not to wait for that */
			list_append(&table->pumping, &pool->pump_link);
			return true;
		}
	}
	return !list_is_empty(&table->pumping);
}
