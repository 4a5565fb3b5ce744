/* SPDX-License-Identifier: MIT */
/* One connection to the broker: whole frames in and out, blocking with deadlines, or not at all.
 *
 * Knows nothing of what the frames say. The peer is not trusted. The functions with "try" in their
 * names never block; both kinds may be mixed. One thread at a time.
 */
#ifndef USHER_CLIENT_CONN_H
#define USHER_CLIENT_CONN_H

#include "proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONN_REPLY_MAX   (64 * (size_t)1048576)
#define CONN_PIECE_BYTES 16384

struct conn {
	int fd; /* -1: none */
	struct frame_reader reader;
	char piece[CONN_PIECE_BYTES];
};

/* Deadlines are milliseconds of CLOCK_MONOTONIC, -1 for none. conn_deadline() is TIMEOUT_MS from
 * now; 0 and negative ones are none. */
int64_t conn_now_ms(void);
int64_t conn_deadline(int64_t timeout_ms);

/* Sleep, whatever signals come. */
void conn_sleep_until(int64_t at);

void conn_init(struct conn *c);

/* Connect to the socket at PATH, which fits a sockaddr_un. -ETIMEDOUT or connect(2)'s errors. */
int conn_open(struct conn *c, const char *path, int64_t deadline);

/* The same. -EAGAIN: the listener's backlog is full, and nothing tells when it no longer is. */
int conn_try_open(struct conn *c, const char *path);

/* Whether connecting failed for the broker's sake, so that it may go well soon; and not because
 * this process is short of something. */
bool conn_is_absence(int error);

/* Move the connection FROM, from which all frames have been taken, to the closed one TO. */
void conn_move(struct conn *from, struct conn *to);

/* Close, if it is open. */
void conn_close(struct conn *c);

/* Before a call: 0 if nothing has happened, -ECONNRESET if the peer has closed, -EBADMSG if it has
 * sent what nobody asked for. */
int conn_check_idle(const struct conn *c);

/* Send all. On a failure, the peer has not got the last byte. -ECONNRESET, -ETIMEDOUT, ... */
int conn_send(struct conn *c, const char *data, size_t length, int64_t deadline);

/* Send as much as the socket takes: how much goes to RET_SENT, also on a failure. */
int conn_try_send(struct conn *c, const char *data, size_t length, size_t *ret_sent);

/* The next frame, good until the next call on C. -ECONNRESET at the end of input, in mid-frame or
 * not, -EMSGSIZE, -ETIMEDOUT, -ENOMEM, ... */
int conn_receive(struct conn *c, int64_t deadline, const char **ret, size_t *ret_length);

/* 1 and the next frame, if it has come; 0 if not yet; errors as above. */
int conn_try_receive(struct conn *c, const char **ret, size_t *ret_length);

/* True if that would give one without reading from the socket, whose readiness does not tell. */
bool conn_has_frame(const struct conn *c);

#endif
