/* SPDX-License-Identifier: MIT */
/* Verify: a call that goes on while it recounts. */
#ifndef USHER_DAEMON_OPS_VERIFY_H
#define USHER_DAEMON_OPS_VERIFY_H

#include "daemon/ops.h"

/* The call that an earlier daemon described (pending.pack) becomes CONN's call in work. 0 or a
 * negated errno. */
int verify_restore(struct conn *conn, struct pack_reader record);

#endif
