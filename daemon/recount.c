/* SPDX-License-Identifier: MIT */
#include "daemon/recount.h"

#define RECOUNTED_A_LOCK 256

static bool step(struct recount *recount, struct loop *loop, struct table *table)
{
	uint64_t before;
	bool is_done;

	if (!recount->is_begun) {
		table_audit_begin(table, &recount->audit);
		recount->audit.only_sums = recount->only_sums;
		recount->is_begun = true;
	}
	before = recount->audit.looked_at;
	is_done = table_audit_step(table, &recount->audit, RECOUNTED_A_LOCK);
	loop->recounted += recount->audit.looked_at - before;
	return is_done;
}

bool recount_go_on(struct recount *recount, struct loop *loop, struct section *section)
{
	while (loop->recounted < RECOUNTED_A_TURN) {
		broker_enter(recount->broker, section);
		if (step(recount, loop, section->table))
			return true;
		broker_leave(section);
	}
	return false;
}

void recount_end(struct recount *recount, struct section *section)
{
	table_audit_end(&recount->audit);
	recount->is_begun = false;
	broker_leave(section);
}

void recount_drop(struct recount *recount)
{
	struct section section;

	if (!recount->is_begun)
		return;
	broker_enter(recount->broker, &section);
	recount_end(recount, &section);
}
