/* SPDX-License-Identifier: MIT */
/* The process that holds a session, to be signalled with the caller's own rights.
 *
 * A pid is only a number, which another process may have got meanwhile. So the process is opened
 * first, and then everything is looked at again: whether the broker still names it, whether it runs
 * for the session's user, and whether it is old enough. One thread.
 */
#ifndef USHER_CLI_VICTIM_H
#define USHER_CLI_VICTIM_H

#include "client/cli/cli.h"

#include <sys/types.h>

struct victim {
	struct cli *cli;
	const char *session_id;
	pid_t pid;
	int pidfd;
};

/* Find and open the owner's process. 0, or an exit code after saying why not: the session has ended
 * or has no process, the process is gone, or is not certain to be the right one. */
int victim_open(struct cli *cli, const char *session_id, struct victim *ret);
void victim_close(struct victim *victim);

/* 0 or an exit code; a process that has ended already is no failure. */
int victim_signal(const struct victim *victim, int number);

enum victim_state {
	VICTIM_WORKS,
	VICTIM_LET_GO, /* the session has ended, or is somebody else's */
	VICTIM_ENDED,  /* the process has ended, but the session is still there */
};

/* Wait until the session or the process has ended, at most LIMIT_MS (-1: for ever). */
enum victim_state victim_wait(const struct victim *victim, int64_t limit_ms);

#endif
