/* SPDX-License-Identifier: MIT */
/* Metrics as tables for people; on a pipe as lines of a name, a tab and a value, with all that the
 * broker gave but the buckets of its distributions. One thread.
 */
#ifndef USHER_CLI_METRICS_VIEW_H
#define USHER_CLI_METRICS_VIEW_H

#include "client/cli/cli.h"
#include "proto/json_scan.h"

/* METRICS is the member "metrics" of GetMetrics' reply. Exit code. */
int metrics_view(const struct cli *cli, const struct json_value *metrics);

/* The same of one POOL, an element of its "pools". */
int metrics_view_pool(const struct cli *cli, const struct json_value *pool);

#endif
