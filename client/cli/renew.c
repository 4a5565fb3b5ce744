/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/session_view.h"

#include <getopt.h>

static const struct cli_option options[] = {
	{"timeout", 't', "TIME",
		"the new deadline, from now; infinity for none, which a detached session cannot "
		"have"},
	{0},
};

static int run(struct cli *cli)
{
	struct json_writer parameters;
	int64_t timeout_ms = PARAMETER_NONE;
	const char *session;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		code = argument_timeout(cli, "timeout", optarg, &timeout_ms);
	}
	if (code == 0)
		code = argument_session(cli, &session);
	if (code)
		return code;
	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", session);
	parameters_add_int(&parameters, "timeout_ms", timeout_ms);
	return session_call_expiry(cli, "Renew", session, &parameters);
}

const struct command command_renew = {
	.name = "renew",
	.arguments = "[SESSION]",
	.help = "set a session's deadline anew",
	.description =
		"SESSION is $USHER_SESSION if not given. Without --timeout the session gets\n"
		"as much time as it was given last.",
	.options = options,
	.run = run,
};
