/* SPDX-License-Identifier: MIT */
/* A command that runs while it holds a session: pass signals on, keep the session, and end the
 * command when its time is over or the session is lost or revoked.
 *
 * The session belongs to the command's process. So a broker that cannot be reached is no reason to
 * end the command: the library goes on trying to renew and to watch the session. One thread.
 */
#ifndef USHER_CLI_SUPERVISE_H
#define USHER_CLI_SUPERVISE_H

#include "client/cli/cli.h"
#include "client/cli/jobs.h"

#include <stdint.h>
#include <sys/types.h>

enum stop_reason { STOPPED_NOT, STOPPED_TIME_LIMIT, STOPPED_REVOKED, STOPPED_SESSION_LOST };

struct supervision {
	struct cli *cli;
	const struct jobs *jobs;
	const char *session_id;
	pid_t pid;             /* 0 after its end */
	int64_t time_limit_ms; /* -1: none */
	int64_t kill_after_ms; /* from TERM to KILL; -1: never */

	int64_t limit_at; /* CLOCK_MONOTONIC, milliseconds; -1: never */
	int64_t kill_at;
	int64_t watch_at;
	enum stop_reason stopped;
	int status; /* of waitpid(2) */
};

/* Until the command has ended: s->status and s->stopped say how. 0 or a negated errno. */
int supervise(struct supervision *s);

#endif
