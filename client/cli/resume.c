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
	code = cli_operands(cli, 0, 1, &operands);
	if (code)
		return code;
	parameters_init(&parameters);
	parameters_add_text(&parameters, "pool", operands[0]);
	code = cli_call_plain(cli, "Resume", &parameters);
	if (code == 0)
		cli_say(cli, "%s %s new sessions again%s", operands[0] ? operands[0] : "all pools",
			operands[0] ? "takes" : "take",
			operands[0] ? "" : ", but for those paused by name");
	return code;
}

const struct command command_resume = {
	.name = "resume",
	.arguments = "[POOL]",
	.help = "end the pause of a pool, or of all and a drain (admin)",
	.description = "Without POOL, pools that were paused by name stay paused.",
	.is_admin = true,
	.run = run,
};
