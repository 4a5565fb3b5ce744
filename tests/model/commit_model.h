/* SPDX-License-Identifier: MIT */
/* The daemon between its table and its store, simulated: commit.c, batch.c and promise.c as they
 * are; loops that take turns when they are told to, also in the middle of another one's commit; a
 * store that fails, fills up or dies where it is told to. What clients were told is held against
 * what lies in the store, when they are told, and after each crash. */
#ifndef USHER_TESTS_COMMIT_MODEL_H
#define USHER_TESTS_COMMIT_MODEL_H

#include "daemon/commit.h"
#include "daemon/core/table.h"
#include "daemon/promise.h"
#include "tests/model/script.h"
#include "tests/unit/list_store.h"

#include <setjmp.h>

#define N_LOOPS     3
#define LIMIT       4
#define KNOWN_MAX   8192
#define REPLIES_MAX 256
#define VERSION_MAX 200

/* Where a store can fail, the machine stop, or another loop come in between. */
enum stage { AT_BEGIN, AT_PUT, AT_COMMIT, AFTER_COMMIT, N_STAGES, NEVER = -1 };

/* ---- what clients know ---- */

enum known_state { ASKED, WAITING, HELD, RELEASED, REFUSED, GONE };

/* A session, by its id: the number of its place. */
struct known {
	enum known_state state; /* as the client was told */
	bool is_release_asked;
	bool may_return;       /* released while nothing could be stored, */
	uint64_t begun_before; /* until a transaction that was begun after that */
	uint64_t fence;
	uint32_t units;
	uint32_t version;       /* of its metadata: its length */
	uint32_t version_told;  /* while that was stored, */
	uint32_t version_heard; /* or not */
	struct waiter waiter;
};

enum told { TOLD_CREATED, TOLD_UPDATED, TOLD_RELEASED, TOLD_REFUSED };

struct reply {
	enum told told;
	uint32_t number; /* of the session */
	uint32_t version;
	uint64_t fence;
};

/* ---- the daemon ---- */

struct sim_loop {
	struct owner owner;
	struct inbox inbox;
	uint64_t seen;
	struct json_writer out; /* of its one client, with */
	struct promises promises;
	struct reply replies[REPLIES_MAX]; /* whose bytes are in it */
	size_t n_replies;
	bool is_held_up;
};

struct sim {
	struct table *table;
	struct committer *committer;
	struct server server;
	struct state state;
	struct loop loops[N_LOOPS]; /* as the committer sees them */
	struct sim_loop sides[N_LOOPS];
	unsigned current; /* loop */
	jmp_buf stopped;  /* where the machine goes on after it stopped */
	int64_t now_us;
	uv_timer_t *timer; /* the committer's, */
	uv_timer_cb retry; /* while it runs */

	struct list_store durable;
	enum stage fails_at;
	int error;
	int64_t growth; /* times that the store can grow */
	bool is_full, cannot_mark_fences;
	bool has_failed, has_come_up;     /* the last commit; told at the end of a step */
	bool is_anew;                     /* begun anew, and nothing committed yet */
	bool begins_again;                /* what it has tried to commit already */
	uint64_t n_begun, last_committed; /* transactions */

	enum stage stops_at; /* in this step, */
	int64_t stops_in;    /* after so many times, */
	enum stage again_at; /* and in the life after it */
	bool is_recovering;
	enum stage other_at;
	bool is_inside; /* another loop's commit */

	struct known known[KNOWN_MAX];
	uint32_t n_known;
	uint64_t fence_before; /* larger than any of earlier lives */

	uint64_t random;
};

extern struct sim sim;

/* ---- commit_model.c ---- */

/* What must happen in a long run: X(NAME, "what happened"). */
#define SIM_CASES(X)                                                                               \
	X(TOLD_CREATED, "a client was told of its session")                                        \
	X(TOLD_GRANTED, "a client was told of its session after a wait")                           \
	X(TOLD_UPDATED, "a client was told of its update")                                         \
	X(TOLD_RELEASED, "a client was told of its release")                                       \
	X(TOLD_REFUSED, "a client was refused")                                                    \
	X(PROMISE_BROKEN, "a reply that was gathered became a refusal")                            \
	X(GRANT_UNDONE, "a grant was undone before its decision was taken")                        \
	X(HELD_UP, "a loop waited for another one's commit")                                       \
	X(TOLD_WHILE_DOWN, "a client was told while nothing could be stored")                      \
	X(FAILED, "a commit failed")                                                               \
	X(GREW, "the store grew")                                                                  \
	X(FULL, "the store was full")                                                              \
	X(CAME_UP, "the store worked again")                                                       \
	X(BEGUN_ANEW, "the store was begun anew")                                                  \
	X(FENCES_FAILED, "no fences could be reserved")                                            \
	X(STOPPED_BEFORE, "the machine stopped before a commit was durable")                       \
	X(STOPPED_AFTER, "the machine stopped after it was, before anybody was told")              \
	X(STOPPED_IDLE, "the machine stopped between commits")                                     \
	X(STOPPED_IN_RECOVERY, "the machine stopped in the first commit of a life")                \
	X(STOPPED_DOWN, "the machine stopped while nothing could be stored")                       \
	X(UNTOLD_KEPT, "a session nobody was told of was there after a stop")                      \
	X(UNTOLD_LOST, "a session nobody was told of was not there after a stop")                  \
	X(CAME_BACK, "a session that was released while nothing could be stored came back")

enum sim_case {
#define X(name, text) SIM_##name,
	SIM_CASES(X)
#undef X
		N_SIM_CASES,
};
void met(enum sim_case which);

/* Something that another loop does in the middle of a commit. */
void do_meanwhile(void);

/* ---- commit_daemon.c ---- */

void begin_life(void);
void end_life(void);
/* The timer fires, if it runs. */
void fire(void);
/* The machine stops here: the step is over. */
_Noreturn void stop_machine(void);
/* The loop obeys orders, and ends its turn. */
void turn(unsigned loop);
/* Gather a reply of LOOP. SESSION, if it is promised. */
void gather(unsigned loop, struct reply reply, struct session *session);
void enter(struct section *section);
struct text *make_metadata(uint32_t version);

/* ---- commit_calls.c: the reply is gathered; nothing happens where there is no sense in it ---- */

void create(unsigned loop, uint32_t units, bool waits);
void release(unsigned loop, int64_t number);
void update(unsigned loop, int64_t number);

/* ---- commit_store.c ---- */

/* The length of the metadata that is stored of a session; -1 if it is not there. */
int64_t stored_version(uint32_t number);
void forget_transaction(void);

/* ---- commit_clients.c ---- */

void hear(struct sim_loop *side);
/* Hold the table of a new life against what clients know. */
void look_after_stop(void);
/* The store works again: it has all that was told meanwhile. */
void look_after_failure(void);
/* All has come to its end: what is stored is what is held. */
void look_at_end(void);

#endif
