/* SPDX-License-Identifier: MIT */
/* What ResetMetrics leaves behind: the distributions as they were then. Totals only grow, so what
 * GetMetrics tells "since the reset" is the difference. Any loop. */
#ifndef USHER_DAEMON_METRICS_H
#define USHER_DAEMON_METRICS_H

#include "daemon/core/stats.h"

#include <pthread.h>

struct distributions {
	struct histogram_copy creation_ns;   /* Create: frame read to reply written */
	struct histogram_copy duration_ns;   /* sessions: created to ended */
	struct histogram_copy queue_wait_ns; /* waits: queued to granted */
	struct histogram_copy lock_wait_ns;
	struct histogram_copy lock_hold_ns;
	struct histogram_copy commit_ns; /* what changed, to the store */
	struct histogram_copy lag_ns;    /* loops: poll returned to next poll */
};

struct metrics_base {
	pthread_mutex_t lock; /* a leaf */
	struct distributions at_reset;
};

struct metrics_base *metrics_base_new(void);
void metrics_base_free(struct metrics_base *base);

#endif
