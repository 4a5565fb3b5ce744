/* SPDX-License-Identifier: MIT */
/* The store held against the table, a portion at a time, while both go on changing in between. */
#ifndef USHER_DAEMON_STORE_CHECK_H
#define USHER_DAEMON_STORE_CHECK_H

#include "daemon/broker.h"
#include "daemon/core/persist.h"
#include "daemon/store.h"

struct store_check {
	struct store_audit *audit; /* NULL: not begun, or done */
	struct stored_portion portion;

	uint64_t missing; /* live and stored, says the table */
	uint64_t damaged;
	uint64_t different; /* not as they were stored */
	/* When all is done: */
	uint64_t found; /* sessions */
	uint64_t found_sums;
	uint64_t in_store;      /* sessions, it says */
	uint64_t active;        /* in the table's record */
	uint64_t recorded_sums; /* there, too */
};

/* A portion, of a new one ({0}) the first; with the store's lock, and outside of the broker's. 1:
 * there is more; 0: all is done; -ENOMEM; or the negated errno of a store that cannot be read. */
int store_check_go_on(struct store_check *check, struct broker *broker, struct store *store);

/* Give up, if it is not done: with or without any lock, while the store is there. */
void store_check_end(struct store_check *check);

#endif
