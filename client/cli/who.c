/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/json_show.h"
#include "client/cli/pool_check.h"
#include "client/cli/pool_remarks.h"
#include "client/cli/session_list.h"
#include "client/cli/session_row.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_option options[] = {
	{"pool", 'p', "POOL", "this pool only"},
	{0},
};

struct who {
	struct cli *cli;
	const char *pool; /* NULL: all */
	struct reply pools;
	struct session_list sessions;
	struct session_row *rows; /* owned; sorted by pool, holders before waiters */
};

/* ---- the rows ---- */

static int compare_rows(const void *a, const void *b)
{
	return session_row_compare(a, b, ORDER_POOL);
}

static int read_rows(struct who *who)
{
	int64_t now_us = format_now_us();

	who->rows = calloc(who->sessions.count + 1, sizeof(*who->rows));
	if (!who->rows)
		return EXIT_FAILED;
	for (size_t i = 0; i < who->sessions.count; i++) {
		session_row_read(session_list_get(&who->sessions, i), now_us, &who->rows[i]);
		who->rows[i].index = i;
	}
	qsort(who->rows, who->sessions.count, sizeof(*who->rows), compare_rows);
	return 0;
}

static int fetch_sessions(struct who *who)
{
	struct json_writer parameters;
	const char *text;
	int r, code = EXIT_FAILED;

	parameters_init(&parameters);
	parameters_add_text(&parameters, "pool", who->pool);
	text = parameters_finish(&parameters);
	if (text) {
		r = session_list_fetch(&who->sessions, who->cli->usher, text);
		code = r < 0 ? cli_explain(who->cli, r) : read_rows(who);
	}
	json_writer_deinit(&parameters);
	return code;
}

/* ---- for people and pipes ---- */

/* "gpu: 2 of 2 slots in use, 3 waiting (paused: upgrade)". */
static void print_headline(const cJSON *pool)
{
	char line[1024];
	const char *remarks = pool_remarks(pool);
	int n = snprintf(line, sizeof(line), "%.128s: %" PRId64 " of %" PRId64 " slots in use",
		tree_text(pool, "pool"), tree_int(pool, "used_units", 0),
		tree_int(pool, "limit", 0));

	if (tree_int(pool, "waiting_sessions", 0) > 0)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ", %" PRId64 " waiting",
			tree_int(pool, "waiting_sessions", 0));
	if (*remarks)
		snprintf(line + n, sizeof(line) - (size_t)n, " (%s)", remarks);
	escape_print(stdout, "", line);
}

/* On a terminal the pool is in the headline. */
static void add_row(struct table *t, const struct session_row *row, bool is_terminal)
{
	if (!is_terminal)
		table_add(t, "%s", row->pool);
	session_row_add_place(t, row);
	session_row_add_user(t, row);
	session_row_add_pid(t, row);
	table_add(t, "%s", row->command);
	table_add(t, "%s", row->unit);
	session_row_add_age(t, row);
	session_row_add_left(t, row);
	session_row_add_flags(t, row);
	table_add(t, "%s", row->session_id);
}

static int print_rows(const struct who *who, const char *pool)
{
	static const struct table_column columns[] = {
		{"POOL", false, 1},
		{"SLOTS", false, 1},
		{"USER", false, 1},
		{"PID", true, 0},
		{"COMMAND", false, 1},
		{"UNIT", false, 100},
		{"AGE", true, 0},
		{"LEFT", true, 1},
		{"FLAGS", false, 1},
		{"SESSION", false, 0},
	};
	size_t skipped = who->cli->is_terminal ? 1 : 0;
	struct table t;
	int r = 0;

	table_init(&t, columns + skipped, sizeof(columns) / sizeof(columns[0]) - skipped);
	for (size_t i = 0; i < who->sessions.count; i++) {
		if (!pool || !strcmp(who->rows[i].pool, pool))
			add_row(&t, &who->rows[i], who->cli->is_terminal);
	}
	if (t.n_cells > 0 || t.failed)
		r = table_print(&t, who->cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static bool is_wanted(const struct who *who, const char *pool)
{
	return !who->pool || !strcmp(who->pool, pool);
}

static int print_groups(const struct who *who)
{
	const cJSON *pool;
	bool is_first = true;
	int code = EXIT_OK;

	cJSON_ArrayForEach(pool, tree_member(who->pools.tree, "pools"))
	{
		if (!is_wanted(who, tree_text(pool, "pool")) || code)
			continue;
		if (!is_first)
			putchar('\n');
		is_first = false;
		print_headline(pool);
		code = print_rows(who, tree_text(pool, "pool"));
	}
	return code;
}

/* ---- JSON ---- */

static void write_sessions(
	const struct who *who, const char *pool, bool is_waiting, struct json_writer *w)
{
	json_write_array_begin(w);
	for (size_t i = 0; i < who->sessions.count; i++) {
		const struct session_row *row = &who->rows[i];
		struct json_value session;

		if (row->is_waiting == is_waiting && !strcmp(row->pool, pool) &&
			json_find_member(
				&who->sessions.items[row->index].value, "session", &session))
			json_write_raw(w, session.text, session.length);
	}
	json_write_array_end(w);
}

/* {"pool": ..., "holders": [...], "waiters": [...]}, as ListPools and List give them. */
static int print_pool_line(const struct who *who, const struct json_value *pool, const char *name)
{
	struct json_writer w;
	struct json_value value;
	bool is_done = false;

	json_writer_init(&w);
	json_write_object_begin(&w);
	json_write_key(&w, "pool");
	json_write_raw(&w, pool->text, pool->length);
	json_write_key(&w, "holders");
	write_sessions(who, name, false, &w);
	json_write_key(&w, "waiters");
	write_sessions(who, name, true, &w);
	json_write_object_end(&w);
	if (!json_writer_failed(&w) &&
		json_parse(w.data, w.length, UINT32_MAX, &value, NULL) == 0) {
		json_show_line(&value, who->cli->is_terminal);
		is_done = true;
	}
	json_writer_deinit(&w);
	return is_done ? EXIT_OK : EXIT_FAILED;
}

static int print_lines(const struct who *who)
{
	const cJSON *tree = tree_member(who->pools.tree, "pools");
	struct json_value pools, pool;
	struct json_iter iter;
	int code = EXIT_OK;

	if (!json_find_member(&who->pools.value, "pools", &pools) || pools.type != JSON_ARRAY)
		return EXIT_FAILED;
	json_iter_init(&iter, &pools);
	tree = tree ? tree->child : NULL;
	for (; tree && json_next_element(&iter, &pool) && code == 0; tree = tree->next) {
		if (is_wanted(who, tree_text(tree, "pool")))
			code = print_pool_line(who, &pool, tree_text(tree, "pool"));
	}
	return code;
}

static int print_who(const struct who *who)
{
	if (who->cli->json)
		return print_lines(who);
	return who->cli->is_terminal ? print_groups(who) : print_rows(who, NULL);
}

static int show(struct cli *cli, const char *pool)
{
	struct who who = {.cli = cli, .pool = pool};
	int code = cli_call(cli, "ListPools", NULL, &who.pools);

	if (code)
		return code;
	if (pool)
		code = pool_check(cli, tree_member(who.pools.tree, "pools"), pool);
	if (code == 0)
		code = fetch_sessions(&who);
	if (code == 0)
		code = print_who(&who);
	reply_deinit(&who.pools);
	session_list_deinit(&who.sessions);
	free(who.rows);
	return code;
}

static int run(struct cli *cli)
{
	const char *pool = NULL;
	char **operands;
	int option, code;

	while ((option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		pool = optarg;
	}
	code = cli_operands(cli, 0, 0, &operands);
	return code ? code : show(cli, pool);
}

const struct command command_who = {
	.name = "who",
	.arguments = "",
	.help = "show who holds the slots of each pool, and who waits",
	.description =
		"SLOTS of one that waits is its place in the queue, as #3, and AGE how long it\n"
		"has waited; LEFT is the time to a deadline. FLAGS: overdue, its deadline has\n"
		"passed in a pool that holds it; orphaned, the broker was killed, and its owner\n"
		"has not come back yet; revoking, it was asked to let go. On a pipe each row\n"
		"begins with the pool, and there are no headings. With --json one pool a line:\n"
		"{pool, holders, waiters}, as the broker sent them.",
	.options = options,
	.run = run,
};
