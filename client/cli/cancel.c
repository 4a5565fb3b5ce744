/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/reply.h"

static int run(struct cli *cli)
{
	struct json_writer parameters;
	char **operands;
	int code;

	if (cli_next(cli) < 0)
		return cli->exit_code;
	code = cli_operands(cli, 1, 1, &operands);
	if (code)
		return code;
	parameters_init(&parameters);
	parameters_add_text(&parameters, "request_id", operands[0]);
	code = cli_call_plain(cli, "Cancel", &parameters);
	if (code == 0)
		cli_say(cli, "%s no longer waits", operands[0]);
	return code;
}

const struct command command_cancel = {
	.name = "cancel",
	.arguments = "REQUEST_ID",
	.help = "end the wait of a create",
	.description =
		"REQUEST_ID is that of the waiting session: 'usherctl get SESSION' shows it.\n"
		"Who waits there is refused with Cancelled. Waits of others: admins only.",
	.run = run,
};
