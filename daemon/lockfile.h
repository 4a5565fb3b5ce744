/* SPDX-License-Identifier: MIT */
/* Locks that say who serves a path, held until the process dies. */
#ifndef USHER_DAEMON_LOCKFILE_H
#define USHER_DAEMON_LOCKFILE_H

/* Lock the open file FD (flock(2)). 0, or a negated errno: -EWOULDBLOCK if somebody has it, and
 * still has it a second later. A daemon that was killed while it checked its store leaves a child
 * that holds what it has inherited for a moment longer. */
int lockfile_take(int fd);

#endif
