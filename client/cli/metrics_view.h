/* SPDX-License-Identifier: MIT */
/* Metrics as tables for people. One thread. */
#ifndef USHER_CLI_METRICS_VIEW_H
#define USHER_CLI_METRICS_VIEW_H

#include "client/cli/cli.h"
#include "proto/json_scan.h"

/* METRICS is the member "metrics" of GetMetrics' reply. Exit code. */
int metrics_view(const struct cli *cli, const struct json_value *metrics);

#endif
