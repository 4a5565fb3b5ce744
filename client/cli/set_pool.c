/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/pool_view.h"
#include "client/cli/reply.h"
#include "proto/duration.h"

#include <getopt.h>

enum {
	OPTION_METADATA = 256,
	OPTION_DEFAULT,
	OPTION_MAX_TIMEOUT,
	OPTION_MAX_DURATION,
	OPTION_THEN
};

static const struct cli_option options[] = {
	{"limit", 'l', "NUMBER", "how many slots"},
	{"max-metadata-bytes", OPTION_METADATA, "SIZE",
		"longest metadata, with K or M if you like"},
	{"default-timeout", OPTION_DEFAULT, "TIME", "deadline of sessions that ask for none"},
	{"max-timeout", OPTION_MAX_TIMEOUT, "TIME", "longest timeout accepted"},
	{"max-duration", OPTION_MAX_DURATION, "TIME", "longest life, renewals or not"},
	{"on-timeout", OPTION_THEN, "POLICY", "release or hold"},
	{0},
};

static int add_duration(
	const struct cli *cli, const char *option, const char *name, struct json_writer *parameters)
{
	int64_t ms = PARAMETER_NONE;
	int code = argument_timeout(cli, option, optarg, &ms);

	parameters_add_int(parameters, name, ms);
	return code;
}

static int add_size(const struct cli *cli, struct json_writer *parameters)
{
	uint64_t bytes;

	if (size_parse(optarg, &bytes) < 0)
		return cli_usage_error(cli,
			"--max-metadata-bytes: '%s' is no size; write 4096, 64K or 1M", optarg);
	parameters_add_int(parameters, "max_metadata_bytes", (int64_t)bytes);
	return 0;
}

static int take_option(struct cli *cli, int option, struct json_writer *parameters)
{
	static const char *const policies[] = {"release", "hold", NULL};
	int64_t number = PARAMETER_NONE;
	int code;

	switch (option) {
	case 'l':
		code = argument_number(cli, "limit", optarg, 1, INT32_MAX, &number);
		parameters_add_int(parameters, "limit", number);
		return code;
	case OPTION_METADATA:
		return add_size(cli, parameters);
	case OPTION_DEFAULT:
		return add_duration(cli, "default-timeout", "default_timeout_ms", parameters);
	case OPTION_MAX_TIMEOUT:
		return add_duration(cli, "max-timeout", "max_timeout_ms", parameters);
	case OPTION_MAX_DURATION:
		return add_duration(cli, "max-duration", "max_duration_ms", parameters);
	default:
		parameters_add_text(parameters, "on_timeout", optarg);
		return argument_choice(cli, "on-timeout", optarg, policies);
	}
}

static int set_pool(struct cli *cli, const char *pool, struct json_writer *parameters)
{
	struct reply reply;
	int code;

	parameters_add_text(parameters, "pool", pool);
	code = cli_call(cli, "SetPool", parameters, &reply);
	if (code)
		return code;
	if (!reply_print_json(cli, &reply, "pool") && cli->is_terminal)
		code = pool_view(cli, tree_member(reply.tree, "pool"));
	reply_deinit(&reply);
	return code;
}

static int run(struct cli *cli)
{
	struct json_writer parameters;
	char **operands;
	int option, code = 0;

	parameters_init(&parameters);
	while (code == 0 && (option = cli_next(cli)) != 0)
		code = option < 0 ? -1 : take_option(cli, option, &parameters);
	if (code == 0)
		code = cli_operands(cli, 1, 1, &operands);
	if (code == 0)
		code = set_pool(cli, operands[0], &parameters);
	json_writer_deinit(&parameters);
	return code < 0 ? cli->exit_code : code;
}

const struct command command_set_pool = {
	.name = "set-pool",
	.arguments = "POOL",
	.help = "change a pool's settings, or make a pool (admin)",
	.description = "What is not given stays. Lasts until the next reload, where the\n"
		       "configuration files win. Sessions over a lowered limit are not ended.",
	.options = options,
	.run = run,
};
