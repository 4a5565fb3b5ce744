/* SPDX-License-Identifier: MIT */
/* Everything in the table counted anew while others change it (table_audit_begin()), for a call in
 * work: a portion in each turn of its loop, so that others are served in between. The portion is
 * for all such calls together: the first one has it until it is done. */
#ifndef USHER_DAEMON_RECOUNT_H
#define USHER_DAEMON_RECOUNT_H

#include "daemon/broker.h"
#include "daemon/loop.h"

#define RECOUNTED_A_TURN 1024 /* sessions */

struct recount {
	struct broker *broker;
	bool only_sums; /* as in struct audit */
	bool is_begun;
	struct audit audit;
};

/* A portion, of a new one the first. True when all is counted: SECTION is entered then, for the
 * table to be compared with recount->audit, and then recount_end(). */
bool recount_go_on(struct recount *recount, struct loop *loop, struct section *section);
void recount_end(struct recount *recount, struct section *section);

/* Give up, if it has begun and not ended. */
void recount_drop(struct recount *recount);

#endif
