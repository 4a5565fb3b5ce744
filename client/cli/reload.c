/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/reply.h"

static int run(struct cli *cli)
{
	int code;

	if (cli_no_arguments(cli) < 0)
		return cli->exit_code;
	code = cli_call_plain(cli, "Reload", NULL);
	if (code == 0)
		cli_say(cli, "the configuration files are in force");
	return code;
}

const struct command command_reload = {
	.name = "reload",
	.arguments = "",
	.help = "have the broker read its configuration files again (admin)",
	.description = "Wrong files change nothing: what is wrong is named. Runtime changes of\n"
		       "'usherctl set-pool' end.",
	.is_admin = true,
	.run = run,
};
