/* SPDX-License-Identifier: MIT */
/* The table from one daemon to the next, exactly: what persist.h leaves out of what is stored. Live
 * sessions keep their owners and their deadlines, those who wait keep their places, ended ones are
 * remembered.
 *
 * Taking out is for one who has stopped everybody else: what is returned is the table's own, and
 * good until the next operation. Putting in goes in this order: table_restore_globals(),
 * table_carry_state(), pools, sessions of both kinds by their sequence, ended ones, and
 * table_carry_end(). Nobody is granted anything in between.
 */
#ifndef USHER_CORE_CARRY_H
#define USHER_CORE_CARRY_H

#include "daemon/core/persist.h"

/* ---- out ---- */

/* Live and waiting sessions by their sequence; the first after SEQUENCE, NULL at the end. */
const struct session *table_carry_session_after(const struct table *table, uint64_t sequence);

/* Ended sessions, the oldest first; BEFORE is the one returned last, NULL at first. */
const struct session *table_carry_ended_after(
	const struct table *table, const struct session *before);

/* Pools by name; BEFORE as above. */
const struct pool *table_carry_pool_after(const struct table *table, const struct pool *before);

/* What else there is of the table as a whole, beside table_save_globals(). */
struct carried_state {
	uint64_t section;
	int64_t duration_max_ns; /* since the last reset */
	int64_t queue_wait_max_ns;
	bool is_draining;
	bool are_orphans_due;
	int64_t orphans_until_us;
};
void table_carry_state_out(const struct table *table, struct carried_state *ret);

/* ---- in ---- */

void table_carry_state(struct table *table, const struct carried_state *state);

/* Durations and waits of all pools (POOL NULL) or of one. */
void table_carry_histograms(struct table *table, struct pool *pool,
	const struct histogram_copy *durations, const struct histogram_copy *queue_wait);

/* A live session that table_restore_session() has just put in, in this lock section. */
struct carried_live {
	int64_t deadline_us; /* SESSION_NO_DEADLINE: none */
	bool is_overdue;
	struct owner *connection; /* that owns it; NULL: nobody does, or it stays orphaned */
};
void table_carry_live(struct table *table, struct session *session,
	const struct carried_live *carried, struct table_change *change);

/* A session that waits, set as for table_restore_session() but for what is of a grant; and its
 * WAITER, of which inbox, caller, since_us, since_wall_us and deadline_us are set. CONNECTION or
 * PROCESS is its owner, neither if it is to be detached. 0, -ENOBUFS and -EINVAL as there. */
int table_carry_waiting(struct table *table, struct session *session, struct pool *pool,
	struct owner *connection, struct process *process, struct waiter *waiter,
	struct table_time now, bool *ret_is_process_new, struct table_change *change);

/* An ended session, with all that a view of it shows; the oldest there is goes if there are too
 * many. 0, and the table has its reference; -EINVAL. */
int table_carry_ended(struct table *table, struct session *session, struct table_change *change);

/* All is there: who does not fit in what has been configured since is refused, the others may be
 * granted, and removed pools that are empty leave. */
void table_carry_end(struct table *table, struct table_time now, struct table_change *change);

#endif
