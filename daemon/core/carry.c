/* SPDX-License-Identifier: MIT */
#include "daemon/core/carry.h"

#include "daemon/core/table_internal.h"

#include <errno.h>
#include <string.h>

/* ---- out ---- */

const struct session *table_carry_session_after(const struct table *table, uint64_t sequence)
{
	struct order_node *node = order_after(&table->order, sequence);

	return node ? container_of(node, struct session, order_node) : NULL;
}

static const struct list *next_link(const struct list *head, const struct list *before)
{
	const struct list *link = before ? before->next : head->next;

	return link == head ? NULL : link;
}

const struct session *table_carry_ended_after(
	const struct table *table, const struct session *before)
{
	const struct list *link = next_link(&table->history, before ? &before->pool_link : NULL);

	return link ? container_of(link, struct session, pool_link) : NULL;
}

const struct pool *table_carry_pool_after(const struct table *table, const struct pool *before)
{
	const struct list *link = next_link(&table->pools, before ? &before->link : NULL);

	return link ? container_of(link, struct pool, link) : NULL;
}

void table_carry_state_out(const struct table *table, struct carried_state *ret)
{
	*ret = (struct carried_state){
		.section = table->section,
		.duration_max_ns = table->since_reset_duration_max_ns,
		.queue_wait_max_ns = table->since_reset_queue_wait_max_ns,
		.is_draining = table->is_draining,
		.are_orphans_due = table->are_orphans_due,
		.orphans_until_us = table->orphans_until_us,
	};
}

/* ---- in: the whole ---- */

/* The numbers of lock sections go on, for watchers tell events apart by them. Orphans are looked
 * through from the first one again. */
void table_carry_state(struct table *table, const struct carried_state *state)
{
	if (table->section < state->section)
		table->section = state->section;
	table->since_reset_duration_max_ns = state->duration_max_ns;
	table->since_reset_queue_wait_max_ns = state->queue_wait_max_ns;
	table->is_draining = state->is_draining;
	table->is_carrying = true;
	table->are_orphans_due = state->are_orphans_due;
	table->orphans_until_us = state->orphans_until_us;
	table->orphans_after = 0;
}

static void set_histogram(struct histogram *to, const struct histogram_copy *from)
{
	atomic_store(&to->count, from->count);
	atomic_store(&to->sum, from->sum);
	atomic_store(&to->max, from->max);
	for (size_t i = 0; i < HISTOGRAM_CELLS; i++)
		atomic_store_explicit(&to->cells[i], from->cells[i], memory_order_relaxed);
}

void table_carry_histograms(struct table *table, struct pool *pool,
	const struct histogram_copy *durations, const struct histogram_copy *queue_wait)
{
	set_histogram(pool ? &pool->durations : &table->durations, durations);
	set_histogram(pool ? &pool->queue_wait : &table->queue_wait, queue_wait);
}

/* ---- in: live sessions ---- */

/* It has a deadline. */
static void make_overdue(struct table *table, struct session *session)
{
	heap_remove(&table->deadlines, session->heap_index);
	session->is_overdue = true;
	session->pool->overdue++;
	table->overdue++;
}

/* There is room in the heap: restoring has looked for it, even for one without a deadline. */
void table_carry_live(struct table *table, struct session *session,
	const struct carried_live *carried, struct table_change *change)
{
	table_set_deadline(table, session, carried->deadline_us);
	if (carried->is_overdue && carried->deadline_us != SESSION_NO_DEADLINE &&
		session->owner_kind != OWNER_DETACHED)
		make_overdue(table, session);
	if (carried->connection && session->owner_kind == OWNER_CONNECTION)
		table_set_owner(
			table, session, OWNER_CONNECTION, carried->connection, NULL, change);
}

/* ---- in: those who wait ---- */

/* The order of arrival is that of the times, none of which is still to come, and of the sequence
 * numbers. */
static bool is_out_of_order(
	const struct table *table, const struct pool *pool, const struct waiter *waiter)
{
	int64_t last_us = 0;

	if (!list_is_empty(&pool->waiters))
		last_us = container_of(pool->waiters.prev, struct waiter, link)->since_us;
	return waiter->since_us < last_us || waiter->since_us > table->last_now_us;
}

static bool has_wrong_owner(const struct session *session, const struct owner *connection,
	const struct process *process)
{
	return !!connection != (session->owner_kind == OWNER_CONNECTION) ||
	       !!process != (session->owner_kind == OWNER_PROCESS);
}

static void give_owner(struct table *table, struct session *session, struct owner *connection,
	struct process *process, bool *ret_is_process_new, struct table_change *change)
{
	struct owner *owner = connection;

	if (process) {
		process = table_adopt_process(table, process, ret_is_process_new, change);
		owner = &process->owner;
	}
	session->owner = owner;
	if (owner)
		list_append(&owner->sessions, &session->owner_link);
}

int table_carry_waiting(struct table *table, struct session *session, struct pool *pool,
	struct owner *connection, struct process *process, struct waiter *waiter,
	struct table_time now, bool *ret_is_process_new, struct table_change *change)
{
	table_clamp(table, now);
	*ret_is_process_new = false;
	if (table_knows(table, session) || session->sequence >= table->next_sequence ||
		is_out_of_order(table, pool, waiter) ||
		has_wrong_owner(session, connection, process))
		return -EINVAL;
	if (table_lacks_tallies(table) || table->waits.count >= table->waits.capacity)
		return -ENOBUFS;
	session->pool = pool;
	session->pool_name = text_ref(pool->name);
	session->state = SESSION_WAITING;
	table_link_session(table, session);
	give_owner(table, session, connection, process, ret_is_process_new, change);
	table_join_tallies(table, session);
	list_init(&waiter->link);
	queue_add(table, session, waiter);
	return 0;
}

/* ---- in: the history ---- */

int table_carry_ended(struct table *table, struct session *session, struct table_change *change)
{
	if (table_find_session(table, session->id))
		return -EINVAL;
	table_link_id(table, session);
	table_add_to_history(table, session, change);
	return 0;
}

/* ---- the end ---- */

void table_carry_end(struct table *table, struct table_time now, struct table_change *change)
{
	now = table_clamp(table, now);
	table->is_carrying = false;
	if (table->peak < table->active)
		table->peak = table->active;
	list_for_each_safe(link, &table->pools) {
		struct pool *pool = container_of(link, struct pool, link);

		if (pool->settings.on_timeout == ON_TIMEOUT_RELEASE)
			table_end_holding(table, pool, now);
		pool_refuse_misfits(table, pool, now, change);
		table_maybe_drop_pool(table, pool, change);
	}
	table_mark_all_for_pump(table);
}
