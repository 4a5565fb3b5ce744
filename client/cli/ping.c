/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/escape.h"
#include "client/cli/reply.h"

#include <getopt.h>
#include <stdio.h>
#include <time.h>

static const struct cli_option options[] = {
	{"timeout", 't', "TIME", "wait at most so long (else 5s)"},
	{0},
};

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int ping(struct cli *cli)
{
	struct reply reply;
	char line[320];
	char *text;
	int64_t began = now_us();
	int r = usher_call(cli->usher, VARLINK_INTERFACE ".GetInfo", NULL, &text);
	int64_t took = now_us() - began;
	int code;

	if (r < 0)
		return cli_explain(cli, r);
	code = reply_parse(cli, text, &reply);
	if (code)
		return code;
	if (!reply_print_json(cli, &reply, NULL)) {
		snprintf(line, sizeof(line), "%.64s %.64s at %s answered in %.3f ms",
			tree_text(reply.tree, "product"), tree_text(reply.tree, "version"),
			usher_socket_path(cli->usher), (double)took / 1000);
		escape_print(stdout, "", line);
	}
	reply_deinit(&reply);
	return EXIT_OK;
}

static int run(struct cli *cli)
{
	char **operands;
	int option, code = 0;

	cli->call_timeout_ms = 5000;
	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		code = argument_timeout(cli, "timeout", optarg, &cli->call_timeout_ms);
	}
	if (code == 0)
		code = cli_operands(cli, 0, 0, &operands);
	if (code == 0)
		code = cli_connect(cli);
	return code ? code : ping(cli);
}

const struct command command_ping = {
	.name = "ping",
	.arguments = "",
	.help = "see whether a broker answers",
	.description = "Fails with 3 if none does.",
	.options = options,
	.run = run,
};
