/* SPDX-License-Identifier: MIT */
/* A line that is drawn through a loop's input: when all that had arrived before it has been served,
 * the loop says so.
 *
 * The loop makes a whole turn (prepare, poll without blocking, check), in which it reads from every
 * client that it reads from at all. Who has nothing left then is through. What the others have
 * left, read (struct frame_reader) or not (FIONREAD, unix(7)), is known in bytes: they are waited
 * for until as many have been served, whatever follows. A client that is not through after 100 ms
 * is no longer waited for, by later barriers neither, until a turn leaves nothing of its. Nor is
 * one whose calls lie behind one that waits (a Create, a Drain, a Monitor), or behind more replies
 * than its socket takes: when they are served is its own affair. The loop's own thread. */
#ifndef USHER_DAEMON_BARRIER_H
#define USHER_DAEMON_BARRIER_H

#include "daemon/core/list.h"

#include <stdbool.h>
#include <uv.h>

struct conn;
struct loop;

struct barrier {
	bool is_up;
	unsigned turns_wanted; /* whole turns to make before it is known who is behind */
	struct list behind;    /* conn.behind_link: calls may have come that have not been served */
	struct list awaited;   /* conn.awaited_link: those of them that the barrier waits for */
	uv_timer_t patience;
	bool is_out_of_patience;
};

void barrier_init(struct loop *loop);

/* Draw it now (ORDER_BARRIER). When the loop is through, it is one less of server.barriers_up; the
 * last one gives ORDER_DEADLINES to the first loop. The other one is for when the turn has begun,
 * and not polled yet. */
void barrier_raise(struct loop *loop);
void barrier_raise_before_poll(struct loop *loop);

/* At the end of a turn: all that could be served in it has been. */
void barrier_end_turn(struct loop *loop);

/* The loop is not to block in its next poll. */
bool barrier_wants_turn(const struct loop *loop);

/* What CONN has left has changed: whether there may be something that barriers wait for, and
 * whether there is nothing at all. */
void barrier_note(struct conn *conn, bool is_behind, bool has_caught_up);

/* CONN is going. */
void barrier_forget(struct conn *conn);

#endif
