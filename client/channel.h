/* SPDX-License-Identifier: MIT */
/* The handle's epoll descriptor with its timer, and connections that it watches.
 *
 * A channel is a connection with the frames that wait to be sent, and what to call when it is
 * ready. Nothing here blocks, and nothing calls the program. It works without the epoll descriptor
 * as well, for programs that have no event loop. One thread a handle at a time.
 */
#ifndef USHER_CLIENT_CHANNEL_H
#define USHER_CLIENT_CHANNEL_H

#include "client/conn.h"
#include "proto/json_write.h"

#include <stdbool.h>
#include <stdint.h>

struct usher;
struct channel;

typedef void channel_fn(struct usher *u, struct channel *c);

struct channel {
	struct conn conn;
	struct json_writer out; /* whole frames */
	size_t sent;            /* bytes of them */
	uint32_t watched;       /* epoll events; 0: not in the set */
	channel_fn *on_ready;   /* may free the channel */
};

struct loop {
	int epoll_fd; /* -1: the program has no event loop */
	int timer_fd;
	int64_t armed_at; /* when the timer fires; -1: never */
};

/* ---- the loop ---- */

void loop_init(struct loop *l);
int loop_open(struct loop *l);
void loop_close(struct loop *l);

/* Make the descriptor readable at AT, or earlier; -1 changes nothing. */
void loop_wake_at(struct usher *u, int64_t at);

/* One event that is there: 1 and its channel, NULL for the timer, which is then read; 0 for none.
 */
int loop_next(struct loop *l, struct channel **ret);

/* The earlier of two times of which -1 is never. */
static inline int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* ---- channels ---- */

void channel_init(struct channel *c, channel_fn *on_ready);
bool channel_is_open(const struct channel *c);

/* Connect to the handle's broker. 0, or what conn_try_open() or epoll_ctl(2) returns. */
int channel_open(struct usher *u, struct channel *c);

/* Close, if it is open, and drop what was to be sent. */
void channel_close(struct usher *u, struct channel *c);

/* Move the connection of FROM, from which all frames have been taken and all been sent, to TO,
 * which has none. 0 or a negated errno of epoll_ctl(2). */
int channel_move(struct usher *u, struct channel *from, struct channel *to);

/* Have the connection that C has got otherwise watched. 0 or a negated errno. */
int channel_watch(struct usher *u, struct channel *c);
void channel_unwatch(struct usher *u, struct channel *c);

/* Send what the socket takes of C's frames; the rest when it is ready. */
int channel_flush(struct usher *u, struct channel *c);

/* Send all of them, before DEADLINE. */
int channel_send_all(struct usher *u, struct channel *c, int64_t deadline);

#endif
