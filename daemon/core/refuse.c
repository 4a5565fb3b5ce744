/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <errno.h>

enum rejection rejection_of(int status)
{
	switch (status) {
	case STATUS_SHUTTING_DOWN:
		return REJECTED_SHUTDOWN;
	case STATUS_METADATA_TOO_LARGE:
		return REJECTED_METADATA_SIZE;
	case STATUS_PAUSED:
		return REJECTED_PAUSED;
	case STATUS_QUOTA_EXCEEDED:
		return REJECTED_QUOTA;
	case STATUS_QUEUE_FULL:
		return REJECTED_QUEUE_FULL;
	case STATUS_CAPACITY_REACHED:
		return REJECTED_CAPACITY;
	case STATUS_WAIT_TIMEOUT:
		return REJECTED_WAIT_TIMEOUT;
	case STATUS_STORE_UNAVAILABLE:
		return REJECTED_STORE;
	case -EOVERFLOW:
		return REJECTED_CREATION_ERROR;
	default:
		return REJECTED_INVALID;
	}
}

/* When half of the sessions of the oldest one's age would have ended; -1 if there is none of
 * either: it is others who wait that are in the way. */
static int64_t guess_retry_us(const struct pool *pool, int64_t oldest_age_us)
{
	int64_t median_us = (int64_t)(histogram_median(&pool->durations) / 1000);

	if (oldest_age_us < 0 ||
		!atomic_load_explicit(&pool->durations.count, memory_order_relaxed))
		return -1;
	return median_us > oldest_age_us ? median_us - oldest_age_us : 0;
}

static void explain_capacity(const struct pool *pool, const struct owner *caller,
	struct table_time now, struct create_refusal *ret)
{
	ret->retry_after_us = guess_retry_us(pool, ret->pool.oldest_age_us);
	list_for_each(link, &pool->sessions) {
		if (ret->n_holders == CREATE_HOLDERS_MAX)
			break;
		table_fill_view(container_of(link, struct session, pool_link), caller, now,
			&ret->holders[ret->n_holders++]);
	}
}

/* The quota that is in the way: one that these units alone exceed, or one that is used up. */
static void explain_quota(
	const struct session *fresh, const struct admission *a, struct create_refusal *ret)
{
	const struct pool_settings *settings = &a->pool->settings;
	const uint64_t nothing[DIMENSIONS] = {0};
	enum dimension alone =
		quota_exceeded(settings, fresh->label != NULL, nothing, fresh->units);

	ret->quota = alone != DIMENSIONS ? alone : a->quota;
	ret->quota_used_units = tally_held(&a->places[ret->quota]);
}

static void explain(const struct table *table, int status, const struct create_request *request,
	const struct admission *a, struct table_time now, struct create_refusal *ret)
{
	switch (status) {
	case STATUS_CAPACITY_REACHED:
	case STATUS_PAUSED:
	case STATUS_QUEUE_FULL:
	case STATUS_QUOTA_EXCEEDED:
	case STATUS_METADATA_TOO_LARGE:
	case STATUS_TIMEOUT_OUT_OF_RANGE:
	case STATUS_INVALID_PARAMETER:
		table_fill_pool_view(table, a->pool, now, &ret->pool);
		break;
	}
	if (status == STATUS_CAPACITY_REACHED)
		explain_capacity(a->pool, request->caller, now, ret);
	if (status == STATUS_QUOTA_EXCEEDED)
		explain_quota(request->fresh, a, ret);
	if (status == STATUS_TIMEOUT_OUT_OF_RANGE)
		ret->timeout_ms = request->timeout_ms;
}

void create_refusal_deinit(struct create_refusal *refusal)
{
	pool_view_deinit(&refusal->pool);
	for (size_t i = 0; i < refusal->n_holders; i++)
		session_view_deinit(&refusal->holders[i]);
	refusal->n_holders = 0;
}

void create_give_back(const struct create_request *request, struct table_change *change)
{
	change_add_session(change, request->fresh);
	if (request->process)
		change_add_process(change, request->process);
}

int table_refuse(struct table *table, const struct create_request *request, int status,
	const struct admission *a, struct table_time now, struct create_result *ret,
	struct table_change *change)
{
	table_count_refusal(table, a->pool, rejection_of(status));
	explain(table, status, request, a, now, &ret->refusal);
	if (status > 0)
		emit_refused(table, request, status, now, change);
	create_give_back(request, change);
	return status;
}
