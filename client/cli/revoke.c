/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/reply.h"

#include <getopt.h>

enum { OPTION_REASON = 256 };

static const struct cli_option options[] = {
	{"reason", OPTION_REASON, "TEXT", "why, for the log; at most 256 bytes"},
	{"force", 'f', NULL, "end it at once, whatever its owner does"},
	{0},
};

static int run(struct cli *cli)
{
	struct json_writer parameters;
	const char *reason = NULL;
	bool force = false;
	char **operands;
	int option, code;

	while ((option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		if (option == 'f')
			force = true;
		else
			reason = optarg;
	}
	code = cli_operands(cli, 1, 1, &operands);
	if (code)
		return code;
	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", operands[0]);
	parameters_add_text(&parameters, "reason", reason);
	parameters_add_bool(&parameters, "force", force);
	code = cli_call_plain(cli, "Revoke", &parameters);
	if (code == 0)
		cli_say(cli,
			force ? "%s has ended; its owner may still be at work"
			      : "%s is marked; its slot is free when its owner lets go",
			operands[0]);
	return code;
}

const struct command command_revoke = {
	.name = "revoke",
	.arguments = "SESSION",
	.help = "ask for the end of a session, or force it",
	.description = "Without --force the session is marked as revoking and stays counted until\n"
		       "its owner releases it or is gone. Sessions of others: admins only.",
	.options = options,
	.run = run,
};
