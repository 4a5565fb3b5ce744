/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/session_view.h"

static int run(struct cli *cli)
{
	struct json_writer parameters;
	const char *session;
	int code;

	if (cli_next(cli) < 0)
		return cli->exit_code;
	code = argument_session(cli, &session);
	if (code)
		return code;
	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", session);
	return session_call_expiry(cli, "Start", session, &parameters);
}

const struct command command_start = {
	.name = "start",
	.arguments = "[SESSION]",
	.help = "mark a session's work as begun",
	.description =
		"SESSION is $USHER_SESSION if not given. The deadline, if it has one, is set\n"
		"anew.",
	.run = run,
};
