/* SPDX-License-Identifier: MIT */
#include "client/cli/pool_check.h"

#include "client/cli/reply.h"

#include <string.h>

int pool_check(const struct cli *cli, const cJSON *pools, const char *name)
{
	const cJSON *pool;

	cJSON_ArrayForEach(pool, pools)
	{
		if (!strcmp(tree_text(pool, "pool"), name))
			return 0;
	}
	cli_complain(cli, "there is no pool \"%s\"", name);
	return status_exit_code(STATUS_NO_SUCH_POOL);
}

int pool_check_call(struct cli *cli, const char *name)
{
	struct reply reply;
	int code = cli_call(cli, "ListPools", NULL, &reply);

	if (code)
		return code;
	code = pool_check(cli, tree_member(reply.tree, "pools"), name);
	reply_deinit(&reply);
	return code;
}
