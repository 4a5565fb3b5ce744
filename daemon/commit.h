/* SPDX-License-Identifier: MIT */
/* Commit before anyone can see it: what the loops have changed becomes durable before what they say
 * about it leaves, for all loops in one transaction, in the order of the lock.
 *
 * At the end of its turn a loop wants everything durable that its turn has seen (broker_seen()).
 * The first one to come commits all that there is; one that comes meanwhile keeps its output, goes
 * on polling, and is woken when that is done (ORDER_COMMITTED). A loop never blocks for another.
 *
 * When a commit fails, creations and grants that were not durable are taken back, and their
 * replies, which no one has read yet, become refusals (promise.h); all else is answered, and stored
 * as soon as the store works again. Until then nobody is granted anything.
 */
#ifndef USHER_DAEMON_COMMIT_H
#define USHER_DAEMON_COMMIT_H

#include "daemon/loop.h"
#include "daemon/state.h"
#include "daemon/store_status.h"

struct committer;

/* STORE may be one that could not be opened for want of room (OPEN_ERROR): it is tried again. Takes
 * STORE over; NULL without memory, and then it does not. */
struct committer *committer_new(
	struct server *server, struct state *state, struct store *store, int open_error);
void committer_free(struct committer *committer);

/* What the table is before it is served is the first to be stored; from now on changes are kept.
 * HAS_NONE: the store has none of its sessions. */
void committer_begin(struct committer *committer, struct loop *first, bool has_none);

/* False if output has to wait: LOOP will be woken. COMMITTER may be NULL: there is no store. */
bool commit_settle(struct committer *committer, struct loop *loop);

/* The same, waiting for whoever is committing: at the end. */
void commit_finish(struct committer *committer, struct loop *loop);

/* It has failed: try it from time to time. The first loop. */
void committer_retry(struct committer *committer);

/* How many commits have failed: replies may have to be taken back when this has changed. */
uint64_t commit_failures(const struct committer *committer);

/* Any thread. COMMITTER may be NULL. */
void committer_status(struct committer *committer, struct store_status *ret);

/* Commit all there is, and nothing more until committer_let_go(): what is stored of live sessions
 * is what their stored_sum says. NULL if the store does not work; it is to be let go all the same.
 */
struct store *committer_hold(struct committer *committer, struct loop *loop);
/* The same, unless another loop has it now: false, and LOOP will be woken. */
bool committer_hold_or_wait(struct committer *committer, struct loop *loop, struct store **ret);
void committer_let_go(struct committer *committer);

#endif
