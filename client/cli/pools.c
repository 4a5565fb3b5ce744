/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/json_show.h"
#include "client/cli/pool_details.h"
#include "client/cli/pool_view.h"
#include "client/cli/reply.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static int no_such_pool(const struct cli *cli, const char *name)
{
	cli_complain(cli, "there is no pool \"%s\"", name);
	return status_exit_code(STATUS_NO_SUCH_POOL);
}

static int show_details(const struct cli *cli, const struct reply *reply, const char *name)
{
	const cJSON *pool;

	cJSON_ArrayForEach(pool, tree_member(reply->tree, "pools"))
	{
		if (!strcmp(tree_text(pool, "pool"), name))
			return pool_details(cli, pool);
	}
	return no_such_pool(cli, name);
}

static int show_json(const struct cli *cli, const struct reply *reply, const char *name)
{
	struct json_value pools, pool, value;
	struct json_iter iter;

	if (!json_find_member(&reply->value, "pools", &pools) || pools.type != JSON_ARRAY)
		return EXIT_FAILED;
	json_iter_init(&iter, &pools);
	while (json_next_element(&iter, &pool)) {
		if (pool.type != JSON_OBJECT || !json_find_member(&pool, "pool", &value) ||
			!json_string_is(&value, name, strlen(name)))
			continue;
		json_show(&pool, cli->is_terminal);
		return EXIT_OK;
	}
	return no_such_pool(cli, name);
}

static int show_pools(const struct cli *cli, const struct reply *reply, const char *name)
{
	if (name)
		return cli->json ? show_json(cli, reply, name) : show_details(cli, reply, name);
	if (reply_print_lines(cli, reply, "pools"))
		return EXIT_OK;
	return pool_view(cli, tree_member(reply->tree, "pools"));
}

static int run(struct cli *cli)
{
	struct reply reply;
	char **operands;
	int code;

	if (cli_next(cli) < 0)
		return cli->exit_code;
	code = cli_operands(cli, 0, 1, &operands);
	if (code == 0)
		code = cli_call(cli, "ListPools", NULL, &reply);
	if (code)
		return code;
	code = show_pools(cli, &reply, operands[0]);
	reply_deinit(&reply);
	return code;
}

const struct command command_pools = {
	.name = "pools",
	.arguments = "[POOL]",
	.help = "list the pools, or show all settings of one",
	.description =
		"WAIT is how many wait, QUOTAS what one user, process or label may hold, TIMEOUT\n"
		"the deadline of sessions that ask for none, LONGEST the longest that may be\n"
		"asked for, LIFE the longest life of a session, THEN what a passed deadline\n"
		"does, BYTES the longest metadata. With --json one pool a line (JSON Lines).",
	.run = run,
};
