/* SPDX-License-Identifier: MIT */
/* Whether a pool is there, for commands whose answer would be the same for one that is not: empty.
 * One thread.
 */
#ifndef USHER_CLI_POOL_CHECK_H
#define USHER_CLI_POOL_CHECK_H

#include "client/cli/cli.h"

#include <cjson/cJSON.h>

/* Is NAME among POOLS, as ListPools gave them? 0, or an exit code after saying that it is not. */
int pool_check(const struct cli *cli, const cJSON *pools, const char *name);

/* The same, asking the broker. */
int pool_check_call(struct cli *cli, const char *name);

#endif
