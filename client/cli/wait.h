/* SPDX-License-Identifier: MIT */
/* A Create that waits for its turn, also through restarts of the broker. One thread; it takes
 * SIGINT, SIGTERM and SIGHUP meanwhile, which end usherctl as ever, but not before the terminal is
 * tidy.
 */
#ifndef USHER_CLI_WAIT_H
#define USHER_CLI_WAIT_H

#include "client/cli/reply.h"

/* Write the parameters of the Create, whose request id is the same each time. */
typedef void wait_parameters_fn(
	const void *userdata, int64_t wait_ms, struct json_writer *ret_parameters);

struct wait_wish {
	const char *pool;
	int64_t wait_ms; /* -1: for ever */
	wait_parameters_fn *add_parameters;
	const void *userdata;
};

/* Wait for the session; on a terminal the place in the queue is shown on standard error until then.
 * A broker that goes away is asked again for the time that is left. 0 and the reply, or an exit
 * code. */
int wait_for_session(struct cli *cli, const struct wait_wish *wish, struct reply *ret);

#endif
