/* SPDX-License-Identifier: MIT */
/* What the files of the table share. Each is one idea: table.c its life, lookup and memory, admit.c
 * admission, session_ops.c the operations on one session, deadline.c deadlines, ending.c the one
 * way a session ends, pools.c pools and pauses, query.c views, metrics.c counters, audit.c and
 * check.c recounts. Under the broker's lock, as the table itself. */
#ifndef USHER_CORE_TABLE_INTERNAL_H
#define USHER_CORE_TABLE_INTERNAL_H

#include "daemon/core/heap.h"
#include "daemon/core/table.h"

#define FENCE_END (INT64_C(1) << 53)

struct table {
	struct map by_id;         /* session.id_node, the history's too */
	struct map by_request;    /* session.request_node */
	struct map pools_by_name; /* pool.name_node */
	struct order order;       /* session.order_node */
	struct heap deadlines;    /* struct session */
	struct list pools;        /* pool.link, by name */
	struct list history;      /* session.pool_link, oldest first */
	struct list audits;       /* audit.link */
	uint32_t n_history;
	uint32_t history_limit;
	uint64_t hash_seed[2];
	uint64_t next_sequence;
	uint64_t next_fence;
	int64_t last_now_us;
	struct pause pause; /* of all pools */
	bool is_draining;
	bool reports_ends;

	/* Sums over the live sessions. */
	uint64_t active;
	uint64_t used_units;
	uint64_t overdue;
	uint64_t metadata_bytes;

	uint64_t peak;
	struct counters totals;
	struct counters base; /* what totals were at the last reset, created less what was live */
	struct histogram durations;
	int64_t since_reset_duration_max_ns;
};

/* ---- table.c ---- */

/* NOW, or the latest time seen if that is later. */
struct table_time table_clamp(struct table *table, struct table_time now);

/* Live or in the history; NULL if neither. */
struct session *table_find_session(const struct table *table, uint64_t id);
struct session *table_find_by_request(
	const struct table *table, uint32_t uid, const char *request_id, size_t length);
bool table_may_act(const struct session *session, const struct owner *caller);

void table_link_session(struct table *table, struct session *session);

/* Hand a reference over to CHANGE; TEXT may be NULL. */
void change_add_text(struct table_change *change, struct text *text);
void change_add_session(struct table_change *change, struct session *session);
/* SESSION has ended; CHANGE gets a reference of its own. */
void change_add_ended(struct table_change *change, struct session *session);
void change_add_pool(struct table_change *change, struct pool *pool);

/* ---- session_ops.c ---- */

/* SESSION becomes CALLER's, or nobody's; pid, comm and unit as table_attach() says. */
void table_set_owner(struct session *session, struct owner *caller, enum owner_kind kind,
	struct table_change *change);

/* ---- deadline.c ---- */

/* What a request for timeout ASKED means in a pool. 0 or STATUS_TIMEOUT_OUT_OF_RANGE. */
int timeout_resolve(
	const struct pool_settings *settings, enum owner_kind kind, int64_t asked, int64_t *ret_ms);

/* What a session without a timeout gets when it is detached. */
int64_t timeout_for_detached(const struct pool_settings *settings);

/* The deadline by a session's timeout and its pool's max_duration, whichever is sooner; both may be
 * -1 for none. */
int64_t deadline_from(const struct pool_settings *settings, int64_t created_us, int64_t timeout_ms,
	struct table_time now);

/* The wall clock's time at DEADLINE_US; 0 for none. */
int64_t deadline_to_wall(int64_t deadline_us, struct table_time now);

/* Whether the heap has room for SESSION to get this deadline. */
bool table_has_room(const struct table *table, const struct session *session, int64_t deadline_us);

/* Not overdue any more, and due at DEADLINE_US. There must be room. */
void table_set_deadline(struct table *table, struct session *session, int64_t deadline_us);

bool deadline_is_before(const void *a, const void *b);
void deadline_set_index(void *session, size_t index);

/* ---- ending.c ---- */

/* The one way a live session ends. RESULT may be NULL; it is referenced. */
void table_end_session(struct table *table, struct session *session, enum outcome outcome,
	struct text *result, struct table_time now, struct table_change *change);

/* ---- pools.c ---- */

/* The pause that keeps POOL from admitting, its own or that of all; NULL for none. */
const struct pause *table_pause_of(
	const struct table *table, const struct pool *pool, struct table_time now);

/* A removed pool leaves once it is empty. */
void table_maybe_drop_pool(struct table *table, struct pool *pool, struct table_change *change);

uint64_t pool_over(const struct pool *pool);

/* ---- query.c ---- */

void table_fill_view(const struct session *session, const struct owner *caller,
	struct table_time now, struct session_view *ret);
void table_fill_pool_view(const struct table *table, const struct pool *pool, struct table_time now,
	struct pool_view *ret);

/* ---- metrics.c ---- */

/* POOL may be NULL. */
void table_count_refusal(struct table *table, struct pool *pool, enum rejection why);
void table_count_end(
	struct table *table, struct pool *pool, enum outcome outcome, int64_t duration_us);

/* ---- audit.c ---- */

/* Before and after anything changes in SESSION that audits add up. */
void audits_uncount(struct table *table, const struct session *session);
void audits_count(struct table *table, const struct session *session);

#endif
