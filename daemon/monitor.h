/* SPDX-License-Identifier: MIT */
/* Calls of Monitor: a snapshot, then the events that the table logs. Each loop with such calls
 * reads the log once, and tells each of them what it asked for. The loop's own thread. */
#ifndef USHER_DAEMON_MONITOR_H
#define USHER_DAEMON_MONITOR_H

#include "daemon/ops.h"

/* The call that an earlier daemon described (pending.pack) becomes CONN's call in work. 0 or a
 * negated errno. */
int monitor_restore(struct conn *conn, struct pack_reader record);

/* Tell the loop's calls of Monitor the events that have come. */
void monitors_take_events(struct loop *loop);

#endif
