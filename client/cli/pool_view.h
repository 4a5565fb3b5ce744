/* SPDX-License-Identifier: MIT */
/* Pools as a table. One thread. */
#ifndef USHER_CLI_POOL_VIEW_H
#define USHER_CLI_POOL_VIEW_H

#include "client/cli/cli.h"

#include <cjson/cJSON.h>

/* One row for POOLS, an array, or a single pool. Exit code. */
int pool_view(const struct cli *cli, const cJSON *pools);

#endif
