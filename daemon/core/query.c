/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <string.h>

/* ---- views ---- */

static void fill_times(
	const struct session *session, struct table_time now, struct session_view *ret)
{
	bool has_ended = session->state == SESSION_ENDED;
	bool has_deadline = !has_ended && session->deadline_us != SESSION_NO_DEADLINE;
	int64_t left_us = session->deadline_us - now.now_us;

	ret->timeout_ms = session->timeout_ms;
	ret->remaining_us = !has_deadline ? -1 : left_us > 0 ? left_us : 0;
	ret->expires_wall_us = has_deadline ? deadline_to_wall(session->deadline_us, now) : 0;
	ret->started_wall_us = session->started_wall_us;
	ret->ended_wall_us = session->ended_wall_us;
	ret->age_us = (has_ended ? session->ended_us : now.now_us) - session->created_us;
}

void table_fill_view(const struct session *session, const struct owner *caller,
	struct table_time now, struct session_view *ret)
{
	ret->session = session_ref((struct session *)session);
	ret->state = session->state;
	ret->owner_kind = session->owner_kind;
	ret->outcome = session->outcome;
	ret->is_overdue = session->is_overdue;
	ret->is_revoking = session->is_revoking;
	ret->is_visible = table_may_act(session, caller);
	ret->uid = session->uid;
	ret->pid = session->pid;
	memcpy(ret->comm, session->comm, sizeof(ret->comm));
	ret->systemd_unit = text_ref(session->systemd_unit);
	ret->metadata = text_ref(session->metadata);
	ret->result = text_ref(session->result);
	fill_times(session, now, ret);
}

static int64_t age_of_oldest(const struct pool *pool, struct table_time now)
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
		.used_units = pool->used_units,
		.over = pool_over(pool),
		.overdue = pool->overdue,
		.metadata_bytes = pool->metadata_bytes,
		.oldest_age_us = age_of_oldest(pool, now),
		.counters = pool->counters,
	};
}

/* ---- lists ---- */

static bool has_label(const struct session *session, const struct list_filter *filter)
{
	return session->label && strlen(session->label) == filter->label_length &&
	       !memcmp(session->label, filter->label, filter->label_length);
}

static bool matches(const struct session *session, const struct owner *caller,
	const struct list_filter *filter, const struct pool *pool)
{
	if (filter->pool && session->pool != pool)
		return false;
	if (filter->uid >= 0 && session->uid != filter->uid)
		return false;
	if (filter->pid >= 0 && session->pid != filter->pid)
		return false;
	if (filter->state >= 0 && session->state != filter->state)
		return false;
	if (filter->label && !has_label(session, filter))
		return false;
	return (!filter->label && !filter->only_visible) || table_may_act(session, caller);
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
	for (; node && scan && n < max; node = order_next(node), scan--) {
		struct session *session = container_of(node, struct session, order_node);

		after = session->sequence;
		if (matches(session, caller, filter, pool))
			table_fill_view(session, caller, now, &views[n++]);
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
