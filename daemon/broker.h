/* SPDX-License-Identifier: MIT */
/* THE lock, and the one table it guards.
 *
 * Any loop may enter: prepare what the call may need (sessions, texts) before, make one core call
 * inside, write the reply after. Inside there is no JSON, no system call, no log and no allocation.
 * Statistics of the lock are kept by whoever holds it.
 *
 *   struct section section;
 *   broker_enter(broker, &section);
 *   r = table_release(section.table, ..., section.now, &section.change);
 *   broker_leave(&section);
 */
#ifndef USHER_DAEMON_BROKER_H
#define USHER_DAEMON_BROKER_H

#include "daemon/core/table.h"

#include <stdatomic.h>

struct broker;

/* Called outside the lock, on the thread that caused it; CONTEXT as given to broker_new(). */
struct broker_hooks {
	/* The earliest deadline is now before the one last given to broker_arm(). */
	void (*deadline_moved)(void *context);
	/* The last session of a drain has ended, or a Resume took the drain back. */
	void (*drain_changed)(void *context);
	/* SESSION has ended; called only while broker_report_ends() is on. */
	void (*ended)(void *context, const struct session *session);
	/* PROCESS owns nothing any more, or was not needed: it is the daemon's again. */
	void (*process_idle)(void *context, struct process *process);
	/* The loops whose bits are set have decided waiters or events to take. */
	void (*ring)(void *context, uint64_t loops);
	/* There is more to do for those who wait than one section does: enter and leave again. */
	void (*pump)(void *context);
};

struct broker_options {
	uint32_t history_limit;
	uint64_t seed[2];     /* of hashes; from the store, or broker_make_seed() */
	uint64_t first_fence; /* larger than any that was given before */
};

/* A seed that cannot be guessed. 0 or a negated errno. */
int broker_make_seed(uint64_t ret[2]);

/* A broker with an empty table, the clock running; NULL without memory. */
struct broker *broker_new(
	const struct broker_options *options, const struct broker_hooks *hooks, void *context);
void broker_free(struct broker *broker);

struct section {
	struct broker *broker;
	struct table *table;
	struct table_time now;
	struct table_change change;
	int64_t entered_ns; /* 0: how long this one takes is not measured */
};

/* Take the lock; NOW was read before, in this thread's turn or just now. */
void broker_enter(struct broker *broker, struct section *section);

/* Grant to those who wait what the section has made possible, leave the lock, tell whom it
 * concerns, free what the change holds, make what the table wants to have. */
void broker_leave(struct section *section);

/* In between all sections of this thread have the time of the first one: what one client has sent
 * at once is served with one look at the clock, at a time after it was sent. */
void broker_begin_turn(void);
void broker_end_turn(void);

/* So many sessions are about to be restored: have the memory for them at hand. */
void broker_expect(struct broker *broker, size_t n_sessions);

/* The number of the last lock section that changed something to be stored, of those that this
 * thread has seen: what it says may be told only when that is durable. */
uint64_t broker_seen(void);

/* Whether hooks.ended is called. Any thread. */
void broker_report_ends(struct broker *broker, bool is_wanted);

/* The table's clock: CLOCK_MONOTONIC without the time the daemon itself stood still, and the time
 * of day. Any thread. */
struct table_time broker_time(struct broker *broker);

/* The time that is out of the table's clock; to be set before there are others who read it, so that
 * the clock of an earlier run goes on. */
int64_t broker_stalled_us(struct broker *broker);
void broker_set_stalled(struct broker *broker, int64_t stalled_us);

/* The sign of life that stalls are told by: while there are deadlines, their owner calls this at
 * least once a second (IS_BEATING true). Whoever reads the clock and finds the last sign older than
 * a second and a half knows that the daemon stood still (SIGSTOP, a paused machine, an owner that
 * waited for its disk), and takes that time out of the table's clock, so that no deadline counts
 * it. */
void broker_beat(struct broker *broker, bool is_beating);

/* Long work keeps the owner of the deadlines from giving its sign: this is one, if any is due. */
void broker_keep_beating(struct broker *broker);

/* The deadline that the caller will come back for; INT64_MAX: none. Under the lock or before start.
 */
void broker_arm(struct broker *broker, int64_t deadline_us);

/* The key of hashes that outlive one call: fingerprints of requests. */
const uint64_t *broker_seed(const struct broker *broker);

/* ---- drain: under the lock ---- */

struct drain {
	bool is_on;
	int64_t began_us;
	uint64_t initial_active;
	uint64_t total_created; /* in the whole life of the broker, at its begin */
};

/* Begin a drain, or join the one that is on. */
struct drain broker_begin_drain(struct section *section);

/* ---- from one daemon to the next: while no other thread runs ---- */

/* The table, to look at. */
const struct table *broker_stopped_table(const struct broker *broker);

/* The drain that is on, or was last; and one to go on with. */
struct drain broker_drain(const struct broker *broker);
void broker_set_drain(struct broker *broker, const struct drain *drain);

/* ---- statistics ---- */

struct broker_stats {
	_Atomic uint64_t acquisitions;
	_Atomic uint64_t contended;
	struct histogram wait_ns;
	struct histogram hold_ns; /* of one acquisition in seventeen */
};
const struct broker_stats *broker_stats(const struct broker *broker);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t monotonic_ns(void);

/* The time of day, in microseconds, at a time of that clock, which may be long ago: as the time of
 * day is now. That it was set is noticed within a millisecond. Any thread. */
int64_t broker_wall_us(int64_t monotonic_ns);

#endif
