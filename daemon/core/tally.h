/* SPDX-License-Identifier: MIT */
/* What one user, one process or one label has in a pool: the units it holds, and how many of its
 * sessions wait. Quotas count by it; where the pool is fair by its dimension, it is a key: its
 * waiters stand in it, and it stands among the pool's keys. */
#ifndef USHER_CORE_TALLY_H
#define USHER_CORE_TALLY_H

#include "daemon/core/identity.h"
#include "daemon/core/map.h"
#include "daemon/core/order.h"
#include "daemon/core/text.h"

#include <stdbool.h>
#include <stdint.h>

/* The order of the names of io.usher.Broker's Quota and FairBy. */
enum dimension { BY_UID, BY_PROCESS, BY_LABEL, BY_NONE };
#define DIMENSIONS 3 /* of quotas: all but BY_NONE */

struct pool;

struct tally {
	struct map_node node; /* table.tallies; unused where embedded */
	struct pool *pool;
	uint8_t dimension; /* enum dimension */
	uint32_t uid;      /* BY_UID; BY_PROCESS of an unknown one */
	int32_t pid;       /* BY_PROCESS */
	uint64_t start_time;
	struct text *label; /* BY_LABEL; counted */
	uint64_t held_units;
	uint32_t live;              /* sessions */
	uint32_t waiting;           /* sessions */
	struct order waiters;       /* waiter.queue_node; only where it is a key */
	struct order_node key_node; /* pool.keys, while waiters stand in it */
	struct tally *next_free;    /* chain: in table.spare_tallies or a table_change */
};

/* An empty one, for table_give(); NULL without memory. */
struct tally *tally_new(void);
void tally_free(struct tally *tally);

#endif
