/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/session_view.h"

enum { OPTION_DETACHED = 256 };

static const struct cli_option options[] = {
	{"detached", OPTION_DETACHED, NULL, "it ends only by release or deadline (required)"},
	{0},
};

static int attach(struct cli *cli, const char *session)
{
	struct json_writer parameters;
	struct reply reply;
	int code;

	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", session);
	parameters_add_text(&parameters, "owner", "detached");
	code = cli_call(cli, "Attach", &parameters, &reply);
	if (code)
		return code;
	code = session_view(cli, &reply);
	reply_deinit(&reply);
	return code;
}

static int run(struct cli *cli)
{
	bool is_detached = false;
	const char *session;
	int option, code;

	while ((option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		is_detached = true;
	}
	code = argument_session(cli, &session);
	if (code)
		return code;
	if (!is_detached)
		return cli_usage_error(cli, "--detached is required: the session would end"
					    " together with this command");
	return attach(cli, session);
}

const struct command command_attach = {
	.name = "attach",
	.arguments = "[SESSION]",
	.help = "take a session over from its owner",
	.description =
		"SESSION is $USHER_SESSION if not given. From then on it is detached: it no\n"
		"longer ends with the connection that it belonged to, and has a deadline (30s\n"
		"if it had none).",
	.options = options,
	.run = run,
};
