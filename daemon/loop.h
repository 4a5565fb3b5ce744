/* SPDX-License-Identifier: MIT */
/* An event loop and its thread: connections that belong to it, and the order of a turn.
 *
 * A turn: libuv polls and reads, calls are served and their replies gathered; then (check) work
 * left over is done in portions, what was gathered is written, one write a client, and the loop
 * sees whether it has served what it was asked for (barrier.h). Other threads reach a loop only by
 * loop_order(), and the first one's by loop_adopt(). All else is for the loop's own thread.
 */
#ifndef USHER_DAEMON_LOOP_H
#define USHER_DAEMON_LOOP_H

#include "daemon/barrier.h"
#include "daemon/core/events.h"
#include "daemon/core/list.h"
#include "daemon/core/stats.h"
#include "daemon/ids.h"
#include "daemon/server.h"

#include <pthread.h>
#include <semaphore.h>
#include <uv.h>

#define LOOP_READ_BUFFER (64 << 10)

enum loop_order {
	ORDER_STOP = 1,          /* flush, close everything, end */
	ORDER_CONFIG = 2,        /* take the settings in force */
	ORDER_DRAIN = 4,         /* a drain is over or taken back */
	ORDER_BARRIER = 8,       /* say when all that has arrived by now has been served */
	ORDER_DEADLINES = 16,    /* to the first loop: deadlines or barriers have moved */
	ORDER_TAKE = 32,         /* take decided waiters and events from the table */
	ORDER_PUMP = 64,         /* go on granting to waiters */
	ORDER_COMMITTED = 128,   /* what was waited for may be durable: try to flush again */
	ORDER_RETRY_STORE = 256, /* to the first loop: try the store again from time to time */
	ORDER_HALT = 512,        /* finish the turn and return from loop_run(), all as it is */
	ORDER_SIGN = 1024,       /* give a sign of life: has_given_sign */
};

/* Written by the loop's thread, read by any. */
struct loop_stats {
	_Atomic uint64_t connections;
	_Atomic uint64_t connections_total;
	_Atomic uint64_t connections_dropped;
	_Atomic uint64_t frames_received;
	_Atomic uint64_t frames_sent;
	_Atomic uint64_t bytes_received;
	_Atomic uint64_t bytes_sent;
	struct histogram creation_ns;
	struct histogram commit_ns; /* of the commits that this loop made, for all */
	struct histogram lag_ns;
};

struct deadlines;
struct verification;

struct loop {
	struct server *server;
	unsigned index;
	struct config *config; /* a reference; changes by ORDER_CONFIG */
	uv_loop_t uv;
	pthread_t thread; /* but for the first loop */
	sem_t may_run;    /* the same: the thread waits for it */
	bool is_called_off;
	struct id_source ids;
	struct loop_stats stats;

	uv_async_t wake;
	atomic_uint orders;
	_Atomic bool is_awaiting_commit;
	uint64_t failures_seen;       /* of commits */
	pthread_mutex_t mailbox_lock; /* a leaf */
	struct list mailbox;          /* adoption.link */
	struct list idle_watches;     /* watch.link: of processes that own nothing any more */
	struct list watches;          /* watch.all_link; the loop's own */

	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t spin; /* active while there is work that needs no input: polling does not block */
	uv_timer_t sweep;
	int64_t peers_ns; /* loop_peers_ns() at the last look at those that are watched */
	int64_t swept_ns; /* when that was, by the monotonic clock */
	uv_timer_t drain_timer;

	struct list conns;    /* conn.link */
	struct list dirty;    /* conn.dirty_link: output gathered in this turn */
	struct list backlog;  /* conn.backlog_link: frames or a stream to go on with */
	struct list recounts; /* recount.link: calls that look at all sessions */
	struct verification *last_verification; /* of those for the log; or NULL */
	uint64_t recounts_left;                 /* sessions that they may look at in this turn */
	uint64_t recounts_sequence;             /* when it began */
	struct list leaving;  /* conn.link: closed, their sessions are being ended */
	struct list watched;  /* conn.watch_link: a frame begun or output unsent */
	struct list drains;   /* drain_wait.link: calls of Drain that wait */
	struct list waits;    /* create_wait.link: calls of Create that wait, with "more" */
	struct list monitors; /* monitor.link: calls of Monitor */
	struct inbox inbox;
	struct event_reader reader; /* while there are monitors */
	uv_timer_t progress;        /* for those who wait with "more" */
	bool is_rung; /* waiters are decided, or events have come: to be taken in this turn */
	bool is_stopping;

	uint64_t turn;     /* counts them */
	int64_t polled_ns; /* loop_polled_ns(); 0: not looked at the clock in this turn */
	struct barrier barrier;
	_Atomic bool has_given_sign;

	char read_buffer[LOOP_READ_BUFFER];
	char *scratch; /* for strings that come with escapes */
	size_t scratch_size;

	struct deadlines *deadlines; /* the first loop's only */
};

/* 0 or a negated errno. */
int loop_init(struct loop *loop, struct server *server, unsigned index);
void loop_deinit(struct loop *loop);

/* Run until ORDER_STOP; the first loop runs in the caller's thread, others have threads, which are
 * made first (0 or a negated errno), when it can still be given up, and then run, or end at once.
 */
void loop_run(struct loop *loop);
int loop_make_thread(struct loop *loop);
void loop_run_thread(struct loop *loop);
void loop_call_off_thread(struct loop *loop);

/* Of a halted loop, when all are: do what others have asked of it, and let go those who have hung
 * up. True if there was something, which may have brought more, also for other loops. */
bool loop_settle(struct loop *loop);

/* Of a loop that has not run yet: close all connections without another word. */
void loop_clear(struct loop *loop);

/* Any thread. */
void loop_order(struct loop *loop, unsigned orders);

/* There are decided waiters or events to take. Any thread; on the loop's own no system call. */
void loop_ring(struct loop *loop);

/* Give an accepted socket and the references of PEER to a loop; all is given up if it cannot take
 * them. If not ADMITTED, its first call is answered with TooManyConnections. The first loop's
 * thread. */
void loop_adopt(struct loop *loop, int fd, struct peer *peer, enum admission admission);

/* Hand a watch (watch.link) of this loop's over to it, to be reaped. Any thread. */
void loop_leave_watch(struct loop *loop, struct list *link);
struct list *loop_take_watch(struct loop *loop); /* NULL: none */

/* When what this turn works on had come, at the latest: CLOCK_MONOTONIC in nanoseconds. */
int64_t loop_polled_ns(struct loop *loop);

/* Keep the loop from blocking in its next poll. */
void loop_spin(struct loop *loop);

/* Whether what has been gathered so far may leave before the turn's end: all that it tells of is
 * durable. Else it waits for the end, where promises are broken if need be. */
bool loop_may_write(struct loop *loop);

/* The clock of what peers are given time for. While the loop stands still it does, too, but for a
 * tenth of a second: its peers could not do anything about that. */
int64_t loop_peers_ns(const struct loop *loop);

/* Look at the connection of this conn.watch_link from time to time. */
void loop_watch(struct loop *loop, struct list *link);

/* At least SIZE bytes of scratch, or NULL. Good until the next call. */
char *loop_scratch(struct loop *loop, size_t size);

/* Counters that only the loop's thread writes. */
static inline void loop_count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
		memory_order_relaxed);
}

#endif
