/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

/* ---- the end of a wait, in a heap ---- */

bool wait_is_before(const void *a, const void *b)
{
	const struct waiter *first = a;
	const struct waiter *second = b;

	return first->session->sequence < second->session->sequence;
}

void wait_set_index(void *item, size_t index)
{
	struct waiter *waiter = item;

	waiter->heap_index = index == HEAP_NONE ? SESSION_NOT_IN_HEAP : (uint32_t)index;
}

static void add_to_heap(struct table *table, struct waiter *waiter)
{
	waiter->heap_index = SESSION_NOT_IN_HEAP;
	if (waiter->deadline_us != WAIT_FOR_EVER)
		heap_insert(&table->waits, waiter, waiter->deadline_us);
}

static void remove_from_heap(struct table *table, struct waiter *waiter)
{
	if (waiter->heap_index != SESSION_NOT_IN_HEAP)
		heap_remove(&table->waits, waiter->heap_index);
}

/* ---- keys ---- */

/* A key's place depends on its first waiter: it leaves, changes, and comes back. */
static void lift_key(struct pool *pool, struct tally *key)
{
	if (!order_is_empty(&key->waiters))
		order_remove(&pool->keys, &key->key_node);
}

static void drop_key(struct pool *pool, struct tally *key)
{
	struct order_node *first = order_first(&key->waiters);

	if (first) /* whose key no other waiter has */
		order_insert(&pool->keys, &key->key_node, first->key);
}

/* A step beyond all times is as good as the largest one that can be added up. */
static int64_t head_start_us(const struct pool *pool, const struct session *session)
{
	const int64_t largest_ms = INT64_MAX / 2 / SESSION_PRIORITY_MAX / US_A_MS;
	int64_t step_ms = pool->settings.age_step_ms;

	return session->priority * (step_ms < largest_ms ? step_ms : largest_ms) * US_A_MS;
}

static void add_to_key(struct pool *pool, struct waiter *waiter)
{
	const struct session *session = waiter->session;

	waiter->rank_us = waiter->since_us - head_start_us(pool, session);
	waiter->key = table_key_of(session);
	lift_key(pool, waiter->key);
	order_insert(&waiter->key->waiters, &waiter->queue_node, session->sequence);
	drop_key(pool, waiter->key);
}

static void remove_from_key(struct pool *pool, struct waiter *waiter)
{
	lift_key(pool, waiter->key);
	order_remove(&waiter->key->waiters, &waiter->queue_node);
	drop_key(pool, waiter->key);
	waiter->key = NULL;
}

/* ---- the queue ---- */

void queue_add(struct table *table, struct session *session, struct waiter *waiter)
{
	struct pool *pool = session->pool;

	waiter->session = session_ref(session);
	session->waiter = waiter;
	add_to_key(pool, waiter);
	list_append(&pool->waiters, &waiter->link);
	add_to_heap(table, waiter);
	pool->waiting++;
	table->waiting++;
}

void queue_replace(struct table *table, struct waiter *old, struct waiter *fresh)
{
	struct pool *pool = old->session->pool;

	remove_from_key(pool, old);
	remove_from_heap(table, old);
	fresh->session = session_ref(old->session);
	fresh->session->waiter = fresh;
	fresh->since_us = old->since_us;
	fresh->since_wall_us = old->since_wall_us;
	list_append(&old->link, &fresh->link); /* before it */
	list_remove(&old->link);
	add_to_key(pool, fresh);
	add_to_heap(table, fresh);
}

void queue_remove(struct table *table, struct waiter *waiter)
{
	struct pool *pool = waiter->session->pool;

	remove_from_key(pool, waiter);
	remove_from_heap(table, waiter);
	list_remove(&waiter->link);
	waiter->session->waiter = NULL;
	pool->waiting--;
	table->waiting--;
}

void queue_rebuild(struct table *table, struct pool *pool)
{
	(void)table;
	list_for_each(link, &pool->waiters)
		remove_from_key(pool, container_of(link, struct waiter, link));
	list_for_each(link, &pool->waiters)
		add_to_key(pool, container_of(link, struct waiter, link));
}

/* ---- who is next ---- */

static bool is_within_quotas(const struct session *session)
{
	const struct pool_settings *settings = &session->pool->settings;
	uint64_t held[DIMENSIONS];

	if (!settings->enforce)
		return true;
	for (int i = 0; i < DIMENSIONS; i++)
		held[i] = session->tallies[i]->held_units;
	return quota_exceeded(settings, session->label != NULL, held, session->units) == DIMENSIONS;
}

/* All of a key's waiters are over the quota that the key itself has used up. */
static bool is_key_used_up(const struct pool *pool, const struct tally *key)
{
	int64_t quota =
		key->dimension == BY_NONE ? POOL_NO_QUOTA : pool->settings.quotas[key->dimension];

	return quota != POOL_NO_QUOTA && pool->settings.enforce && key != &pool->unlabelled &&
	       key->held_units >= (uint64_t)quota;
}

static struct waiter *first_within_quotas(const struct pool *pool, const struct tally *key)
{
	if (is_key_used_up(pool, key))
		return NULL;
	for (struct order_node *node = order_first(&key->waiters); node; node = order_next(node)) {
		struct waiter *waiter = container_of(node, struct waiter, queue_node);

		if (is_within_quotas(waiter->session))
			return waiter;
	}
	return NULL;
}

/* When WAITER is starved; INT64_MAX: never. */
int64_t starves_at_us(const struct pool *pool, const struct waiter *waiter)
{
	int64_t after_ms = pool->settings.starve_after_ms;

	if (after_ms < 0 || after_ms >= (INT64_MAX - waiter->since_us) / US_A_MS)
		return INT64_MAX;
	return waiter->since_us + after_ms * US_A_MS + 1;
}

static bool is_starved(const struct pool *pool, const struct waiter *waiter, struct table_time now)
{
	return starves_at_us(pool, waiter) <= now.now_us;
}

static struct waiter *first_starved(const struct pool *pool, struct table_time now)
{
	list_for_each(link, &pool->waiters) {
		struct waiter *waiter = container_of(link, struct waiter, link);

		if (!is_starved(pool, waiter, now))
			break;
		if (is_within_quotas(waiter->session))
			return waiter;
	}
	return NULL;
}

bool waiter_comes_before(const struct waiter *a, const struct waiter *b)
{
	return a->rank_us != b->rank_us ? a->rank_us < b->rank_us
					: a->queue_node.key < b->queue_node.key;
}

/* Keys come in the order of what they hold, then of their first waiters: once somebody is found, a
 * key that holds more, or whose first one is later, has nobody better. */
static struct waiter *first_by_key(const struct pool *pool)
{
	struct waiter *best = NULL;

	for (struct order_node *node = order_first(&pool->keys); node; node = order_next(node)) {
		const struct tally *key = container_of(node, struct tally, key_node);
		struct waiter *first =
			container_of(order_first(&key->waiters), struct waiter, queue_node);
		struct waiter *candidate;

		if (best && (key->held_units > best->key->held_units ||
				    !waiter_comes_before(first, best)))
			break;
		candidate = first_within_quotas(pool, key);
		if (candidate && (!best || waiter_comes_before(candidate, best)))
			best = candidate;
	}
	return best;
}

struct waiter *queue_next(const struct pool *pool, struct table_time now)
{
	struct waiter *starved;

	if (order_is_empty(&pool->keys))
		return NULL;
	starved = first_starved(pool, now);
	return starved ? starved : first_by_key(pool);
}
