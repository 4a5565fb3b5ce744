/* SPDX-License-Identifier: MIT */
/* The tables of io.usher.Broker, in the order of its text, which a test holds them against. */
#include "proto/message.h"

/* Three hundred years: a time of day in microseconds still fits with it added. */
#define MESSAGE_MS_MAX INT64_C(9460800000000)

#define REQUIRED true
#define OPTIONAL false
#define FIELD(S, f, k, required)                                                                   \
	.name = #f, .kind = k, .is_required = required, .offset = offsetof(struct S, f)
#define BOOL(S, f, required)                                                                       \
	{                                                                                          \
		FIELD(S, f, FIELD_BOOL, required)                                                  \
	}
#define INT(S, f, required, least, most)                                                           \
	{                                                                                          \
		FIELD(S, f, FIELD_INT, required), .min = least, .max = most                        \
	}
#define FLOAT(S, f, required)                                                                      \
	{                                                                                          \
		FIELD(S, f, FIELD_FLOAT, required)                                                 \
	}
#define STRING(S, f, required, least, most)                                                        \
	{                                                                                          \
		FIELD(S, f, FIELD_STRING, required), .min = least, .max = most                     \
	}
#define OBJECT(S, f, required)                                                                     \
	{                                                                                          \
		FIELD(S, f, FIELD_OBJECT, required)                                                \
	}
#define ENUM(S, f, required, all)                                                                  \
	{                                                                                          \
		FIELD(S, f, FIELD_ENUM, required), .names = all                                    \
	}
#define NUMBERS(S, f, required)                                                                    \
	{                                                                                          \
		FIELD(S, f, FIELD_NUMBERS, required)                                               \
	}
#define STRUCT(S, f, required, inner)                                                              \
	{                                                                                          \
		FIELD(S, f, FIELD_STRUCT, required), .nested = &inner                              \
	}
#define STRUCTS(S, f, required, inner)                                                             \
	{                                                                                          \
		FIELD(S, f, FIELD_STRUCTS, required), .nested = &inner                             \
	}
#define STRINGS(S, f, required)                                                                    \
	{                                                                                          \
		FIELD(S, f, FIELD_STRINGS, required)                                               \
	}
#define TABLE(name, S, fields)                                                                     \
	{                                                                                          \
		name, sizeof(struct S), fields, sizeof(fields) / sizeof(fields[0])                 \
	}

const char *const state_names[] = {"idle", "processing", NULL};
const char *const owner_names[] = {"connection", "detached", NULL};
const char *const outcome_names[] = {
	"completed", "error", "cancelled", "timeout", "abandoned", "revoked", NULL};
const char *const timeout_policy_names[] = {"release", "hold", NULL};
const char *const pool_source_names[] = {"builtin", "file", "runtime", NULL};
const char *const scope_names[] = {"broker", "user", NULL};

/* The outcomes that a caller may give: the first three of outcome_names, in its order. */
static const char *const outcome_names_of_release[] = {"completed", "error", "cancelled", NULL};

static const struct message_field bucket_table_fields[] = {
	INT(bucket_message, le_ns, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(bucket_message, count, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
static const struct message bucket_table = TABLE("Bucket", bucket_message, bucket_table_fields);

static const struct message_field histogram_table_fields[] = {
	INT(histogram_message, count, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(histogram_message, sum_ns, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(histogram_message, p50_ns, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(histogram_message, p90_ns, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(histogram_message, p99_ns, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(histogram_message, p999_ns, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(histogram_message, max_ns, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRUCTS(histogram_message, buckets, REQUIRED, bucket_table),
};
static const struct message histogram_table =
	TABLE("Histogram", histogram_message, histogram_table_fields);

static const struct message_field totals_table_fields[] = {
	INT(totals_message, created, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, completed, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, error, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, cancelled, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, timeout, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, abandoned, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, revoked, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_capacity, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_metadata_size, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_creation_error, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_shutdown, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_paused, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_invalid, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRUCT(totals_message, creation_latency, OPTIONAL, histogram_table),
	STRUCT(totals_message, session_duration, REQUIRED, histogram_table),
};
static const struct message totals_table = TABLE("Totals", totals_message, totals_table_fields);

static const struct message_field pool_metrics_table_fields[] = {
	STRING(pool_metrics_message, pool, REQUIRED, 0, 0),
	INT(pool_metrics_message, limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, active_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, used_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, over, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, overdue, REQUIRED, INT64_MIN + 1, INT64_MAX),
	BOOL(pool_metrics_message, paused, REQUIRED),
	INT(pool_metrics_message, current_metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, oldest_hold_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRUCT(pool_metrics_message, totals, REQUIRED, totals_table),
};
static const struct message pool_metrics_table =
	TABLE("PoolMetrics", pool_metrics_message, pool_metrics_table_fields);

static const struct message_field metrics_table_fields[] = {
	INT(metrics_message, total_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, active_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, lifetime_total_created, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, lifetime_total_completed, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, lifetime_total_timeout, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, lifetime_total_error, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, lifetime_total_cancelled, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, lifetime_total_abandoned, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, lifetime_total_revoked, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, peak_concurrent_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, current_metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, recomputed_metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, metadata_bytes_drift, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_capacity, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_metadata_size, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_creation_error, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_shutdown, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_paused, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_invalid, REQUIRED, INT64_MIN + 1, INT64_MAX),
	FLOAT(metrics_message, average_session_duration, REQUIRED),
	FLOAT(metrics_message, success_rate, REQUIRED),
	FLOAT(metrics_message, timeout_rate, REQUIRED),
	FLOAT(metrics_message, error_rate, REQUIRED),
	BOOL(metrics_message, shutdown_requested, REQUIRED),
	INT(metrics_message, used_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, over, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, overdue, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, oldest_hold_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRUCT(metrics_message, creation_latency, REQUIRED, histogram_table),
	STRUCT(metrics_message, session_duration, REQUIRED, histogram_table),
	STRUCT(metrics_message, lock_wait, REQUIRED, histogram_table),
	STRUCT(metrics_message, lock_hold, REQUIRED, histogram_table),
	INT(metrics_message, lock_acquisitions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, lock_contended, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, workers, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRUCT(metrics_message, loop_lag, REQUIRED, histogram_table),
	INT(metrics_message, connections, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, connections_total, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, connections_refused, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, connections_dropped, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, frames_received, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, frames_sent, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, bytes_received, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, bytes_sent, REQUIRED, INT64_MIN + 1, INT64_MAX),
	BOOL(metrics_message, last_reload_ok, REQUIRED),
	INT(metrics_message, started_at, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRING(metrics_message, version, REQUIRED, 0, 0),
	STRUCT(metrics_message, totals, REQUIRED, totals_table),
	STRUCTS(metrics_message, pools, REQUIRED, pool_metrics_table),
};
static const struct message metrics_table = TABLE("Metrics", metrics_message, metrics_table_fields);

static const struct message_field session_table_fields[] = {
	STRING(session_message, session_id, REQUIRED, 0, 0),
	STRING(session_message, request_id, REQUIRED, 0, 0),
	STRING(session_message, pool, REQUIRED, 0, 0),
	ENUM(session_message, state, REQUIRED, state_names),
	NUMBERS(session_message, slots, REQUIRED),
	INT(session_message, units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(session_message, fence, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRING(session_message, label, OPTIONAL, 0, 0),
	ENUM(session_message, owner, REQUIRED, owner_names),
	INT(session_message, uid, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(session_message, pid, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRING(session_message, comm, OPTIONAL, 0, 0),
	STRING(session_message, systemd_unit, OPTIONAL, 0, 0),
	INT(session_message, created_at, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(session_message, started_at, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(session_message, expires_at, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(session_message, remaining_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(session_message, timeout_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	BOOL(session_message, overdue, REQUIRED),
	BOOL(session_message, revoking, REQUIRED),
	OBJECT(session_message, metadata, OPTIONAL),
	INT(session_message, metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
static const struct message session_table = TABLE("Session", session_message, session_table_fields);

static const struct message_field ended_table_fields[] = {
	STRING(ended_message, session_id, REQUIRED, 0, 0),
	STRING(ended_message, request_id, REQUIRED, 0, 0),
	STRING(ended_message, pool, REQUIRED, 0, 0),
	ENUM(ended_message, outcome, REQUIRED, outcome_names),
	NUMBERS(ended_message, slots, REQUIRED),
	INT(ended_message, units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(ended_message, fence, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRING(ended_message, label, OPTIONAL, 0, 0),
	INT(ended_message, uid, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(ended_message, pid, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRING(ended_message, comm, OPTIONAL, 0, 0),
	STRING(ended_message, systemd_unit, OPTIONAL, 0, 0),
	INT(ended_message, created_at, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(ended_message, started_at, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(ended_message, ended_at, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(ended_message, duration_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRING(ended_message, result, OPTIONAL, 0, 0),
};
static const struct message ended_table = TABLE("EndedSession", ended_message, ended_table_fields);

static const struct message_field holder_table_fields[] = {
	STRING(holder_message, session_id, REQUIRED, 0, 0),
	INT(holder_message, uid, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(holder_message, pid, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRING(holder_message, comm, OPTIONAL, 0, 0),
	STRING(holder_message, systemd_unit, OPTIONAL, 0, 0),
	INT(holder_message, units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(holder_message, age_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
static const struct message holder_table = TABLE("Holder", holder_message, holder_table_fields);

static const struct message_field pool_table_fields[] = {
	STRING(pool_message, pool, REQUIRED, 0, 0),
	ENUM(pool_message, source, REQUIRED, pool_source_names),
	INT(pool_message, limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, max_metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, default_timeout_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, max_timeout_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, max_duration_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	ENUM(pool_message, on_timeout, REQUIRED, timeout_policy_names),
	INT(pool_message, active_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, used_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, over, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, overdue, REQUIRED, INT64_MIN + 1, INT64_MAX),
	BOOL(pool_message, paused, REQUIRED),
	INT(pool_message, paused_until, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRING(pool_message, pause_reason, OPTIONAL, 0, 0),
	BOOL(pool_message, removed, REQUIRED),
};
static const struct message pool_table = TABLE("Pool", pool_message, pool_table_fields);

static const struct message_field create_in_fields[] = {
	STRING(create_call, pool, OPTIONAL, 0, 0),
	STRING(create_call, request_id, OPTIONAL, 1, 128),
	OBJECT(create_call, metadata, OPTIONAL),
	INT(create_call, timeout_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRING(create_call, label, OPTIONAL, 1, 128),
	INT(create_call, units, OPTIONAL, 1, 4096),
	ENUM(create_call, owner, OPTIONAL, owner_names),
};
const struct message create_in = TABLE("Create.in", create_call, create_in_fields);

static const struct message_field create_out_fields[] = {
	STRING(create_reply, session_id, REQUIRED, 0, 0),
	STRING(create_reply, request_id, REQUIRED, 0, 0),
	STRING(create_reply, pool, REQUIRED, 0, 0),
	NUMBERS(create_reply, slots, REQUIRED),
	INT(create_reply, fence, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(create_reply, expires_at, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(create_reply, metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	BOOL(create_reply, existing, REQUIRED),
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
};
const struct message attach_in = TABLE("Attach.in", attach_call, attach_in_fields);

static const struct message_field attach_out_fields[] = {
	STRUCT(session_reply, session, REQUIRED, session_table),
};
const struct message attach_out = TABLE("Attach.out", session_reply, attach_out_fields);

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
	STRUCTS(capacity_error, holders, REQUIRED, holder_table),
	INT(capacity_error, retry_after_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
};
const struct message capacity_reached_error =
	TABLE("CapacityReached", capacity_error, capacity_reached_error_fields);

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

static const struct message_field invalid_config_error_fields[] = {
	STRING(config_error, message, REQUIRED, 0, 0),
};
const struct message invalid_config_error =
	TABLE("InvalidConfig", config_error, invalid_config_error_fields);

const struct message *const message_tables[] = {
	&session_table,
	&ended_table,
	&holder_table,
	&pool_table,
	&bucket_table,
	&histogram_table,
	&totals_table,
	&pool_metrics_table,
	&metrics_table,
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
	&get_in,
	&get_out,
	&list_in,
	&list_out,
	&history_in,
	&history_out,
	&revoke_in,
	&revoke_out,
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
	&invalid_config_error,
};
const size_t n_message_tables = sizeof(message_tables) / sizeof(message_tables[0]);
