/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/reply.h"

static int run(struct cli *cli)
{
	return cli_no_arguments(cli) < 0 ? cli->exit_code
					 : cli_call_plain(cli, "ResetMetrics", NULL);
}

const struct command command_reset_metrics = {
	.name = "reset-metrics",
	.arguments = "",
	.help = "begin to count anew (admin)",
	.description = "What 'usherctl metrics --openmetrics' counts with _total goes on.",
	.run = run,
};
