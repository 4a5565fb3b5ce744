/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/format.h"
#include "client/cli/json_show.h"
#include "client/cli/pool_check.h"
#include "client/cli/session_list.h"
#include "client/cli/session_row.h"
#include "client/cli/session_view.h"
#include "client/cli/table.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_UID = 256, OPTION_PID, OPTION_STATE, OPTION_WHERE };

static const struct cli_option options[] = {
	{"pool", 'p', "POOL", "those of this pool"},
	{"uid", OPTION_UID, "USER", "those of this user, a name or a number"},
	{"pid", OPTION_PID, "PID", "those of this process"},
	{"state", OPTION_STATE, "STATE", "waiting, idle or processing"},
	{"label", 'L', "TEXT", "those with this label"},
	{"where", OPTION_WHERE, "JSON", "those whose metadata has these members"},
	{"limit", 'l', "NUMBER", "at most so many, the oldest first"},
	{0},
};

struct filter {
	const char *pool;
	struct json_writer parameters;
	int64_t limit; /* 0: none */
};

static int find_user(const struct cli *cli, const char *text, int64_t *ret)
{
	const struct passwd *user = getpwnam(text);

	if (!user && !text[strspn(text, "0123456789")])
		return argument_number(cli, "uid", text, 0, UINT32_MAX, ret);
	if (!user)
		return cli_usage_error(cli, "--uid: there is no user '%s'", text);
	*ret = user->pw_uid;
	return 0;
}

static int add_where(const struct cli *cli, const char *text, struct json_writer *parameters)
{
	char *json = NULL;
	int code = argument_json(cli, "--where", text, &json);

	parameters_add_json(parameters, "where", json);
	free(json);
	return code;
}

static int take_option(struct cli *cli, int option, struct filter *filter)
{
	static const char *const states[] = {"waiting", "idle", "processing", NULL};
	int64_t number = PARAMETER_NONE;
	int code = 0;

	switch (option) {
	case 'p':
		filter->pool = optarg;
		parameters_add_text(&filter->parameters, "pool", optarg);
		break;
	case OPTION_UID:
		code = find_user(cli, optarg, &number);
		parameters_add_int(&filter->parameters, "uid", number);
		break;
	case OPTION_PID:
		code = argument_number(cli, "pid", optarg, 1, INT32_MAX, &number);
		parameters_add_int(&filter->parameters, "pid", number);
		break;
	case OPTION_STATE:
		code = argument_choice(cli, "state", optarg, states);
		parameters_add_text(&filter->parameters, "state", optarg);
		break;
	case 'L':
		parameters_add_text(&filter->parameters, "label", optarg);
		break;
	case OPTION_WHERE:
		return add_where(cli, optarg, &filter->parameters);
	default:
		code = argument_number(cli, "limit", optarg, 1, INT64_MAX, &filter->limit);
	}
	return code;
}

static void add_metadata(struct table *t, const struct reply *reply)
{
	struct json_value session, metadata = {.length = 0};

	if (json_find_member(&reply->value, "session", &session) && session.type == JSON_OBJECT)
		json_find_member(&session, "metadata", &metadata);
	table_add_text(t, metadata.text, metadata.length);
}

static void add_row(struct table *t, const struct reply *reply)
{
	const cJSON *session = tree_member(reply->tree, "session");
	struct session_row row;

	session_row_read(session, format_now_us(), &row);
	table_add(t, "%s", row.session_id);
	table_add(t, "%s", row.pool);
	table_add(t, "%s", session_state(session));
	session_row_add_place(t, &row);
	session_row_add_user(t, &row);
	session_row_add_pid(t, &row);
	table_add(t, "%s", row.command);
	session_row_add_age(t, &row);
	session_row_add_left(t, &row);
	table_add(t, "%s", row.label);
	add_metadata(t, reply);
}

static int print_table(const struct cli *cli, const struct session_list *sessions)
{
	static const struct table_column columns[] = {
		{"SESSION", false, false},
		{"POOL", false, true},
		{"STATE", false, false},
		{"SLOTS", false, true},
		{"USER", false, true},
		{"PID", true, false},
		{"COMMAND", false, true},
		{"AGE", true, false},
		{"LEFT", true, false},
		{"LABEL", false, true},
		{"METADATA", false, true},
	};
	struct table t;
	int r;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < sessions->count; i++)
		add_row(&t, &sessions->items[i]);
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static int print_lines(const struct cli *cli, const struct session_list *sessions)
{
	struct json_value session;

	for (size_t i = 0; i < sessions->count; i++) {
		if (json_find_member(&sessions->items[i].value, "session", &session))
			json_show_line(&session, cli->is_terminal);
	}
	return EXIT_OK;
}

static int list(struct cli *cli, struct filter *filter)
{
	struct session_list sessions = {.limit = filter->limit};
	const char *parameters = parameters_finish(&filter->parameters);
	int code = parameters ? cli_connect(cli) : EXIT_FAILED;
	int r;

	if (code)
		return code;
	r = session_list_fetch(&sessions, cli->usher, parameters);
	if (r < 0)
		code = cli_explain(cli, r);
	else if (sessions.count == 0 && filter->pool)
		code = pool_check_call(cli, filter->pool);
	else
		code = cli->json ? print_lines(cli, &sessions) : print_table(cli, &sessions);
	session_list_deinit(&sessions);
	return code;
}

static int run(struct cli *cli)
{
	struct filter filter = {.limit = 0};
	char **operands;
	int option, code = 0;

	parameters_init(&filter.parameters);
	while (code == 0 && (option = cli_next(cli)) != 0)
		code = option < 0 ? -1 : take_option(cli, option, &filter);
	if (code == 0)
		code = cli_operands(cli, 0, 0, &operands);
	if (code == 0)
		code = list(cli, &filter);
	json_writer_deinit(&filter.parameters);
	return code < 0 ? cli->exit_code : code;
}

const struct command command_list = {
	.name = "list",
	.arguments = "",
	.help = "list live and waiting sessions, the oldest first",
	.description =
		"SLOTS of a session that waits is its place in the queue, as #3, and AGE how\n"
		"long it has waited; PID is '-' if it belongs to no process. Labels and metadata\n"
		"of other users' sessions are shown to admins only; --label and --where match\n"
		"only where they are shown. On a pipe there are no headings, and tabs between\n"
		"the cells. With --json one session a line (JSON Lines), as the broker sent it.",
	.options = options,
	.run = run,
};
