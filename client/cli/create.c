/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/owner.h"
#include "client/cli/reply.h"
#include "client/cli/wait.h"
#include "client/request_id.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_REQUEST_ID = 256, OPTION_PRIORITY, OPTION_EXPORT };

static const struct cli_option options[] = {
	{"pool", 'p', "POOL", "the pool (else \"default\")"},
	{"units", 'u', "NUMBER", "how many slots to take at once (else 1)"},
	{"label", 'L', "TEXT", "a label, at most 128 bytes"},
	{"metadata", 'm', "JSON", "a JSON object; @FILE reads a file, - standard input"},
	{"timeout", 't', "TIME",
		"deadline, as 30s or 1h 30min; infinity for none, which --detached does not take"},
	{"request-id", OPTION_REQUEST_ID, "ID", "repeating a create with the same ID is safe"},
	OWNER_OPTIONS,
	{"wait", 'w', "TIME", "wait so long for a slot, or infinity (else not)"},
	{"priority", OPTION_PRIORITY, "0-9", "a head start in the queue (else 0)"},
	{"export", OPTION_EXPORT, NULL, "print shell assignments, for eval"},
	{0},
};

struct wish {
	const char *pool;
	const char *label;
	const char *request_id;
	char made_id[REQUEST_ID_SIZE]; /* where none is given */
	char *metadata;                /* owned */
	int64_t units;
	int64_t timeout_ms;
	int64_t wait_ms;
	int64_t priority;
	struct owner_wish owner;
	bool is_export;
};

static int take_option(struct cli *cli, int option, char *argument, struct wish *wish)
{
	int code;

	if (owner_take_option(cli, option, argument, &wish->owner, &code))
		return code;
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
		return argument_json(cli, "--metadata", argument, &wish->metadata);
	case 't':
		return argument_timeout(cli, "timeout", argument, &wish->timeout_ms);
	case OPTION_REQUEST_ID:
		wish->request_id = argument;
		return 0;
	case 'w':
		return argument_duration(cli, "wait", argument, &wish->wait_ms);
	case OPTION_PRIORITY:
		return argument_number(cli, "priority", argument, 0, 9, &wish->priority);
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

/* For the shell whose eval must fail: without it a script would run on without a slot, or with that
 * of the session around it. $USHER_SOCKET is the script's own choice. */
static void print_export_failure(void)
{
	puts("unset USHER_SESSION USHER_SLOT USHER_SLOTS USHER_FENCE USHER_POOL\nfalse");
}

/* Before the options are looked at: one of them may be wrong. */
static bool is_export_wanted(const struct cli *cli)
{
	for (int i = 1; i < cli->argc; i++) {
		if (!strcmp(cli->argv[i], "--export"))
			return true;
	}
	return false;
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

/* How it will end, as far as is known today. */
static void say_end(const struct cli *cli, int64_t expires_at, const struct owner_wish *owner)
{
	char left[FORMAT_MAX];

	format_age((expires_at - format_now_us()) / 1000, left);
	if (owner->pid && expires_at >= 0)
		cli_say(cli,
			"  ends with process %" PRId64 ", and in %s unless renewed or released",
			owner->pid, left);
	else if (owner->pid)
		cli_say(cli, "  ends with process %" PRId64 ", or when it is released", owner->pid);
	else if (expires_at >= 0)
		cli_say(cli, "  ends in %s unless renewed or released", left);
	else
		cli_say(cli, "  has no deadline: it ends when it is released");
}

static int print_session(const struct cli *cli, const cJSON *session, const struct wish *wish)
{
	/* Of an id that was made here it is this very request's, asked for twice. */
	bool is_existing = tree_bool(session, "existing") && !wish->made_id[0];
	char *slots = format_slots(tree_member(session, "slots"), false);

	/* The id is on a line of its own here and in a pipe. */
	escape_print(stdout, "", tree_text(session, "session_id"));
	cli_say(cli, "  %s of pool %s, slot %s, fence %" PRId64,
		is_existing ? "existing session" : "new session", tree_text(session, "pool"),
		slots ? slots : "?", tree_int(session, "fence", -1));
	say_end(cli, tree_int(session, "expires_at", -1), &wish->owner);
	free(slots);
	return EXIT_OK;
}

static void add_parameters(const void *userdata, int64_t wait_ms, struct json_writer *parameters)
{
	const struct wish *wish = userdata;

	parameters_init(parameters);
	parameters_add_text(parameters, "pool", wish->pool);
	parameters_add_text(parameters, "request_id", wish->request_id);
	parameters_add_json(parameters, "metadata", wish->metadata);
	parameters_add_int(parameters, "timeout_ms", wish->timeout_ms);
	parameters_add_int(parameters, "wait_ms", wait_ms);
	parameters_add_int(parameters, "priority", wish->priority);
	parameters_add_text(parameters, "label", wish->label);
	parameters_add_int(parameters, "units", wish->units);
	owner_add_parameters(&wish->owner, parameters);
}

static int create_now(struct cli *cli, const struct wish *wish, struct reply *ret)
{
	struct json_writer parameters;

	add_parameters(wish, wish->wait_ms, &parameters);
	return cli_call(cli, "Create", &parameters, ret);
}

static int create_waiting(struct cli *cli, const struct wish *wish, struct reply *ret)
{
	const struct wait_wish wait = {.pool = wish->pool ? wish->pool : "default",
		.wait_ms = wish->wait_ms,
		.add_parameters = add_parameters,
		.userdata = wish};

	cli->wait_ms = wish->wait_ms;
	return wait_for_session(cli, &wait, ret);
}

/* With a request id in any case, so that it can be asked for twice if the answer is lost. */
static int create(struct cli *cli, struct wish *wish)
{
	bool is_waiting = wish->wait_ms != PARAMETER_NONE && wish->wait_ms != 0;
	struct reply reply;
	int code;

	if (!wish->request_id && request_id_make(wish->made_id) == 0)
		wish->request_id = wish->made_id;
	code = is_waiting ? create_waiting(cli, wish, &reply) : create_now(cli, wish, &reply);
	if (code)
		return code;
	if (wish->is_export)
		code = print_export(cli, reply.tree);
	else if (!reply_print_json(cli, &reply, NULL))
		code = print_session(cli, reply.tree, wish);
	reply_deinit(&reply);
	return code;
}

static int run(struct cli *cli)
{
	struct wish wish = {
		.units = PARAMETER_NONE,
		.timeout_ms = PARAMETER_NONE,
		.wait_ms = PARAMETER_NONE,
		.priority = PARAMETER_NONE,
	};
	bool is_export = is_export_wanted(cli); /* getopt changes the order */
	char **operands;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0)
		code = option < 0 ? -1 : take_option(cli, option, optarg, &wish);
	if (code == 0)
		code = cli_operands(cli, 0, 0, &operands);
	if (code == 0)
		code = owner_check(cli, &wish.owner);
	if (code == 0 && wish.is_export && cli->json)
		code = cli_usage_error(cli, "--export and --json exclude each other");
	if (code == 0)
		code = create(cli, &wish);
	free(wish.metadata);
	code = code < 0 ? cli->exit_code : code;
	if (code && is_export)
		print_export_failure();
	return code;
}

const struct command command_create = {
	.name = "create",
	.arguments = "",
	.help = "take a slot, and print the session's id",
	.description =
		"The session ends by release, by its deadline, or, with --owner-pid, with that\n"
		"process, which must be yours. Detached ones have a deadline (30s if neither\n"
		"--timeout nor the pool says otherwise; 'usherctl renew' moves it). While it\n"
		"waits, a terminal shows its place in the queue, and an interrupt ends the\n"
		"wait. To have USHER_SESSION, USHER_SLOT, USHER_SLOTS, USHER_FENCE, USHER_POOL\n"
		"and USHER_SOCKET set in a script, and the slot free when the script ends:\n\n"
		"  eval \"$(usherctl create --owner-pid $$ --wait infinity --export)\" || exit\n\n"
		"If there is no session, --export prints 'false' and unsets them, so that the\n"
		"eval fails. With --detached and a deadline, long work has to renew it.",
	.options = options,
	.run = run,
};
