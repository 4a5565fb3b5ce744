/* SPDX-License-Identifier: MIT */
/* What GetMetrics tells: gathered from the table, the loops and the store.
 *
 *   report = report_new();
 *   report_copy_base(report, server);
 *   broker_enter(...); report_take(report, &section, recomputed); broker_leave(...);
 *   report_fill(report, server, pool, &reply);
 */
#ifndef USHER_DAEMON_METRICS_REPORT_H
#define USHER_DAEMON_METRICS_REPORT_H

#include "daemon/broker.h"
#include "daemon/metrics.h"
#include "daemon/server.h"
#include "proto/message.h"

struct report;

/* NULL without memory. */
struct report *report_new(void);
void report_free(struct report *report); /* may be NULL */

/* What ResetMetrics left, before the rest is taken: that only grows, so what is subtracted is never
 * more. */
void report_copy_base(struct report *report, struct server *server);

/* Once, under the lock: what the table counts, beside the same counted anew to this instant. */
void report_take(
	struct report *report, const struct section *section, uint64_t recomputed_metadata_bytes);

/* The rest, with all pools, or POOL alone. RET points into the report. 0, STATUS_NO_SUCH_POOL, or
 * -1 without memory. */
int report_fill(struct report *report, struct server *server, struct message_text pool,
	struct metrics_reply *ret);

/* All but the durations, which change under the lock and are copied there. */
void report_fetch_distributions(struct server *server, struct distributions *ret);

#endif
