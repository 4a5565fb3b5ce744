/* SPDX-License-Identifier: MIT */
/* A thread of a load, and what it shares with the others. Internal to the engine: load.c makes the
 * threads, worker.c has their turns, lane.c decides what each lane does next and what it has done.
 */
#ifndef USHER_TESTS_BENCH_WORKER_H
#define USHER_TESTS_BENCH_WORKER_H

#include "tests/bench/link.h"
#include "tests/bench/load.h"
#include "tests/bench/pace.h"

#include <pthread.h>
#include <stdatomic.h>

#define KEEPER_DEPTH 16

enum phase { PHASE_PREPARE, PHASE_RUN, PHASE_CLEAN };

/* The last release of a slot. */
struct vacancy {
	_Atomic int64_t begun_ns; /* of the op that it began */
	_Atomic int64_t sent_ns;
};

struct shared {
	pthread_barrier_t barrier;
	atomic_int stop; /* enum stop */
	_Atomic uint64_t grants;
	struct vacancy *vacancies; /* by slot */
	int64_t start_ns;          /* of the run */
};

struct worker {
	const struct load *load;
	struct shared *shared;
	unsigned index;
	pthread_t thread;
	int error; /* why it could not begin */
	int epoll;

	enum phase phase;
	int64_t now_ns;
	int64_t heard_ns;          /* when the last reply came */
	int64_t from_ns, until_ns; /* what is measured; both 0 before */
	int64_t cpu_from_ns;       /* -1: not yet */

	struct link *links; /* the last one is the keeper, which creates and releases others */
	unsigned n_links, n_lost;
	struct lane *lanes; /* depth for each link, in their order, then the keeper's */
	size_t n_lanes;
	uint64_t n_calling; /* of all links */

	struct lane **ready; /* a ring: may begin an op, when one is due */
	size_t first_ready, n_ready;
	struct link **dirty; /* have something to write */
	unsigned n_dirty;

	char (*stock)[ID_LENGTH]; /* sessions that no lane holds */
	uint64_t n_stock, stock_room;
	uint64_t wanted; /* sessions that the keeper has still to create */
	uint64_t budget; /* ops that may be begun yet */

	struct pace pace;
	struct outcome outcome;
};

/* ---- worker.c ---- */

/* Get memory and an epoll set for the INDEXth of LOAD's threads. 0 or a negated errno;
 * worker_deinit() in both cases. */
int worker_init(struct worker *w, const struct load *load, struct shared *shared, unsigned index);

void worker_deinit(struct worker *w);

/* The thread itself. */
void worker_main(struct worker *w);

/* Register LINK's new connection. 0 or a negated errno. */
int worker_watch(struct worker *w, struct link *link);

/* It is over for all threads. */
void worker_fail(struct worker *w);

/* ---- lane.c ---- */

/* Have LANE, which is not calling, do whatever is its turn in this phase. */
void lane_go(struct worker *w, struct lane *lane);

/* Begin ops with the lanes that are ready, as far as they are due. */
void lanes_serve_ready(struct worker *w);

/* The reply to the first call of LINK: account for it, and have the lane go on. False if the link
 * has been closed, and what else came on it is void. */
bool lanes_take_reply(struct worker *w, struct link *link, const char *reply, size_t length);

/* LINK is broken: account for that with ERROR, a negated errno, and close it. */
void lanes_lose(struct worker *w, struct link *link, int error);

/* Note an error that is no reply. */
void lanes_note_error(struct worker *w, const char *name);

/* Ops that were due and have not been sent: they have waited until now at least. */
void lanes_account_unsent(struct worker *w);

#endif
