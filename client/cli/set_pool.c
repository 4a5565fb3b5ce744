/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/pool_details.h"
#include "client/cli/reply.h"
#include "proto/duration.h"
#include "proto/message.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

enum {
	OPTION_METADATA = 256,
	OPTION_DEFAULT,
	OPTION_MAX_TIMEOUT,
	OPTION_MAX_DURATION,
	OPTION_THEN,
	OPTION_AGE_STEP,
	OPTION_STARVE_AFTER,
	OPTION_FAIR_BY,
	OPTION_ENFORCE,
	OPTION_NUMBERS, /* the first of those in the table of numbers */
};

static const struct cli_option options[] = {
	{"limit", 'l', "NUMBER", "how many slots"},
	{"max-metadata-bytes", OPTION_METADATA, "SIZE",
		"longest metadata, with K or M if you like"},
	{"default-timeout", OPTION_DEFAULT, "TIME", "deadline of sessions that ask for none"},
	{"max-timeout", OPTION_MAX_TIMEOUT, "TIME", "longest timeout accepted"},
	{"max-duration", OPTION_MAX_DURATION, "TIME", "longest life, renewals or not"},
	{"on-timeout", OPTION_THEN, "POLICY", "release or hold"},
	{"max-waiters", OPTION_NUMBERS, "NUMBER", "how many may wait"},
	{"per-uid-waiters", OPTION_NUMBERS + 1, "NUMBER", "how many of one user may wait, or none"},
	{"per-uid-limit", OPTION_NUMBERS + 2, "NUMBER", "slots that one user may hold, or none"},
	{"per-process-limit", OPTION_NUMBERS + 3, "NUMBER", "the same for one process"},
	{"per-label-limit", OPTION_NUMBERS + 4, "NUMBER", "the same for one label"},
	{"fair-by", OPTION_FAIR_BY, "WHAT", "share between: uid, process, label or none"},
	{"age-step", OPTION_AGE_STEP, "TIME", "the head start of one step of priority"},
	{"starve-after", OPTION_STARVE_AFTER, "TIME", "who waits longer goes first; or infinity"},
	{"enforce", OPTION_ENFORCE, "yes|no", "whether to refuse, or only to count what would be"},
	{0},
};

static const struct {
	const char *option;
	const char *member;
	bool may_be_none;
} numbers[] = {
	{"max-waiters", "max_waiters", false},
	{"per-uid-waiters", "per_uid_waiters", true},
	{"per-uid-limit", "per_uid_limit", true},
	{"per-process-limit", "per_process_limit", true},
	{"per-label-limit", "per_label_limit", true},
};

/* The interface's largest value of a parameter. */
static int64_t largest(const char *member)
{
	for (size_t i = 0; i < set_pool_in.n_fields; i++) {
		if (!strcmp(set_pool_in.fields[i].name, member))
			return set_pool_in.fields[i].max;
	}
	return INT64_MAX;
}

static int add_timeout(
	const struct cli *cli, const char *option, const char *name, struct json_writer *parameters)
{
	int64_t ms = PARAMETER_NONE;
	int code = argument_timeout(cli, option, optarg, &ms);

	parameters_add_int(parameters, name, ms);
	return code;
}

/* 0 is nothing out of the ordinary here. */
static int add_age_step(const struct cli *cli, struct json_writer *parameters)
{
	int64_t ms = PARAMETER_NONE;
	int code = argument_duration(cli, "age-step", optarg, &ms);

	if (code == 0 && ms < 0)
		return cli_usage_error(cli, "--age-step cannot be infinity");
	parameters_add_int(parameters, "age_step_ms", ms);
	return code;
}

static int add_size(const struct cli *cli, struct json_writer *parameters)
{
	uint64_t bytes;

	if (size_parse(optarg, &bytes) < 0)
		return cli_usage_error(cli,
			"--max-metadata-bytes: '%s' is no size; write 4096, 64K or 1M", optarg);
	if (bytes > (uint64_t)largest("max_metadata_bytes"))
		return cli_usage_error(cli, "--max-metadata-bytes: '%s' is more than %" PRId64 "K",
			optarg, largest("max_metadata_bytes") / 1024);
	parameters_add_int(parameters, "max_metadata_bytes", (int64_t)bytes);
	return 0;
}

static int add_number(const struct cli *cli, size_t index, struct json_writer *parameters)
{
	int64_t number = -1;
	int code = 0;

	if (!numbers[index].may_be_none || strcmp(optarg, "none") != 0)
		code = argument_number(cli, numbers[index].option, optarg, 0,
			largest(numbers[index].member), &number);
	if (code == 0)
		parameters_add_int(parameters, numbers[index].member, number);
	return code;
}

static int add_word(const struct cli *cli, const char *option, const char *member,
	const char *const *words, struct json_writer *parameters)
{
	parameters_add_text(parameters, member, optarg);
	return argument_choice(cli, option, optarg, words);
}

static int add_enforce(const struct cli *cli, struct json_writer *parameters)
{
	static const char *const words[] = {"yes", "no", NULL};
	int code = argument_choice(cli, "enforce", optarg, words);

	json_write_key(parameters, "enforce");
	json_write_bool(parameters, !strcmp(optarg, "yes"));
	return code;
}

static int take_option(struct cli *cli, int option, struct json_writer *parameters)
{
	static const char *const policies[] = {"release", "hold", NULL};
	static const char *const keys[] = {"uid", "process", "label", "none", NULL};
	int64_t number = PARAMETER_NONE;
	int code;

	switch (option) {
	case 'l':
		code = argument_number(cli, "limit", optarg, 1, largest("limit"), &number);
		parameters_add_int(parameters, "limit", number);
		return code;
	case OPTION_METADATA:
		return add_size(cli, parameters);
	case OPTION_DEFAULT:
		return add_timeout(cli, "default-timeout", "default_timeout_ms", parameters);
	case OPTION_MAX_TIMEOUT:
		return add_timeout(cli, "max-timeout", "max_timeout_ms", parameters);
	case OPTION_MAX_DURATION:
		return add_timeout(cli, "max-duration", "max_duration_ms", parameters);
	case OPTION_THEN:
		return add_word(cli, "on-timeout", "on_timeout", policies, parameters);
	case OPTION_FAIR_BY:
		return add_word(cli, "fair-by", "fair_by", keys, parameters);
	case OPTION_AGE_STEP:
		return add_age_step(cli, parameters);
	case OPTION_STARVE_AFTER:
		return add_timeout(cli, "starve-after", "starve_after_ms", parameters);
	case OPTION_ENFORCE:
		return add_enforce(cli, parameters);
	default:
		return add_number(cli, (size_t)(option - OPTION_NUMBERS), parameters);
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
		code = pool_details(cli, tree_member(reply.tree, "pool"));
	reply_deinit(&reply);
	return code;
}

static int run(struct cli *cli)
{
	struct json_writer parameters;
	bool is_empty = true;
	char **operands;
	int option, code = 0;

	parameters_init(&parameters);
	while (code == 0 && (option = cli_next(cli)) != 0) {
		code = option < 0 ? -1 : take_option(cli, option, &parameters);
		is_empty = false;
	}
	if (code == 0)
		code = cli_operands(cli, 1, 1, &operands);
	/* A name mistyped while looking at a pool would make one. */
	if (code == 0 && is_empty)
		code = cli_usage_error(cli,
			"give a setting, as --limit; 'usherctl pools %s' shows those in force",
			operands[0]);
	if (code == 0)
		code = set_pool(cli, operands[0], &parameters);
	json_writer_deinit(&parameters);
	return code < 0 ? cli->exit_code : code;
}

const struct command command_set_pool = {
	.name = "set-pool",
	.arguments = "POOL",
	.help = "change a pool's settings, or make a pool (admin)",
	.description =
		"What is not given stays. Lasts until the next reload, where the\n"
		"configuration files win. A lowered limit ends no session: new ones are refused\n"
		"until enough have ended; a raised one grants to those who wait. --enforce no\n"
		"lets all in and counts what the limits would have refused.",
	.options = options,
	.is_admin = true,
	.run = run,
};
