/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/format.h"
#include "client/cli/reply.h"

#include <getopt.h>

enum { OPTION_OUTCOME = 256, OPTION_RESULT };

static const struct cli_option options[] = {
	{"outcome", OPTION_OUTCOME, "OUTCOME", "completed (the default), error or cancelled"},
	{"result", OPTION_RESULT, "TEXT", "a note for the history, at most 1024 bytes"},
	{0},
};

static int release(struct cli *cli, const char *outcome, const char *result)
{
	struct json_writer parameters;
	struct reply reply;
	char age[FORMAT_MAX];
	const char *session;
	int code = argument_session(cli, &session);

	if (code)
		return code;
	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", session);
	parameters_add_text(&parameters, "outcome", outcome);
	parameters_add_text(&parameters, "result", result);
	code = cli_call(cli, "Release", &parameters, &reply);
	if (code)
		return code;
	if (!reply_print_json(cli, &reply, NULL))
		cli_say(cli, "%s has ended after %s", session,
			format_age(tree_int(reply.tree, "duration_ms", 0), age));
	reply_deinit(&reply);
	return EXIT_OK;
}

static int run(struct cli *cli)
{
	static const char *const outcomes[] = {"completed", "error", "cancelled", NULL};
	const char *outcome = NULL, *result = NULL;
	int option, code = 0;

	while ((option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		if (option == OPTION_RESULT) {
			result = optarg;
			continue;
		}
		outcome = optarg;
		code = argument_choice(cli, "outcome", outcome, outcomes);
		if (code)
			return code;
	}
	return release(cli, outcome, result);
}

const struct command command_release = {
	.name = "release",
	.arguments = "[SESSION]",
	.help = "end a session; its slots are free",
	.description = "SESSION is $USHER_SESSION if not given.",
	.options = options,
	.run = run,
};
