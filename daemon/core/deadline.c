/* SPDX-License-Identifier: MIT */
#include "daemon/core/persist.h"
#include "daemon/core/table_internal.h"

#define DETACHED_TIMEOUT_MS 30000
#define NONE                (-1)

static int64_t shorter(int64_t a, int64_t b)
{
	if (a == NONE || b == NONE)
		return a == NONE ? b : a;
	return a < b ? a : b;
}

int64_t timeout_for_detached(const struct pool_settings *settings)
{
	return shorter(DETACHED_TIMEOUT_MS, settings->max_timeout_ms);
}

static int64_t default_timeout(const struct pool_settings *settings, enum owner_kind kind)
{
	if (settings->default_timeout_ms == NONE && kind == OWNER_DETACHED)
		return timeout_for_detached(settings);
	return shorter(settings->default_timeout_ms, settings->max_timeout_ms);
}

static bool timeout_is_allowed(
	const struct pool_settings *settings, enum owner_kind kind, int64_t timeout_ms)
{
	if (timeout_ms == NONE)
		return settings->max_timeout_ms == NONE && kind != OWNER_DETACHED;
	return timeout_ms > 0 &&
	       (settings->max_timeout_ms == NONE || timeout_ms <= settings->max_timeout_ms);
}

int timeout_resolve(
	const struct pool_settings *settings, enum owner_kind kind, int64_t asked, int64_t *ret_ms)
{
	if (asked == CREATE_TIMEOUT_ABSENT)
		asked = default_timeout(settings, kind);
	else if (!timeout_is_allowed(settings, kind, asked))
		return STATUS_TIMEOUT_OUT_OF_RANGE;
	*ret_ms = asked;
	return 0;
}

/* The largest numbers mean "none", so sums stop before them. */
static int64_t add_ms(int64_t from_us, int64_t ms)
{
	if (ms == NONE)
		return SESSION_NO_DEADLINE;
	if (ms > (SESSION_NO_DEADLINE - 1 - from_us) / 1000)
		return SESSION_NO_DEADLINE - 1;
	return from_us + ms * 1000;
}

int64_t deadline_from(const struct pool_settings *settings, int64_t created_us, int64_t timeout_ms,
	struct table_time now)
{
	int64_t by_timeout_us = add_ms(now.now_us, timeout_ms);
	int64_t by_duration_us = add_ms(created_us, settings->max_duration_ms);

	return by_timeout_us < by_duration_us ? by_timeout_us : by_duration_us;
}

int64_t deadline_to_wall(int64_t deadline_us, struct table_time now)
{
	int64_t left_us = deadline_us - now.now_us;

	if (deadline_us == SESSION_NO_DEADLINE)
		return 0;
	if (left_us > INT64_MAX - now.wall_us)
		return INT64_MAX;
	return now.wall_us + left_us > 0 ? now.wall_us + left_us : 1;
}

bool deadline_is_before(const void *a, const void *b)
{
	const struct session *first = a;
	const struct session *second = b;

	return first->sequence < second->sequence;
}

void deadline_set_index(void *item, size_t index)
{
	struct session *session = item;

	session->heap_index = index == HEAP_NONE ? SESSION_NOT_IN_HEAP : (uint32_t)index;
}

/* One that is overdue has a place kept for it, to come back at any time. */
bool table_has_deadline_room(const struct table *table)
{
	return table->deadlines.count + table->overdue < table->deadlines.capacity;
}

bool table_has_room(const struct table *table, const struct session *session, int64_t deadline_us)
{
	return deadline_us == SESSION_NO_DEADLINE || session->heap_index != SESSION_NOT_IN_HEAP ||
	       session->is_overdue || table_has_deadline_room(table);
}

static void set_overdue(struct table *table, struct session *session, bool is_overdue)
{
	int64_t by = (int64_t)is_overdue - (int64_t)session->is_overdue;

	audits_uncount(table, session);
	session->is_overdue = is_overdue;
	session->pool->overdue += (uint64_t)by;
	table->overdue += (uint64_t)by;
	audits_count(table, session);
}

void table_set_deadline(struct table *table, struct session *session, int64_t deadline_us)
{
	bool is_in_heap = session->heap_index != SESSION_NOT_IN_HEAP;

	set_overdue(table, session, false);
	session->deadline_us = deadline_us;
	if (deadline_us == SESSION_NO_DEADLINE && is_in_heap)
		heap_remove(&table->deadlines, session->heap_index);
	else if (is_in_heap)
		heap_update(&table->deadlines, session->heap_index, deadline_us);
	else if (deadline_us != SESSION_NO_DEADLINE)
		heap_insert(&table->deadlines, session, deadline_us);
}

/* Orphans, too, whose time was over. */
void table_end_holding(struct table *table, struct pool *pool, struct table_time now)
{
	if (pool->orphaned && table->are_orphans_due) {
		table->orphans_until_us = now.now_us;
		table->orphans_after = 0;
	}
	for (struct list *link = pool->sessions.next; pool->overdue; link = link->next) {
		struct session *session = container_of(link, struct session, pool_link);

		if (session->is_overdue)
			table_set_deadline(table, session, session->deadline_us);
	}
}

static int64_t next_session_deadline(const struct table *table)
{
	const struct session *next = heap_top(&table->deadlines);

	return next ? next->deadline_us : SESSION_NO_DEADLINE;
}

static int64_t next_end_of_wait(const struct table *table)
{
	const struct waiter *next = heap_top(&table->waits);

	return next ? next->deadline_us : WAIT_FOR_EVER;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t table_next_deadline(const struct table *table)
{
	return sooner(sooner(next_session_deadline(table), next_end_of_wait(table)),
		sooner(table->orphans_until_us,
			sooner(table->next_pause_end_us, table->next_starve_us)));
}

static bool is_held(const struct session *session)
{
	return session->pool->settings.on_timeout == ON_TIMEOUT_HOLD &&
	       session->owner_kind != OWNER_DETACHED;
}

static void on_deadline(struct table *table, struct session *session, struct table_time now,
	struct table_change *change)
{
	if (!is_held(session)) {
		table_end_session(table, session, OUTCOME_TIMEOUT, NULL, now, change);
		return;
	}
	heap_remove(&table->deadlines, session->heap_index);
	set_overdue(table, session, true);
	emit_session(table, EVENT_OVERDUE, session, now, change);
}

/* Whose turn it is may have changed by the time alone. */
static void on_starvation(struct table *table)
{
	table->next_starve_us = INT64_MAX;
	table_mark_all_for_pump(table);
}

#define ORPHANS_A_STEP 256 /* sessions looked at */

/* Nobody has come back for them: what ends is one in a step. */
static void give_up_orphans(struct table *table, struct table_time now, struct table_change *change)
{
	struct order_node *node = order_after(&table->order, table->orphans_after);

	table->are_orphans_due = true;
	for (int n = 0; node && n < ORPHANS_A_STEP; n++, node = order_next(node)) {
		struct session *session = container_of(node, struct session, order_node);

		table->orphans_after = node->key;
		if (!session->is_orphaned || is_held(session))
			continue;
		table_end_session(table, session, OUTCOME_ABANDONED, NULL, now, change);
		return;
	}
	if (!node)
		table->orphans_until_us = INT64_MAX;
}

/* Who waited in time for what has become free is granted, however late it is now. */
static bool is_granted_before(
	struct table *table, struct table_time now, struct table_change *change)
{
	uint64_t before = table->waiting;

	table_pump(table, now, 1, change);
	return table->waiting != before;
}

/* At the same time a grant comes before the end of a wait: pauses and sessions first. */
static void expire_next(struct table *table, struct table_time now, struct table_change *change)
{
	int64_t next_us = table_next_deadline(table);
	struct session *due = heap_top(&table->deadlines);

	if (table->next_pause_end_us == next_us)
		table_end_pauses(table, now, change);
	else if (table->orphans_until_us == next_us)
		give_up_orphans(table, now, change);
	else if (table->next_starve_us == next_us)
		on_starvation(table);
	else if (due && due->deadline_us == next_us)
		on_deadline(table, due, now, change);
	else if (!is_granted_before(table, now, change))
		table_refuse_waiter(
			table, heap_top(&table->waits), STATUS_WAIT_TIMEOUT, now, change);
}

size_t table_expire(
	struct table *table, struct table_time now, size_t max, struct table_change *change)
{
	size_t n = 0;

	now = table_clamp(table, now);
	for (; n < max && table_next_deadline(table) <= now.now_us; n++)
		expire_next(table, now, change);
	return n;
}
