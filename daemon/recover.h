/* SPDX-License-Identifier: MIT */
/* After a crash or a restart: from the store to a table. Nothing is served yet. */
#ifndef USHER_DAEMON_RECOVER_H
#define USHER_DAEMON_RECOVER_H

#include "daemon/loop.h"
#include "daemon/store.h"

/* Fill the broker's table, which has the configuration's pools and nothing else. FIRST watches the
 * processes that own sessions, or whose connections did. 0 or a negated errno. */
int recover(struct server *server, struct store *store, struct loop *first);

#endif
