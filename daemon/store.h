/* SPDX-License-Identifier: MIT */
/* The store: one file, state.journal, in the state directory, to which changes are appended
 * (daemon/journal.h), and in memory where in it each session's and pool's record is.
 *
 * Why so: a transaction survives that the process is killed, not that the machine is, which is what
 * sessions need, for they end with the boot, too; and it costs the same with a million of them. The
 * file is allocated in full, in steps, so that a full file system cannot fail a transaction in the
 * middle; beyond nine tenths it counts as full, because deleting needs room, too.
 *
 * When a file is opened all of it is read: every record is held against its sum, all of them
 * against the totals of the last transaction, and that against the number that was told outside of
 * the file (daemon/store_witness.h).
 *
 * Results: 0 or a negated errno. One thread at a time: the committer's lock.
 */
#ifndef USHER_DAEMON_STORE_H
#define USHER_DAEMON_STORE_H

#include "daemon/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_FILE    "state.journal"
#define STORE_STEP    ((size_t)16 << 20) /* bytes: what the file grows by */
#define STORE_BOOT_ID 37                 /* bytes of a boot id and its NUL */

struct store;

struct store_options {
	const char *directory;
	const char *boot_id;
	size_t max_bytes;
	/* What a fresh store keeps for as long as it lives; set to what is in one that was found.
	 */
	uint64_t seed[2];
};

enum store_found {
	STORE_UNKNOWN,  /* whether there is one, and what is in it, cannot be seen */
	STORE_FRESH,    /* there was none */
	STORE_LOADED,   /* of this boot, sound */
	STORE_OLD_BOOT, /* set aside: */
	STORE_CORRUPT,
	STORE_NEWER,
};

/* Open the store, or make one if there is none that can be used; what cannot is set aside,
 * replacing what was set aside for the same reason before. RET_FOUND and OPTIONS->seed are set;
 * RET_ASIDE is the name that it has then, in the directory, or NULL. On a failure RET, if it is not
 * NULL, is still to be closed, or a new file can be tried by store_begin_anew() unless STORE_LOADED
 * was found. */
int store_open(struct store_options *options, struct store **ret, enum store_found *ret_found,
	const char **ret_aside);

/* Throw away what is there and begin anew, after an error that the file does not survive. */
int store_begin_anew(struct store *store);
bool store_is_lost(int error);

void store_close(struct store *store);

/* ---- one transaction ---- */

/* The stored_sum of sessions changes with these; store_abort() puts it back, for which they must
 * still be there. */
int store_begin(struct store *store);
int store_put_session(struct store *store, const struct saved_session *saved);
int store_delete_session(struct store *store, struct session *session);
int store_put_pool(struct store *store, const struct saved_pool *saved);
int store_delete_pool(struct store *store, const char *name, size_t length);
/* The last one of each transaction. */
int store_put_table(struct store *store, const struct saved_table *saved, int64_t stalled_us);
/* On a failure the transaction is aborted. */
int store_commit(struct store *store);
void store_abort(struct store *store);

/* Whether the last failure was for want of room in the file. */
bool store_is_out_of_room(const struct store *store);

/* Make the file larger by a step; false if it is as large as it may be, or the file system is full.
 */
bool store_grow(struct store *store);
/* The same, or else gather the room that is there; false if there is none. Not in a transaction. */
bool store_make_room(struct store *store);

/* ---- reading ---- */

typedef int store_record_fn(void *context, uint64_t sequence, const void *bytes, size_t size);

/* Call FN for each, by name; the first result but 0 ends it and is returned. */
int store_each_pool(struct store *store, store_record_fn *fn, void *context);

/* All sessions, in order, while nothing changes: RET is to be ended even if it cannot be begun,
 * with -ENOMEM. */
struct store_scan;
int store_scan_begin(struct store *store, struct store_scan **ret);
/* The next MAX of them; as above. */
int store_scan_next(
	struct store_scan *scan, size_t max, store_record_fn *fn, void *context, bool *ret_is_end);
void store_scan_end(struct store_scan *scan);

/* One session: FN's result, or -ENOENT. */
int store_read_session(struct store *store, uint64_t sequence, store_record_fn *fn, void *context);

int store_read_table(
	struct store *store, struct saved_table *ret, struct record_totals *ret_totals);
/* How many sessions there are. */
uint64_t store_count(const struct store *store);

/* ---- counting anew, while transactions go on in between ---- */

/* Who looks at the sessions in order adds what he has seen up to POSITION; the store keeps that
 * true when transactions change it, begins it anew when it is begun anew itself. */
struct store_audit {
	struct list link; /* store.audits */
	uint64_t position;
	uint64_t n;
	uint64_t sums; /* of their records */
	_Atomic bool is_ended;
};

/* NULL without memory. It belongs to the store. */
struct store_audit *store_audit_begin(struct store *store);
/* It may be gone with this. Any thread, whoever has the store. */
void store_audit_end(struct store_audit *audit);

/* ---- room ---- */

struct store_room {
	uint64_t used_bytes;
	uint64_t size_bytes; /* of the file: allocated */
	bool is_full;
};
/* As of the last commit; any thread. */
struct store_room store_room(const struct store *store);

const char *store_error(int error); /* static */

#endif
