/* SPDX-License-Identifier: MIT */
/* The owner of the sessions' deadlines: the first loop.
 *
 * A deadline is acted on only when every loop has served what had arrived by then, so that a Renew
 * that lies in any socket beats it, one that is not accepted yet included. When one is due, the
 * first loop accepts all who have connected by now, and hands them over; then all loops, itself
 * included, are asked for a barrier (barrier.h, which says who is not waited for, and that the
 * waiting takes 100 ms at most); when all are through, what was due when it began expires. What
 * falls due meanwhile is the next one's. Where nobody is waited for it takes a turn of the first
 * loop's, and the rest of one and a whole one of the others': all that the first loop does it does
 * before it polls.
 *
 * Accepting has an end when nobody more is there, or after 50 ms: some connect on and on. Who
 * cannot be accepted for want of descriptors is not waited for. First loop's thread. */
#ifndef USHER_DAEMON_DEADLINES_H
#define USHER_DAEMON_DEADLINES_H

#include "daemon/listener.h"
#include "daemon/loop.h"

enum deadlines_phase {
	NOTHING_DUE,
	ACCEPTING, /* who has connected by asked_us */
	SERVING,   /* what has arrived by asked_us */
};

struct deadlines {
	struct loop *loop;
	struct listeners *listeners;
	uv_timer_t timer;
	enum deadlines_phase phase;
	int64_t accepts_until_ns;
	int64_t asked_us;  /* table clock: deadlines were due */
	int64_t served_us; /* the same: what had arrived by then has been served */
};

int deadlines_init(struct deadlines *deadlines, struct loop *first, struct listeners *listeners);

/* Something has moved: an earlier deadline, or the last loop is through. */
void deadlines_check(struct deadlines *deadlines);

/* The first loop's turn has begun, and has not polled yet. */
void deadlines_begin_turn(struct deadlines *deadlines);

/* It is not to block in its next poll. */
bool deadlines_want_turn(const struct deadlines *deadlines);

#endif
