/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <string.h>

void table_count_refusal(struct table *table, struct pool *pool, enum rejection why)
{
	table->totals.rejected[why]++;
	if (pool)
		pool->counters.rejected[why]++;
}

void table_count_rejection(struct table *table, enum rejection why)
{
	table_count_refusal(table, NULL, why);
}

void table_count_end(
	struct table *table, struct pool *pool, enum outcome outcome, int64_t duration_us)
{
	int64_t duration_ns = duration_us < INT64_MAX / 1000 ? duration_us * 1000 : INT64_MAX;

	table->totals.ended[outcome]++;
	pool->counters.ended[outcome]++;
	histogram_add(&table->durations, duration_ns, 1);
	histogram_add(&pool->durations, duration_ns, 1);
	if (duration_ns > table->since_reset_duration_max_ns)
		table->since_reset_duration_max_ns = duration_ns;
}

static struct counters subtract(const struct counters *from, const struct counters *base)
{
	struct counters counters = {.created = from->created - base->created};

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

static int64_t age_of_oldest(const struct table *table, struct table_time now)
{
	struct order_node *oldest = order_first(&table->order);

	if (!oldest)
		return -1;
	return now.now_us - container_of(oldest, struct session, order_node)->created_us;
}

void table_metrics(struct table *table, struct table_time now, struct table_metrics *ret)
{
	now = table_clamp(table, now);
	*ret = (struct table_metrics){
		.active = table->active,
		.used_units = table->used_units,
		.over = sum_over(table),
		.overdue = table->overdue,
		.metadata_bytes = table->metadata_bytes,
		.peak = table->peak,
		.oldest_age_us = age_of_oldest(table, now),
		.is_draining = table->is_draining,
		.totals = table->totals,
		.counted = subtract(&table->totals, &table->base),
		.since_reset_duration_max_ns = table->since_reset_duration_max_ns,
	};
}

const struct histogram *table_durations(const struct table *table)
{
	return &table->durations;
}

const struct histogram *table_pool_durations(
	const struct table *table, const char *name, size_t length)
{
	const struct pool *pool = table_find_pool(table, name, length);

	return pool ? &pool->durations : NULL;
}

/* Live sessions count as created after the reset: created = live + ended goes on to hold. */
void table_reset_metrics(struct table *table)
{
	table->base = table->totals;
	table->base.created -= table->active;
	table->peak = table->active;
	table->since_reset_duration_max_ns = 0;
}
