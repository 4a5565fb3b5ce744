/* SPDX-License-Identifier: MIT */
/* All of a pool, one setting a line, by the names that the configuration files have. One thread. */
#ifndef USHER_CLI_POOL_DETAILS_H
#define USHER_CLI_POOL_DETAILS_H

#include "client/cli/cli.h"

#include <cjson/cJSON.h>

/* Exit code. */
int pool_details(const struct cli *cli, const cJSON *pool);

#endif
