/* SPDX-License-Identifier: MIT */
/* The session table: every rule of admission, waiting, deadlines, ownership, outcomes and counting.
 *
 * Pure and deterministic: time is an argument (and clamped, it never goes back), ties break by
 * sequence number, the hash seed is an argument; the same calls give the same results. No I/O, no
 * clock, no threads, no JSON, no allocation: what an operation may need is made by the caller
 * before (sessions, pools, texts, arrays) and what it no longer needs is handed back in a
 * table_change, to be freed outside the lock. An operation validates first and then commits;
 * nothing fails half-way. One thread at a time: the broker's lock.
 *
 * Results: 0; an enum usher_status, named at each function; or a negated errno.
 *
 * Rules that hold at all times (table_check):
 *  - created = live + ended by each of the six outcomes;
 *  - a pool's used units are the sum over its sessions, each slot number is held by one session,
 *    a session holds the lowest numbers that were free, and no admission takes the pool over its
 *    limit;
 *  - metadata bytes are the exact sum over live sessions, of a pool and of all;
 *  - a session has a place in the deadline heap exactly if it has a deadline and is not overdue;
 *  - a Create that waits is granted, refused or cancelled exactly once.
 *
 * Granting. Whenever something may have become possible for those who wait in a pool, the pool is
 * to be pumped (table_pump). Then, as long as there is room:
 *  1. who is over a quota of its user, process or label is passed over, and blocks nobody;
 *  2. of all others, who has waited longer than the pool's starve_after goes first, in the order of
 *     arrival;
 *  3. else the key (by the pool's fair_by: the user, process, label, or all as one) that holds the
 *     fewest units; among keys with as many, and within a key, who has the least arrival time minus
 *     priority x age_step; then the lower sequence number;
 *  4. who is chosen is granted if its units fit; if they do not, nobody is: no passing by smaller
 *     requests.
 * A newcomer is admitted at once only if there is room and nobody of 2 and 3 waits. Choosing costs
 * O(log n), and a step for each waiter over its quota that is passed.
 */
#ifndef USHER_CORE_TABLE_H
#define USHER_CORE_TABLE_H

#include "daemon/core/pool.h"
#include "daemon/core/session.h"
#include "daemon/core/waiter.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table;
struct event;

/* now_us is any monotonic clock; wall_us the time of day, only shown, never compared. */
struct table_time {
	int64_t now_us;
	int64_t wall_us;
};

struct table_options {
	uint64_t hash_seed[2];
	uint64_t first_fence;   /* below 2^53 */
	uint32_t history_limit; /* ended sessions kept; 0 for none */
};

/* An empty table with the pool "default" as built in; NULL without memory. */
struct table *table_new(const struct table_options *options);

/* Frees the table, its sessions and pools. Owners must be empty of sessions or dead too; readers
 * of events have ended; waiters and processes are the daemon's. */
void table_free(struct table *table);

/* What an operation leaves for the caller to free after the lock: table_change_deinit(). */
struct table_change {
	struct session *sessions; /* chain by next_freed: one reference each */
	struct pool *pools;       /* chain by next_freed */
	struct text *texts;       /* chain by next_freed: the last reference each */
	struct session *ended;    /* chain by next_ended, in order: one reference each */
	struct session *last_ended;
	struct identity *identities; /* chain by next_freed: the last reference each */
	struct tally *tallies;       /* chain by next_free */
	struct event *events;        /* chain by next_freed */
	struct process *processes;   /* chain by next_idle: for the daemon, which takes them out */
	uint64_t ring;               /* bits of inboxes and readers that have something to take */
};
/* Before the operations of a lock section: give it its number, by which events are told apart. */
void table_begin_section(struct table *table);
uint64_t table_section(const struct table *table);

void table_change_init(struct table_change *change);
/* The processes and the ring are the daemon's to take before. */
void table_change_deinit(struct table_change *change);

/* ---- memory: made outside the lock ---- */

enum table_array {
	ARRAY_IDS,       /* buckets */
	ARRAY_REQUESTS,  /* buckets */
	ARRAY_TALLIES,   /* buckets */
	ARRAY_PROCESSES, /* buckets */
	ARRAY_DEADLINES, /* a heap's items */
	ARRAY_WAITS,     /* a heap's items */
	ARRAY_COUNT,
};

/* What the table would like to have. True if there is any, or if it has an array to hand back: then
 * table_give() is to be called, also if all sizes are 0. Cheap: asked after each operation, in the
 * lock. What is wanted is only told where it is true. */
struct table_wants {
	size_t arrays[ARRAY_COUNT]; /* elements; 0: none wanted */
	size_t tallies;             /* how many */
	size_t events;              /* how many */
	uint32_t slots_pool;        /* the number of a pool that needs more slot numbers; 0: none */
	uint32_t slots;             /* then how many altogether */
};
bool table_wants(const struct table *table, struct table_wants *ret);

/* What it would like to have for so many sessions, before they come. */
void table_wants_for(const struct table *table, size_t n_sessions, struct table_wants *ret);

struct table_supply {
	void *arrays[ARRAY_COUNT];
	struct tally *tallies;
	struct event *events;
	struct slotmap *slots;
};

/* Allocate what is wanted, as far as there is memory; outside the lock. */
void table_supply_init(struct table_supply *supply, const struct table_wants *wants);

/* Take what was made for WANTS; SUPPLY then holds what is to be freed. */
void table_give(struct table *table, const struct table_wants *wants, struct table_supply *supply);

void table_supply_deinit(struct table_supply *supply);

/* Whether operations put the sessions that they end into their changes. Off at first. */
void table_report_ends(struct table *table, bool is_wanted);

/* ---- pools ---- */

struct pool *table_find_pool(const struct table *table, const char *name, size_t length);

/* Put the settings of FRESH, made by pool_new(), in force: FRESH becomes the pool of its name, or
 * if there is one already, that one takes FRESH's settings and source (and its slot map if it needs
 * the room); what is not used goes into CHANGE. A removed pool of that name is back. Those who wait
 * for what it does not offer any more are refused: units above the limit or a quota
 * (STATUS_INVALID_PARAMETER, _QUOTA_EXCEEDED), users that it does not allow (_PERMISSION_DENIED).
 * If it does not hold what is overdue any more, that is due again, at once: table_expire(). Never
 * fails. */
void table_set_pool(struct table *table, struct pool *fresh, struct table_time now,
	struct table_change *change);

/* Pools that are not among KEEP, names, drain: they take no new sessions and leave when empty. The
 * pool "default" goes back to its built-in settings instead, if it is not among them. FRESH_DEFAULT
 * is a pool made of those settings. Never fails. */
void table_remove_pools(struct table *table, const char *const *keep, size_t n_keep,
	struct pool *fresh_default, struct table_time now, struct table_change *change);

/* Views of the pools, by name, from the first name after AFTER (NULL: all); returns how many were
 * filled, up to MAX. */
size_t table_view_pools(struct table *table, const char *after, struct table_time now,
	struct pool_view *views, size_t max);

/* One pool's view. 0 or STATUS_NO_SUCH_POOL. */
int table_view_pool(struct table *table, const char *name, size_t length, struct table_time now,
	struct pool_view *ret);

/* Pause a pool (NAME NULL: all) for FOR_US (INT64_MAX: until Resume). REASON, may be NULL, is
 * referenced. 0 or STATUS_NO_SUCH_POOL. */
int table_pause(struct table *table, const char *name, size_t length, int64_t for_us,
	struct text *reason, struct table_time now, struct table_change *change);

/* End the pause of one pool; NAME NULL: the pause of all and the drain. 0 or STATUS_NO_SUCH_POOL.
 */
int table_resume(struct table *table, const char *name, size_t length, struct table_time now,
	struct table_change *change);

/* Refuse new sessions until table_resume(NULL), and (by table_pump) those who wait. */
void table_drain(struct table *table, struct table_time now, struct table_change *change);
bool table_is_draining(const struct table *table);

/* ---- sessions ---- */

struct create_request {
	const char *pool; /* not NUL-ended */
	size_t pool_length;
	struct owner *caller; /* the connection: peer, and owner of connection sessions */
	enum owner_kind owner_kind;
	struct process
		*process;      /* OWNER_PROCESS: one made for this call, of the process' identity */
	int64_t timeout_ms;    /* CREATE_TIMEOUT_ABSENT: the pool's default */
	int64_t wait_us;       /* how long it may wait; WAIT_FOR_EVER; 0: not at all */
	struct waiter *waiter; /* where it waits, if wait_us > 0 */
	struct inbox *inbox;   /* who is told then */
	struct session *fresh; /* by session_new(): ids, label, units, metadata, fingerprint */
};
#define CREATE_TIMEOUT_ABSENT INT64_MIN

#define CREATE_HOLDERS_MAX 5

/* What a refusal tells; which fields are set depends on the status. */
struct create_refusal {
	/* CAPACITY_REACHED, PAUSED, QUEUE_FULL, QUOTA_EXCEEDED, METADATA_TOO_LARGE,
	 * TIMEOUT_OUT_OF_RANGE, INVALID_PARAMETER */
	struct pool_view pool;
	size_t n_holders;
	int64_t retry_after_us;    /* CAPACITY_REACHED: -1 unknown, or nobody holds anything */
	int64_t timeout_ms;        /* TIMEOUT_OUT_OF_RANGE: the one asked for or resulting */
	uint64_t other_id;         /* REQUEST_ID_IN_USE */
	enum dimension quota;      /* QUOTA_EXCEEDED */
	uint64_t quota_used_units; /* QUOTA_EXCEEDED */
	bool is_user_queue;        /* QUEUE_FULL: by per_uid_waiters */
	uint64_t user_waiting;     /* QUEUE_FULL: by per_uid_waiters */
	struct session_view holders[CREATE_HOLDERS_MAX]; /* CAPACITY_REACHED: the oldest first */
};
void create_refusal_deinit(struct create_refusal *refusal);

struct create_result {
	struct session_view session; /* on success, and while it waits */
	bool is_existing;            /* FRESH was not used (and is in CHANGE) */
	bool is_waiting;             /* the waiter is the table's until it is in its inbox */
	bool is_process_new;         /* the table has kept REQUEST->process: watch it */
	struct create_refusal refusal;
};

/* Admit a session, in this order: known request id, draining, unknown, removed or forbidden pool,
 * metadata size, timeout range, units above the limit or above a quota; then what time can cure:
 * pause, quotas, capacity or others that wait. That refuses without wait_us; with it the Create
 * waits, if max_waiters and per_uid_waiters allow. On every result but -EEXIST and -ENOBUFS the
 * table has taken FRESH's reference and PROCESS over (used, or put into CHANGE).
 * 0 (is_waiting tells); STATUS_REQUEST_ID_IN_USE, _SHUTTING_DOWN, _NO_SUCH_POOL,
 * _PERMISSION_DENIED, _METADATA_TOO_LARGE, _TIMEOUT_OUT_OF_RANGE, _INVALID_PARAMETER (units above
 * the pool's limit), _QUOTA_EXCEEDED, _PAUSED, _CAPACITY_REACHED, _QUEUE_FULL;
 * STATUS_STORE_UNAVAILABLE; -EEXIST: the random id is taken, make another one; -ENOBUFS: the table
 * lacks memory, table_give() first; -EOVERFLOW: fences are used up. A refusal is counted once, also
 * by the pool if there is one of that name; -EEXIST and -ENOBUFS are none.
 *
 * A known request id, (uid, request id), gives its session if the fingerprint is the same, the
 * caller may act on it, and it is detached or was created by the caller's process; owned by a
 * connection, it moves to the caller's. One that waits is taken over, in its place: the former
 * waiter is decided as STATUS_CANCELLED (without wait_us the Create is refused instead). */
int table_create(struct table *table, const struct create_request *request, struct table_time now,
	struct create_result *ret, struct table_change *change);

/* ---- waiting ---- */

/* Do what has become possible for waiters, MAX grants and refusals at most. To be called before the
 * lock is left. True if there is more to do: call again, in another lock section, after
 * table_give() if table_wants() anything, for a grant may lack memory. */
bool table_pump(
	struct table *table, struct table_time now, size_t max, struct table_change *change);

/* The next decided waiter of INBOX, NULL without one. It is the caller's from then on, its session
 * reference included; RET, if it is granted, is a view of its session (which may have ended since).
 * A grant that has been undone is told as STATUS_STORE_UNAVAILABLE. */
struct waiter *table_take_decided(
	struct table *table, struct inbox *inbox, struct table_time now, struct session_view *ret);

/* End a wait whose connection is gone: WAITER is the caller's at once, decided or not. */
void table_abandon_wait(struct table *table, struct waiter *waiter, struct table_time now,
	struct table_change *change);

/* Cancel: decide the wait of (CALLER's uid, request id), or for an admin of anybody's, as
 * STATUS_CANCELLED. 0, STATUS_NO_SUCH_SESSION, STATUS_PERMISSION_DENIED, STATUS_INVALID_PARAMETER
 * (several users' have this request id), or STATUS_INVALID_STATE with RET_STATE and RET_ID: it does
 * not wait any more. */
int table_cancel(struct table *table, const struct owner *caller, const char *request_id,
	size_t length, struct table_time now, uint64_t *ret_id, enum session_state *ret_state,
	struct table_change *change);

/* The place of a waiter that is not decided, 1 to POSITION_MAX, and how many wait in its pool: who
 * is starved first, then by the keys' turns as if all took one unit; quotas are left out, so that
 * the first place is the next one's exactly where there are none. */
uint64_t table_position(
	const struct table *table, const struct waiter *waiter, uint64_t *ret_waiting);

/* Count a Create that never came to table_create(): REJECTED_CREATION_ERROR, REJECTED_INVALID. */
void table_count_rejection(struct table *table, enum rejection why);

/* What the operations on one session share: who asks, and about which session. Each first returns
 * STATUS_NO_SUCH_SESSION, STATUS_SESSION_ENDED (OUTCOME is set) or, where the caller may not act,
 * STATUS_PERMISSION_DENIED. An ended session that the caller could not act on is reported as
 * ended, too: outcomes are seen by everyone. Where not said otherwise a waiting session gives
 * STATUS_INVALID_STATE. */
struct session_ref {
	uint64_t id;
	struct owner *caller;
	enum outcome outcome;     /* set with STATUS_SESSION_ENDED */
	enum session_state state; /* set with STATUS_INVALID_STATE */
	int64_t max_timeout_ms;   /* set with STATUS_TIMEOUT_OUT_OF_RANGE: the pool's, -1 any */
	bool is_anothers;         /* set on success: only an admin may; */
	uint32_t uid;             /* it is this user's */
};

/* RET_EXPIRES_WALL_US is 0 without a deadline. Besides: STATUS_INVALID_STATE unless idle;
 * -ENOBUFS as table_create(). */
int table_start(struct table *table, struct session_ref *ref, struct table_time now,
	int64_t *ret_expires_wall_us, struct table_change *change);

/* TIMEOUT_MS is CREATE_TIMEOUT_ABSENT, -1 or a time. Besides: STATUS_TIMEOUT_OUT_OF_RANGE,
 * -ENOBUFS. */
int table_renew(struct table *table, struct session_ref *ref, int64_t timeout_ms,
	struct table_time now, int64_t *ret_expires_wall_us, struct table_change *change);

/* METADATA is referenced on success. Besides: STATUS_METADATA_TOO_LARGE, with RET_LIMIT. */
int table_update(struct table *table, struct session_ref *ref, struct text *metadata,
	struct table_time now, uint32_t *ret_limit, struct table_change *change);

/* OUTCOME: completed, error or cancelled. RESULT may be NULL; it is referenced. */
int table_release(struct table *table, struct session_ref *ref, enum outcome outcome,
	struct text *result, struct table_time now, int64_t *ret_duration_us,
	struct table_change *change);

/* The session is owned by REF->caller now, by PROCESS (as with table_create(); taken over unless
 * the result is -ENOBUFS; RET_IS_PROCESS_NEW as there), or detached (then with a timeout: 30 s, or
 * the pool's largest if that is less, if it has none; the deadline is set anew if it had no timeout
 * or was overdue, which detached sessions never are). uid stays the session's; the process shown
 * becomes the new owner's, or, detached, the caller's if it is of the same uid.
 * STATUS_INVALID_STATE: it waits. -ENOBUFS. */
int table_attach(struct table *table, struct session_ref *ref, enum owner_kind kind,
	struct process *process, struct table_time now, struct session_view *ret,
	bool *ret_is_process_new, struct table_change *change);

/* Mark as revoking, or with FORCE end as OUTCOME_REVOKED; a wait is cancelled either way. REASON,
 * for those who watch, may be NULL. */
int table_revoke(struct table *table, struct session_ref *ref, bool force, struct text *reason,
	struct table_time now, struct table_change *change);

/* A view of a live or waiting session; needs no right to act. */
int table_get(struct table *table, struct session_ref *ref, struct table_time now,
	struct session_view *ret);

/* The id of the live or waiting session that has this request id and was created by the caller's
 * uid. 0 or STATUS_NO_SUCH_SESSION. */
int table_find_request(const struct table *table, uint32_t uid, const char *request_id,
	size_t length, uint64_t *ret_id);

struct list_filter {
	const char *pool; /* not NUL-ended; NULL: any */
	size_t pool_length;
	int64_t uid;       /* -1: any */
	int64_t pid;       /* -1: any */
	int state;         /* enum session_state; -1: any */
	const char *label; /* not NUL-ended; NULL: any. Matches only what the caller may act on */
	size_t label_length;
	bool only_visible; /* only what the caller may act on (`where` is given) */
};

/* Live and waiting sessions in the order of creation with sequence > AFTER: looks at SCAN of them
 * at most, fills up to MAX views. Returns how many; RET_AFTER is what to go on from, 0 at the end.
 */
size_t table_page(struct table *table, const struct owner *caller, const struct list_filter *filter,
	uint64_t after, size_t scan, struct table_time now, struct session_view *views, size_t max,
	uint64_t *ret_after);

/* Ended sessions, the newest first, SKIP left out. Returns how many were filled. */
size_t table_history(struct table *table, const struct owner *caller, size_t skip,
	struct session_view *views, size_t max);

/* ---- the end of owners, and deadlines ---- */

/* End up to MAX of the owner's sessions as abandoned, and cancel what waits for it; true if some
 * are left. OWNER may be in CHANGE->processes afterwards. */
bool table_owner_gone(struct table *table, struct owner *owner, struct table_time now, size_t max,
	struct table_change *change);

/* Another process than PROCESS that made a session of its, or attached it: perhaps it has something
 * to say when PROCESS exits. NULL if there is none. Not a new reference. */
struct identity *table_maker(const struct process *process);

/* When the next deadline passes, a wait is over, or a pause ends (table clock), INT64_MAX without
 * any. */
int64_t table_next_deadline(const struct table *table);

/* Do what the passed ones ask for, earliest first, MAX of them at most. Who waits is let in (as by
 * table_pump()) by what ended before the wait, or with it, however late it is. Returns how many. */
size_t table_expire(
	struct table *table, struct table_time now, size_t max, struct table_change *change);

/* ---- counting ---- */

struct table_metrics {
	uint64_t active;
	uint64_t waiting;
	uint64_t used_units;
	uint64_t over;
	uint64_t overdue;
	uint64_t orphaned;
	uint64_t metadata_bytes;
	uint64_t peak;          /* since reset */
	int64_t oldest_age_us;  /* -1 if empty */
	int64_t oldest_wait_us; /* -1 if nobody waits */
	uint64_t processes;
	bool is_draining;
	struct counters totals;  /* since the start, removed pools included */
	struct counters counted; /* since the start or the last reset; the identity holds */
	int64_t since_reset_duration_max_ns;
	int64_t since_reset_queue_wait_max_ns;
};
void table_metrics(struct table *table, struct table_time now, struct table_metrics *ret);

/* Session durations and waits until a grant (ns) over all pools since the start, removed pools
 * included. A pool's are in struct pool, to be copied under the lock. */
const struct histogram *table_durations(const struct table *table);
const struct histogram *table_queue_waits(const struct table *table);

/* Count anew: created = live, outcomes and refusals 0, peak = live. */
void table_reset_metrics(struct table *table);

uint64_t table_active(const struct table *table);
uint64_t table_next_fence(const struct table *table);
/* The number of the next one in the order of sessions. */
uint64_t table_next_sequence(const struct table *table);

/* Recount, in portions so that the lock is never held for long: sums over live sessions that stay
 * exact although sessions come and go between the portions. */
struct audit {
	struct list link;  /* table.audits */
	uint64_t position; /* sequence: sessions up to here are counted */
	uint64_t looked_at;
	uint64_t active;
	uint64_t used_units;
	uint64_t overdue;
	uint64_t orphaned;
	uint64_t metadata_bytes;
	uint64_t unindexed; /* sessions that cannot be found by id or request id */
	uint64_t bad_slots; /* slot numbers that the pool does not know as taken */
	bool only_sums;     /* set after the begin: the last two are not wanted, and stay 0 */
};
void table_audit_begin(struct table *table, struct audit *audit);
/* Count up to MAX more sessions; true when all are counted: compare before leaving the lock. */
bool table_audit_step(struct table *table, struct audit *audit, size_t max);
void table_audit_end(struct audit *audit);

/* Every invariant, at once and slowly: NULL, or a static text that names the first one broken. */
const char *table_check(const struct table *table);

#endif
