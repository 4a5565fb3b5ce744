/* SPDX-License-Identifier: MIT */
/* What an earlier run has left, at the start of this one: found before there is a broker, for its
 * clock and its numbers go on; taken into the table once that has the configuration's pools. */
#ifndef USHER_DAEMON_KEPT_H
#define USHER_DAEMON_KEPT_H

#include "daemon/handoff.h"
#include "daemon/options.h"
#include "daemon/server.h"
#include "daemon/state.h"

struct kept {
	bool is_stateless; /* --state none */
	struct state state;
	struct store *store; /* until the committer has it */
	enum store_found found;
	int store_error; /* why it could not be made, for now */
	struct broker_options broker;
	int64_t stalled_us;
};

/* Find it. 0, or a negated errno with what is wrong in MESSAGE. Before there are threads. */
int kept_open(struct kept *kept, const struct options *options, const struct config *config,
	char *message, size_t size);

/* What was handed over, if anything was, goes before the store, which has to fit to it: else it is
 * given up. */
void kept_join(struct kept *kept, struct handover *handover);

/* Fill SERVER's table, and make its committer. As kept_open(); but if it is HANDOVER that cannot be
 * taken, that is given up and MESSAGE is empty: try again with another server. */
int kept_take(struct kept *kept, struct handover *handover, struct server *server, char *message,
	size_t size);

void kept_close(struct kept *kept);

#endif
