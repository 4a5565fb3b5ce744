/* SPDX-License-Identifier: MIT */
/* What this machine and process allow: event loops and file descriptors. Main thread. */
#ifndef USHER_DAEMON_LIMITS_H
#define USHER_DAEMON_LIMITS_H

#include "daemon/config.h"

/* Event loops: ASKED (0: auto), or as configured if it is negative. */
unsigned workers_for(int asked, const struct config *config);

/* Raise the soft limit of open files to the hard one; the descriptors there are for connections and
 * watched processes, beside what the daemon itself needs. Says so in the log when that is less than
 * the connections configured. */
int64_t files_for(const struct config *config);

#endif
