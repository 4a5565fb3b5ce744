/* SPDX-License-Identifier: MIT */
#include "daemon/ops_refuse.h"

#include "daemon/config.h"
#include "daemon/ops_create.h"
#include "daemon/ops_view.h"
#include "daemon/session_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct message_text create_pool(const struct create_call *call)
{
	return call->pool.text ? call->pool : message_cstring(POOL_DEFAULT_NAME);
}

static int64_t requested_units(const struct create_call *call)
{
	return call->units == MESSAGE_ABSENT ? 1 : call->units;
}

void refuse_timeout(struct request *request, int64_t timeout_ms, int64_t max_timeout_ms)
{
	struct timeout_error error = {.timeout_ms = timeout_ms, .max_timeout_ms = max_timeout_ms};

	refuse(request, STATUS_TIMEOUT_OUT_OF_RANGE, &timeout_out_of_range_error, &error);
}

void refuse_metadata(struct request *request, size_t size, int64_t limit)
{
	struct metadata_error error = {.size = (int64_t)size, .limit = limit};

	refuse(request, STATUS_METADATA_TOO_LARGE, &metadata_too_large_error, &error);
}

void refuse_units(struct request *request, int64_t limit)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "at most %" PRId64 ", the limit of the pool", limit);
	refuse_parameter(request, "units", expected);
}

void refuse_quota(struct request *request, struct message_text pool, enum dimension quota,
	int64_t limit, uint64_t used_units, int64_t units)
{
	struct quota_error error = {
		.pool = pool,
		.quota = (int)quota,
		.limit = limit,
		.used_units = (int64_t)used_units,
		.requested_units = units,
	};

	refuse(request, STATUS_QUOTA_EXCEEDED, &quota_exceeded_error, &error);
}

static void refuse_capacity(
	struct request *request, const struct create_call *call, const struct create_refusal *why)
{
	struct view_texts texts[CREATE_HOLDERS_MAX];
	struct holder_message holders[CREATE_HOLDERS_MAX];
	struct capacity_error error = {
		.pool = message_from_text(why->pool.name),
		.limit = why->pool.settings.limit,
		.used_units = (int64_t)why->pool.used_units,
		.requested_units = requested_units(call),
		.active_sessions = (int64_t)why->pool.active,
		.waiting_sessions = (int64_t)why->pool.waiting,
		.holders = {holders, why->n_holders, true},
		.retry_after_ms =
			why->retry_after_us < 0 ? MESSAGE_ABSENT : why->retry_after_us / 1000,
	};

	for (size_t i = 0; i < why->n_holders; i++)
		holder_to_message(&why->holders[i], &texts[i], &holders[i]);
	refuse(request, STATUS_CAPACITY_REACHED, &capacity_reached_error, &error);
}

static void refuse_paused(struct request *request, const struct pool_view *pool)
{
	struct paused_error error = {
		.pool = message_from_text(pool->name),
		.paused_until = message_wall(pool->paused_until_wall_us),
		.reason = message_from_text(pool->pause_reason),
	};

	refuse(request, STATUS_PAUSED, &paused_error_fields, &error);
}

static void refuse_queue(struct request *request, const struct create_refusal *why)
{
	const struct pool_settings *settings = &why->pool.settings;
	struct queue_error error = {
		.pool = message_from_text(why->pool.name),
		.waiting = (int64_t)(why->is_user_queue ? why->user_waiting : why->pool.waiting),
		.limit = why->is_user_queue ? settings->per_uid_waiters : settings->max_waiters,
		.scope = why->is_user_queue,
	};

	refuse(request, STATUS_QUEUE_FULL, &queue_full_error, &error);
}

void write_store_refusal(struct server *server, struct json_writer *out)
{
	struct store_status store;
	struct store_error error;

	server_store_status(server, &store);
	/* By now it may work again, and what was in the way is not known any more. */
	error.reason =
		message_cstring(store.reason[0] ? store.reason : "it could not for a moment");
	varlink_error_begin(out, status_error_name(STATUS_STORE_UNAVAILABLE));
	message_encode_members(&store_unavailable_error, &error, out);
	varlink_error_end(out);
}

void refuse_store(struct request *request)
{
	write_store_refusal(request->conn->loop->server, request->out);
}

static void refuse_request_id(
	struct request *request, const struct create_call *call, uint64_t other_id)
{
	char id[SESSION_ID_SIZE];
	struct request_error error = {.request_id = call->request_id, .session_id = {id, 0}};

	id_format_session(other_id, id);
	error.session_id.length = strlen(id);
	refuse(request, STATUS_REQUEST_ID_IN_USE, &request_id_in_use_error, &error);
}

static void reply_refused(struct request *request, const struct create_call *call, int status,
	const struct create_refusal *why)
{
	struct pool_error no_such_pool = {.pool = create_pool(call)};

	switch (status) {
	case STATUS_CAPACITY_REACHED:
		refuse_capacity(request, call, why);
		break;
	case STATUS_PAUSED:
		refuse_paused(request, &why->pool);
		break;
	case STATUS_QUEUE_FULL:
		refuse_queue(request, why);
		break;
	case STATUS_QUOTA_EXCEEDED:
		refuse_quota(request, message_from_text(why->pool.name), why->quota,
			why->pool.settings.quotas[why->quota], why->quota_used_units,
			requested_units(call));
		break;
	case STATUS_METADATA_TOO_LARGE:
		refuse_metadata(
			request, call->metadata.length, why->pool.settings.max_metadata_bytes);
		break;
	case STATUS_TIMEOUT_OUT_OF_RANGE:
		refuse_timeout(request, why->timeout_ms, why->pool.settings.max_timeout_ms);
		break;
	case STATUS_NO_SUCH_POOL:
		refuse(request, status, &no_such_pool_error, &no_such_pool);
		break;
	case STATUS_REQUEST_ID_IN_USE:
		refuse_request_id(request, call, why->other_id);
		break;
	case STATUS_INVALID_PARAMETER:
		refuse_units(request, why->pool.settings.limit);
		break;
	case STATUS_STORE_UNAVAILABLE:
		refuse_store(request);
		break;
	default:
		refuse(request, status, NULL, NULL);
		break;
	}
}

void refuse_create(struct request *request, const struct create_call *call, int status,
	const struct create_refusal *why)
{
	struct message_text pool = create_pool(call);

	reply_refused(request, call, status, why);
	if (request->conn->loop->config->log_sessions != LOG_SESSIONS_NONE)
		log_session_refused(pool.text, pool.length, &request->conn->owner.peer, status);
}
