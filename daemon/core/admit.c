/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <errno.h>
#include <string.h>

/* ---- a known request id ---- */

/* The process is the same if both are known: an unknown one equals nothing. */
static bool is_same_request(const struct session *known, const struct create_request *request)
{
	const struct owner *caller = request->caller;

	if (known->fingerprint != request->fresh->fingerprint || !table_may_act(known, caller))
		return false;
	return known->owner_kind == OWNER_DETACHED ||
	       (known->pid == caller->peer.pid && known->pid != SESSION_PID_UNKNOWN);
}

static void answer_known(struct session *known, const struct create_request *request,
	struct table_time now, struct create_result *ret, struct table_change *change)
{
	if (known->owner_kind == OWNER_CONNECTION)
		table_set_owner(known, request->caller, OWNER_CONNECTION, change);
	ret->is_existing = true;
	table_fill_view(known, request->caller, now, &ret->session);
}

/* ---- admission ---- */

static int admit(const struct table *table, const struct create_request *request,
	const struct pool *pool, struct table_time now, int64_t *ret_timeout_ms)
{
	const struct session *fresh = request->fresh;
	int status;

	if (table->is_draining)
		return STATUS_SHUTTING_DOWN;
	if (!pool || pool->is_removed)
		return STATUS_NO_SUCH_POOL;
	if (text_length(fresh->metadata) > pool->settings.max_metadata_bytes)
		return STATUS_METADATA_TOO_LARGE;
	status = timeout_resolve(
		&pool->settings, request->owner_kind, request->timeout_ms, ret_timeout_ms);
	if (status)
		return status;
	if (fresh->units > pool->settings.limit)
		return STATUS_INVALID_PARAMETER;
	if (table_pause_of(table, pool, now))
		return STATUS_PAUSED;
	if (pool->used_units + fresh->units > pool->settings.limit)
		return STATUS_CAPACITY_REACHED;
	return table->next_fence < FENCE_END ? 0 : -EOVERFLOW;
}

static void take_slots(struct pool *pool, struct session *fresh)
{
	for (uint32_t i = 0; i < fresh->units; i++)
		fresh->slots[i] = slotmap_take(pool->slots);
	pool->active++;
	pool->used_units += fresh->units;
	pool->metadata_bytes += text_length(fresh->metadata);
	pool->counters.created++;
}

static void count_grant(struct table *table, const struct session *fresh)
{
	table->active++;
	table->used_units += fresh->units;
	table->metadata_bytes += text_length(fresh->metadata);
	table->totals.created++;
	if (table->active > table->peak)
		table->peak = table->active;
}

static void grant(struct table *table, const struct create_request *request, struct pool *pool,
	int64_t timeout_ms, int64_t deadline_us, struct table_time now, struct table_change *change)
{
	struct session *fresh = request->fresh;

	fresh->pool = pool;
	fresh->pool_name = text_ref(pool->name);
	fresh->sequence = table->next_sequence++;
	fresh->fence = table->next_fence++;
	fresh->creator_uid = request->caller->peer.uid;
	fresh->uid = request->caller->peer.uid;
	fresh->created_us = now.now_us;
	fresh->created_wall_us = now.wall_us;
	fresh->timeout_ms = timeout_ms;
	take_slots(pool, fresh);
	count_grant(table, fresh);
	table_link_session(table, fresh);
	table_set_owner(fresh, request->caller, request->owner_kind, change);
	table_set_deadline(table, fresh, deadline_us);
}

/* ---- refusal ---- */

static enum rejection rejection_of(int status)
{
	switch (status) {
	case STATUS_SHUTTING_DOWN:
		return REJECTED_SHUTDOWN;
	case STATUS_METADATA_TOO_LARGE:
		return REJECTED_METADATA_SIZE;
	case STATUS_PAUSED:
		return REJECTED_PAUSED;
	case STATUS_CAPACITY_REACHED:
		return REJECTED_CAPACITY;
	case -EOVERFLOW:
		return REJECTED_CREATION_ERROR;
	default:
		return REJECTED_INVALID;
	}
}

/* When half of the sessions of the oldest one's age would have ended. */
static int64_t guess_retry_us(const struct pool *pool, int64_t oldest_age_us)
{
	int64_t median_us = (int64_t)(histogram_median(&pool->durations) / 1000);

	if (!atomic_load_explicit(&pool->durations.count, memory_order_relaxed))
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

static void explain(const struct table *table, int status, const struct create_request *request,
	const struct pool *pool, struct table_time now, struct create_refusal *ret)
{
	switch (status) {
	case STATUS_CAPACITY_REACHED:
	case STATUS_PAUSED:
	case STATUS_METADATA_TOO_LARGE:
	case STATUS_TIMEOUT_OUT_OF_RANGE:
		table_fill_pool_view(table, pool, now, &ret->pool);
		break;
	}
	if (status == STATUS_CAPACITY_REACHED)
		explain_capacity(pool, request->caller, now, ret);
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

/* ---- create ---- */

static int create_known(struct table *table, const struct create_request *request,
	struct session *known, struct pool *pool, struct table_time now, struct create_result *ret,
	struct table_change *change)
{
	change_add_session(change, request->fresh);
	if (is_same_request(known, request)) {
		answer_known(known, request, now, ret, change);
		return 0;
	}
	ret->refusal.other_id = known->id;
	table_count_refusal(table, pool, REJECTED_INVALID);
	return STATUS_REQUEST_ID_IN_USE;
}

static int create_new(struct table *table, const struct create_request *request, struct pool *pool,
	int64_t timeout_ms, struct table_time now, struct create_result *ret,
	struct table_change *change)
{
	struct session *fresh = request->fresh;
	int64_t deadline_us = deadline_from(&pool->settings, now.now_us, timeout_ms, now);

	if (table_find_session(table, fresh->id))
		return -EEXIST;
	if (!table_has_room(table, fresh, deadline_us))
		return -ENOBUFS;
	grant(table, request, pool, timeout_ms, deadline_us, now, change);
	table_fill_view(fresh, request->caller, now, &ret->session);
	return 0;
}

int table_create(struct table *table, const struct create_request *request, struct table_time now,
	struct create_result *ret, struct table_change *change)
{
	struct pool *pool = table_find_pool(table, request->pool, request->pool_length);
	const char *request_id = request->fresh->request_id;
	struct session *known = table_find_by_request(
		table, request->caller->peer.uid, request_id, strlen(request_id));
	int64_t timeout_ms;
	int status;

	now = table_clamp(table, now);
	*ret = (struct create_result){0};
	if (known)
		return create_known(table, request, known, pool, now, ret, change);
	status = admit(table, request, pool, now, &timeout_ms);
	if (!status)
		return create_new(table, request, pool, timeout_ms, now, ret, change);
	table_count_refusal(table, pool, rejection_of(status));
	explain(table, status, request, pool, now, &ret->refusal);
	change_add_session(change, request->fresh);
	return status;
}
