/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/reply.h"

#include <getopt.h>

enum { OPTION_FOR = 256, OPTION_REASON };

static const struct cli_option options[] = {
	{"for", OPTION_FOR, "TIME", "ends by itself after so long (else with 'usherctl resume')"},
	{"reason", OPTION_REASON, "TEXT", "told to those who are refused; at most 256 bytes"},
	{0},
};

static int run(struct cli *cli)
{
	struct json_writer parameters;
	int64_t for_ms = PARAMETER_NONE;
	const char *reason = NULL;
	char **operands;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		if (option == OPTION_FOR)
			code = argument_timeout(cli, "for", optarg, &for_ms);
		else
			reason = optarg;
	}
	if (code == 0)
		code = cli_operands(cli, 0, 1, &operands);
	if (code)
		return code;
	parameters_init(&parameters);
	parameters_add_text(&parameters, "pool", operands[0]);
	parameters_add_int(&parameters, "for_ms", for_ms < 0 ? PARAMETER_NONE : for_ms);
	parameters_add_text(&parameters, "reason", reason);
	code = cli_call_plain(cli, "Pause", &parameters);
	if (code == 0)
		cli_say(cli, "%s%s: new sessions are refused",
			operands[0] ? operands[0] : "all pools",
			operands[0] ? " is paused" : " are paused");
	return code;
}

const struct command command_pause = {
	.name = "pause",
	.arguments = "[POOL]",
	.help = "refuse new sessions of a pool, or of all (admin)",
	.description = "Sessions that live go on.",
	.options = options,
	.is_admin = true,
	.run = run,
};
