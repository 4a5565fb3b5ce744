/* SPDX-License-Identifier: MIT */
/* The methods and errors of io.usher.Broker, in the order of its text, which a test holds them
 * against. */
#include "proto/message_rows.h"

/* The outcomes that a caller may give: the first three of outcome_names, in its order. */
static const char *const outcome_names_of_release[] = {"completed", "error", "cancelled", NULL};

static const struct message_field create_in_fields[] = {
	STRING(create_call, pool, OPTIONAL, 0, 0),
	STRING(create_call, request_id, OPTIONAL, 1, 128),
	OBJECT(create_call, metadata, OPTIONAL),
	INT(create_call, timeout_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(create_call, wait_ms, OPTIONAL, -1, MESSAGE_MS_MAX),
	INT(create_call, priority, OPTIONAL, 0, 9),
	STRING(create_call, label, OPTIONAL, 1, 128),
	INT(create_call, units, OPTIONAL, 1, 4096),
	ENUM(create_call, owner, OPTIONAL, owner_names),
	INT(create_call, pid, OPTIONAL, 1, INT32_MAX),
};
const struct message create_in = TABLE("Create.in", create_call, create_in_fields);

static const struct message_field create_out_fields[] = {
	STRING(create_reply, session_id, OPTIONAL, 0, 0),
	STRING(create_reply, request_id, OPTIONAL, 0, 0),
	STRING(create_reply, pool, OPTIONAL, 0, 0),
	NUMBERS(create_reply, slots, OPTIONAL),
	INT(create_reply, fence, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(create_reply, expires_at, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(create_reply, metadata_bytes, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	OPT_BOOL(create_reply, existing),
	STRUCT(create_reply, queued, OPTIONAL, queued_table),
};
const struct message create_out = TABLE("Create.out", create_reply, create_out_fields);

static const struct message_field start_in_fields[] = {
	STRING(session_call, session_id, REQUIRED, 0, 0),
};
const struct message start_in = TABLE("Start.in", session_call, start_in_fields);

static const struct message_field start_out_fields[] = {
	INT(expires_reply, expires_at, OPTIONAL, INT64_MIN + 1, INT64_MAX),
};
const struct message start_out = TABLE("Start.out", expires_reply, start_out_fields);

static const struct message_field renew_in_fields[] = {
	STRING(renew_call, session_id, REQUIRED, 0, 0),
	INT(renew_call, timeout_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
};
const struct message renew_in = TABLE("Renew.in", renew_call, renew_in_fields);

static const struct message_field renew_out_fields[] = {
	INT(expires_reply, expires_at, OPTIONAL, INT64_MIN + 1, INT64_MAX),
};
const struct message renew_out = TABLE("Renew.out", expires_reply, renew_out_fields);

static const struct message_field update_in_fields[] = {
	STRING(update_call, session_id, REQUIRED, 0, 0),
	OBJECT(update_call, metadata, REQUIRED),
};
const struct message update_in = TABLE("Update.in", update_call, update_in_fields);

static const struct message_field update_out_fields[] = {
	INT(update_reply, metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message update_out = TABLE("Update.out", update_reply, update_out_fields);

static const struct message_field release_in_fields[] = {
	STRING(release_call, session_id, REQUIRED, 0, 0),
	ENUM(release_call, outcome, OPTIONAL, outcome_names_of_release),
	STRING(release_call, result, OPTIONAL, 0, 1024),
};
const struct message release_in = TABLE("Release.in", release_call, release_in_fields);

static const struct message_field release_out_fields[] = {
	INT(release_reply, duration_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message release_out = TABLE("Release.out", release_reply, release_out_fields);

static const struct message_field attach_in_fields[] = {
	STRING(attach_call, session_id, REQUIRED, 0, 0),
	ENUM(attach_call, owner, OPTIONAL, owner_names),
	INT(attach_call, pid, OPTIONAL, 1, INT32_MAX),
};
const struct message attach_in = TABLE("Attach.in", attach_call, attach_in_fields);

static const struct message_field attach_out_fields[] = {
	STRUCT(session_reply, session, REQUIRED, session_table),
};
const struct message attach_out = TABLE("Attach.out", session_reply, attach_out_fields);

static const struct message_field cancel_in_fields[] = {
	STRING(cancel_call, request_id, REQUIRED, 1, 128),
};
const struct message cancel_in = TABLE("Cancel.in", cancel_call, cancel_in_fields);

const struct message cancel_out = {"Cancel.out", 0, NULL, 0};

static const struct message_field get_in_fields[] = {
	STRING(get_call, session_id, OPTIONAL, 0, 0),
	STRING(get_call, request_id, OPTIONAL, 0, 0),
};
const struct message get_in = TABLE("Get.in", get_call, get_in_fields);

static const struct message_field get_out_fields[] = {
	STRUCT(session_reply, session, REQUIRED, session_table),
};
const struct message get_out = TABLE("Get.out", session_reply, get_out_fields);

static const struct message_field list_in_fields[] = {
	STRING(list_call, pool, OPTIONAL, 0, 0),
	INT(list_call, uid, OPTIONAL, 0, UINT32_MAX),
	INT(list_call, pid, OPTIONAL, 1, INT32_MAX),
	ENUM(list_call, state, OPTIONAL, state_names),
	STRING(list_call, label, OPTIONAL, 0, 0),
	OBJECT(list_call, where, OPTIONAL),
	STRING(list_call, cursor, OPTIONAL, 0, 0),
};
const struct message list_in = TABLE("List.in", list_call, list_in_fields);

static const struct message_field list_out_fields[] = {
	STRUCT(list_reply, session, OPTIONAL, session_table),
	STRUCTS(list_reply, sessions, OPTIONAL, session_table),
	STRING(list_reply, cursor, OPTIONAL, 0, 0),
};
const struct message list_out = TABLE("List.out", list_reply, list_out_fields);

static const struct message_field history_in_fields[] = {
	INT(history_call, limit, OPTIONAL, 1, 1000),
};
const struct message history_in = TABLE("History.in", history_call, history_in_fields);

static const struct message_field history_out_fields[] = {
	STRUCTS(history_reply, sessions, REQUIRED, ended_table),
};
const struct message history_out = TABLE("History.out", history_reply, history_out_fields);

static const struct message_field revoke_in_fields[] = {
	STRING(revoke_call, session_id, REQUIRED, 0, 0),
	STRING(revoke_call, reason, OPTIONAL, 0, 256),
	BOOL(revoke_call, force, OPTIONAL),
};
const struct message revoke_in = TABLE("Revoke.in", revoke_call, revoke_in_fields);

const struct message revoke_out = {"Revoke.out", 0, NULL, 0};

static const struct message_field monitor_in_fields[] = {
	STRING(monitor_call, pool, OPTIONAL, 0, 0),
	STRING(monitor_call, session_id, OPTIONAL, 0, 0),
	BOOL(monitor_call, own, OPTIONAL),
};
const struct message monitor_in = TABLE("Monitor.in", monitor_call, monitor_in_fields);

static const struct message_field monitor_out_fields[] = {
	STRUCT(monitor_reply, event, REQUIRED, event_table),
};
const struct message monitor_out = TABLE("Monitor.out", monitor_reply, monitor_out_fields);

static const struct message_field get_metrics_in_fields[] = {
	STRING(metrics_call, pool, OPTIONAL, 0, 0),
};
const struct message get_metrics_in = TABLE("GetMetrics.in", metrics_call, get_metrics_in_fields);

static const struct message_field get_metrics_out_fields[] = {
	STRUCT(metrics_reply, metrics, REQUIRED, metrics_table),
};
const struct message get_metrics_out =
	TABLE("GetMetrics.out", metrics_reply, get_metrics_out_fields);

const struct message reset_metrics_in = {"ResetMetrics.in", 0, NULL, 0};

const struct message reset_metrics_out = {"ResetMetrics.out", 0, NULL, 0};

const struct message list_pools_in = {"ListPools.in", 0, NULL, 0};

static const struct message_field list_pools_out_fields[] = {
	STRUCTS(list_pools_reply, pools, REQUIRED, pool_table),
};
const struct message list_pools_out =
	TABLE("ListPools.out", list_pools_reply, list_pools_out_fields);

static const struct message_field set_pool_in_fields[] = {
	STRING(set_pool_call, pool, REQUIRED, 0, 0),
	INT(set_pool_call, limit, OPTIONAL, 1, 16777216),
	INT(set_pool_call, max_metadata_bytes, OPTIONAL, 0, 16777216),
	INT(set_pool_call, default_timeout_ms, OPTIONAL, -1, MESSAGE_MS_MAX),
	INT(set_pool_call, max_timeout_ms, OPTIONAL, -1, MESSAGE_MS_MAX),
	INT(set_pool_call, max_duration_ms, OPTIONAL, -1, MESSAGE_MS_MAX),
	ENUM(set_pool_call, on_timeout, OPTIONAL, timeout_policy_names),
	INT(set_pool_call, max_waiters, OPTIONAL, 0, 16777216),
	INT(set_pool_call, per_uid_waiters, OPTIONAL, -1, 16777216),
	INT(set_pool_call, per_uid_limit, OPTIONAL, -1, 16777216),
	INT(set_pool_call, per_process_limit, OPTIONAL, -1, 16777216),
	INT(set_pool_call, per_label_limit, OPTIONAL, -1, 16777216),
	ENUM(set_pool_call, fair_by, OPTIONAL, fair_by_names),
	INT(set_pool_call, age_step_ms, OPTIONAL, 0, MESSAGE_MS_MAX),
	INT(set_pool_call, starve_after_ms, OPTIONAL, -1, MESSAGE_MS_MAX),
	OPT_BOOL(set_pool_call, enforce),
};
const struct message set_pool_in = TABLE("SetPool.in", set_pool_call, set_pool_in_fields);

static const struct message_field set_pool_out_fields[] = {
	STRUCT(set_pool_reply, pool, REQUIRED, pool_table),
};
const struct message set_pool_out = TABLE("SetPool.out", set_pool_reply, set_pool_out_fields);

static const struct message_field pause_in_fields[] = {
	STRING(pause_call, pool, OPTIONAL, 0, 0),
	INT(pause_call, for_ms, OPTIONAL, 1, MESSAGE_MS_MAX),
	STRING(pause_call, reason, OPTIONAL, 0, 256),
};
const struct message pause_in = TABLE("Pause.in", pause_call, pause_in_fields);

const struct message pause_out = {"Pause.out", 0, NULL, 0};

static const struct message_field resume_in_fields[] = {
	STRING(resume_call, pool, OPTIONAL, 0, 0),
};
const struct message resume_in = TABLE("Resume.in", resume_call, resume_in_fields);

const struct message resume_out = {"Resume.out", 0, NULL, 0};

static const struct message_field drain_in_fields[] = {
	INT(drain_call, timeout_ms, OPTIONAL, -1, MESSAGE_MS_MAX),
	BOOL(drain_call, exit, OPTIONAL),
};
const struct message drain_in = TABLE("Drain.in", drain_call, drain_in_fields);

static const struct message_field drain_out_fields[] = {
	FLOAT(drain_reply, shutdown_duration, REQUIRED),
	INT(drain_reply, initial_active_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(drain_reply, final_active_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(drain_reply, sessions_completed_during_shutdown, REQUIRED, INT64_MIN + 1, INT64_MAX),
	BOOL(drain_reply, timeout_reached, REQUIRED),
	INT(drain_reply, total_sessions_at_shutdown, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message drain_out = TABLE("Drain.out", drain_reply, drain_out_fields);

const struct message reload_in = {"Reload.in", 0, NULL, 0};

const struct message reload_out = {"Reload.out", 0, NULL, 0};

const struct message verify_in = {"Verify.in", 0, NULL, 0};

static const struct message_field verify_out_fields[] = {
	BOOL(verify_reply, ok, REQUIRED),
	STRINGS(verify_reply, findings, REQUIRED),
};
const struct message verify_out = TABLE("Verify.out", verify_reply, verify_out_fields);

static const struct message_field capacity_reached_error_fields[] = {
	STRING(capacity_error, pool, REQUIRED, 0, 0),
	INT(capacity_error, limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(capacity_error, used_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(capacity_error, requested_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(capacity_error, active_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(capacity_error, waiting_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRUCTS(capacity_error, holders, REQUIRED, holder_table),
	INT(capacity_error, retry_after_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
};
const struct message capacity_reached_error =
	TABLE("CapacityReached", capacity_error, capacity_reached_error_fields);

static const struct message_field queue_full_error_fields[] = {
	STRING(queue_error, pool, REQUIRED, 0, 0),
	INT(queue_error, waiting, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(queue_error, limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	ENUM(queue_error, scope, REQUIRED, queue_scope_names),
};
const struct message queue_full_error = TABLE("QueueFull", queue_error, queue_full_error_fields);

static const struct message_field wait_timeout_error_fields[] = {
	STRING(wait_error, pool, REQUIRED, 0, 0),
	INT(wait_error, waited_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message wait_timeout_error =
	TABLE("WaitTimeout", wait_error, wait_timeout_error_fields);

static const struct message_field cancelled_error_fields[] = {
	STRING(cancelled_error, request_id, REQUIRED, 0, 0),
};
const struct message cancelled_error_table =
	TABLE("Cancelled", cancelled_error, cancelled_error_fields);

static const struct message_field quota_exceeded_error_fields[] = {
	STRING(quota_error, pool, REQUIRED, 0, 0),
	ENUM(quota_error, quota, REQUIRED, quota_names),
	INT(quota_error, limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(quota_error, used_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(quota_error, requested_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message quota_exceeded_error =
	TABLE("QuotaExceeded", quota_error, quota_exceeded_error_fields);

static const struct message_field metadata_too_large_error_fields[] = {
	INT(metadata_error, size, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metadata_error, limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message metadata_too_large_error =
	TABLE("MetadataTooLarge", metadata_error, metadata_too_large_error_fields);

static const struct message_field timeout_out_of_range_error_fields[] = {
	INT(timeout_error, timeout_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(timeout_error, max_timeout_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message timeout_out_of_range_error =
	TABLE("TimeoutOutOfRange", timeout_error, timeout_out_of_range_error_fields);

static const struct message_field no_such_pool_error_fields[] = {
	STRING(pool_error, pool, REQUIRED, 0, 0),
};
const struct message no_such_pool_error =
	TABLE("NoSuchPool", pool_error, no_such_pool_error_fields);

static const struct message_field no_such_session_error_fields[] = {
	STRING(session_error, session_id, REQUIRED, 0, 0),
};
const struct message no_such_session_error =
	TABLE("NoSuchSession", session_error, no_such_session_error_fields);

static const struct message_field session_ended_error_fields[] = {
	STRING(ended_error, session_id, REQUIRED, 0, 0),
	ENUM(ended_error, outcome, REQUIRED, outcome_names),
};
const struct message session_ended_error =
	TABLE("SessionEnded", ended_error, session_ended_error_fields);

static const struct message_field invalid_state_error_fields[] = {
	STRING(state_error, session_id, REQUIRED, 0, 0),
	ENUM(state_error, state, REQUIRED, state_names),
};
const struct message invalid_state_error =
	TABLE("InvalidState", state_error, invalid_state_error_fields);

static const struct message_field request_id_in_use_error_fields[] = {
	STRING(request_error, request_id, REQUIRED, 0, 0),
	STRING(request_error, session_id, REQUIRED, 0, 0),
};
const struct message request_id_in_use_error =
	TABLE("RequestIdInUse", request_error, request_id_in_use_error_fields);

const struct message shutting_down_error = {"ShuttingDown", 0, NULL, 0};

static const struct message_field paused_error_fields_fields[] = {
	STRING(paused_error, pool, REQUIRED, 0, 0),
	INT(paused_error, paused_until, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRING(paused_error, reason, OPTIONAL, 0, 0),
};
const struct message paused_error_fields =
	TABLE("Paused", paused_error, paused_error_fields_fields);

static const struct message_field too_many_connections_error_fields[] = {
	INT(connections_error, limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	ENUM(connections_error, scope, REQUIRED, scope_names),
};
const struct message too_many_connections_error =
	TABLE("TooManyConnections", connections_error, too_many_connections_error_fields);

static const struct message_field store_unavailable_error_fields[] = {
	STRING(store_error, reason, REQUIRED, 0, 0),
};
const struct message store_unavailable_error =
	TABLE("StoreUnavailable", store_error, store_unavailable_error_fields);

static const struct message_field invalid_config_error_fields[] = {
	STRING(config_error, message, REQUIRED, 0, 0),
};
const struct message invalid_config_error =
	TABLE("InvalidConfig", config_error, invalid_config_error_fields);

const struct message *const message_tables[] = {
	&queued_table,
	&session_table,
	&ended_table,
	&holder_table,
	&pool_table,
	&bucket_table,
	&histogram_table,
	&totals_table,
	&pool_metrics_table,
	&metrics_table,
	&event_table,
	&create_in,
	&create_out,
	&start_in,
	&start_out,
	&renew_in,
	&renew_out,
	&update_in,
	&update_out,
	&release_in,
	&release_out,
	&attach_in,
	&attach_out,
	&cancel_in,
	&cancel_out,
	&get_in,
	&get_out,
	&list_in,
	&list_out,
	&history_in,
	&history_out,
	&revoke_in,
	&revoke_out,
	&monitor_in,
	&monitor_out,
	&get_metrics_in,
	&get_metrics_out,
	&reset_metrics_in,
	&reset_metrics_out,
	&list_pools_in,
	&list_pools_out,
	&set_pool_in,
	&set_pool_out,
	&pause_in,
	&pause_out,
	&resume_in,
	&resume_out,
	&drain_in,
	&drain_out,
	&reload_in,
	&reload_out,
	&verify_in,
	&verify_out,
	&capacity_reached_error,
	&queue_full_error,
	&wait_timeout_error,
	&cancelled_error_table,
	&quota_exceeded_error,
	&metadata_too_large_error,
	&timeout_out_of_range_error,
	&no_such_pool_error,
	&no_such_session_error,
	&session_ended_error,
	&invalid_state_error,
	&request_id_in_use_error,
	&shutting_down_error,
	&paused_error_fields,
	&too_many_connections_error,
	&store_unavailable_error,
	&invalid_config_error,
};
const size_t n_message_tables = sizeof(message_tables) / sizeof(message_tables[0]);
