/* SPDX-License-Identifier: MIT */
/* The process that becomes the command: it is there before the session is, so that the session can
 * belong to it, and it waits until it is given its environment.
 *
 * It ends by itself if usherctl does before that. It stays in usherctl's process group, so that it
 * may use the terminal. One thread.
 */
#ifndef USHER_CLI_CHILD_H
#define USHER_CLI_CHILD_H

#include "client/usher.h"

#include <signal.h>
#include <sys/types.h>

struct child {
	pid_t pid;
	int fd; /* a socket pair: the environment goes in, the errno of a failed execve(2) out */
};

/* Fork. COMMAND will run with the signal mask MASK. 0 or a negated errno. */
int child_fork(struct child *child, char **command, const sigset_t *mask);

/* Let it run: it gets the variables that tell of SESSION, and the broker's SOCKET. 0 or a negated
 * errno: the child has ended, or will. */
int child_go(struct child *child, const struct usher_session *session, const char *socket);

/* After its end: 0 if the command did run, or the negated errno of execve(2). */
int child_exec_error(const struct child *child);

/* Before child_go(): end it, and wait for that. */
void child_give_up(struct child *child);

#endif
