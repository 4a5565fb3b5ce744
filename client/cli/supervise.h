/* SPDX-License-Identifier: MIT */
/* A command that runs while a session is held: start it, pass signals on, and end it when its time
 * is over or the session is lost.
 *
 * The command stays in usherctl's process group, so that it may use the terminal. It inherits a
 * copy of the broker connection: as with flock(1) the session is held until both have closed it,
 * and killing usherctl frees nothing while the command works. One thread.
 */
#ifndef USHER_CLI_SUPERVISE_H
#define USHER_CLI_SUPERVISE_H

#include "client/cli/cli.h"

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

enum stop_reason { STOPPED_NOT, STOPPED_TIME_LIMIT, STOPPED_SESSION_LOST };

struct supervision {
	struct cli *cli;
	const char *session_id;
	int64_t expires_at_us; /* the session is renewed well before; -1: never */
	int64_t time_limit_ms; /* -1: none */
	int64_t kill_after_ms; /* from TERM to KILL; -1: never */

	pid_t pid;
	int signals;       /* signalfd */
	sigset_t old_mask; /* of the command */
	int64_t limit_at;  /* CLOCK_MONOTONIC, milliseconds; -1: never */
	int64_t kill_at;
	int64_t renew_at;
	enum stop_reason stopped;
	int status; /* of waitpid(2) */
};

/* Take signals over, before anything is to be undone at their arrival. 0 or a negated errno. */
int supervise_begin(struct supervision *s);

/* Start the command; signals that came since supervise_begin() will reach it. 0 or the negated
 * errno of execve(2) and fork(2). */
int supervise_start(struct supervision *s, char **command);

/* Until the command has ended: s->status and s->stopped say how. 0 or a negated errno. */
int supervise_wait(struct supervision *s);

#endif
