/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/reply.h"

static int run(struct cli *cli)
{
	int code;

	if (cli_no_arguments(cli) < 0)
		return cli->exit_code;
	code = cli_call_plain(cli, "ResetMetrics", NULL);
	if (code == 0)
		cli_say(cli, "the counters of 'usherctl metrics' begin anew");
	return code;
}

const struct command command_reset_metrics = {
	.name = "reset-metrics",
	.arguments = "",
	.help = "begin to count anew (admin)",
	.description = "What 'usherctl metrics --openmetrics' counts with _total goes on.",
	.is_admin = true,
	.run = run,
};
