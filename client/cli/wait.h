/* SPDX-License-Identifier: MIT */
/* A Create that waits for its turn. One thread; it takes SIGINT, SIGTERM and SIGHUP meanwhile,
 * which end usherctl as ever, but not before the terminal is tidy.
 */
#ifndef USHER_CLI_WAIT_H
#define USHER_CLI_WAIT_H

#include "client/cli/reply.h"

/* Call Create with PARAMETERS, which are gone afterwards, and wait for the session; on a terminal
 * the place in POOL's queue is shown on standard error until then. 0 and the reply, or an exit
 * code. */
int wait_for_session(
	struct cli *cli, const char *pool, struct json_writer *parameters, struct reply *ret);

#endif
