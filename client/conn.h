/* SPDX-License-Identifier: MIT */
/* One connection to the broker: blocking, with deadlines, whole frames in and out.
 *
 * Knows nothing of what the frames say. The peer is not trusted. One thread at a time.
 */
#ifndef USHER_CLIENT_CONN_H
#define USHER_CLIENT_CONN_H

#include "proto/frame.h"

#include <stddef.h>
#include <stdint.h>

#define CONN_REPLY_MAX   (64 * 1024 * 1024)
#define CONN_PIECE_BYTES 16384

struct conn {
	int fd; /* -1: none */
	struct frame_reader reader;
	char piece[CONN_PIECE_BYTES];
};

/* Deadlines are milliseconds of CLOCK_MONOTONIC, -1 for none. conn_deadline() is TIMEOUT_MS from
 * now; 0 and negative ones are none. */
int64_t conn_deadline(int64_t timeout_ms);

void conn_init(struct conn *c);

/* Connect to the socket at PATH, which fits a sockaddr_un. -ETIMEDOUT or connect(2)'s errors. */
int conn_open(struct conn *c, const char *path, int64_t deadline);

/* Close, if it is open. */
void conn_close(struct conn *c);

/* Before a call: 0 if nothing has happened, -ECONNRESET if the peer has closed, -EBADMSG if it has
 * sent what nobody asked for. */
int conn_check_idle(const struct conn *c);

/* Send all. On a failure, the peer has not got the last byte. -ECONNRESET, -ETIMEDOUT, ... */
int conn_send(struct conn *c, const char *data, size_t length, int64_t deadline);

/* The next frame, good until the next call on C. -ECONNRESET at the end of input, in mid-frame or
 * not, -EMSGSIZE, -ETIMEDOUT, -ENOMEM, ... */
int conn_receive(struct conn *c, int64_t deadline, const char **ret, size_t *ret_length);

#endif
