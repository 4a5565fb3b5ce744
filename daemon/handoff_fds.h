/* SPDX-License-Identifier: MIT */
/* Descriptors and their description from one daemon to the next, through systemd's fd store
 * (sd_pid_notify_with_fds(3)).
 *
 * The store takes descriptors one by one, slowly; so it gets three: a memfd, and the two ends of a
 * socket pair in whose queue all the others lie. Both ends, or the manager would see the queue's
 * hang-up and drop it. The memfd holds a header, the inode of each descriptor, and the description.
 * Receiving only peeks into the queue: a daemon that is killed before it has put all together
 * leaves all to the next one. What has been used is marked in the memfd, for a parcel that was
 * taken out of the store too late must not be used again.
 *
 * Main thread, while no loop runs.
 */
#ifndef USHER_DAEMON_HANDOFF_FDS_H
#define USHER_DAEMON_HANDOFF_FDS_H

#include "daemon/pack.h"

#define HANDOFF_NAME "handover" /* of the three in the store */

/* Raised only when what is known changes its meaning: a new field does not. */
#define HANDOFF_VERSION 1

#define HANDOFF_PASSED_MAX 16 /* from the store at most: three are expected */

/* Whether the manager has a store for us: $FDSTORE tells how many it takes (systemd 254; the unit
 * sets it for older ones). */
bool handoff_is_offered(void);

/* Put copies of FDS, N of them, with DESCRIPTION into the store and wait until the manager has
 * them. 0, or a negated errno and MESSAGE: then nothing was given away. */
int handoff_send(const struct pack_writer *description, const int *fds, size_t n, char *message,
	size_t size);

struct handoff_parcel {
	int *fds; /* -1: the owner has taken it out */
	size_t n_fds;
	unsigned char *description;
	size_t description_size;
	int memfd; /* one of those passed */
};

/* Look for a parcel that has not been used yet among PASSED, which stay the caller's. 1 and the
 * parcel; 0 if there is none; a negated errno and MESSAGE: there is one that cannot be used, for
 * more than MAX_FDS descriptors, say. */
int handoff_receive(const int *passed, size_t n_passed, size_t max_fds, struct handoff_parcel *ret,
	char *message, size_t size);

/* Mark all parcels among PASSED as used. 0 or a negated errno. */
int handoff_consume(const int *passed, size_t n_passed);

/* Close what has not been taken out. */
void handoff_parcel_deinit(struct handoff_parcel *parcel);

#endif
