/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <string.h>

void table_count_refusal(struct table *table, struct pool *pool, enum rejection why)
{
	table->totals.rejected[why]++;
	if (!pool)
		return;
	pool->counters.rejected[why]++;
	table_touch_pool(table, pool);
}

void table_count_rejection(struct table *table, enum rejection why)
{
	table_count_refusal(table, NULL, why);
}

static int64_t to_ns(int64_t us)
{
	return us < INT64_MAX / 1000 ? us * 1000 : INT64_MAX;
}

void table_count_grant_of_wait(struct table *table, struct pool *pool, int64_t waited_us)
{
	int64_t waited_ns = to_ns(waited_us);

	table->totals.granted_waits++;
	pool->counters.granted_waits++;
	histogram_add(&table->queue_wait, waited_ns, 1);
	histogram_add(&pool->queue_wait, waited_ns, 1);
	if (waited_ns > table->since_reset_queue_wait_max_ns)
		table->since_reset_queue_wait_max_ns = waited_ns;
}

void table_count_end(
	struct table *table, struct pool *pool, enum outcome outcome, int64_t duration_us)
{
	int64_t duration_ns = to_ns(duration_us);

	table->totals.ended[outcome]++;
	pool->counters.ended[outcome]++;
	histogram_add(&table->durations, duration_ns, 1);
	histogram_add(&pool->durations, duration_ns, 1);
	if (duration_ns > table->since_reset_duration_max_ns)
		table->since_reset_duration_max_ns = duration_ns;
}

static struct counters subtract(const struct counters *from, const struct counters *base)
{
	struct counters counters = {
		.created = from->created - base->created,
		.queued = from->queued - base->queued,
		.granted_waits = from->granted_waits - base->granted_waits,
		.refused_waits = from->refused_waits - base->refused_waits,
		.cancelled_waits = from->cancelled_waits - base->cancelled_waits,
		.shadow_capacity = from->shadow_capacity - base->shadow_capacity,
		.shadow_quota = from->shadow_quota - base->shadow_quota,
	};

	for (int i = 0; i < OUTCOME_COUNT; i++)
		counters.ended[i] = from->ended[i] - base->ended[i];
	for (int i = 0; i < REJECTED_COUNT; i++)
		counters.rejected[i] = from->rejected[i] - base->rejected[i];
	return counters;
}

static uint64_t sum_over(const struct table *table)
{
	uint64_t over = 0;

	list_for_each(link, &table->pools)
		over += pool_over(container_of(link, struct pool, link));
	return over;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The oldest session and wait are the first ones of some pool. */
static void find_oldest(const struct table *table, struct table_time now, struct table_metrics *ret)
{
	ret->oldest_age_us = -1;
	ret->oldest_wait_us = -1;
	list_for_each(link, &table->pools) {
		const struct pool *pool = container_of(link, struct pool, link);

		ret->oldest_age_us = later(ret->oldest_age_us, pool_oldest_age_us(pool, now));
		ret->oldest_wait_us = later(ret->oldest_wait_us, pool_oldest_wait_us(pool, now));
	}
}

void table_metrics(struct table *table, struct table_time now, struct table_metrics *ret)
{
	now = table_clamp(table, now);
	*ret = (struct table_metrics){
		.active = table->active,
		.waiting = table->waiting,
		.processes = table->processes.count,
		.used_units = table->used_units,
		.over = sum_over(table),
		.overdue = table->overdue,
		.orphaned = table->orphaned,
		.metadata_bytes = table->metadata_bytes,
		.peak = table->peak,
		.is_draining = table->is_draining,
		.totals = table->totals,
		.counted = subtract(&table->totals, &table->base),
		.since_reset_duration_max_ns = table->since_reset_duration_max_ns,
		.since_reset_queue_wait_max_ns = table->since_reset_queue_wait_max_ns,
	};
	find_oldest(table, now, ret);
}

const struct histogram *table_durations(const struct table *table)
{
	return &table->durations;
}

const struct histogram *table_queue_waits(const struct table *table)
{
	return &table->queue_wait;
}

/* Live sessions count as created after the reset: created = live + ended goes on to hold. */
void table_reset_metrics(struct table *table)
{
	table->base = table->totals;
	table->base.created -= table->active;
	table->base.queued -= table->waiting;
	table->peak = table->active;
	table_note_change(table);
	table->since_reset_duration_max_ns = 0;
	table->since_reset_queue_wait_max_ns = 0;
}
