/* SPDX-License-Identifier: MIT */
/* What the files of the table share. Each is one idea: table.c its life and lookup, supply.c its
 * memory, admit.c admission, refuse.c what those are told who are refused, grant.c how a session
 * comes to its slots, queue.c who waits and who is next, place.c places in the queue, pump.c how
 * waits end, waits.c the daemon's part in that, tally.c what users, processes and labels hold,
 * session_ops.c the operations on one session, deadline.c deadlines, ending.c the one way a session
 * ends, pools.c pools and pauses, query.c views, events.c the log for those who watch, metrics.c
 * counters, audit.c and check.c recounts, persist.c and restore.c the store's side, carry.c what
 * goes from one daemon to the next. Under the broker's lock, as the table itself. */
#ifndef USHER_CORE_TABLE_INTERNAL_H
#define USHER_CORE_TABLE_INTERNAL_H

#include "daemon/core/events.h"
#include "daemon/core/heap.h"
#include "daemon/core/table.h"

#define FENCE_END (INT64_C(1) << 53)

struct table {
	struct map by_id;         /* session.id_node, the history's too */
	struct map by_request;    /* session.request_node */
	struct map pools_by_name; /* pool.name_node */
	struct map tallies;       /* tally.node */
	struct map processes;     /* process.node */
	struct order order;       /* session.order_node */
	struct heap deadlines;    /* struct session */
	struct heap waits;        /* struct waiter, but those who wait for ever */
	struct list pools;        /* pool.link, by name */
	struct list pumping;      /* pool.pump_link */
	struct list history;      /* session.pool_link, oldest first */
	struct list audits;       /* audit.link */
	uint32_t n_history;
	uint32_t history_limit;
	uint64_t hash_seed[2];
	uint64_t next_sequence;
	uint64_t next_fence;
	uint64_t section; /* the number of the lock section */
	uint32_t next_pool_number;
	int64_t last_now_us;
	struct pause pause;        /* of all pools */
	int64_t next_pause_end_us; /* INT64_MAX: none */
	int64_t next_starve_us;    /* not after the next one; INT64_MAX: none */
	uint32_t n_shadow_pools;   /* that do not enforce their limits */
	bool is_draining;
	bool reports_ends;

	bool keeps_changes;       /* there is a store */
	bool is_carrying;         /* not all that is carried over is there yet */
	bool cannot_store;        /* but it is away */
	uint64_t fence_limit;     /* the first fence that must not be given */
	uint64_t changed_section; /* the last one that changed what is stored */
	struct session *dirty;    /* chain by next_dirty, oldest first: one reference each */
	struct session *last_dirty;
	struct list dirty_pools;    /* pool.dirty_link */
	struct pool *dropped_pools; /* chain by next_freed */
	int64_t orphans_until_us;   /* when orphans are given up; INT64_MAX: not to come */
	uint64_t orphans_after;     /* the sequence up to which they have been */
	bool are_orphans_due;       /* that time has come */

	struct tally *spare_tallies; /* chain by next_free */
	size_t n_spare_tallies;

	struct list readers; /* event_reader.link */
	struct list events;  /* event.link */
	size_t n_readers;
	size_t n_announced; /* that are about to read */
	size_t n_events;
	struct event *spare_events; /* chain by next_freed */
	size_t n_spare_events;

	uint64_t waiting;

	/* Sums over the live sessions. */
	uint64_t active;
	uint64_t used_units;
	uint64_t overdue;
	uint64_t orphaned;
	uint64_t metadata_bytes;

	uint64_t peak;
	struct counters totals;
	struct counters base; /* what totals were at the last reset, created less what was live */
	struct histogram durations;
	struct histogram queue_wait;
	int64_t since_reset_duration_max_ns;
	int64_t since_reset_queue_wait_max_ns;
};

/* ---- table.c ---- */

/* NOW, or the latest time seen if that is later. */
struct table_time table_clamp(struct table *table, struct table_time now);

/* Live or in the history; NULL if neither. */
struct session *table_find_session(const struct table *table, uint64_t id);
struct session *table_find_by_request(
	const struct table *table, uint32_t uid, const char *request_id, size_t length);
/* The hash that the request ids of a user are found by: for who looks and links. */
uint64_t table_hash_request(
	const struct table *table, uint32_t uid, const char *request_id, size_t length);
struct session *table_find_by_request_hash(const struct table *table, uint64_t hash, uint32_t uid,
	const char *request_id, size_t length);
/* One with the id or the request id of SESSION, which is not in it. */
bool table_knows(const struct table *table, const struct session *session);
bool session_has_request_id(const struct session *session, const char *request_id, size_t length);
bool table_may_act(const struct session *session, const struct owner *caller);
/* The same, but for admins. */
bool table_is_own(const struct session *session, const struct owner *caller);

/* In the order and the maps; but in no list of its pool. */
void table_link_session(struct table *table, struct session *session);
void table_link_fresh(struct table *table, struct session *session, uint64_t request_hash);
/* To be found by its id alone. */
void table_link_id(struct table *table, struct session *session);

/* Hand a reference over to CHANGE; may be NULL. */
void change_add_text(struct table_change *change, struct text *text);
void change_add_identity(struct table_change *change, struct identity *identity);
void change_add_session(struct table_change *change, struct session *session);
/* SESSION has ended; CHANGE gets a reference of its own. */
void change_add_ended(struct table_change *change, struct session *session);
void change_add_pool(struct table_change *change, struct pool *pool);
void change_add_process(struct table_change *change, struct process *process);

/* ---- persist.c ---- */

/* This lock section changes something that is to be stored. */
void table_note_change(struct table *table);
/* POOL is to be stored with the next change: its counters, say. */
void table_touch_pool(struct table *table, struct pool *pool);
/* The store, if there is one, is there, and there is a fence to give; nothing is being carried
 * over.
 */
bool table_may_grant(const struct table *table);

/* ---- supply.c ---- */

#define TALLIES_SPARE 256 /* kept ready: a Create takes three, an Attach one */

void table_free_spares(struct table *table);

/* What the table's supply had brought and an operation gave back. */
void change_free_memory(struct table_change *change);

/* ---- tally.c ---- */

/* Whether an operation may need new tallies and there are none to spare. */
struct tally_place {
	struct tally *tally; /* NULL: there is none yet */
	uint64_t hash;
};

static inline bool table_lacks_tallies(const struct table *table)
{
	return table->n_spare_tallies < DIMENSIONS;
}

/* Its tallies, new ones where there are none yet; the session is counted as waiting or live there
 * by its state. */
void table_join_tallies(struct table *table, struct session *session);
/* The same where they have been looked for in this lock section. */
void table_join_found_tallies(
	struct table *table, struct session *session, const struct tally_place *places);
/* The session is counted no more; what nobody uses goes back. */
void table_leave_tallies(struct table *table, struct session *session, struct table_change *change);
/* Its process' tally follows its identity, which has changed. */
void table_move_process_tally(
	struct table *table, struct session *session, struct table_change *change);
/* From waiting to live. */
void table_promote_in_tallies(struct table *table, struct session *session);

/* What this session counts in as a key of its pool. */
struct tally *table_key_of(const struct session *session);

/* The order of a new pool's keys. */
void pool_init_keys(struct pool *pool);

void tally_init(struct tally *tally, struct pool *pool, enum dimension dimension);

/* HELD units more or less; KEY keeps its place among the pool's keys. */
void tally_add_held(struct pool *pool, struct tally *tally, int64_t units);

/* The first dimension whose quota UNITS more would exceed; DIMENSIONS if none. HELD, by dimension,
 * are the units held now. */
enum dimension quota_exceeded(
	const struct pool_settings *settings, bool has_label, const uint64_t *held, uint32_t units);

/* Where the user, the process and the label of a session not yet in the pool are counted there,
 * by dimension. */
void table_find_tallies(const struct table *table, struct pool *pool, const struct session *session,
	const struct identity *identity, uint32_t uid, struct tally_place *ret_places);

/* The units held there. */
static inline uint64_t tally_held(const struct tally_place *place)
{
	return place->tally ? place->tally->held_units : 0;
}

/* The waiting sessions of a user in a pool. */
uint64_t table_user_waiting(const struct table *table, const struct pool *pool, uint32_t uid);

/* ---- admit.c, refuse.c ---- */

/* What admission finds out about a Create. */
struct admission {
	struct pool *pool;
	int64_t timeout_ms;
	enum dimension quota; /* that is used up; DIMENSIONS: none */
	struct tally_place places[DIMENSIONS];
	const struct identity *identity;
	uint64_t request_hash;
};

enum rejection rejection_of(int status);

/* FRESH and PROCESS are not used. */
void create_give_back(const struct create_request *request, struct table_change *change);

/* Count and explain a refusal; returns STATUS. */
int table_refuse(struct table *table, const struct create_request *request, int status,
	const struct admission *a, struct table_time now, struct create_result *ret,
	struct table_change *change);

/* ---- queue.c ---- */

#define US_A_MS 1000

/* SESSION, linked in the table, waits as WAITER. There must be room for its end in table.waits. */
void queue_add(struct table *table, struct session *session, struct waiter *waiter);
/* OLD is out of the queue, FRESH in its place, waiting until FRESH->deadline_us. */
void queue_replace(struct table *table, struct waiter *old, struct waiter *fresh);
/* Out of all but the pool's and tallies' counts. */
void queue_remove(struct table *table, struct waiter *waiter);
/* The pool's keys have changed, by its settings. */
void queue_rebuild(struct table *table, struct pool *pool);

/* Who is next, whether or not there is room; NULL if nobody who waits is within the quotas. */
struct waiter *queue_next(const struct pool *pool, struct table_time now);

bool waiter_comes_before(const struct waiter *a, const struct waiter *b);

/* When WAITER has waited for longer than its pool's starve_after; INT64_MAX: never. */
int64_t starves_at_us(const struct pool *pool, const struct waiter *waiter);

bool wait_is_before(const void *a, const void *b);
void wait_set_index(void *waiter, size_t index);

/* ---- pump.c ---- */

/* The wait is over: STATUS is a refusal. The session is gone but for the waiter's reference. */
void table_refuse_waiter(struct table *table, struct waiter *waiter, int status,
	struct table_time now, struct table_change *change);

/* WAITER is out of the queue: into its inbox. */
void table_decide(
	struct waiter *waiter, int status, struct table_time now, struct table_change *change);

/* Something may have become possible for those who wait in POOL. */
void table_mark_for_pump(struct table *table, struct pool *pool);
void table_mark_all_for_pump(struct table *table);

/* ---- grant.c ---- */

/* UNITS fit in, whether the pool enforces its limit or not. */
bool pool_has_room(const struct pool *pool, uint32_t units);

/* And so they may be granted: pools that do not enforce their limit end where numbers end. */
bool pool_admits(const struct pool *pool, uint32_t units);

/* There are slot numbers and a place in the deadline heap. */
bool table_can_grant(const struct table *table, const struct session *session);

/* SESSION, linked in the table, gets its slots and its fence, and is live. Its tallies count it
 * already. */
void table_grant(struct table *table, struct session *session, struct table_time now);

/* ---- session_ops.c ---- */

/* SESSION becomes OWNER's (a connection's or a process') or nobody's, as table_attach() says. What
 * process it shows changes only if IDENTITY is not NULL. */
void table_set_owner(struct table *table, struct session *session, enum owner_kind kind,
	struct owner *owner, struct identity *identity, struct table_change *change);

/* Who has it now. */
void table_set_creator(
	struct session *session, struct identity *creator, struct table_change *change);

/* The process that PROCESS stands for, as the table has it: PROCESS itself (RET_IS_NEW), or the one
 * that it knew, and PROCESS is in CHANGE. */
struct process *table_adopt_process(struct table *table, struct process *process, bool *ret_is_new,
	struct table_change *change);
/* SESSION is out of its owner's list; a process that owns nothing any more goes into CHANGE. */
void table_leave_owner(struct table *table, struct session *session, struct table_change *change);

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

/* Whether the heap has room for one more. */
bool table_has_deadline_room(const struct table *table);

/* The pool does not hold what is overdue any more: all that is due again, and ends. */
void table_end_holding(struct table *table, struct pool *pool, struct table_time now);

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

/* An ended session, which is found by its id: the newest in, the oldest out. */
void table_add_to_history(
	struct table *table, struct session *session, struct table_change *change);

/* ---- pools.c ---- */

/* The pause that keeps POOL from admitting, its own or that of all; NULL for none. */
const struct pause *table_pause_of(
	const struct table *table, const struct pool *pool, struct table_time now);

bool pool_allows(const struct pool_settings *settings, const struct peer *peer);

/* End the pauses that are over by NOW. */
void table_end_pauses(struct table *table, struct table_time now, struct table_change *change);

/* A removed pool leaves once it is empty. */
void table_maybe_drop_pool(struct table *table, struct pool *pool, struct table_change *change);

uint64_t pool_over(const struct pool *pool);

/* Those who wait for what POOL does not offer (any more) are refused. */
void pool_refuse_misfits(
	struct table *table, struct pool *pool, struct table_time now, struct table_change *change);

/* FRESH's slot numbers, if there are more of them. */
void pool_make_room(struct pool *pool, struct pool *fresh);

/* A pause was set otherwise than by table_pause(). */
void table_plan_pause_end(struct table *table);

/* ---- query.c ---- */

void table_fill_view(const struct session *session, const struct owner *caller,
	struct table_time now, struct session_view *ret);
/* The same with the place in the queue, if it waits. */
void table_fill_view_with_place(const struct table *table, const struct session *session,
	const struct owner *caller, struct table_time now, struct session_view *ret);
int64_t pool_oldest_age_us(const struct pool *pool, struct table_time now);  /* -1: empty */
int64_t pool_oldest_wait_us(const struct pool *pool, struct table_time now); /* -1: nobody waits */
void table_fill_pool_view(const struct table *table, const struct pool *pool, struct table_time now,
	struct pool_view *ret);

/* ---- events.c ---- */

#define EVENTS_SPARE 4096  /* kept ready while somebody reads */
#define EVENTS_MAX   65536 /* unread ones; more are lost */

void emit_session(struct table *table, enum event_type type, const struct session *session,
	struct table_time now, struct table_change *change);
/* SESSION is about to end. */
void emit_ended(struct table *table, const struct session *session, enum outcome outcome,
	struct table_time now, struct table_change *change);
void emit_revoking(struct table *table, const struct session *session, struct text *reason,
	struct table_time now, struct table_change *change);
/* Of a wait that ends with STATUS. */
void emit_wait_ended(struct table *table, const struct session *session, int status,
	struct table_time now, struct table_change *change);
void emit_refused(struct table *table, const struct create_request *request, int status,
	struct table_time now, struct table_change *change);
void emit_pool(struct table *table, const struct pool *pool, struct table_time now,
	struct table_change *change);
void emit_drain(struct table *table, struct table_time now, struct table_change *change);

/* ---- metrics.c ---- */

/* POOL may be NULL. */
void table_count_refusal(struct table *table, struct pool *pool, enum rejection why);
void table_count_grant_of_wait(struct table *table, struct pool *pool, int64_t waited_us);
void table_count_end(
	struct table *table, struct pool *pool, enum outcome outcome, int64_t duration_us);

/* ---- check.c, check_queue.c: NULL, or what is broken ---- */

const char *check_session_links(const struct table *table, const struct session *session);
const char *check_queue(const struct table *table, const struct pool *pool);
const char *check_tallies(const struct table *table);

/* ---- audit.c ---- */

/* Before and after anything changes in SESSION that audits add up. */
void audits_uncount(struct table *table, const struct session *session);
void audits_count(struct table *table, const struct session *session);

#endif
