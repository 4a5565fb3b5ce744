/* SPDX-License-Identifier: MIT */
/* What the parts of the churn share: the broker under test, what the clients have seen of it, and
 * its metrics to hold that against. Any thread may call; what fails ends the program.
 */
#ifndef USHER_TESTS_CHURN_H
#define USHER_TESTS_CHURN_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

struct usher;

#define SMALL_POOL "small" /* a few slots, with quotas of labels: for waiting */

/* What the clients know to have happened, in all pools or in the small one. */
struct seen {
	atomic_long created, released, left; /* left: to deadlines, or to the end of the owner */
	atomic_long small_created, timed_out, cancelled;
};
extern struct seen seen;

void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- broker.c ---- */

/* Start USHERD with four loops and wait until it serves. */
pid_t start_broker(const char *usherd);

/* It must end well. */
void stop_broker(pid_t pid);

/* A socket, or -1. */
int connect_to_broker(void);

/* A handle; usher_close() it. */
struct usher *open_broker(void);

/* The first integer NAME in METRICS, JSON; there must be one. */
int64_t metric(const char *metrics, const char *name);

/* ---- waiters.c: clients of the small pool ---- */

/* Fork the processes that will own sessions: before there are threads. */
void breed_owners(void);

/* Start the clients, of which each takes EACH sessions or refusals, and who cancels their waits. */
void start_waiters(long each);
void join_waiters(void);

/* ---- watcher.c: Monitor, all the time ---- */

struct watched {
	long created, queued, granted, ended, refused;
	long n_opened; /* calls of Monitor; more than one: events were missed in between */
};

/* Returns when the snapshot is read, so that all that comes next is seen. */
void start_watchers(void);

/* Once nothing happens in the small pool any more: what was seen of it. */
void join_watchers(struct watched *ret);

#endif
