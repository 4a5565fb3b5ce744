/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/owner.h"
#include "client/cli/session_view.h"

#include <getopt.h>

static const struct cli_option options[] = {
	OWNER_OPTIONS,
	{0},
};

static int attach(struct cli *cli, const char *session, const struct owner_wish *owner)
{
	struct json_writer parameters;
	struct reply reply;
	int code;

	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", session);
	owner_add_parameters(owner, &parameters);
	code = cli_call(cli, "Attach", &parameters, &reply);
	if (code)
		return code;
	code = session_view(cli, &reply);
	reply_deinit(&reply);
	return code;
}

static int run(struct cli *cli)
{
	struct owner_wish owner = {0};
	const char *session;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		owner_take_option(cli, option, optarg, &owner, &code);
	}
	if (code == 0)
		code = argument_session(cli, &session);
	if (code == 0)
		code = owner_check(cli, &owner);
	return code ? code : attach(cli, session, &owner);
}

const struct command command_attach = {
	.name = "attach",
	.arguments = "[SESSION]",
	.help = "give a session to another process, or to nobody",
	.description =
		"SESSION is $USHER_SESSION if not given. It no longer ends with the connection\n"
		"or process that it belonged to, but with --owner-pid's; --detached, it has a\n"
		"deadline (30s if it had none) and ends by that or by 'usherctl release'.",
	.options = options,
	.run = run,
};
