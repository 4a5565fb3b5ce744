/* SPDX-License-Identifier: MIT */
/* The state directory: which one it is, that no other daemon uses it, of which boot it is, and the
 * high-water mark of fences, which outlives the boot. */
#ifndef USHER_DAEMON_STATE_H
#define USHER_DAEMON_STATE_H

#include "daemon/store.h"

#include <stddef.h>
#include <stdint.h>

struct state {
	char *directory;
	char *fence_path;
	int lock_fd; /* -1: not locked */
	char boot_id[STORE_BOOT_ID];
	uint64_t fence_mark; /* every fence that was given is below it; 0: none is known */
};

/* Find the state directory, make it if it is not there, lock it. GIVEN is what the command line
 * says, or NULL; SOCKET the path that is served, or NULL. 0, or a negated errno with what is wrong
 * in MESSAGE. */
int state_open(
	struct state *state, const char *given, const char *socket, char *message, size_t size);
void state_close(struct state *state);

#define FENCES_A_BLOCK (UINT64_C(1) << 30) /* reserved in one go: a day and more of grants */

/* Write down, durably, that fences below MARK may have been given. */
int state_mark_fences(struct state *state, uint64_t mark);

#endif
