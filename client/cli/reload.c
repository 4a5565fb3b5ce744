/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/reply.h"

static int run(struct cli *cli)
{
	return cli_no_arguments(cli) < 0 ? cli->exit_code : cli_call_plain(cli, "Reload", NULL);
}

const struct command command_reload = {
	.name = "reload",
	.arguments = "",
	.help = "have the broker read its configuration files again (admin)",
	.description = "Wrong files change nothing: what is wrong is named. Runtime changes of\n"
		       "'usherctl set-pool' end.",
	.run = run,
};
