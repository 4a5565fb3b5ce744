/* SPDX-License-Identifier: MIT */
/* A restart that no client notices: the running daemon describes all it has, and gives it with its
 * descriptors to systemd, which gives both to the next one. Main thread, while no loop runs.
 *
 * Where anything fails on the way out, the daemon ends as it does without; where anything does not
 * fit on the way in, the next one begins as it does without, and says in the log what was wrong.
 * A daemon that is killed on its way in leaves all to the next one: nothing that others see has
 * happened until handoff_accept(). */
#ifndef USHER_DAEMON_HANDOFF_H
#define USHER_DAEMON_HANDOFF_H

#include "daemon/handoff_fds.h"
#include "daemon/listener.h"
#include "daemon/server.h"
#include "daemon/store.h"

/* ---- out ---- */

/* All loops have been halted: describe everything and give it away. 0: it is the next daemon's, and
 * this one has to end without doing anything more; a negated errno after saying in the log what is
 * wrong: all is as it was. */
int handoff_push(struct server *server, const struct listeners *listeners);

/* ---- in ---- */

/* What has to be known before there is a table. */
struct handoff_past {
	uint64_t seed[2];
	int64_t stalled_us;    /* by how much the table's clock is behind */
	bool is_stored;        /* the store had everything: */
	uint64_t session_sums; /* the sum of the sums of the live sessions */
	uint64_t n_sessions;
	uint64_t next_fence;
};

struct handover {
	bool is_there;
	struct listeners *listeners; /* with what was passed */
	struct handoff_parcel parcel;
	struct handoff_past past;
};

/* Look at what was passed: RET->is_there tells whether it can be taken. If we are to bind
 * SOCKET_PATH (NULL: none) ourselves and an earlier daemon has, its socket is among LISTENERS then.
 * For MAX_FILES descriptors at most. */
void handoff_open(struct handover *ret, struct listeners *listeners, const char *socket_path,
	int64_t max_files);

/* Whether STORE, which was found with sessions in it, is the one that the earlier daemon has left:
 * if somebody has used it since, it knows better. False after handoff_give_up(). */
bool handoff_fits(struct handover *handover, struct store *store);

/* Fill the server's table and loops, which are new. 0 or a negated errno after handoff_give_up():
 * then the server holds some of it, and has to be made anew. */
int handoff_unpack(struct handover *handover, struct server *server);

/* It is ours now, and must not be taken again; those who wait may be granted. */
void handoff_accept(struct handover *handover, struct server *server);

/* Close everything of it, for good, and say WHY. */
void handoff_give_up(struct handover *handover, const char *why);

#endif
