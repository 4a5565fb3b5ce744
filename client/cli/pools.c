/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/pool_view.h"
#include "client/cli/reply.h"

static int run(struct cli *cli)
{
	struct reply reply;
	int code;

	if (cli_no_arguments(cli) < 0)
		return cli->exit_code;
	code = cli_call(cli, "ListPools", NULL, &reply);
	if (code)
		return code;
	if (!reply_print_lines(cli, &reply, "pools"))
		code = pool_view(cli, tree_member(reply.tree, "pools"));
	reply_deinit(&reply);
	return code;
}

const struct command command_pools = {
	.name = "pools",
	.arguments = "",
	.help = "list the pools and their settings",
	.description =
		"TIMEOUT is the deadline of sessions that ask for none, LONGEST the longest\n"
		"that may be asked for, LIFE the longest life of a session, THEN what a\n"
		"passed deadline does, BYTES the longest metadata. With --json one pool a\n"
		"line (JSON Lines).",
	.run = run,
};
