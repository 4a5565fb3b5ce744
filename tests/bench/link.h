/* SPDX-License-Identifier: MIT */
/* A non-blocking connection of the load generator: requests are gathered and written at once,
 * replies come in the order of their requests. It knows neither what is said nor the time.
 *
 * A link belongs to one thread.
 */
#ifndef USHER_TESTS_BENCH_LINK_H
#define USHER_TESTS_BENCH_LINK_H

#include "tests/bench/dialect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;

/* One of those that share a link; it has one request under way at most. */
struct lane {
	struct link *link;
	int64_t begun_ns;  /* when its op was sent, or was to be sent */
	int64_t called_ns; /* when its last call was made */
	int64_t slot;      /* of the session that it was granted; -1: unknown */
	uint32_t number;   /* among all lanes of the run */
	uint32_t rounds;   /* ids that it has made */
	enum call call;    /* the last one */
	bool is_calling;   /* its reply has not come yet */
	bool holds;        /* a session: */
	char id[ID_LENGTH];
};

struct link {
	int fd; /* -1: closed */
	bool is_keeper;
	bool is_dirty;   /* in the worker's list of those that have something to write */
	bool is_blocked; /* the socket takes no more for now */
	bool is_awaited; /* the worker waits until it does */
	char *in;
	size_t in_length, in_room;
	char *out; /* what is to be written lies from out_sent to out_length */
	size_t out_sent, out_length, out_room;
	struct lane **calling; /* a ring: those whose replies are expected, in their order */
	unsigned first, n_calling, depth;
};

/* Room for DEPTH requests of REQUEST_ROOM bytes. 0 or -ENOMEM; link_deinit() in both cases. */
int link_init(struct link *link, unsigned depth, size_t request_room);

void link_deinit(struct link *link);

/* A socket connected to PATH, with FLAGS of socket(2) beside SOCK_CLOEXEC; or a negated errno:
 * -EAGAIN with SOCK_NONBLOCK if too many are waiting to be accepted, -ENAMETOOLONG. */
int link_connect(const char *path, int flags);

/* Make it a connection to PATH. 0 or as link_connect(). */
int link_open(struct link *link, const char *path);

/* Close it and forget what was under way. */
void link_close(struct link *link);

/* Put REQUEST of LANE, which is not calling, behind what is to be written. */
void link_call(struct link *link, struct lane *lane, const struct request *request);

/* Write as much as the socket takes; is_blocked tells if something is left. To a peer that has gone
 * all is written: link_receive() finds what it said last, and the end. 0 or a negated errno. */
int link_flush(struct link *link);

/* Read once, as much as there is. 1, 0 if there is nothing, or a negated errno: -EPIPE at the end.
 */
int link_receive(struct link *link);

/* Take N bytes off the input. */
void link_consume(struct link *link, size_t n);

/* The lane whose reply is the next; it is not calling any more. NULL if none is expected. */
struct lane *link_answered(struct link *link);

#endif
