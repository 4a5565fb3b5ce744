/* SPDX-License-Identifier: MIT */
/* The Broker's parameter structs and their way to and from JSON, by field tables.
 *
 * One table a struct, one row a field: its name, kind, whether it must be there, its range. The
 * daemon decodes calls and encodes replies with them, the client the other way round; a test holds
 * the tables against io.usher.Broker.varlink. Absent values: strings and objects have a NULL text,
 * integers are MESSAGE_ABSENT, enums and optional bools -1, flags false.
 * No I/O, no allocation but the writer's. Any thread may call.
 */
#ifndef USHER_PROTO_MESSAGE_H
#define USHER_PROTO_MESSAGE_H

#include "proto/json_scan.h"
#include "proto/json_write.h"
#include "proto/varlink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_ABSENT INT64_MIN

struct message_text {
	const char *text; /* not NUL-ended; NULL: absent */
	size_t length;
};

static inline struct message_text message_text_of(const char *text, size_t length)
{
	return (struct message_text){text, length};
}
struct message_text message_cstring(const char *text); /* NULL stays absent */

/* Slot numbers. To decode, the caller sets values and capacity; more than fit are counted only. */
struct message_numbers {
	uint32_t *values;
	size_t count;
	size_t capacity;
	bool is_present;
};

/* A list of structs of one kind, or of texts; encoded only. ITEMS may be NULL if COUNT is 0. */
struct message_list {
	const void *items;
	size_t count;
	bool is_present;
};

enum field_kind {
	FIELD_BOOL,     /* bool; absent is false */
	FIELD_OPT_BOOL, /* int: 0, 1, or -1 for absent */
	FIELD_INT,      /* int64_t, within min and max */
	FIELD_FLOAT,    /* double; encoded only */
	FIELD_STRING,   /* struct message_text; max bytes, 0: any */
	FIELD_OBJECT,   /* struct message_text: a JSON object, verbatim */
	FIELD_ENUM,     /* int: the index in names */
	FIELD_NUMBERS,  /* struct message_numbers */
	FIELD_STRUCT,   /* const void *: a nested struct; NULL: absent; encoded only */
	FIELD_STRUCTS,  /* struct message_list of nested; encoded only */
	FIELD_STRINGS,  /* struct message_list of struct message_text; encoded only */
};

struct message;

#define MESSAGE_NAME(text) .name = text, .name_length = sizeof(text) - 1, .written = JSON_NAME(text)

struct message_field {
	const char *name; /* with its length: MESSAGE_NAME() */
	uint16_t name_length;
	enum field_kind kind;
	bool is_required;
	uint16_t offset;
	int64_t min;
	int64_t max;
	const char *const *names;     /* FIELD_ENUM: NULL-ended */
	const struct message *nested; /* FIELD_STRUCT, FIELD_STRUCTS */
	struct json_name written;
};

struct message {
	const char *name; /* as in the interface text: "Create.in", "Create.out", "Session",
			     "CapacityReached" */
	size_t size;
	const struct message_field *fields;
	size_t n_fields; /* at most 64 */
};

/* Room for decoded strings that came with escapes; as long as the frame is always enough. */
struct message_scratch {
	char *next;
	size_t left;
};

enum message_unknown {
	MESSAGE_REFUSE_UNKNOWN, /* the server: an unknown parameter is an error */
	MESSAGE_IGNORE_UNKNOWN, /* the client: a newer broker may say more */
};

/* PARAMETERS into the struct RET, whose absent fields are set so. Texts point into the frame or the
 * scratch. Numbers' storage must be set up before. 0, or STATUS_INVALID_PARAMETER and the fault (a
 * missing, unknown, doubled, mistyped or out-of-range parameter), RET's content undefined. */
int message_decode(const struct message *message, const struct json_value *parameters,
	enum message_unknown unknown, struct message_scratch *scratch, void *ret,
	struct varlink_fault *fault);

/* All fields of the struct to their absent values; numbers' storage is kept. */
void message_clear(const struct message *message, void *value);

/* The members of VALUE's present fields, without braces: between varlink_reply_begin and _end. */
void message_encode_members(
	const struct message *message, const void *value, struct json_writer *out);

/* The enums of the interface, in the order of its text; NULL-ended. */
extern const char *const state_names[];
extern const char *const store_state_names[];
extern const char *const owner_names[];
extern const char *const outcome_names[];
extern const char *const timeout_policy_names[];
extern const char *const pool_source_names[];
extern const char *const scope_names[];
extern const char *const queue_scope_names[];
extern const char *const fair_by_names[];
extern const char *const quota_names[];
extern const char *const event_type_names[];

/* ---- calls ---- */

struct create_call {
	struct message_text pool;
	struct message_text request_id;
	struct message_text metadata;
	int64_t timeout_ms;
	int64_t wait_ms;
	int64_t priority;
	struct message_text label;
	int64_t units;
	int owner;
	int64_t pid;
};
struct queued_message {
	int64_t position;
	int64_t waiting;
};
struct create_reply {
	struct message_text session_id;
	struct message_text request_id;
	struct message_text pool;
	struct message_numbers slots;
	int64_t fence;
	int64_t expires_at;
	int64_t metadata_bytes;
	int existing;
	const struct queued_message *queued;
};
struct session_call { /* Start */
	struct message_text session_id;
};
struct expires_reply { /* Start, Renew */
	int64_t expires_at;
};
struct renew_call {
	struct message_text session_id;
	int64_t timeout_ms;
};
struct update_call {
	struct message_text session_id;
	struct message_text metadata;
};
struct update_reply {
	int64_t metadata_bytes;
};
struct release_call {
	struct message_text session_id;
	int outcome;
	struct message_text result;
};
struct release_reply {
	int64_t duration_ms;
};
struct attach_call {
	struct message_text session_id;
	int owner;
	int64_t pid;
};
struct cancel_call {
	struct message_text request_id;
};
struct get_call {
	struct message_text session_id;
	struct message_text request_id;
};
struct session_message {
	struct message_text session_id;
	struct message_text request_id;
	struct message_text pool;
	int state;
	struct message_numbers slots;
	int64_t units;
	int64_t fence;
	int64_t priority;
	const struct queued_message *queued;
	struct message_text label;
	int owner;
	int64_t uid;
	int64_t pid;
	struct message_text comm;
	struct message_text systemd_unit;
	int64_t created_at;
	int64_t started_at;
	int64_t expires_at;
	int64_t remaining_ms;
	int64_t timeout_ms;
	bool overdue;
	bool orphaned;
	bool revoking;
	struct message_text metadata;
	int64_t metadata_bytes;
};
struct session_reply { /* Attach, Get */
	const struct session_message *session;
};
struct list_call {
	struct message_text pool;
	int64_t uid;
	int64_t pid;
	int state;
	struct message_text label;
	struct message_text where;
	struct message_text cursor;
};
struct list_reply {
	const struct session_message *session;
	struct message_list sessions; /* struct session_message */
	struct message_text cursor;
};
struct history_call {
	int64_t limit;
};
struct ended_message {
	struct message_text session_id;
	struct message_text request_id;
	struct message_text pool;
	int outcome;
	struct message_numbers slots;
	int64_t units;
	int64_t fence;
	struct message_text label;
	int64_t uid;
	int64_t pid;
	struct message_text comm;
	struct message_text systemd_unit;
	int64_t created_at;
	int64_t started_at;
	int64_t ended_at;
	int64_t duration_ms;
	struct message_text result;
};
struct history_reply {
	struct message_list sessions; /* struct ended_message */
};
struct revoke_call {
	struct message_text session_id;
	struct message_text reason;
	bool force;
};
struct monitor_call {
	struct message_text pool;
	struct message_text session_id;
	bool own;
};
struct event_message {
	int type;
	int64_t sequence;
	int64_t at;
	const struct session_message *session;
	int outcome;
	struct message_text error;
	const struct pool_message *pool;
	struct message_text pool_name;
	int64_t uid;
	int64_t pid;
	int draining;
	struct message_text reason;
};
struct monitor_reply {
	const struct event_message *event;
};
struct metrics_call {
	struct message_text pool;
};
struct bucket_message {
	int64_t le_ns;
	int64_t count;
};
struct histogram_message {
	int64_t count;
	int64_t sum_ns;
	int64_t p50_ns;
	int64_t p90_ns;
	int64_t p99_ns;
	int64_t p999_ns;
	int64_t max_ns;
	struct message_list buckets; /* struct bucket_message */
};
struct totals_message {
	int64_t created;
	int64_t completed;
	int64_t error;
	int64_t cancelled;
	int64_t timeout;
	int64_t abandoned;
	int64_t revoked;
	int64_t rejected_capacity;
	int64_t rejected_metadata_size;
	int64_t rejected_creation_error;
	int64_t rejected_shutdown;
	int64_t rejected_paused;
	int64_t rejected_quota;
	int64_t rejected_queue_full;
	int64_t rejected_wait_timeout;
	int64_t rejected_store;
	int64_t rejected_invalid;
	int64_t queued;
	int64_t wait_cancelled;
	int64_t shadow_capacity;
	int64_t shadow_quota;
	const struct histogram_message *creation_latency;
	const struct histogram_message *queue_wait;
	const struct histogram_message *session_duration;
};
struct pool_metrics_message {
	struct message_text pool;
	int64_t limit;
	int64_t active_sessions;
	int64_t waiting_sessions;
	int64_t used_units;
	int64_t over;
	int64_t overdue;
	int64_t orphaned;
	bool paused;
	int64_t current_metadata_bytes;
	int64_t oldest_hold_ms;
	int64_t oldest_wait_ms;
	const struct totals_message *totals;
};
struct metrics_message {
	int64_t total_sessions;
	int64_t active_sessions;
	int64_t lifetime_total_created;
	int64_t lifetime_total_completed;
	int64_t lifetime_total_timeout;
	int64_t lifetime_total_error;
	int64_t lifetime_total_cancelled;
	int64_t lifetime_total_abandoned;
	int64_t lifetime_total_revoked;
	int64_t peak_concurrent_sessions;
	int64_t current_metadata_bytes;
	int64_t recomputed_metadata_bytes;
	int64_t metadata_bytes_drift;
	int64_t sessions_rejected_capacity;
	int64_t sessions_rejected_metadata_size;
	int64_t sessions_rejected_creation_error;
	int64_t sessions_rejected_shutdown;
	int64_t sessions_rejected_paused;
	int64_t sessions_rejected_quota;
	int64_t sessions_rejected_queue_full;
	int64_t sessions_rejected_wait_timeout;
	int64_t sessions_rejected_store;
	int64_t sessions_rejected_invalid;
	double average_session_duration;
	double success_rate;
	double timeout_rate;
	double error_rate;
	bool shutdown_requested;
	int64_t waiting_sessions;
	int64_t used_units;
	int64_t over;
	int64_t overdue;
	int64_t orphaned;
	int64_t oldest_hold_ms;
	int64_t oldest_wait_ms;
	const struct histogram_message *creation_latency;
	const struct histogram_message *queue_wait;
	const struct histogram_message *session_duration;
	const struct histogram_message *lock_wait;
	const struct histogram_message *lock_hold;
	const struct histogram_message *commit;
	int64_t lock_acquisitions;
	int64_t lock_contended;
	int64_t workers;
	const struct histogram_message *loop_lag;
	int64_t connections;
	int64_t connections_total;
	int64_t connections_refused;
	int64_t connections_dropped;
	int64_t frames_received;
	int64_t frames_sent;
	int64_t bytes_received;
	int64_t bytes_sent;
	int64_t watched_processes;
	int64_t watchers;
	bool last_reload_ok;
	int store;
	int64_t store_used_bytes;
	int64_t store_size_bytes;
	struct message_text store_error;
	int64_t started_at;
	struct message_text version;
	const struct totals_message *totals;
	struct message_list pools; /* struct pool_metrics_message */
};
struct metrics_reply {
	const struct metrics_message *metrics;
};
struct pool_message {
	struct message_text pool;
	int source;
	int64_t limit;
	int64_t max_metadata_bytes;
	int64_t default_timeout_ms;
	int64_t max_timeout_ms;
	int64_t max_duration_ms;
	int on_timeout;
	int64_t max_waiters;
	int64_t per_uid_waiters;
	int64_t per_uid_limit;
	int64_t per_process_limit;
	int64_t per_label_limit;
	int fair_by;
	int64_t age_step_ms;
	int64_t starve_after_ms;
	struct message_list allow; /* struct message_text */
	bool enforce;
	int64_t active_sessions;
	int64_t waiting_sessions;
	int64_t oldest_wait_ms;
	int64_t used_units;
	int64_t over;
	int64_t overdue;
	int64_t orphaned;
	bool paused;
	int64_t paused_until;
	struct message_text pause_reason;
	bool removed;
};
struct list_pools_reply {
	struct message_list pools; /* struct pool_message */
};
struct set_pool_call {
	struct message_text pool;
	int64_t limit;
	int64_t max_metadata_bytes;
	int64_t default_timeout_ms;
	int64_t max_timeout_ms;
	int64_t max_duration_ms;
	int on_timeout;
	int64_t max_waiters;
	int64_t per_uid_waiters;
	int64_t per_uid_limit;
	int64_t per_process_limit;
	int64_t per_label_limit;
	int fair_by;
	int64_t age_step_ms;
	int64_t starve_after_ms;
	int enforce;
};
struct set_pool_reply {
	const struct pool_message *pool;
};
struct pause_call {
	struct message_text pool;
	int64_t for_ms;
	struct message_text reason;
};
struct resume_call {
	struct message_text pool;
};
struct drain_call {
	int64_t timeout_ms;
	bool exit;
};
struct drain_reply {
	double shutdown_duration;
	int64_t initial_active_sessions;
	int64_t final_active_sessions;
	int64_t sessions_completed_during_shutdown;
	bool timeout_reached;
	int64_t total_sessions_at_shutdown;
};
struct verify_reply {
	bool ok;
	struct message_list findings; /* struct message_text */
};

/* ---- errors ---- */

struct holder_message {
	struct message_text session_id;
	int64_t uid;
	int64_t pid;
	struct message_text comm;
	struct message_text systemd_unit;
	int64_t units;
	int64_t age_ms;
};
struct capacity_error {
	struct message_text pool;
	int64_t limit;
	int64_t used_units;
	int64_t requested_units;
	int64_t active_sessions;
	int64_t waiting_sessions;
	struct message_list holders; /* struct holder_message */
	int64_t retry_after_ms;
};
struct queue_error { /* QueueFull */
	struct message_text pool;
	int64_t waiting;
	int64_t limit;
	int scope;
};
struct wait_error { /* WaitTimeout */
	struct message_text pool;
	int64_t waited_ms;
};
struct cancelled_error {
	struct message_text request_id;
};
struct quota_error {
	struct message_text pool;
	int quota;
	int64_t limit;
	int64_t used_units;
	int64_t requested_units;
};
struct metadata_error {
	int64_t size;
	int64_t limit;
};
struct timeout_error {
	int64_t timeout_ms;
	int64_t max_timeout_ms;
};
struct pool_error { /* NoSuchPool */
	struct message_text pool;
};
struct session_error { /* NoSuchSession */
	struct message_text session_id;
};
struct ended_error {
	struct message_text session_id;
	int outcome;
};
struct state_error {
	struct message_text session_id;
	int state;
};
struct request_error {
	struct message_text request_id;
	struct message_text session_id;
};
struct paused_error {
	struct message_text pool;
	int64_t paused_until;
	struct message_text reason;
};
struct connections_error {
	int64_t limit;
	int scope;
};
struct store_error {
	struct message_text reason;
};
struct config_error {
	struct message_text message;
};

extern const struct message create_in, create_out, start_in, start_out, renew_in, renew_out,
	update_in, update_out, release_in, release_out, attach_in, attach_out, cancel_in,
	cancel_out, get_in, get_out, list_in, list_out, history_in, history_out, revoke_in,
	revoke_out, monitor_in, monitor_out, get_metrics_in, get_metrics_out, reset_metrics_in,
	reset_metrics_out, list_pools_in, list_pools_out, set_pool_in, set_pool_out, pause_in,
	pause_out, resume_in, resume_out, drain_in, drain_out, reload_in, reload_out, verify_in,
	verify_out;
extern const struct message capacity_reached_error, queue_full_error, wait_timeout_error,
	cancelled_error_table, quota_exceeded_error, metadata_too_large_error,
	timeout_out_of_range_error, no_such_pool_error, no_such_session_error, session_ended_error,
	invalid_state_error, request_id_in_use_error, shutting_down_error, paused_error_fields,
	too_many_connections_error, store_unavailable_error, invalid_config_error;

/* Every table of the interface, for tests and for looking one up by name. */
extern const struct message *const message_tables[];
extern const size_t n_message_tables;

#endif
