/* SPDX-License-Identifier: MIT */
/* Calls of Create that wait: a waiter of the table's, and the connection that is to be told. They
 * belong to the connection's loop, and so do these functions. */
#ifndef USHER_DAEMON_WAIT_H
#define USHER_DAEMON_WAIT_H

#include "daemon/ops.h"

struct create_wait;

/* For a call of CONN; NULL without memory. The waiter is for the table. */
struct create_wait *create_wait_new(struct conn *conn);
struct waiter *create_wait_waiter(struct create_wait *wait);

/* One that did not come to wait; NULL is allowed. */
void create_wait_free(struct create_wait *wait);

/* The table has the waiter: the call is the connection's pending one from now on. It was told its
 * place if it has asked for that. */
void create_wait_begin(
	struct create_wait *wait, struct request *request, uint64_t position, uint64_t waiting);

/* From one daemon to the next: what a waiting call is beside its waiter. */
struct carried_wait {
	bool is_oneway;
	bool wants_progress;
	uint64_t position; /* last told */
	uint64_t waiting;
};
void create_wait_carry_out(const struct waiter *waiter, struct carried_wait *ret);
/* As create_wait_begin(). */
void create_wait_carry_in(struct create_wait *wait, const struct carried_wait *carried);

/* Answer the calls whose waits the table has decided. */
void waits_take_decided(struct loop *loop);

#endif
