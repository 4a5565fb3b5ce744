/* SPDX-License-Identifier: MIT */
/* What outlives the daemon: what the table gives to be stored, how it takes back what could not be
 * stored, and how a new table is filled from what was.
 *
 * Every change that is to be stored marks what it changed. The store's side takes what is marked,
 * in portions, under the lock; when nothing is left, what it has taken is all that was changed up
 * to that lock section, and together with table_save_globals() one consistent whole: created = live
 * + ended, in it and after it. Under the broker's lock, as the table itself.
 */
#ifndef USHER_CORE_PERSIST_H
#define USHER_CORE_PERSIST_H

#include "daemon/core/table.h"

/* ---- to be stored ---- */

/* From now on; the pools are marked. What sessions there are have been stored. */
void table_keep_changes(struct table *table);

/* The number of the last lock section that changed something that is to be stored. */
uint64_t table_changed(const struct table *table);

/* A session as it is now: what may change copied, with references. */
struct saved_session {
	struct session *session; /* one reference; for what is fixed */
	bool is_gone;            /* it has ended: nothing else is set */
	enum session_state state;
	enum owner_kind owner_kind;
	bool is_revoking;
	uint32_t uid;
	int64_t timeout_ms;
	int64_t started_wall_us;
	struct identity *identity;
	struct identity *creator;
	struct text *metadata;
};
/* Outside the lock. */
void saved_session_deinit(struct saved_session *saved);

struct saved_pool {
	struct text *name;
	struct pool_settings settings; /* its allow list is referenced */
	enum pool_source source;
	bool is_removed;
	struct pause pause; /* its reason is referenced */
	uint32_t slots;     /* the capacity of its slot numbers */
	struct counters counters;
};
void saved_pool_deinit(struct saved_pool *saved);

/* Of the table as a whole. */
struct saved_table {
	uint64_t next_sequence;
	uint64_t next_fence;
	uint64_t active; /* sessions that are live */
	uint64_t peak;
	struct pause pause; /* of all pools; its reason is referenced */
	struct counters totals;
	struct counters base;
};
void saved_table_deinit(struct saved_table *saved);

/* Take up to MAX of what is marked; return how many. */
size_t table_take_dirty_sessions(struct table *table, struct saved_session *items, size_t max);
size_t table_take_dirty_pools(struct table *table, struct saved_pool *items, size_t max);
/* Pools that have left, chain by next_freed: not to be stored any more, the caller's to free. One
 * of the same name may be among the marked ones. */
struct pool *table_take_dropped_pools(struct table *table);
void table_save_globals(const struct table *table, struct saved_table *ret);

/* For those who hold the store against the table, a portion at a time: the sessions after a
 * sequence number that are stored. Who calls this has the store's lock, too, without which
 * stored_sum does not change. */
#define STORED_A_PORTION 256

struct stored_portion {
	uint64_t position; /* all up to this sequence number have been looked at; UINT64_MAX: all */
	size_t n;          /* that are live: */
	struct stored_session {
		uint64_t sequence;
		uint64_t id;
		uint32_t sum;
	} sessions[STORED_A_PORTION];
	uint64_t n_ended; /* that have ended, and are marked still */
	uint64_t ended_sums;
};

void table_stored_after(const struct table *table, uint64_t position, struct stored_portion *ret);

/* ---- what could not be stored ---- */

/* Mark again what was taken. */
void table_mark_session(struct table *table, struct session *session);
void table_mark_pool(struct table *table, const char *name, size_t length);
/* Mark everything: the store begins anew. Sets stored_sum back, also of what is marked already and
 * has ended, so the store must not be in use. */
void table_mark_everything(struct table *table);

/* The creation of a session, or its grant, could not be stored and has been acknowledged to nobody:
 * it ends at once, as cancelled, so that what others have seen of it stays true, and it counts as
 * refused, too. Its fence is burnt. One that has ended since stays as it is. */
void table_undo_session(struct table *table, struct session *session, struct table_time now,
	struct table_change *change);

/* While the store is away nobody is granted anything: STATUS_STORE_UNAVAILABLE for newcomers; those
 * who wait go on waiting. */
void table_set_storing(struct table *table, bool is_possible);

/* Fences up to here, but not itself, may be given: a refusal as above beyond. */
void table_set_fence_limit(struct table *table, uint64_t limit);

/* The daemon ends, its sessions do not: up to MAX of the sessions of OWNER, a connection, are
 * orphans, as the next run will have them. True if some are left. */
bool table_orphan(struct table *table, struct owner *owner, size_t max);

/* ---- into a new table ---- */

/* Counters, pauses and numbers; next_fence only if it is larger. Before the sessions, whose
 * creation totals has counted already. The pause's reason is referenced. */
void table_restore_globals(
	struct table *table, const struct saved_table *saved, struct table_change *change);

/* A pool as it was: FRESH, made of SAVED's settings (with room for SAVED->slots), becomes the pool
 * of its name if there is none yet, or if it was made at run time; else the present one keeps its
 * settings and takes FRESH's slot numbers. With SAVED's counters and pause, whose reason is
 * referenced. One that is in no file drains: it leaves with table_end_restoring() if no session is
 * its own. */
void table_restore_pool(struct table *table, struct pool *fresh, const struct saved_pool *saved,
	struct table_time now, struct table_change *change);

/* A live session: made by session_new(), and set besides: sequence, fence, created_us,
 * created_wall_us, creator_uid, uid, identity, creator, state, owner_kind, timeout_ms,
 * started_wall_us, is_revoking, slots. Its deadline is its timeout in full, from now. A
 * connection's is orphaned: PROCESS is then the one that had the connection, NULL if it is not
 * known; else it is the one that owns it. 0, and the table has the session; -ENOBUFS: table_give()
 * first; -EINVAL: it contradicts what is there, and is the caller's. PROCESS is taken over with the
 * session: kept if RET_IS_PROCESS_NEW, else in CHANGE unless it is the one that the table has. */
int table_restore_session(struct table *table, struct session *session, struct pool *pool,
	struct process *process, struct table_time now, bool *ret_is_process_new,
	struct table_change *change);

/* SESSION is about to be restored: have the places where it goes on their way into the cache. */
void table_prefetch(const struct table *table, const struct session *session);

/* The process of this identity that the table watches already; NULL. */
struct process *table_find_process(const struct table *table, const struct identity *identity);

/* All is there. Orphans that nobody has claimed by ORPHANS_UNTIL_US (table clock) end as abandoned
 * then, in pools that do not hold what is overdue; in the others they stay until their process is
 * gone. Created sessions that were not restored count as abandoned. */
void table_end_restoring(struct table *table, int64_t orphans_until_us, struct table_time now,
	struct table_change *change);

#endif
