/* SPDX-License-Identifier: MIT */
/* What proc(5) tells of a process. Any thread; a few system calls each. */
#ifndef USHER_DAEMON_PROC_H
#define USHER_DAEMON_PROC_H

#include "daemon/core/identity.h"

#include <stdbool.h>
#include <stdint.h>

struct proc_status {
	uint32_t uid;        /* the real one */
	unsigned namespaces; /* pid namespaces it is in, seen from ours: 1 if it is in ours */
};

/* 0, or a negated errno: ESRCH or ENOENT for a process that is gone. */
int proc_status(int32_t pid, struct proc_status *ret);

/* Who PID is: start time, command and systemd unit, what cannot be read left empty. NULL without
 * memory. */
struct identity *proc_identity(int32_t pid);

/* 0 if the process of IDENTITY is there, -ESRCH if it has exited; another negated errno if
 * there is no telling, perhaps for now. */
int proc_look(const struct identity *identity);

/* A descriptor that becomes readable when the peer of SOCKET, a process of IDENTITY, has exited; a
 * negated errno, -ESRCH if it has. */
int proc_open_peer(int socket, const struct identity *identity);

/* The same for PID. Whoever reads of it from proc(5) afterwards reads of the same process as long
 * as proc_has_exited() says no. */
int proc_open(int32_t pid);
bool proc_has_exited(int pidfd);

#endif
