/* SPDX-License-Identifier: MIT */
/* The wait of `run` for its session, with a line that tells how it goes, on a terminal. One thread.
 */
#ifndef USHER_CLI_AWAIT_H
#define USHER_CLI_AWAIT_H

#include "client/cli/cli.h"
#include "client/cli/jobs.h"

/* Create what WISH says. 0 and the session; a negative value of the library, after having said why;
 * or the number of the signal that ended the wait: SIGCHLD is the end of the process that WISH
 * names. */
int await_session(struct cli *cli, const struct jobs *jobs, const struct usher_create_options *wish,
	struct usher_session *ret);

#endif
