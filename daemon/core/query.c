/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <string.h>

/* ---- views ---- */

static void fill_times(
	const struct session *session, struct table_time now, struct session_view *ret)
{
	bool has_ended = session->state == SESSION_ENDED;
	bool has_deadline = !has_ended && session->deadline_us != SESSION_NO_DEADLINE;
	int64_t left_us = has_deadline ? session->deadline_us - now.now_us : 0;

	ret->timeout_ms = session->timeout_ms;
	ret->remaining_us = !has_deadline ? -1 : left_us > 0 ? left_us : 0;
	ret->expires_wall_us = has_deadline ? deadline_to_wall(session->deadline_us, now) : 0;
	ret->started_wall_us = session->started_wall_us;
	ret->created_wall_us = session->created_wall_us;
	ret->ended_wall_us = has_ended ? session->ended_wall_us : 0;
	ret->age_us = (has_ended ? session->ended_us : now.now_us) - session->created_us;
}

void table_fill_view(const struct session *session, const struct owner *caller,
	struct table_time now, struct session_view *ret)
{
	bool has_ended = session->state == SESSION_ENDED;

	ret->session = session_ref((struct session *)session);
	ret->state = session->state;
	ret->owner_kind = session->owner_kind;
	ret->outcome = session->outcome;
	ret->is_overdue = session->is_overdue;
	ret->is_revoking = session->is_revoking;
	ret->is_orphaned = session->is_orphaned;
	ret->is_visible = table_may_act(session, caller);
	ret->uid = session->uid;
	ret->has_slots = session->fence != 0;
	ret->fence = session->fence;
	ret->sequence = session->sequence;
	ret->owner = session->owner;
	ret->identity = identity_ref(session->identity);
	ret->creator = identity_ref(session->creator);
	ret->metadata = text_ref(session->metadata);
	ret->result = has_ended ? text_ref(session->result) : NULL;
	ret->position = 0;
	ret->waiting = 0;
	fill_times(session, now, ret);
}

void table_fill_view_with_place(const struct table *table, const struct session *session,
	const struct owner *caller, struct table_time now, struct session_view *ret)
{
	table_fill_view(session, caller, now, ret);
	if (session->state == SESSION_WAITING)
		ret->position = table_position(table, session->waiter, &ret->waiting);
}

int64_t pool_oldest_wait_us(const struct pool *pool, struct table_time now)
{
	if (list_is_empty(&pool->waiters))
		return -1;
	return now.now_us - container_of(pool->waiters.next, struct waiter, link)->since_us;
}

int64_t pool_oldest_age_us(const struct pool *pool, struct table_time now)
{
	if (list_is_empty(&pool->sessions))
		return -1;
	return now.now_us -
	       container_of(pool->sessions.next, struct session, pool_link)->created_us;
}

void table_fill_pool_view(const struct table *table, const struct pool *pool, struct table_time now,
	struct pool_view *ret)
{
	const struct pause *pause = table_pause_of(table, pool, now);

	*ret = (struct pool_view){
		.name = text_ref(pool->name),
		.settings = pool->settings,
		.source = pool->source,
		.is_removed = pool->is_removed,
		.is_paused = pause,
		.paused_until_wall_us = pause ? deadline_to_wall(pause->until_us, now) : 0,
		.pause_reason = pause ? text_ref(pause->reason) : NULL,
		.active = pool->active,
		.waiting = pool->waiting,
		.used_units = pool->used_units,
		.over = pool_over(pool),
		.overdue = pool->overdue,
		.orphaned = pool->orphaned,
		.metadata_bytes = pool->metadata_bytes,
		.oldest_age_us = pool_oldest_age_us(pool, now),
		.oldest_wait_us = pool_oldest_wait_us(pool, now),
		.counters = pool->counters,
	};
	allow_list_ref(ret->settings.allow);
}

/* ---- lists ---- */

static bool has_label(const struct session *session, const struct list_filter *filter)
{
	return session->label && session->label->length == filter->label_length &&
	       !memcmp(session->label->bytes, filter->label, filter->label_length);
}

static bool matches(const struct session *session, const struct owner *caller,
	const struct list_filter *filter, const struct pool *pool)
{
	if (filter->pool && session->pool != pool)
		return false;
	if (filter->uid >= 0 && session->uid != filter->uid)
		return false;
	if (filter->pid >= 0 && (!session->identity || session->identity->pid != filter->pid))
		return false;
	if (filter->state >= 0 && session->state != filter->state)
		return false;
	if (filter->label && !has_label(session, filter))
		return false;
	return (!filter->label && !filter->only_visible) || table_may_act(session, caller);
}

/* Looking for a place in the queue takes as many steps as there are before it. */
static size_t cost_of(const struct session_view *view)
{
	return 1 + view->position / 8;
}

size_t table_page(struct table *table, const struct owner *caller, const struct list_filter *filter,
	uint64_t after, size_t scan, struct table_time now, struct session_view *views, size_t max,
	uint64_t *ret_after)
{
	const struct pool *pool =
		filter->pool ? table_find_pool(table, filter->pool, filter->pool_length) : NULL;
	struct order_node *node = order_after(&table->order, after);
	size_t n = 0;

	now = table_clamp(table, now);
	for (size_t cost = 0; node && cost < scan && n < max; node = order_next(node)) {
		struct session *session = container_of(node, struct session, order_node);

		after = session->sequence;
		cost++;
		if (!matches(session, caller, filter, pool))
			continue;
		table_fill_view_with_place(table, session, caller, now, &views[n]);
		cost += cost_of(&views[n++]);
	}
	*ret_after = node ? after : 0;
	return n;
}

size_t table_history(struct table *table, const struct owner *caller, size_t skip,
	struct session_view *views, size_t max)
{
	struct table_time now = {.now_us = table->last_now_us};
	size_t n = 0;

	for (struct list *link = table->history.prev; link != &table->history && n < max;
		link = link->prev) {
		if (skip) {
			skip--;
			continue;
		}
		table_fill_view(
			container_of(link, struct session, pool_link), caller, now, &views[n++]);
	}
	return n;
}
