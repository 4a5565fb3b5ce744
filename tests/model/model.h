/* SPDX-License-Identifier: MIT */
/* What the files of the model share: one run, with a table and a naive one. */
#ifndef USHER_TESTS_MODEL_H
#define USHER_TESTS_MODEL_H

#include "daemon/core/events.h"
#include "daemon/core/table.h"
#include "tests/model/naive.h"
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
	struct audit audits[N_AUDITS];
	bool is_auditing[N_AUDITS];
	uint64_t seed;
	uint64_t random;
	uint64_t next_id;
	int64_t now_us;
	bool is_crowded;   /* the mood: sessions pile up */
	bool is_contested; /* or queues do, mostly of one pool */
	int contested_pool;
	bool is_stingy; /* and memory comes late */
	bool is_told_ends;
	bool is_checked_always;
	struct text *shared[N_SHARED]; /* used as metadata of many sessions */
	uint64_t step;                 /* number of the operation */
	const char *operation;
};

extern struct model model;

/* Prints what was expected, the seed, and the operation; exits. */
_Noreturn void fail(const char *file, int line, const char *what, int64_t is, int64_t expected);

#define EXPECT(is, expected)                                                                       \
	do {                                                                                       \
		int64_t is_ = (int64_t)(is);                                                       \
		int64_t expected_ = (int64_t)(expected);                                           \
		if (is_ != expected_)                                                              \
			fail(__FILE__, __LINE__, #is " == " #expected, is_, expected_);            \
	} while (0)

/* ---- model.c ---- */

struct table_time model_now(void);

/* Keep a view for a while: it must stay what it was, however its session has gone on. */
void hold_view(const struct session_view *view, const struct naive_session *session);

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
/* The pool with other waiters than the naive one; NO_POOL if there is none. */
int changed_pool(void);

/* ---- draw.c: chance, the same for the same seed ---- */

uint64_t draw(uint64_t below);
bool chance(unsigned percent);
int draw_peer(void);
/* Mostly of a live session. */
uint64_t draw_id(void);
/* Mostly one who may act, or else little would happen. */
int draw_peer_for(uint64_t id);
int64_t draw_timeout(void);
/* The number of a text. */
int draw_text(void);

/* The text of a number; a new reference, NULL for NO_TEXT. */
struct text *make_text(int number);
void make_request_id(int number, char *ret, size_t size);
void make_label(int number, char *ret, size_t size);
void make_name(const char *what, int number, char *ret, size_t size);

/* ---- *_steps.c: one random operation on both tables ---- */

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
void run_expire(void);
void run_process_gone(void);
void run_abandon(void);
void run_cancel(void);
/* Take some of what is decided. */
void run_collect(void);
/* Up to MAX of what is due. */
void expire_steps(size_t max);
struct process *make_process(int peer);
struct process *make_process_of(struct identity *identity);
/* A waiter that is free; NO_WAITER. */
int draw_waiter(void);

/* ---- crash_steps.c ---- */

void commit(void);
void run_commit(void);
void run_fail_commit(void);
void run_store_trouble(void);
void run_crash(void);

/* ---- event_steps.c ---- */

void run_read_events(void);
void run_toggle_reader(void);
void end_readers(void);
void begin_readers(void);
/* ---- table_steps.c ---- */

/* In the table alone. */
void set_pool(int p, const struct pool_settings *settings, enum pool_source source, int allow);
void run_set_pool(void);
void run_remove_pools(void);
void run_pause(void);
void run_resume(void);
void run_drain(void);
void run_view_pools(void);
void run_page(void);
void run_history(void);
void run_audit(void);
void run_reset(void);

/* ---- compare.c ---- */

void compare_view(const struct session_view *view, const struct naive_session *session, int peer);
void compare_pool_view(const struct pool_view *view, int pool);
void compare_counters(const struct counters *is, const struct counters *expected);
/* All that can be asked for, as PEER sees it. */
void compare_all(int peer);

#endif
