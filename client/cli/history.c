/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/format.h"
#include "client/cli/reply.h"
#include "client/cli/table.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

static const struct cli_option options[] = {
	{"limit", 'l', "NUMBER", "at most so many (else 100; 1000 at most)"},
	{0},
};

static void add_slots(struct table *t, const cJSON *session)
{
	char *slots = format_slots(tree_member(session, "slots"), false);

	table_add(t, "%s", slots ? slots : "?");
	free(slots);
}

static void add_row(struct table *t, const cJSON *session, bool is_terminal)
{
	int64_t ended_at = tree_int(session, "ended_at", -1);
	int64_t pid = tree_int(session, "pid", -1);
	char text[FORMAT_MAX];

	table_add(t, "%s",
		is_terminal ? format_time(ended_at, text) : format_time_word(ended_at, text));
	table_add(t, "%s", tree_text(session, "session_id"));
	table_add(t, "%s", tree_text(session, "pool"));
	table_add(t, "%s", tree_text(session, "outcome"));
	table_add(t, "%s", format_span(tree_int(session, "duration_ms", -1), text));
	add_slots(t, session);
	table_add(t, "%s", format_user(tree_int(session, "uid", -1)));
	table_add(t, pid > 0 ? "%" PRId64 : "-", pid);
	table_add(t, "%s", tree_text(session, "comm"));
	table_add(t, "%s", tree_text(session, "systemd_unit"));
	table_add(t, "%s", tree_text(session, "label"));
	table_add(t, "%s", tree_text(session, "result"));
}

static int print_table(const struct cli *cli, const cJSON *sessions)
{
	static const struct table_column columns[] = {
		{"ENDED", false, false},
		{"SESSION", false, false},
		{"POOL", false, true},
		{"OUTCOME", false, false},
		{"DURATION", true, false},
		{"SLOTS", false, 120},
		{"USER", false, true},
		{"PID", true, false},
		{"COMMAND", false, true},
		{"UNIT", false, 140},
		{"LABEL", false, true},
		{"RESULT", false, true},
	};
	const cJSON *session;
	struct table t;
	int r;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	cJSON_ArrayForEach(session, sessions)
	{
		add_row(&t, session, cli->is_terminal);
	}
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static int run(struct cli *cli)
{
	struct json_writer parameters;
	struct reply reply;
	int64_t limit = PARAMETER_NONE;
	char **operands;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		code = argument_number(cli, "limit", optarg, 1, 1000, &limit);
	}
	if (code == 0)
		code = cli_operands(cli, 0, 0, &operands);
	if (code)
		return code;
	parameters_init(&parameters);
	parameters_add_int(&parameters, "limit", limit);
	code = cli_call(cli, "History", &parameters, &reply);
	if (code)
		return code;
	if (!reply_print_lines(cli, &reply, "sessions"))
		code = print_table(cli, tree_member(reply.tree, "sessions"));
	reply_deinit(&reply);
	return code;
}

const struct command command_history = {
	.name = "history",
	.arguments = "",
	.help = "list ended sessions, the newest first",
	.description =
		"Labels and results of other users' sessions are shown to admins only. With\n"
		"--json one session a line (JSON Lines).",
	.options = options,
	.run = run,
};
