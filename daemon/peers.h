/* SPDX-License-Identifier: MIT */
/* Who is connected: the peer of a socket, and how many connections each user has. The counts have a
 * leaf lock of their own, so any thread may call. */
#ifndef USHER_DAEMON_PEERS_H
#define USHER_DAEMON_PEERS_H

#include "daemon/config.h"
#include "daemon/core/session.h"

#include <stdbool.h>
#include <stdint.h>

/* Fill uid, pid, groups and rights from the socket (SO_PEERCRED, SO_PEERGROUPS: unix(7)). 0 or a
 * negated errno: the peer cannot be told and must not be served. */
int peer_from_socket(int fd, const struct config *config, struct peer *ret);

/* Fill the identity from the pid. A few system calls: done once a connection, when it first asks
 * for a session. 0 or -ENOMEM. */
int peer_identify(struct peer *peer);

struct peers;

struct peers *peers_new(void);
void peers_free(struct peers *peers);

enum admission {
	ADMITTED,
	REFUSED_BY_BROKER, /* the broker's cap, of which some are kept for root */
	REFUSED_BY_USER,   /* the user's */
};

/* Count a connection of UID against CAP (in all) and the user's cap; refused ones are not counted.
 */
enum admission peers_admit(
	struct peers *peers, uint32_t uid, const struct config *config, int64_t cap);
void peers_leave(struct peers *peers, uint32_t uid);

/* Count a process that is watched for UID, of ROOM descriptors for connections and processes
 * together: not more than a user's connections, and not those kept for root. */
bool peers_take_watch(struct peers *peers, uint32_t uid, const struct config *config, int64_t room);
/* Those of an earlier daemon, without a bound. False without memory. */
bool peers_force(struct peers *peers, uint32_t uid);
bool peers_force_watch(struct peers *peers, uint32_t uid);
void peers_drop_watch(struct peers *peers, uint32_t uid);

#endif
