/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/format.h"
#include "client/cli/json_show.h"
#include "client/cli/session_view.h"
#include "client/cli/table.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_UID = 256, OPTION_PID, OPTION_STATE, OPTION_WHERE };

static const struct cli_option options[] = {
	{"pool", 'p', "POOL", "those of this pool"},
	{"uid", OPTION_UID, "USER", "those of this user, a name or a number"},
	{"pid", OPTION_PID, "PID", "those of this process"},
	{"state", OPTION_STATE, "STATE", "idle or processing"},
	{"label", 'L', "TEXT", "those with this label"},
	{"where", OPTION_WHERE, "JSON", "those whose metadata has these members"},
	{"limit", 'n', "NUMBER", "at most so many, the oldest first"},
	{0},
};

struct filter {
	struct json_writer parameters;
	int64_t limit;
};

/* The replies are taken at once and printed afterwards: the broker cuts off a client that stops
 * reading, as a pager would make this one do. */
struct sessions {
	struct cli *cli;
	struct reply *items; /* owned */
	size_t count;
	size_t capacity;
	int64_t limit;
	int code;
};

static int find_user(const struct cli *cli, const char *text, int64_t *ret)
{
	const struct passwd *user = getpwnam(text);

	if (!user)
		return argument_number(cli, "uid", text, 0, UINT32_MAX, ret);
	*ret = user->pw_uid;
	return 0;
}

static int add_where(const struct cli *cli, const char *text, struct json_writer *parameters)
{
	char *json = NULL;
	int code = argument_json(cli, "where", text, &json);

	parameters_add_json(parameters, "where", json);
	free(json);
	return code;
}

static int take_option(struct cli *cli, int option, struct filter *filter)
{
	static const char *const states[] = {"idle", "processing", NULL};
	int64_t number = PARAMETER_NONE;
	int code = 0;

	switch (option) {
	case 'p':
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

static int keep_reply(struct sessions *s, const char *text)
{
	char *copy;

	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? s->capacity * 2 : 64;
		struct reply *items = reallocarray(s->items, capacity, sizeof(*items));

		if (!items)
			return EXIT_FAILED;
		s->items = items;
		s->capacity = capacity;
	}
	copy = strdup(text);
	if (!copy)
		return EXIT_FAILED;
	s->code = reply_parse(s->cli, copy, &s->items[s->count]);
	if (s->code)
		return s->code;
	if (cJSON_IsObject(tree_member(s->items[s->count].tree, "session")))
		s->count++;
	else
		reply_deinit(&s->items[s->count]); /* the stream's empty end */
	return 0;
}

static int on_reply(void *userdata, const char *parameters, bool continues)
{
	struct sessions *s = userdata;

	(void)continues;
	if ((uint64_t)s->limit <= s->count)
		return 1;
	return keep_reply(s, parameters);
}

static int fetch(struct sessions *s, const char *parameters)
{
	int code = cli_connect(s->cli);
	int r;

	if (code)
		return code;
	r = usher_call_more(s->cli->usher, USHER_INTERFACE ".List", parameters, on_reply, s);
	if (r == 0 || (r == -ECANCELED && !s->code && (uint64_t)s->limit <= s->count))
		return 0;
	return s->code ? s->code : cli_explain(s->cli, r);
}

static void add_row(struct table *t, const struct reply *reply)
{
	const cJSON *session = tree_member(reply->tree, "session");
	char *slots = format_slots(tree_member(session, "slots"), false);
	int64_t pid = tree_int(session, "pid", -1);
	struct json_value value, metadata = {.length = 0};
	char age[FORMAT_MAX];

	table_add(t, "%s", tree_text(session, "session_id"));
	table_add(t, "%s", tree_text(session, "pool"));
	table_add(t, "%s", session_state(session));
	table_add(t, "%s", slots ? slots : "?");
	table_add(t, "%s", format_user(tree_int(session, "uid", -1)));
	table_add(t, pid > 0 ? "%" PRId64 : "-", pid);
	table_add(t, "%s", tree_text(session, "comm"));
	table_add(t, "%s",
		format_age((format_now_us() - tree_int(session, "created_at", 0)) / 1000, age));
	table_add(t, "%s", format_age(tree_int(session, "remaining_ms", -1), age));
	table_add(t, "%s", tree_text(session, "label"));
	if (json_find_member(&reply->value, "session", &value) && value.type == JSON_OBJECT)
		json_find_member(&value, "metadata", &metadata);
	table_add_text(t, metadata.text, metadata.length);
	free(slots);
}

static int print_table(const struct sessions *s)
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
	for (size_t i = 0; i < s->count; i++)
		add_row(&t, &s->items[i]);
	r = table_print(&t, s->cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static int print_lines(const struct sessions *s)
{
	struct json_value session;

	for (size_t i = 0; i < s->count; i++) {
		if (json_find_member(&s->items[i].value, "session", &session))
			json_show_line(&session);
	}
	return EXIT_OK;
}

static int list(struct cli *cli, struct filter *filter)
{
	struct sessions s = {.cli = cli, .limit = filter->limit};
	const char *parameters = parameters_finish(&filter->parameters);
	int code = parameters ? fetch(&s, parameters) : EXIT_FAILED;

	if (code == 0)
		code = cli->json ? print_lines(&s) : print_table(&s);
	for (size_t i = 0; i < s.count; i++)
		reply_deinit(&s.items[i]);
	free(s.items);
	return code;
}

static int run(struct cli *cli)
{
	struct filter filter = {.limit = INT64_MAX};
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
	.help = "list live sessions, the oldest first",
	.description =
		"Labels and metadata of other users' sessions are shown to admins only;\n"
		"--label and --where match only where they are shown. With --json one session\n"
		"a line (JSON Lines), as the broker sent it.",
	.options = options,
	.run = run,
};
