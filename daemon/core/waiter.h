/* SPDX-License-Identifier: MIT */
/* A Create that waits. The daemon makes it with the call, embedded in what the call is, and gives
 * it to table_create(). While it waits the table has it linked; once it is decided, or cancelled,
 * the table has put it into its inbox, and then it is the daemon's again. */
#ifndef USHER_CORE_WAITER_H
#define USHER_CORE_WAITER_H

#include "daemon/core/list.h"
#include "daemon/core/order.h"
#include "daemon/core/tally.h"

#include <stdbool.h>
#include <stdint.h>

#define WAIT_FOR_EVER INT64_MAX

struct owner;
struct session;

/* What the table has for the connections of one loop. Under the lock. */
struct inbox {
	struct list decided; /* waiter.link, in the order of the lock */
	unsigned index;      /* below 64: its bit in table_change.ring */
};

struct waiter {
	struct session *session;      /* one reference; NULL before and after */
	struct inbox *inbox;          /* who is told */
	const struct owner *caller;   /* the connection that waits: abandons it before it goes */
	struct list link;             /* pool.waiters, in the order of arrival; inbox.decided */
	struct order_node queue_node; /* tally.waiters of its key */
	struct tally *key;            /* NULL once decided */
	int64_t since_us;             /* table clock */
	int64_t since_wall_us;
	int64_t rank_us;     /* since_us less the head start: less is sooner */
	int64_t deadline_us; /* WAIT_FOR_EVER, or when the wait is over */
	uint32_t heap_index; /* table.waits */
	bool is_decided;
	int status; /* once decided: 0, the session is granted; or a refusal */
	int64_t decided_us;
	enum dimension quota; /* once decided STATUS_QUOTA_EXCEEDED */
	int64_t limit;        /* the same: the quota; STATUS_INVALID_PARAMETER: the pool's limit */
};

static inline void inbox_init(struct inbox *inbox, unsigned index)
{
	list_init(&inbox->decided);
	inbox->index = index;
}

#endif
