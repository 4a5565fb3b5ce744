/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/format.h"
#include "client/cli/reply.h"

#include <getopt.h>
#include <inttypes.h>

enum { OPTION_EXIT = 256 };

#define DEFAULT_TIMEOUT_MS 30000 /* the broker's */

static const struct cli_option options[] = {
	{"timeout", 't', "TIME", "wait at most so long (else 30s), or infinity"},
	{"exit", OPTION_EXIT, NULL, "then end the broker, whether or not sessions are left"},
	{0},
};

static int report(const struct cli *cli, const cJSON *drained)
{
	char time[FORMAT_MAX];
	double seconds = cJSON_GetNumberValue(tree_member(drained, "shutdown_duration"));
	int64_t left = tree_int(drained, "final_active_sessions", 0);

	format_age(seconds >= 0 && seconds < 1e12 ? (int64_t)(seconds * 1000) : -1, time);
	if (tree_bool(drained, "timeout_reached")) {
		cli_complain(cli, "%" PRId64 " of %" PRId64 " sessions are still active after %s",
			left, tree_int(drained, "initial_active_sessions", 0), time);
		return EXIT_FAILED;
	}
	cli_say(cli, "drained in %s: %" PRId64 " sessions have ended", time,
		tree_int(drained, "sessions_completed_during_shutdown", 0));
	return EXIT_OK;
}

static int run(struct cli *cli)
{
	struct json_writer parameters;
	struct reply reply;
	int64_t timeout_ms = PARAMETER_NONE;
	bool exit_then = false;
	char **operands;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		if (option == OPTION_EXIT)
			exit_then = true;
		else
			code = argument_duration(cli, "timeout", optarg, &timeout_ms);
	}
	if (code == 0)
		code = cli_operands(cli, 0, 0, &operands);
	if (code)
		return code;
	cli->wait_ms = timeout_ms == PARAMETER_NONE ? DEFAULT_TIMEOUT_MS : timeout_ms;
	parameters_init(&parameters);
	parameters_add_int(&parameters, "timeout_ms", timeout_ms);
	parameters_add_bool(&parameters, "exit", exit_then);
	code = cli_call(cli, "Drain", &parameters, &reply);
	if (code)
		return code;
	reply_print_json(cli, &reply, NULL);
	code = report(cli, reply.tree);
	reply_deinit(&reply);
	return code;
}

const struct command command_drain = {
	.name = "drain",
	.arguments = "",
	.help = "refuse new sessions and wait for those that live (admin)",
	.description =
		"Fails with 1 if sessions are left when the time is over. Without --exit the\n"
		"broker stays, and goes on refusing in any case, until 'usherctl resume'.",
	.options = options,
	.is_admin = true,
	.run = run,
};
