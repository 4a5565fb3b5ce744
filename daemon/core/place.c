/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

/* Those who are starved go before all others, in the order of arrival. */
static uint64_t count_starved_before(const struct table *table, const struct waiter *waiter)
{
	const struct pool *pool = waiter->session->pool;
	uint64_t n = 0;

	for (const struct list *link = pool->waiters.next;
		link != &waiter->link && n < POSITION_MAX; link = link->next) {
		const struct waiter *other = container_of(link, struct waiter, link);

		if (starves_at_us(pool, other) > table->last_now_us)
			break;
		n++;
	}
	return n;
}

static bool is_starved(const struct table *table, const struct waiter *waiter)
{
	return starves_at_us(waiter->session->pool, waiter) <= table->last_now_us;
}

static uint64_t place_in_key(const struct waiter *waiter)
{
	uint64_t place = 0;

	for (const struct order_node *node = order_prev(&waiter->queue_node);
		node && place < POSITION_MAX; node = order_prev(node))
		place++;
	return place;
}

/* How many of KEY come before WAITER, whose turn is after its own key holds UP_TO. */
static uint64_t come_before(const struct tally *key, const struct waiter *waiter, uint64_t up_to)
{
	const struct waiter *first =
		container_of(order_first(&key->waiters), struct waiter, queue_node);
	uint64_t sooner = up_to - key->held_units + waiter_comes_before(first, waiter);

	return sooner < key->waiting ? sooner : key->waiting;
}

/* By the keys' turns alone. */
static uint64_t place_among_keys(const struct waiter *waiter)
{
	const struct pool *pool = waiter->session->pool;
	uint64_t place = place_in_key(waiter);
	uint64_t up_to = waiter->key->held_units + place;
	int steps = 0;

	for (struct order_node *node = order_first(&pool->keys);
		node && place < POSITION_MAX && steps < POSITION_MAX;
		node = order_next(node), steps++) {
		const struct tally *key = container_of(node, struct tally, key_node);

		if (key->held_units > up_to)
			break;
		if (key != waiter->key)
			place += come_before(key, waiter, up_to);
	}
	return place;
}

uint64_t table_position(
	const struct table *table, const struct waiter *waiter, uint64_t *ret_waiting)
{
	uint64_t place = count_starved_before(table, waiter);
	uint64_t by_key = is_starved(table, waiter) ? 0 : place_among_keys(waiter);

	*ret_waiting = waiter->session->pool->waiting;
	if (place < by_key)
		place = by_key;
	return place + 1 < POSITION_MAX ? place + 1 : POSITION_MAX;
}
