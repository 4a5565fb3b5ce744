/* SPDX-License-Identifier: MIT */
/* The rules of the session table once more, as plainly as can be: arrays, linear scans, sums made
 * anew at each question. Written from the design, not from the core, and sharing only types with
 * it: model.c holds the two against each other. */
#ifndef USHER_TESTS_NAIVE_H
#define USHER_TESTS_NAIVE_H

#include "daemon/core/pool.h"
#include "daemon/core/session.h"
#include "proto/status.h"

#include <stddef.h>

#define N_PEERS            10
#define N_POOLS            5 /* names, in their order; "default" is one of them */
#define NAIVE_LIVE         1024
#define NAIVE_HISTORY      8
#define NAIVE_UNITS        16
#define NAIVE_DURATIONS    256
#define NO_TEXT            (-1)
#define NO_PEER            (-1)
#define NO_POOL            (-1)
#define NO_WAITER          (-1)
#define NAIVE_DECIDED      2048
#define NAIVE_INBOXES      2
#define NAIVE_DEFAULT_POOL 2
#define ABSENT             INT64_MIN

struct naive_peer {
	uint32_t uid;
	int32_t pid;
	bool is_admin;
	uint64_t start_time;
	uint32_t group; /* the supplementary one; 0 none */
};
extern const struct naive_peer naive_peers[N_PEERS];
extern const char *const naive_pool_names[N_POOLS];

/* Texts are what naive_text() makes of a number; NO_TEXT is none. */
struct naive_session {
	uint64_t id;
	uint64_t sequence;
	uint64_t fence;
	uint64_t fingerprint;
	int request;  /* number of the request id */
	int label;    /* a number, or NO_TEXT */
	int metadata; /* a text's number, which is also its length */
	int result;
	int creator; /* peer */
	int last;    /* peer that created or attached to it last */
	int process; /* peer whose pid, comm and unit are shown */
	enum owner_kind kind;
	int owner;            /* peer; of a process the first one like it; or NO_PEER */
	uint64_t owned_since; /* what a peer has owned longest ends first with it */
	int pool;
	uint32_t units;
	uint32_t slots[NAIVE_UNITS];
	enum session_state state;
	enum outcome outcome;
	bool is_overdue;
	bool is_revoking;
	bool is_orphaned; /* OWNER is a process, or NO_PEER */
	bool is_stored;
	int64_t timeout_ms;
	int64_t deadline_us;
	int64_t created_us, created_wall_us;
	int64_t started_wall_us;
	int64_t ended_us, ended_wall_us;
	unsigned priority;
	int waiter; /* while it waits: the number of the waiter */
	int caller; /* and the peer that waits */
	int64_t since_us, until_us;
};

/* A wait that has come to its end, as it is to be told. */
struct naive_decision {
	int waiter;
	int status;
	uint64_t id;
	enum dimension quota;
	int64_t limit;
};

struct naive_pause {
	bool is_on;
	int64_t until_us;
	int reason;
};

struct naive_pool {
	bool is_there;
	bool is_removed;
	struct pool_settings settings;
	enum pool_source source;
	struct naive_pause pause;
	struct counters counters;
	uint32_t capacity; /* slot numbers */
	int allow;         /* the number of the allow list, 0 none */
	uint64_t n_durations, n_waits;
	int64_t durations_us[NAIVE_DURATIONS]; /* the first ones */
};

/* A pool in the files that a start reads. */
struct naive_file {
	bool is_there;
	struct pool_settings settings;
	int allow;
};

struct naive {
	struct naive_session live[NAIVE_LIVE]; /* and waiting, by sequence */
	size_t n_live;
	struct naive_session history[NAIVE_HISTORY + 1]; /* in the order of ends */
	size_t n_history, history_limit;                 /* up to NAIVE_HISTORY */
	struct naive_pool pools[N_POOLS];
	struct naive_pause pause;
	bool is_draining;
	bool keeps_changes, cannot_store;
	bool lacks_tallies;     /* memory for what users, processes and labels hold */
	uint64_t n_stored_ends; /* of what is stored, since the last commit */
	uint64_t fence_limit;
	int64_t orphans_until_us; /* when those are given up that are left; INT64_MAX: not to come
				   */
	int64_t now_us, wall_us;
	uint64_t next_sequence, next_fence, next_owned;
	size_t heap_capacity, wait_capacity;
	int shown[N_PEERS]; /* of a process that owns sessions: whose comm and unit */
	uint64_t n_refused; /* Creates, with an error of the interface */
	struct counters totals, base;
	uint64_t peak;
	uint64_t n_durations, sum_durations_us, max_duration_us, max_since_reset_us;
	size_t n_freed_sessions, n_freed_pools; /* since last set to 0 */
	uint64_t ended_ids[NAIVE_LIVE];         /* since n_ended was set to 0 */
	size_t n_ended;
	struct naive_decision decided[NAIVE_INBOXES][NAIVE_DECIDED]; /* not taken yet, in order */
	size_t n_decided[NAIVE_INBOXES];
	uint64_t n_waits, sum_waits_us, max_wait_us, max_wait_since_reset_us;
};

extern struct naive naive;

void naive_init(uint64_t first_fence, size_t history_limit);
/* Every operation that has a time says so first. */
void naive_clock(int64_t now_us, int64_t wall_us);

struct naive_create {
	int peer;
	int pool; /* or NO_POOL: an unknown name */
	enum owner_kind kind;
	int process;        /* peer, of OWNER_PROCESS */
	int64_t timeout_ms; /* or ABSENT */
	int64_t wait_us;    /* 0: does not wait; INT64_MAX: for ever */
	int waiter;
	unsigned priority;
	uint64_t id;
	uint64_t fingerprint;
	int request;
	int label;
	int metadata;
	uint32_t units;
};

struct naive_created {
	const struct naive_session *session; /* on success; or whose request id it is */
	bool is_existing, is_waiting, is_process_new;
	int pool; /* of a refusal, the one explained */
	enum dimension quota;
};
int naive_create(const struct naive_create *want, struct naive_created *ret);
/* The guess of a retry time, exactly; -1 none, -2 if too many have ended to remember. */
int64_t naive_retry_us(int pool);

const struct naive_session *naive_find(uint64_t id);
bool naive_may_act(const struct naive_session *session, int peer);

int naive_start(int peer, uint64_t id);
int naive_renew(int peer, uint64_t id, int64_t timeout_ms);
int naive_update(int peer, uint64_t id, int metadata);
int naive_release(int peer, uint64_t id, enum outcome outcome, int result);
int naive_attach(int peer, uint64_t id, enum owner_kind kind, int process, bool *ret_process_new);
int naive_revoke(int peer, uint64_t id, bool force);
int naive_get(uint64_t id);
const struct naive_session *naive_find_request(uint32_t uid, int request);
bool naive_owner_gone(enum owner_kind kind, int owner, size_t max);
/* The one that is due first passes its deadline; or its wait is over. */
void naive_pass_deadline(void);
void naive_end_wait(void);
int64_t naive_next_end_of_wait(void);
int64_t naive_next_session_deadline(void);
int64_t naive_next_deadline(void);
/* By the wall clock; 0 for none. */
int64_t naive_to_wall(int64_t at_us);

/* ---- waiting ---- */

bool naive_waits(const struct naive_session *session);
uint64_t naive_waiting(int pool); /* NO_POOL: in all */
/* Who is next in a pool, whether or not there is room; NULL if nobody. */
const struct naive_session *naive_next(int pool);
/* Whether pumping would grant or refuse somebody in a pool; and do that. */
bool naive_can_pump(int pool);
void naive_pump(int pool);
/* Nobody is granted, for there is no memory. */
bool naive_lacks_memory(int pool);
const struct naive_session *naive_by_waiter(int waiter);
void naive_abandon(int waiter);
int naive_cancel(int peer, int request, uint64_t *ret_id, enum session_state *ret_state);
bool naive_has_quota(int pool);
uint64_t naive_waiting_of_user(int pool, uint32_t uid);
uint64_t naive_processes(void);
/* Whether a process owns something that another one made or attached. */
bool naive_maker(int process);
/* The first peer of the same process; NO_PEER if it is not known. */
int naive_process_of(int peer);
bool naive_allows(int allow, int peer);

void naive_set_pool(
	int pool, const struct pool_settings *settings, enum pool_source source, int allow);
void naive_remove_pools(const bool keep[N_POOLS]);
void naive_set_pause(int pool, int64_t for_us, int reason); /* NO_POOL: all */
void naive_resume(int pool);
void naive_reset(void);
const struct naive_pause *naive_pause_of(int pool);

/* ---- what outlives a crash ---- */

/* All that was done up to now is stored. */
void naive_commit(void);
/* It cannot be stored: what was granted since the last commit ends. */
void naive_fail(void);
/* The last commit is all there is, and the pools of FILES; FIRST_FENCE is the new table's, GRACE_US
 * for how long orphans are kept. */
void naive_crash(const struct naive_file files[N_POOLS], uint64_t first_fence, int64_t grace_us);
/* Another table goes on with everything but the drain, and with FILES; and then begins to grant. */
void naive_hand_over(const struct naive_file files[N_POOLS]);
void naive_begin_again(void);
/* What the last commit had: the pools, and how many sessions. */
const struct naive_pool *naive_stored_pools(void);
uint64_t naive_stored_active(void);
/* Something that is stored is not as it was then. */
bool naive_has_changed(void);
/* The first orphan that is to be given up; NULL without one. */
struct naive_session *naive_first_orphan(void);
void naive_give_up_orphan(void);
/* The time of the next one. */
int64_t naive_next_orphan_us(void);

/* ---- among the files of the naive table ---- */

struct naive_session *naive_find_live(uint64_t id);
int64_t naive_deadline_of(const struct naive_pool *pool, int64_t created_us, int64_t timeout_ms);
/* -2: refused. */
int64_t naive_timeout_of(const struct naive_pool *pool, enum owner_kind kind, int64_t asked_ms);
bool naive_is_due(const struct naive_session *session);
/* SESSION may be NULL: a new one. */
bool naive_has_room(const struct naive_session *session, int64_t deadline_us);
void naive_own(struct naive_session *session, enum owner_kind kind, int owner);
void naive_end(struct naive_session *session, enum outcome outcome, int result);
/* Passed deadlines do not end it. */
bool naive_is_held(const struct naive_session *session);
/* The number of the process' owner, which is new if it owns nothing. */
int naive_adopt(int process, bool *ret_is_new);
enum dimension naive_quota_exceeded(const struct naive_session *session, bool is_alone);
int64_t naive_end_of_wait(const struct naive_create *want);
bool naive_has_room_to_wait(int64_t until_us);
void naive_refuse_wait(struct naive_session *session, int status);
void naive_take_over(struct naive_session *session, const struct naive_create *want);
void naive_grant(struct naive_session *session);
bool naive_fits(int pool, uint32_t units);
bool naive_has_memory(const struct naive_session *session);
bool naive_is_same_process(int a, int b);
void naive_drop_if_empty(int pool);
/* Those are refused who wait for what the pool does not offer. */
void naive_refuse_misfits(int pool);
void naive_end_holding(int pool);

/* ---- sums; NO_POOL: over all ---- */

uint64_t naive_used(int pool);
uint64_t naive_active(int pool);
uint64_t naive_overdue(int pool);
uint64_t naive_orphaned(int pool);
uint64_t naive_bytes(int pool);
uint64_t naive_over(int pool);

#endif
