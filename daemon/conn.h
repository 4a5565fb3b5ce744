/* SPDX-License-Identifier: MIT */
/* A connection: bytes in, calls served in order, replies out, and what happens at its end.
 *
 * It belongs to one loop and that loop's thread. One call is in work at a time; while it is, later
 * frames wait in the reader, and reading stops when there are many of them or much is unsent.
 */
#ifndef USHER_DAEMON_CONN_H
#define USHER_DAEMON_CONN_H

#include "daemon/core/session.h"
#include "daemon/loop.h"
#include "daemon/pack.h"
#include "daemon/promise.h"
#include "proto/frame.h"
#include "proto/json_write.h"

#include <uv.h>

struct conn;

/* What of its peer a call in work cannot go on without. A peer that has closed only its sending
 * side listens still. */
enum pending_needs {
	NEEDS_SPEAKER,  /* it waits, and nothing else may end it: its connection ends with it */
	NEEDS_LISTENER, /* it comes to an end, which is an answer */
	NEEDS_NOBODY,   /* it comes to an end, and has an effect */
};

/* A call that goes on after its handler has returned; conn.pending. */
struct pending {
	/* Called each time all output has gone: append more. True: the call is done (and freed by
	 * the caller). NULL for calls that wait for something else. */
	bool (*resume)(struct pending *pending, struct conn *conn);
	/* The call is done, or the connection is going. */
	void (*free)(struct pending *pending);
	/* Describe it for the next daemon: a record of the tag that pack_tag says. NULL for what is
	 * described with its session. */
	void (*pack)(const struct pending *pending, struct pack_writer *out);
	uint16_t pack_tag;
	enum pending_needs needs;
	struct conn *conn;
};

struct conn {
	struct loop *loop;
	struct owner owner;
	struct list link;         /* loop.conns, or loop.leaving once closed */
	struct list dirty_link;   /* loop.dirty */
	struct list backlog_link; /* loop.backlog */
	struct list watch_link;   /* loop.watched */
	struct list behind_link;  /* loop.barrier.behind */
	struct list awaited_link; /* loop.barrier.awaited */

	uv_pipe_t pipe;
	uv_poll_t *hangup; /* watches for the peer's end while reading is stopped */
	unsigned open_handles;

	struct frame_reader frames;
	struct json_writer out;     /* gathered */
	struct promises promises;   /* in the gathered output */
	struct json_writer sending; /* handed to libuv */
	uv_write_t write;
	struct pending *pending;

	int64_t begun_ns;    /* when the frame that is arriving began; 0: none */
	int64_t unheard_ns;  /* when it began to take no output, though it is there; 0: it does */
	int64_t progress_ns; /* when the peer last took output */
	size_t progress_left;
	int64_t read_ns;         /* the turn that the calls in work came in */
	uint64_t n_created;      /* creations in the gathered output */
	uint64_t turn;           /* of the loop's, the last one that it was served in; */
	unsigned served_in_turn; /* frames: libuv reads from it up to 32 times in a turn */
	uint64_t served_bytes;   /* of frames that have been served, ever */
	uint64_t awaited_bytes;  /* and when as many have been, the barrier is through with it */
	uint32_t carried_number; /* in the description for the next daemon */

	enum admission admission;
	bool is_reading;
	bool is_sending;
	bool is_end_near; /* the peer will send no more */
	bool is_ended;    /* and what it has sent has all been read */
	bool is_closing_after_output;
	bool is_closed;
	bool has_owned;     /* it may own sessions */
	bool is_waited_out; /* barriers do not wait for it before it has caught up */
};

/* Take over FD; the peer's references, too. NULL (FD closed) without memory. */
struct conn *conn_new(struct loop *loop, int fd, struct peer *peer, enum admission admission);

/* How many bytes the peer has sent that have not been read. */
size_t conn_unread(const struct conn *conn);

/* Serve what has arrived, as far as limits allow. */
void conn_work(struct conn *conn);

/* Write what was gathered. */
void conn_flush(struct conn *conn);

/* What was gathered from BEGIN on is a reply that promises SESSION. */
void conn_promise(struct conn *conn, size_t begin, struct session *session);

/* A commit has failed: gathered replies that promise what was taken back become refusals. */
void conn_break_promises(struct conn *conn);
/* Serve its frames, or go on with its call in work, in the loop's next turn. */
void conn_put_into_backlog(struct conn *conn);
/* The same, and write what it has been told. */
void conn_wake(struct conn *conn);

/* What has not been taken from us of the output that libuv has: the last bytes of conn->sending. */
size_t conn_unsent_rest(const struct conn *conn);

/* Something was appended to conn->out outside of conn_work(): write it this turn. */
void conn_touch(struct conn *conn);

/* A call goes on after its handler has returned; PENDING is the connection's from now on. */
void conn_begin_pending(struct conn *conn, struct pending *pending);

/* The pending call is done: go on with the frames behind it. */
void conn_finish_pending(struct conn *conn);

/* The peer has closed: it neither speaks nor listens. */
bool conn_is_fully_closed(const struct conn *conn);
/* And this is to be done then: a call in work that needs a listener is given up, or the connection
 * is with one that waits; what else the peer has asked for is done, as far as it can be read. */
void conn_lose_listener(struct conn *conn);

/* The one way a connection ends, whoever ends it: its calls are cancelled, its sessions abandoned,
 * its memory freed once libuv lets go. WHY is for the log, NULL if it is the peer's own doing. */
void conn_close(struct conn *conn, const char *why);

/* End a portion of a closed connection's sessions; true when all is done (it may be gone then). */
bool conn_leave(struct conn *conn);

/* Close it if it has kept a frame or our output waiting for too long, by loop_peers_ns(). What it
 * has sent is read first. */
void conn_check_progress(struct conn *conn, int64_t now_ns);

#endif
