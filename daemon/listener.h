/* SPDX-License-Identifier: MIT */
/* The sockets people connect to: made here or passed by systemd, and the accepting on the first
 * loop. Accepted connections are spread over the loops in turn. */
#ifndef USHER_DAEMON_LISTENER_H
#define USHER_DAEMON_LISTENER_H

#include "daemon/loop.h"

#define LISTENERS_MAX 8

struct listener {
	struct loop *loop;
	int fd;
	uv_poll_t poll;
	uv_timer_t backoff; /* accepting rests when descriptors have run out */
	char *path;         /* ours to unlink; NULL if passed by systemd */
	char *lock_path;
	int lock_fd; /* held while we serve PATH; -1 */
	int64_t warned_ns;
};

struct listeners {
	struct listener list[LISTENERS_MAX];
	size_t count;
	int connected_fds[LISTENERS_MAX]; /* passed as connections already made */
	size_t n_connected;
};

/* Take the sockets that systemd passed (sd_listen_fds(3)), listening or connected ones. 0 with the
 * number in RET, or a negated errno and MESSAGE. */
int listeners_take_passed(struct listeners *listeners, char *message, size_t size);

/* Bind PATH with the configuration's mode and group, and listen. Refuses a path that another broker
 * serves, or that is no socket, and leaves it alone. 0, or a negated errno and MESSAGE. */
int listeners_bind(struct listeners *listeners, const char *path, const struct config *config,
	char *message, size_t size);

/* Begin to accept, and adopt the connections passed. 0 or a negated errno. */
int listeners_start(struct listeners *listeners, struct loop *first);

/* Unlink what we bound, if it is still ours; close. */
void listeners_deinit(struct listeners *listeners);

#endif
