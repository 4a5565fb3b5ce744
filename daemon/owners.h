/* SPDX-License-Identifier: MIT */
/* Processes that own sessions, and the watch on their exit: a pidfd in the poll set of the loop
 * that asked first. The exit is seen whoever still has the process' sockets.
 *
 * Where another process made the session and still lives, as `usherctl run` does, it sees the exit
 * at the same moment, and it alone knows what the exit means. So that its Release can say whether
 * the work was completed, the end as abandoned waits for it, for 100 ms at most. */
#ifndef USHER_DAEMON_OWNERS_H
#define USHER_DAEMON_OWNERS_H

#include "daemon/ops.h"

/* The process that a Create or Attach names: PID (MESSAGE_ABSENT: the caller's own), to be given to
 * the table. 0, or a reply has been written and the call is over: -1. */
int owners_make(struct request *request, int64_t pid, struct process **ret);

/* The table has kept PROCESS, made on this loop for this call: watch it. */
void owners_watch(struct process *process);

/* Whose watch that of PROCESS is. */
uint32_t owners_uid(const struct process *process);

/* A process that owned sessions in an earlier run of the daemon, to be watched by LOOP as UID's,
 * even beyond what UID may have: what there is cannot be refused. One that has exited is seen to
 * have done so at once; one that there is no descriptor for is looked at from time to time. NULL
 * without memory. */
struct process *owners_restore(struct loop *loop, struct identity *identity, uint32_t uid);

/* The table has handed PROCESS back, perhaps unwatched. Any thread. */
void owners_free(struct process *process);

/* Close those that owners_free() has left to this loop. */
void owners_reap(struct loop *loop);

/* At the end: close all of this loop's, whatever the table thinks of them. */
void owners_reap_all(struct loop *loop);

#endif
