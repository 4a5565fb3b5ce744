/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/escape.h"
#include "client/cli/reply.h"

static void print_findings(const cJSON *findings)
{
	const cJSON *finding;

	cJSON_ArrayForEach(finding, findings)
	{
		const char *text = cJSON_GetStringValue(finding);

		escape_print(stdout, "", text ? text : "");
	}
}

static int run(struct cli *cli)
{
	struct reply reply;
	int code;

	if (cli_no_arguments(cli) < 0)
		return cli->exit_code;
	code = cli_call(cli, "Verify", NULL, &reply);
	if (code)
		return code;
	if (!reply_print_json(cli, &reply, NULL))
		print_findings(tree_member(reply.tree, "findings"));
	if (tree_bool(reply.tree, "ok")) {
		cli_say(cli, "all counts are right");
	} else {
		cli_complain(cli, "the broker's counts, table and store differ");
		code = EXIT_FAILED;
	}
	reply_deinit(&reply);
	return code;
}

const struct command command_verify = {
	.name = "verify",
	.arguments = "",
	.help = "have the broker check its counts, table and store",
	.description = "Fails with 1 if they differ, and prints where.",
	.run = run,
};
