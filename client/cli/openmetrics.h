/* SPDX-License-Identifier: MIT */
/* GetMetrics' reply as an OpenMetrics text, for Prometheus and its kin.
 *
 * Counters come from `totals`, which ResetMetrics leaves alone. Every distribution has the same
 * bounds at all times, so that rates over them make sense. Integers are exact. One thread.
 */
#ifndef USHER_CLI_OPENMETRICS_H
#define USHER_CLI_OPENMETRICS_H

#include "proto/json_scan.h"

#include <stdbool.h>
#include <stdio.h>

/* How a counter's HELP and TYPE lines name it. OpenMetrics 1.0 leaves "_total" to the samples;
 * promtool, the textfile collector and all that read Prometheus' text format want the names to be
 * the same. */
enum openmetrics_style { OPENMETRICS_COMMON, OPENMETRICS_STRICT };

/* METRICS is the member "metrics" of the reply; POOLS_ONLY leaves out what is of the whole broker.
 * Errors are the stream's. */
void openmetrics_write(
	FILE *out, const struct json_value *metrics, enum openmetrics_style style, bool pools_only);

#endif
