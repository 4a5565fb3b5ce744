/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/reply.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTION_DETACHED = 256, OPTION_REQUEST_ID, OPTION_EXPORT };

static const struct cli_option options[] = {
	{"pool", 'p', "POOL", "the pool (else \"default\")"},
	{"units", 'u', "NUMBER", "how many slots to take at once (else 1)"},
	{"label", 'L', "TEXT", "a label, at most 128 bytes"},
	{"metadata", 'm', "JSON", "a JSON object; @FILE reads a file, - standard input"},
	{"timeout", 't', "TIME", "deadline, as 30s or 1h 30min; infinity for none"},
	{"request-id", OPTION_REQUEST_ID, "ID", "repeating a create with the same ID is safe"},
	{"detached", OPTION_DETACHED, NULL, "ends only by release or deadline (required)"},
	{"export", OPTION_EXPORT, NULL, "print shell assignments, for eval"},
	{0},
};

struct wish {
	const char *pool;
	const char *label;
	const char *request_id;
	char *metadata; /* owned */
	int64_t units;
	int64_t timeout_ms;
	bool is_detached;
	bool is_export;
};

static int take_option(struct cli *cli, int option, char *argument, struct wish *wish)
{
	switch (option) {
	case 'p':
		wish->pool = argument;
		return 0;
	case 'u':
		return argument_number(cli, "units", argument, 1, 4096, &wish->units);
	case 'L':
		wish->label = argument;
		return 0;
	case 'm':
		return argument_json(cli, "metadata", argument, &wish->metadata);
	case 't':
		return argument_timeout(cli, "timeout", argument, &wish->timeout_ms);
	case OPTION_REQUEST_ID:
		wish->request_id = argument;
		return 0;
	case OPTION_DETACHED:
		wish->is_detached = true;
		return 0;
	default:
		wish->is_export = true;
		return 0;
	}
}

/* In single quotes a shell takes all bytes for themselves but the quote. */
static void print_assignment(const char *name, const char *value)
{
	printf("export %s='", name);
	for (; *value; value++)
		fputs(*value == '\'' ? "'\\''" : (char[]){*value, '\0'}, stdout);
	puts("'");
}

static int print_export(const struct cli *cli, const cJSON *session)
{
	char number[FORMAT_MAX];
	char *slots = format_slots(tree_member(session, "slots"), true);
	char *whole = realpath(usher_socket_path(cli->usher), NULL);
	const cJSON *first = cJSON_GetArrayItem(tree_member(session, "slots"), 0);

	if (!slots) {
		free(whole);
		return EXIT_FAILED;
	}
	print_assignment("USHER_SESSION", tree_text(session, "session_id"));
	snprintf(number, sizeof(number), "%.0f", first ? cJSON_GetNumberValue(first) : -1);
	print_assignment("USHER_SLOT", number);
	print_assignment("USHER_SLOTS", slots);
	snprintf(number, sizeof(number), "%" PRId64, tree_int(session, "fence", -1));
	print_assignment("USHER_FENCE", number);
	print_assignment("USHER_POOL", tree_text(session, "pool"));
	print_assignment("USHER_SOCKET", whole ? whole : usher_socket_path(cli->usher));
	free(whole);
	free(slots);
	return EXIT_OK;
}

static int print_session(const struct cli *cli, const cJSON *session)
{
	char *slots = format_slots(tree_member(session, "slots"), false);
	int64_t expires_at = tree_int(session, "expires_at", -1);
	char left[FORMAT_MAX];

	/* The id is on a line of its own here and in a pipe. */
	escape_print(stdout, "", tree_text(session, "session_id"));
	cli_say(cli, "  %s of pool %s, slot %s, fence %" PRId64,
		tree_bool(session, "existing") ? "existing session" : "new session",
		tree_text(session, "pool"), slots ? slots : "?", tree_int(session, "fence", -1));
	if (expires_at >= 0)
		cli_say(cli, "  ends in %s unless renewed or released",
			format_age((expires_at - format_now_us()) / 1000, left));
	else
		cli_say(cli, "  has no deadline: it ends when it is released");
	free(slots);
	return EXIT_OK;
}

static int create(struct cli *cli, const struct wish *wish)
{
	struct json_writer parameters;
	struct reply reply;
	int code;

	parameters_init(&parameters);
	parameters_add_text(&parameters, "pool", wish->pool);
	parameters_add_text(&parameters, "request_id", wish->request_id);
	parameters_add_json(&parameters, "metadata", wish->metadata);
	parameters_add_int(&parameters, "timeout_ms", wish->timeout_ms);
	parameters_add_text(&parameters, "label", wish->label);
	parameters_add_int(&parameters, "units", wish->units);
	parameters_add_text(&parameters, "owner", "detached");
	code = cli_call(cli, "Create", &parameters, &reply);
	if (code)
		return code;
	if (wish->is_export)
		code = print_export(cli, reply.tree);
	else if (!reply_print_json(cli, &reply, NULL))
		code = print_session(cli, reply.tree);
	reply_deinit(&reply);
	return code;
}

static int run(struct cli *cli)
{
	struct wish wish = {.units = PARAMETER_NONE, .timeout_ms = PARAMETER_NONE};
	char **operands;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0)
		code = option < 0 ? -1 : take_option(cli, option, optarg, &wish);
	if (code == 0)
		code = cli_operands(cli, 0, 0, &operands);
	if (code == 0 && !wish.is_detached)
		code = cli_usage_error(cli, "--detached is required: any other session would end"
					    " together with this command ('usherctl run' holds one"
					    " while a program runs)");
	if (code == 0)
		code = create(cli, &wish);
	free(wish.metadata);
	return code < 0 ? cli->exit_code : code;
}

const struct command command_create = {
	.name = "create",
	.arguments = "",
	.help = "take a slot, and print the session's id",
	.description = "The session is detached: it lives until it is released or its deadline\n"
		       "passes (30s if neither --timeout nor the pool says otherwise; 'usherctl\n"
		       "renew' moves it). To have USHER_SESSION, USHER_SLOT, USHER_SLOTS,\n"
		       "USHER_FENCE, USHER_POOL and USHER_SOCKET set in a shell:\n\n"
		       "  eval \"$(usherctl create --detached --export)\"",
	.options = options,
	.run = run,
};
