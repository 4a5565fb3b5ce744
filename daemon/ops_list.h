/* SPDX-License-Identifier: MIT */
/* Streams of List: calls that go on as the client reads. */
#ifndef USHER_DAEMON_OPS_LIST_H
#define USHER_DAEMON_OPS_LIST_H

#include "daemon/ops.h"

/* The stream that an earlier daemon described (pending.pack) becomes CONN's call in work. 0 or a
 * negated errno. */
int listing_restore(struct conn *conn, struct pack_reader record);

#endif
