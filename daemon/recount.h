/* SPDX-License-Identifier: MIT */
/* A call in work that looks at every session, while others change them (table_audit_begin()): a
 * portion in each turn of its loop, so that others are served in between. The portion is the
 * loop's, for the call that came first; what it costs does not grow with how many ask. */
#ifndef USHER_DAEMON_RECOUNT_H
#define USHER_DAEMON_RECOUNT_H

#include "daemon/ops.h"

struct recount {
	struct pending pending; /* first: freed through it */
	struct list link;       /* loop.recounts */
	/* A portion. True: the call is answered, or its connection is to end. */
	bool (*go_on)(struct recount *recount);

	bool is_blocked; /* the last portion could not be: its loop is woken when it may */
	bool only_sums;  /* as in struct audit */
	bool is_begun;
	struct audit audit;
};

/* Begin with the first portion, if no other call is before it. RECOUNT, whose pending but for its
 * connection, go_on and only_sums are set, is given away; NULL: there was no memory for it. */
void recount_begin(struct request *request, struct recount *recount);
/* The same of a connection that comes from an earlier daemon: with the loop's first turn. */
void recount_restore(struct conn *conn, struct recount *recount);
/* The part of pending.free that is every recount's. */
void recount_end(struct recount *recount);

/* For go_on: a portion of the table. True when all is counted: SECTION is entered then, for the
 * table to be compared with recount->audit, and is to be left. */
bool recount_table(struct recount *recount, struct section *section);

/* Portions that are not of the table: whether there may be one more, of N sessions. */
bool recount_may(struct recount *recount, uint64_t n);

/* The loop's turn begins; its portion. */
void recounts_begin_turn(struct loop *loop);
void recounts_go_on(struct loop *loop);
/* As they come, one after the other: if the first may not, none does. */
bool recounts_may_go_on(const struct loop *loop);

#endif
