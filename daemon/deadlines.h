/* SPDX-License-Identifier: MIT */
/* The owner of the sessions' deadlines: the first loop.
 *
 * A deadline is acted on only when every loop has served what had arrived by then, so that a Renew
 * that lies in any socket beats it, one that is not accepted yet included. When one is due, all
 * loops are asked for a whole turn (prepare, poll without blocking, check); each says up to when it
 * has read everything; what passed before the earliest of these times expires. Calls that a loop
 * cannot get through in a turn, or that lie behind an earlier one of the same client's, are waited
 * for: for 100 ms from the first one on, and those that are still there then not again, so that
 * nobody holds deadlines back for long. (A loop that sleeps until the client of a stream reads
 * looks 50 ms later.) Not waited for are those behind a call that waits (a Create, a Drain, a
 * Monitor), and those of a client that does not read its replies: they cannot expect to be served.
 * First loop's thread. */
#ifndef USHER_DAEMON_DEADLINES_H
#define USHER_DAEMON_DEADLINES_H

#include "daemon/loop.h"

struct deadlines {
	struct loop *loop;
	uv_timer_t timer;
	bool is_asking; /* turns have been asked for and not all been made */
	int64_t asked_us;
};

int deadlines_init(struct deadlines *deadlines, struct loop *first);

/* Something has moved: an earlier deadline, or another loop's turn. */
void deadlines_check(struct deadlines *deadlines);

#endif
