/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/reply.h"

#include <getopt.h>
#include <stdlib.h>

static const struct cli_option options[] = {
	{"metadata", 'm', "JSON",
		"the new metadata, a JSON object (required); @FILE reads a file,"
		" - standard input"},
	{0},
};

static int update(struct cli *cli, const char *metadata)
{
	struct json_writer parameters;
	const char *session;
	int code = argument_session(cli, &session);

	if (code)
		return code;
	if (!metadata)
		return cli_usage_error(cli, "--metadata is missing");
	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", session);
	parameters_add_json(&parameters, "metadata", metadata);
	code = cli_call_plain(cli, "Update", &parameters);
	if (code == 0)
		cli_say(cli, "%s has the new metadata", session);
	return code;
}

static int run(struct cli *cli)
{
	char *metadata = NULL;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0)
		code = option < 0 ? -1 : argument_json(cli, "--metadata", optarg, &metadata);
	if (code == 0)
		code = update(cli, metadata);
	free(metadata);
	return code < 0 ? cli->exit_code : code;
}

const struct command command_update = {
	.name = "update",
	.arguments = "[SESSION]",
	.help = "replace a session's metadata",
	.description = "SESSION is $USHER_SESSION if not given.",
	.options = options,
	.run = run,
};
