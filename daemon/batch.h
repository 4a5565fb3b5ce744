/* SPDX-License-Identifier: MIT */
/* What goes into the store in one transaction: all that was marked up to a lock section, with the
 * table's counters and numbers of that section. Belongs to whoever commits. */
#ifndef USHER_DAEMON_BATCH_H
#define USHER_DAEMON_BATCH_H

#include "daemon/broker.h"
#include "daemon/core/persist.h"
#include "daemon/store.h"

struct batch {
	struct saved_session *sessions;
	size_t n_sessions, sessions_capacity;
	struct saved_pool *pools;
	size_t n_pools, pools_capacity;
	struct pool *dropped; /* chain by next_freed: not to be stored any more */
	struct saved_table table;
	uint64_t section; /* of the last change in it */
};

/* Take all that is marked, in portions. 0, or -ENOMEM with a part of it taken. */
int batch_take(struct batch *batch, struct broker *broker);

/* Into STORE, in one transaction, which is tried again as long as STORE can grow by that. 0 or a
 * negated errno: nothing of it is stored then. */
int batch_store(const struct batch *batch, struct store *store, struct broker *broker);

/* It was stored: forget it. */
void batch_forget(struct batch *batch);

/* It was not. Sessions that never were are taken back if UNDOES; all else is marked again if MARKS,
 * and else left to a store that begins anew. */
void batch_put_back(struct batch *batch, struct broker *broker, bool undoes, bool marks);

void batch_deinit(struct batch *batch);

#endif
