/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

/* ---- the queue of a pool ---- */

static const char *check_waiter(
	const struct table *table, const struct pool *pool, const struct waiter *waiter)
{
	const struct session *session = waiter->session;
	bool is_in_heap = waiter->heap_index != SESSION_NOT_IN_HEAP;

	if (session->waiter != waiter || session->state != SESSION_WAITING || waiter->is_decided)
		return "a waiter's session does not wait";
	if (session->pool != pool)
		return "a waiter is in another pool's queue";
	if (session->fence || session->heap_index != SESSION_NOT_IN_HEAP)
		return "a waiting session has a fence or a deadline";
	if (waiter->key != table_key_of(session))
		return "a waiter stands in another key";
	if (is_in_heap != (waiter->deadline_us != WAIT_FOR_EVER))
		return "a waiter is in the heap of waits without cause, or missing";
	if (is_in_heap && !heap_has(&table->waits, waiter->heap_index, waiter, waiter->deadline_us))
		return "a waiter has a wrong place in the heap of waits";
	return check_session_links(table, session);
}

static uint64_t count_nodes(const struct order *order)
{
	uint64_t n = 0;

	for (struct order_node *node = order_first(order); node; node = order_next(node))
		n++;
	return n;
}

static const char *check_keys(const struct pool *pool)
{
	const struct order_node *before = NULL;
	uint64_t n = 0;

	for (struct order_node *node = order_first(&pool->keys); node; node = order_next(node)) {
		const struct tally *key = container_of(node, struct tally, key_node);

		if (order_is_empty(&key->waiters))
			return "a key without waiters stands among the keys";
		if (before && !pool->keys.is_before(before, node))
			return "the keys are not in order";
		n += count_nodes(&key->waiters);
		before = node;
	}
	return n == pool->waiting ? NULL : "the keys have other waiters than the pool";
}

/* Nobody waits whose turn it is and for whom there is room, unless it is known that there may be.
 */
static const char *check_nobody_missed(const struct table *table, const struct pool *pool)
{
	struct table_time now = {.now_us = table->last_now_us};
	const struct waiter *next;

	if (!list_is_empty(&pool->pump_link) || now.now_us >= table->next_pause_end_us ||
		now.now_us >= table->next_starve_us)
		return NULL;
	if (pool->waiting && (table->is_draining || pool->is_removed))
		return "somebody waits in vain";
	next = table_pause_of(table, pool, now) ? NULL : queue_next(pool, now);
	if (next && table_may_grant(table) && pool_admits(pool, next->session->units))
		return "somebody waits although there is room";
	return NULL;
}

const char *check_queue(const struct table *table, const struct pool *pool)
{
	int64_t since_us = INT64_MIN;
	uint64_t n = 0;
	const char *broken = NULL;

	list_for_each(link, &pool->waiters) {
		const struct waiter *waiter = container_of(link, struct waiter, link);

		broken = check_waiter(table, pool, waiter);
		if (broken)
			return broken;
		if (waiter->since_us < since_us)
			return "the waiters are not in the order of arrival";
		since_us = waiter->since_us;
		n++;
	}
	if (n != pool->waiting)
		return "a pool's waiters are miscounted";
	broken = check_keys(pool);
	return broken ? broken : check_nobody_missed(table, pool);
}

/* ---- tallies ---- */

struct tally_sums {
	uint64_t held_units;
	uint32_t live;
	uint32_t waiting;
};

static struct tally_sums sum_of(const struct tally *tally)
{
	struct tally_sums sums = {0};

	list_for_each(link, &tally->pool->sessions) {
		const struct session *session = container_of(link, struct session, pool_link);

		if (session->tallies[tally->dimension] != tally)
			continue;
		sums.held_units += session->units;
		sums.live++;
	}
	list_for_each(link, &tally->pool->waiters)
		sums.waiting += container_of(link, struct waiter, link)
					->session->tallies[tally->dimension] == tally;
	return sums;
}

static const char *check_tally(const struct tally *tally, const struct pool *pool)
{
	struct tally_sums sums = sum_of(tally);

	if (sums.held_units != tally->held_units || sums.live != tally->live ||
		sums.waiting != tally->waiting)
		return "a tally is not the sum of its sessions";
	if (tally != &pool->unlabelled && sums.live + sums.waiting == 0)
		return "a tally of nothing is kept";
	return NULL;
}

static const char *check_tallies_of(const struct session *session)
{
	for (int i = 0; i < DIMENSIONS; i++)
		if (session->tallies[i]->pool != session->pool ||
			session->tallies[i]->dimension != i)
			return "a session counts in another pool's or dimension's tally";
	if (session->tallies[BY_UID]->uid != session->uid)
		return "a session counts as another user's";
	if (session->identity && session->identity->pid != session->tallies[BY_PROCESS]->pid)
		return "a session counts as another process'";
	if (!session->label != (session->tallies[BY_LABEL] == &session->pool->unlabelled))
		return "a session counts with another label";
	return NULL;
}

static const char *check_chain(const struct map_node *node, size_t *n)
{
	const char *broken = NULL;

	for (; node && !broken; node = node->next, ++*n) {
		const struct tally *tally = container_of(node, struct tally, node);

		broken = check_tally(tally, tally->pool);
	}
	return broken;
}

/* Every one in the map, so that none is left over. */
static const char *check_map_of_tallies(const struct map *map)
{
	const char *broken = NULL;
	size_t n = 0;

	for (size_t i = 0; i <= map->mask && !broken; i++)
		broken = check_chain(map->buckets[i], &n);
	for (size_t i = 0; map->old_buckets && i <= map->old_mask && !broken; i++)
		broken = check_chain(map->old_buckets[i], &n);
	return broken || n == map->count ? broken : "the map of tallies is miscounted";
}

const char *check_tallies(const struct table *table)
{
	const char *broken = check_map_of_tallies(&table->tallies);

	list_for_each(link, &table->pools) {
		const struct pool *pool = container_of(link, struct pool, link);

		if (!broken)
			broken = check_tally(&pool->unlabelled, pool);
		if (!broken && pool->all.held_units != pool->used_units)
			broken = "a pool's tally of all is not its used units";
	}
	for (struct order_node *node = order_first(&table->order); node && !broken;
		node = order_next(node))
		broken = check_tallies_of(container_of(node, struct session, order_node));
	return broken;
}
