/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

void compare_counters(const struct counters *is, const struct counters *expected)
{
	EXPECT(is->created, expected->created);
	for (int i = 0; i < OUTCOME_COUNT; i++)
		EXPECT(is->ended[i], expected->ended[i]);
	for (int i = 0; i < REJECTED_COUNT; i++)
		EXPECT(is->rejected[i], expected->rejected[i]);
	EXPECT(is->queued, expected->queued);
	EXPECT(is->granted_waits, expected->granted_waits);
	EXPECT(is->refused_waits, expected->refused_waits);
	EXPECT(is->cancelled_waits, expected->cancelled_waits);
	EXPECT(is->shadow_capacity, expected->shadow_capacity);
	EXPECT(is->shadow_quota, expected->shadow_quota);
}

int64_t oldest_age_us(int pool)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (!naive_waits(&naive.live[i]) && (pool == NO_POOL || naive.live[i].pool == pool))
			return naive.now_us - naive.live[i].created_us;
	return -1;
}

int64_t oldest_wait_us(int pool)
{
	int64_t oldest_us = -1;

	for (size_t i = 0; i < naive.n_live; i++)
		if (naive_waits(&naive.live[i]) &&
			(pool == NO_POOL || naive.live[i].pool == pool) &&
			naive.now_us - naive.live[i].since_us > oldest_us)
			oldest_us = naive.now_us - naive.live[i].since_us;
	return oldest_us;
}

static void compare_settings(const struct pool_settings *is, const struct pool_settings *expected)
{
	EXPECT(is->limit, expected->limit);
	EXPECT(is->max_metadata_bytes, expected->max_metadata_bytes);
	EXPECT(is->default_timeout_ms, expected->default_timeout_ms);
	EXPECT(is->max_timeout_ms, expected->max_timeout_ms);
	EXPECT(is->max_duration_ms, expected->max_duration_ms);
	EXPECT(is->on_timeout, expected->on_timeout);
	EXPECT(is->max_waiters, expected->max_waiters);
	EXPECT(is->per_uid_waiters, expected->per_uid_waiters);
	for (int i = 0; i < DIMENSIONS; i++)
		EXPECT(is->quotas[i], expected->quotas[i]);
	EXPECT(is->fair_by, expected->fair_by);
	EXPECT(is->enforce, expected->enforce);
}

void compare_pool_view(const struct pool_view *is, int p)
{
	const struct naive_pool *pool = &naive.pools[p];
	const struct naive_pause *pause = naive_pause_of(p);

	expect_string(is->name->bytes, naive_pool_names[p]);
	compare_settings(&is->settings, &pool->settings);
	EXPECT(is->source, pool->source);
	EXPECT(is->is_removed, pool->is_removed);
	EXPECT(is->is_paused, pause != NULL);
	EXPECT(is->paused_until_wall_us, pause ? naive_to_wall(pause->until_us) : 0);
	expect_text(is->pause_reason, pause ? pause->reason : NO_TEXT);
	EXPECT(is->active, naive_active(p));
	EXPECT(is->used_units, naive_used(p));
	EXPECT(is->over, naive_over(p));
	EXPECT(is->overdue, naive_overdue(p));
	EXPECT(is->orphaned, naive_orphaned(p));
	EXPECT(is->metadata_bytes, naive_bytes(p));
	EXPECT(is->oldest_age_us, oldest_age_us(p));
	EXPECT(is->waiting, naive_waiting(p));
	EXPECT(is->oldest_wait_us, oldest_wait_us(p));
	EXPECT(is->settings.allow != NULL, pool->allow != 0);
	compare_counters(&is->counters, &pool->counters);
}

void compare_pools(void)
{
	struct pool_view views[N_POOLS + 1];
	size_t n = table_view_pools(model.table, NULL, model_now(), views, N_POOLS + 1);
	size_t i = 0;

	for (int p = 0; p < N_POOLS; p++) {
		if (!naive.pools[p].is_there)
			continue;
		EXPECT(i < n, true);
		compare_pool_view(&views[i], p);
		pool_view_deinit(&views[i++]);
	}
	EXPECT(i, n);
}
