/* SPDX-License-Identifier: MIT */
/* What the files of the model share: one run, with a table and a naive one. */
#ifndef USHER_TESTS_MODEL_H
#define USHER_TESTS_MODEL_H

#include "daemon/core/events.h"
#include "daemon/core/table.h"
#include "tests/model/counts.h"
#include "tests/model/naive.h"
#include "tests/model/script.h"
#include "tests/unit/list_store.h"

#define N_AUDITS  3
#define N_SHARED  8
#define N_WAITERS 1024

struct model {
	struct table *table;
	struct owner owners[N_PEERS]; /* by the numbers of naive_peers */
	struct process
		*processes[N_PEERS]; /* that the table has; by the number of the first peer */
	struct inbox inboxes[NAIVE_INBOXES];
	struct waiter waiters[N_WAITERS];
	bool is_waiter_used[N_WAITERS];
	struct table_change change;
	struct list_store store;
	struct naive_file files[N_POOLS]; /* edited since the last start */
	struct audit audits[N_AUDITS];
	uint64_t audit_created[N_AUDITS]; /* how many there had been at its begin */
	bool is_auditing[N_AUDITS];
	uint64_t random, random_aside;
	uint64_t next_id;
	int64_t now_us;
	int64_t clock_error_us; /* of wall_us */
	int64_t wall_us;        /* the time of day */
	bool is_crowded;        /* the mood: sessions pile up */
	bool is_contested;      /* or queues do, mostly of one pool */
	int contested_pool;
	bool is_stingy;      /* and memory comes late */
	bool gives_memory;   /* in this step, */
	uint64_t is_missing; /* but not all: bits of what fails */
	bool is_told_ends;
	struct text *shared[N_SHARED]; /* used as metadata of many sessions */
	uint64_t section;              /* of the last commit: what it has was changed up to it */
	bool is_section_new;           /* there has been none since the last start */
	const char *operation;
};

extern struct model model;

/* The first rows of the operations: the last one is none, but counts what comes of waits. */
enum { OPERATION_WORLD, OPERATION_NOTHING, OPERATION_WAIT };

/* ---- model.c ---- */

struct table_time model_now(void);

/* ---- world.c: the daemon's part ---- */

void begin_world(void);
void end_world(void);
/* Pump to the end, compare what the operation left, give memory. */
void settle(void);
/* What the table wants. */
void give_memory(void);
/* The daemon crashes: the table, and who it spoke of, are no more. A new one is empty. */
void lose_world(void);
void make_world(uint64_t first_fence);
void free_process(struct process *process);
/* There is a process of IDENTITY, and the table has it. */
void take_process(struct process *process);
struct process *make_process(int peer);
struct process *make_process_of(struct identity *identity);
/* The pool with other waiters than the naive one; NO_POOL if there is none. */
int changed_pool(void);
const struct pool *find_pool(int pool);
/* Tell the naive table whether there is memory for what users, processes and labels hold. */
void note_tallies(void);

/* ---- held.c ---- */

/* Keep a view for a while: it must stay what it was, however its session has gone on. */
void hold_view(const struct session_view *view, const struct naive_session *session);
void drop_views(void);

/* ---- draw.c: chance, the same for the same seed ---- */

uint64_t draw(uint64_t below);
bool chance(unsigned percent);
/* Of what is looked at, but not done: it leaves the others alone. */
uint64_t draw_aside(uint64_t below);
int draw_peer(void);
/* Mostly of a live session. */
uint64_t draw_id(void);
/* Mostly one who may act, or else little would happen. */
int draw_peer_for(uint64_t id);
int64_t draw_timeout(void);
/* The number of a text. */
int draw_text(void);
/* 1000, or now and then less. */
size_t draw_portion(uint64_t below);

/* The text of a number; a new reference, NULL for NO_TEXT. */
struct text *make_text(int number);
void make_request_id(int number, char *ret, size_t size);
void make_label(int number, char *ret, size_t size);
void make_name(const char *what, int number, char *ret, size_t size);

/* ---- *_steps.c: one operation on both tables, as decided ---- */

void run_nothing(void);

void run_create(void);
void run_reject(void);

void run_start(void);
void run_renew(void);
void run_update(void);
void run_release(void);
void run_attach(void);
void run_revoke(void);
void run_get(void);
void run_find_request(void);

void run_owner_gone(void);
void run_process_gone(void);
void run_expire(void);
/* Up to MAX of what is due. */
void expire_steps(size_t max);

void run_abandon(void);
void run_cancel(void);
/* Take some of what is decided; or all of it. */
void run_collect(void);
void collect_all(void);
/* A waiter that is free; NO_WAITER. */
int free_waiter(void);
void abandon_wait(int waiter);

/* ---- store_steps.c ---- */

void commit(void);
void run_commit(void);
void run_fail_commit(void);
void run_store_trouble(void);
void run_begin_anew(void);
void run_verify(void);
/* From now on changes are kept, for the next commit. */
void begin_keeping(void);

/* ---- crash_steps.c, carry_steps.c ---- */

void run_crash(void);
/* Which pools are in the files of the next run, mostly those that were: into FILES, and in force.
 */
void decide_files(struct naive_file files[N_POOLS], const struct naive_pool *before);
void run_hand_over(void);

/* ---- event_steps.c ---- */

void run_read_events(void);
void run_toggle_reader(void);
void end_readers(void);
void begin_readers(void);

/* ---- pool_steps.c ---- */

void set_pool(int p, const struct pool_settings *settings, enum pool_source source, int allow);
void run_set_pool(void);
void run_edit_file(void);
void run_remove_pools(void);
void run_pause(void);
void run_resume(void);
void run_drain(void);

/* ---- read_steps.c ---- */

void run_view_pools(void);
void run_page(void);
void run_history(void);
void run_audit(void);
void run_reset(void);
void run_report_ends(void);

/* ---- compare.c ---- */

void expect_string(const char *is, const char *expected);
void expect_text(const struct text *is, int number);
void compare_view(const struct session_view *view, const struct naive_session *session, int peer);
/* The sessions, the history and the sums, as PEER sees them. */
void compare_all(int peer);

/* ---- compare_pools.c ---- */

void compare_pool_view(const struct pool_view *view, int pool);
void compare_counters(const struct counters *is, const struct counters *expected);
void compare_pools(void);
/* The first of what there is, and the longest wait; -1 without any. */
int64_t oldest_age_us(int pool);
int64_t oldest_wait_us(int pool);

#endif
