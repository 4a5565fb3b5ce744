/* SPDX-License-Identifier: MIT */
/* The calls of Drain that wait: on each loop a list, ended when no session is active, when their
 * time is over, or when a Resume takes the drain back. Loop's thread. */
#ifndef USHER_DAEMON_DRAIN_H
#define USHER_DAEMON_DRAIN_H

#include "daemon/conn.h"

/* Begin or join the drain and make it the connection's pending call. TIMEOUT_MS: -1 for ever.
 * 0 or -ENOMEM. */
int drain_wait(struct conn *conn, int64_t timeout_ms, bool exit_after, bool is_oneway);

/* The call that an earlier daemon described (pending.pack) becomes CONN's call in work. 0 or a
 * negated errno. */
int drain_restore(struct conn *conn, struct pack_reader record);

/* Answer the calls whose wait is over. */
void drain_check(struct loop *loop);

#endif
