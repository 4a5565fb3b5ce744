/* SPDX-License-Identifier: MIT */
/* A table with a fake clock and a few peers for the tests of the core. Every operation goes through
 * operate(), which then checks all invariants, gives the table the memory it wants, and frees what
 * the operation left. */
#ifndef USHER_TESTS_TABLE_FIXTURE_H
#define USHER_TESTS_TABLE_FIXTURE_H

#include "daemon/core/table.h"

#include <check.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define HISTORY   4
#define FENCE     1000

#define INBOX_INDEX 5

extern struct table *table;
extern struct table_time now; /* begins at 1000 s, wall clock 1e15 us */
extern struct table_change change;
extern size_t n_freed_sessions; /* by the last operation */
extern size_t n_freed_pools;
extern uint64_t rung; /* the bells that the last operation rang */

extern struct owner alice;       /* uid 1000, pid 100 */
extern struct owner alice_again; /* another connection of the same process */
extern struct owner alice_other; /* uid 1000, another process */
extern struct owner bob;         /* uid 1001, pid 200 */
extern struct owner carol;       /* uid 1002, pid 201 */
extern struct owner nobody;      /* the overflow uid, pid 300 */
extern struct owner nobody_else; /* the overflow uid, another process */
extern struct owner foreign;     /* uid 1000, of another pid namespace */
extern struct owner root;        /* uid 0, an admin */

void fixture_setup(void);
void fixture_teardown(void);
/* The table anew, without ended sessions. */
void fixture_without_history(void);
/* As after a crash: a new table, the connections own nothing, nobody waits, and the processes are
 * known to nobody. */
void fixture_crash(void);

void advance_ms(int64_t ms);

/* RESULT, after the pumping and the checks. */
int64_t operate(int64_t result);
void check_invariants(void);
void give_wanted(void);

/* ---- creating ---- */

#define TIMEOUT_ZERO (INT64_MIN + 1) /* ask for 0 */

struct wish {
	struct owner *owner;    /* alice */
	const char *pool;       /* default */
	const char *request_id; /* a new one */
	const char *metadata;   /* none */
	const char *label;      /* none */
	enum owner_kind kind;
	struct owner *process; /* owned by the process of this one */
	int64_t timeout_ms;    /* 0: absent */
	int64_t wait_ms;       /* 0: not at all; -1: for ever */
	uint8_t priority;
	uint32_t units;       /* 1 */
	uint64_t fingerprint; /* 0 */
	uint64_t id;          /* a new one */
};

extern struct create_result created; /* by the last CREATE; freed by the next one */

int create(const struct wish *wish);
#define CREATE(...) create(&(struct wish){__VA_ARGS__})

/* Create, which must work; returns the id. */
uint64_t take(const struct wish *wish);
#define TAKE(...) take(&(struct wish){__VA_ARGS__})

/* ---- operations ---- */

extern struct session_ref ref; /* of the last operation */
extern int64_t expires_wall_us;
extern int64_t duration_us;

int start(struct owner *caller, uint64_t id);
int renew(struct owner *caller, uint64_t id, int64_t timeout_ms);
int update(struct owner *caller, uint64_t id, const char *metadata);
int release_as(struct owner *caller, uint64_t id, enum outcome outcome, const char *result);
int release(uint64_t id); /* by alice, completed */
int attach(struct owner *caller, uint64_t id, enum owner_kind kind);
int revoke(struct owner *caller, uint64_t id, bool force);
size_t expire(void);
bool gone(struct owner *owner, size_t max);
int attach_process(struct owner *caller, uint64_t id, struct owner *process);
extern bool is_process_new; /* by the last attach_process() */
void drain(void);

void set_pool(const char *name, const struct pool_settings *settings);
void set_limit(const char *name, uint32_t limit);
void remove_pools_but(const char *keep); /* NULL: none is kept */
int pause_pool(const char *name, int64_t for_us, const char *reason);
int resume_pool(const char *name);

/* ---- waiting and processes: table_waits.c ---- */

extern struct inbox inbox;
extern struct session_view granted; /* by the last take_decided() that was a grant */
extern size_t n_idle_processes;     /* since the begin: handed back */
extern size_t n_processes;          /* in the table, as far as the fixture knows */

/* Create, which must wait: for ever if not said otherwise. */
struct waiter *wait_for(const struct wish *wish);
#define WAIT(...) wait_for(&(struct wish){__VA_ARGS__})

/* The next of the inbox; NULL if there is none. */
struct waiter *take_decided(void);
/* The inbox must have this one next, with STATUS. */
void expect_decided(struct waiter *waiter, int status);
void expect_nobody_decided(void);
uint64_t position_of(const struct waiter *waiter);
void abandon(struct waiter *waiter);
int cancel(struct owner *caller, const char *request_id);

/* The process that owns a session. */
struct owner *process_of(uint64_t id);

/* For the fixture. */
struct waiter *make_waiter(void);
struct process *make_process(const struct owner *of);
void change_process_back(struct process *process);
void take_idle_processes(void);
void free_processes(void);
void free_waiters(void);

/* ---- looking ---- */

/* A view of a live session; freed by the next call and the end of the test. */
const struct session_view *view(struct owner *caller, uint64_t id);
const struct pool_view *pool_view(const char *name);
struct table_metrics metrics(void);
/* 0 or the status of Get. */
int look(uint64_t id);
/* The outcome of an ended session; fails the test if it has not ended. */
enum outcome outcome_of(uint64_t id);

int run_tests(const char *name, void (*add)(TCase *tcase));

#endif
