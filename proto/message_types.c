/* SPDX-License-Identifier: MIT */
/* The enums and types of io.usher.Broker, in the order of its text, which a test holds them
 * against.
 */
#include "proto/message_rows.h"

const char *const state_names[] = {"waiting", "idle", "processing", NULL};
const char *const store_state_names[] = {"none", "ok", "full", "failed", NULL};
const char *const owner_names[] = {"connection", "process", "detached", NULL};
const char *const outcome_names[] = {
	"completed", "error", "cancelled", "timeout", "abandoned", "revoked", NULL};
const char *const timeout_policy_names[] = {"release", "hold", NULL};
const char *const pool_source_names[] = {"builtin", "file", "runtime", NULL};
const char *const scope_names[] = {"broker", "user", NULL};
const char *const queue_scope_names[] = {"pool", "user", NULL};
const char *const fair_by_names[] = {"uid", "process", "label", "none", NULL};
const char *const quota_names[] = {"uid", "process", "label", NULL};
const char *const event_type_names[] = {"snapshot", "ready", "created", "queued", "granted",
	"started", "renewed", "overdue", "revoking", "ended", "refused", "pool", "drain", NULL};

static const struct message_field bucket_table_fields[] = {
	INT(bucket_message, le_ns, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(bucket_message, count, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message bucket_table = TABLE("Bucket", bucket_message, bucket_table_fields);

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
const struct message histogram_table =
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
	INT(totals_message, rejected_quota, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_queue_full, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_wait_timeout, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_store, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, rejected_invalid, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, queued, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, wait_cancelled, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, shadow_capacity, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(totals_message, shadow_quota, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRUCT(totals_message, creation_latency, OPTIONAL, histogram_table),
	STRUCT(totals_message, queue_wait, REQUIRED, histogram_table),
	STRUCT(totals_message, session_duration, REQUIRED, histogram_table),
};
const struct message totals_table = TABLE("Totals", totals_message, totals_table_fields);

static const struct message_field pool_metrics_table_fields[] = {
	STRING(pool_metrics_message, pool, REQUIRED, 0, 0),
	INT(pool_metrics_message, limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, active_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, waiting_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, used_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, over, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, overdue, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, orphaned, REQUIRED, INT64_MIN + 1, INT64_MAX),
	BOOL(pool_metrics_message, paused, REQUIRED),
	INT(pool_metrics_message, current_metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, oldest_hold_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(pool_metrics_message, oldest_wait_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRUCT(pool_metrics_message, totals, REQUIRED, totals_table),
};
const struct message pool_metrics_table =
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
	INT(metrics_message, sessions_rejected_quota, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_queue_full, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_wait_timeout, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_store, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, sessions_rejected_invalid, REQUIRED, INT64_MIN + 1, INT64_MAX),
	FLOAT(metrics_message, average_session_duration, REQUIRED),
	FLOAT(metrics_message, success_rate, REQUIRED),
	FLOAT(metrics_message, timeout_rate, REQUIRED),
	FLOAT(metrics_message, error_rate, REQUIRED),
	BOOL(metrics_message, shutdown_requested, REQUIRED),
	INT(metrics_message, waiting_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, used_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, over, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, overdue, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, orphaned, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, oldest_hold_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, oldest_wait_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRUCT(metrics_message, creation_latency, REQUIRED, histogram_table),
	STRUCT(metrics_message, queue_wait, REQUIRED, histogram_table),
	STRUCT(metrics_message, session_duration, REQUIRED, histogram_table),
	STRUCT(metrics_message, lock_wait, REQUIRED, histogram_table),
	STRUCT(metrics_message, lock_hold, REQUIRED, histogram_table),
	STRUCT(metrics_message, commit, REQUIRED, histogram_table),
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
	INT(metrics_message, watched_processes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, watchers, REQUIRED, INT64_MIN + 1, INT64_MAX),
	BOOL(metrics_message, last_reload_ok, REQUIRED),
	ENUM(metrics_message, store, REQUIRED, store_state_names),
	INT(metrics_message, store_used_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(metrics_message, store_size_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRING(metrics_message, store_error, OPTIONAL, 0, 0),
	INT(metrics_message, started_at, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRING(metrics_message, version, REQUIRED, 0, 0),
	STRUCT(metrics_message, totals, REQUIRED, totals_table),
	STRUCTS(metrics_message, pools, REQUIRED, pool_metrics_table),
};
const struct message metrics_table = TABLE("Metrics", metrics_message, metrics_table_fields);

static const struct message_field queued_table_fields[] = {
	INT(queued_message, position, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(queued_message, waiting, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message queued_table = TABLE("Queued", queued_message, queued_table_fields);

static const struct message_field session_table_fields[] = {
	STRING(session_message, session_id, REQUIRED, 0, 0),
	STRING(session_message, request_id, REQUIRED, 0, 0),
	STRING(session_message, pool, REQUIRED, 0, 0),
	ENUM(session_message, state, REQUIRED, state_names),
	NUMBERS(session_message, slots, REQUIRED),
	INT(session_message, units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(session_message, fence, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(session_message, priority, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRUCT(session_message, queued, OPTIONAL, queued_table),
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
	BOOL(session_message, orphaned, REQUIRED),
	BOOL(session_message, revoking, REQUIRED),
	OBJECT(session_message, metadata, OPTIONAL),
	INT(session_message, metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message session_table = TABLE("Session", session_message, session_table_fields);

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
const struct message ended_table = TABLE("EndedSession", ended_message, ended_table_fields);

static const struct message_field holder_table_fields[] = {
	STRING(holder_message, session_id, REQUIRED, 0, 0),
	INT(holder_message, uid, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(holder_message, pid, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRING(holder_message, comm, OPTIONAL, 0, 0),
	STRING(holder_message, systemd_unit, OPTIONAL, 0, 0),
	INT(holder_message, units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(holder_message, age_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
};
const struct message holder_table = TABLE("Holder", holder_message, holder_table_fields);

static const struct message_field pool_table_fields[] = {
	STRING(pool_message, pool, REQUIRED, 0, 0),
	ENUM(pool_message, source, REQUIRED, pool_source_names),
	INT(pool_message, limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, max_metadata_bytes, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, default_timeout_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, max_timeout_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, max_duration_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	ENUM(pool_message, on_timeout, REQUIRED, timeout_policy_names),
	INT(pool_message, max_waiters, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, per_uid_waiters, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, per_uid_limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, per_process_limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, per_label_limit, REQUIRED, INT64_MIN + 1, INT64_MAX),
	ENUM(pool_message, fair_by, REQUIRED, fair_by_names),
	INT(pool_message, age_step_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, starve_after_ms, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRINGS(pool_message, allow, OPTIONAL),
	BOOL(pool_message, enforce, REQUIRED),
	INT(pool_message, active_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, waiting_sessions, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, oldest_wait_ms, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, used_units, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, over, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, overdue, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(pool_message, orphaned, REQUIRED, INT64_MIN + 1, INT64_MAX),
	BOOL(pool_message, paused, REQUIRED),
	INT(pool_message, paused_until, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	STRING(pool_message, pause_reason, OPTIONAL, 0, 0),
	BOOL(pool_message, removed, REQUIRED),
};
const struct message pool_table = TABLE("Pool", pool_message, pool_table_fields);

static const struct message_field event_table_fields[] = {
	ENUM(event_message, type, REQUIRED, event_type_names),
	INT(event_message, sequence, REQUIRED, INT64_MIN + 1, INT64_MAX),
	INT(event_message, at, REQUIRED, INT64_MIN + 1, INT64_MAX),
	STRUCT(event_message, session, OPTIONAL, session_table),
	ENUM(event_message, outcome, OPTIONAL, outcome_names),
	STRING(event_message, error, OPTIONAL, 0, 0),
	STRUCT(event_message, pool, OPTIONAL, pool_table),
	STRING(event_message, pool_name, OPTIONAL, 0, 0),
	INT(event_message, uid, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	INT(event_message, pid, OPTIONAL, INT64_MIN + 1, INT64_MAX),
	OPT_BOOL(event_message, draining),
	STRING(event_message, reason, OPTIONAL, 0, 0),
};
const struct message event_table = TABLE("Event", event_message, event_table_fields);
