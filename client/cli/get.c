/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/session_view.h"

#include <getopt.h>

enum { OPTION_REQUEST_ID = 256 };

static const struct cli_option options[] = {
	{"request-id", OPTION_REQUEST_ID, "ID",
		"the session of yours that was created with this ID"},
	{0},
};

static int get(struct cli *cli, const char *session, const char *request_id)
{
	struct json_writer parameters;
	struct reply reply;
	int code;

	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", session);
	parameters_add_text(&parameters, "request_id", request_id);
	code = cli_call(cli, "Get", &parameters, &reply);
	if (code)
		return code;
	code = session_view(cli, &reply);
	reply_deinit(&reply);
	return code;
}

static int run(struct cli *cli)
{
	const char *session = NULL, *request_id = NULL;
	char **operands;
	int option, code;

	while ((option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		request_id = optarg;
	}
	code = request_id ? cli_operands(cli, 0, 0, &operands) : argument_session(cli, &session);
	return code ? code : get(cli, session, request_id);
}

const struct command command_get = {
	.name = "get",
	.arguments = "[SESSION]",
	.help = "show a session",
	.description = "SESSION is $USHER_SESSION if not given. --json prints the session as the\n"
		       "broker sent it, its metadata byte for byte.",
	.options = options,
	.run = run,
};
