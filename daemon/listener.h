/* SPDX-License-Identifier: MIT */
/* The sockets people connect to: made here or passed by systemd, and the accepting on the first
 * loop. Accepted connections are spread over the loops in turn. */
#ifndef USHER_DAEMON_LISTENER_H
#define USHER_DAEMON_LISTENER_H

#include "daemon/handoff_fds.h"
#include "daemon/loop.h"

#define LISTENERS_MAX   8
#define ACCEPTED_A_TURN 64 /* of each listener's connections */

struct listener {
	struct loop *loop;
	int fd;
	uv_poll_t poll;
	uv_timer_t backoff; /* accepting rests when descriptors have run out */
	char *path;         /* ours to unlink; NULL if passed by systemd */
	char *lock_path;
	int lock_fd; /* held while we serve PATH; -1 */
	int64_t warned_ns;
	bool is_adopted;
};

struct listeners {
	struct listener list[LISTENERS_MAX];
	size_t count;
	int connected_fds[LISTENERS_MAX]; /* passed as connections already made */
	size_t n_connected;
	int handed_fds[HANDOFF_PASSED_MAX]; /* left in the fd store by an earlier daemon */
	size_t n_handed;
};

/* Take the descriptors that systemd passed (sd_listen_fds_with_names(3)): listening or connected
 * sockets, and what an earlier daemon has left. 0, or a negated errno and MESSAGE. */
int listeners_take_passed(struct listeners *listeners, char *message, size_t size);

/* Bind PATH with the configuration's mode and group, and listen. Refuses a path that another broker
 * serves, or that is no socket, and leaves it alone. 0, or a negated errno and MESSAGE. */
int listeners_bind(struct listeners *listeners, const char *path, const struct config *config,
	char *message, size_t size);

/* Take over a socket that an earlier daemon has bound to PATH and the lock it holds for that. 0 or
 * -ENOMEM; FD and LOCK_FD are given up. */
int listeners_adopt(struct listeners *listeners, const char *path, int fd, int lock_fd);

/* Close what has been adopted. */
void listeners_drop_adopted(struct listeners *listeners);

/* Begin to accept, and adopt the connections passed. 0 or a negated errno. */
int listeners_start(struct listeners *listeners, struct loop *first);

/* Accept some of those who have connected by now, without waiting for the loop to see them; none
 * while that rests for want of descriptors. Whether there may be more. The first loop's thread. */
bool listeners_accept(struct listeners *listeners);

/* Unlink what we bound, if it is still ours; close. */
void listeners_deinit(struct listeners *listeners);

#endif
