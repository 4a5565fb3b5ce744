/* SPDX-License-Identifier: MIT */
/* Who calls, and what owns sessions: a connection, or a process that is watched. */
#ifndef USHER_CORE_OWNER_H
#define USHER_CORE_OWNER_H

#include "daemon/core/identity.h"
#include "daemon/core/list.h"
#include "daemon/core/map.h"

/* Who makes a call: taken from the socket, not from what the peer says. */
struct peer {
	uint32_t uid;
	int32_t pid; /* IDENTITY_PID_UNKNOWN if it means no process to us */
	uint32_t gid;
	bool is_admin;             /* root, the daemon's uid, or in admin_group */
	struct groups *groups;     /* supplementary; or NULL */
	struct identity *identity; /* counted; set before the first call that creates or attaches */
};

/* What a connection or a process owns. Embedded there; the table links sessions into it, those that
 * wait for a process included. */
struct owner {
	struct list sessions; /* session.owner_link */
	struct peer peer;     /* of a process only the identity */
};

static inline void owner_init(struct owner *owner)
{
	list_init(&owner->sessions);
	owner->peer = (struct peer){0};
}

static inline void peer_deinit(struct peer *peer)
{
	groups_free(peer->groups);
	peer->groups = NULL;
	peer->identity = identity_unref(peer->identity);
}

/* A process that owns sessions. The daemon makes it, with a watch on the process' exit, and gives
 * it to table_create() or table_attach(); the table keeps it while it owns sessions, and then hands
 * it back in a table_change. */
struct process {
	struct owner owner;
	struct map_node node;      /* table.processes */
	struct process *next_idle; /* chain in a table_change */
};

#endif
