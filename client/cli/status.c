/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/json_show.h"
#include "client/cli/pool_view.h"
#include "client/cli/reply.h"
#include "client/cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BAR_WIDTH 20

static void print_head(const struct cli *cli, const cJSON *metrics)
{
	char age[FORMAT_MAX], line[512];
	int64_t started_at = tree_int(metrics, "started_at", -1);

	snprintf(line, sizeof(line), "usherd %.64s at %s, up %s", tree_text(metrics, "version"),
		usher_socket_path(cli->usher),
		format_age((format_now_us() - started_at) / 1000, age));
	escape_print(stdout, "", line);
	if (tree_bool(metrics, "shutdown_requested"))
		puts("DRAINING: new sessions are refused until 'usherctl resume'");
	if (!tree_bool(metrics, "last_reload_ok"))
		puts("the last reload found mistakes in the configuration; the old one is in "
		     "force");
	if (tree_int(metrics, "metadata_bytes_drift", 0) != 0)
		puts("the metadata bytes were miscounted; see 'usherctl verify'");
}

static const char *bar(int64_t used, int64_t limit, char *buf)
{
	int64_t full = limit > 0 ? used * BAR_WIDTH / limit : 0;

	if (full > BAR_WIDTH)
		full = BAR_WIDTH;
	if (full == 0 && used > 0)
		full = 1; /* one of many is not nothing */
	memset(buf, '.', BAR_WIDTH);
	memset(buf, '#', (size_t)(full > 0 ? full : 0));
	buf[BAR_WIDTH] = '\0';
	return buf;
}

static void add_row(struct table *t, const cJSON *pool)
{
	int64_t used = tree_int(pool, "used_units", 0), limit = tree_int(pool, "limit", 0);
	char text[BAR_WIDTH + 1];

	table_add(t, "%s", tree_text(pool, "pool"));
	table_add(t, "%" PRId64 "/%" PRId64, used, limit);
	table_add(t, "%s", bar(used < INT32_MAX ? used : INT32_MAX, limit, text));
	table_add(t, "%" PRId64 " active", tree_int(pool, "active_sessions", 0));
	table_add(t, "%s", used >= limit && !*pool_remarks(pool) ? "full" : pool_remarks(pool));
}

static int print_pools(const struct cli *cli, const cJSON *pools)
{
	static const struct table_column columns[] = {
		{NULL, false, true},
		{NULL, true, false},
		{NULL, false, false},
		{NULL, true, false},
		{NULL, false, true},
	};
	const cJSON *pool;
	struct table t;
	int r;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	cJSON_ArrayForEach(pool, pools)
	{
		add_row(&t, pool);
	}
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static void print_counts(const cJSON *metrics)
{
	static const char *const reasons[][2] = {
		{"rejected_capacity", "full"},
		{"rejected_paused", "paused"},
		{"rejected_shutdown", "draining"},
		{"rejected_metadata_size", "metadata"},
		{"rejected_invalid", "invalid"},
		{"rejected_creation_error", "failed"},
	};
	const cJSON *totals = tree_member(metrics, "totals");
	int64_t sum = 0;
	const char *separator = " (";

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		sum += tree_int(totals, reasons[i][0], 0);
	printf("%" PRId64 " created, %" PRId64 " refused", tree_int(totals, "created", 0), sum);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		int64_t count = tree_int(totals, reasons[i][0], 0);

		if (count > 0) {
			printf("%s%" PRId64 " %s", separator, count, reasons[i][1]);
			separator = ", ";
		}
	}
	printf("%s since the start; connections: %" PRId64 "\n", sum > 0 ? ")" : "",
		tree_int(metrics, "connections", 0));
}

static void print_json(
	const struct cli *cli, const struct reply *metrics, const struct reply *pools)
{
	struct json_value value;
	struct json_writer w;

	parameters_init(&w);
	parameters_add_text(&w, "socket", usher_socket_path(cli->usher));
	if (json_find_member(&metrics->value, "metrics", &value)) {
		json_write_key(&w, "metrics");
		json_write_raw(&w, value.text, value.length);
	}
	if (json_find_member(&pools->value, "pools", &value)) {
		json_write_key(&w, "pools");
		json_write_raw(&w, value.text, value.length);
	}
	json_write_object_end(&w);
	if (!json_writer_failed(&w) && json_parse(w.data, w.length, UINT32_MAX, &value, NULL) == 0)
		json_show(&value, cli->is_terminal);
	json_writer_deinit(&w);
}

static int run(struct cli *cli)
{
	struct reply metrics, pools;
	const cJSON *tree;
	int code;

	if (cli_no_arguments(cli) < 0)
		return cli->exit_code;
	code = cli_call(cli, "GetMetrics", NULL, &metrics);
	if (code)
		return code;
	code = cli_call(cli, "ListPools", NULL, &pools);
	if (code) {
		reply_deinit(&metrics);
		return code;
	}
	tree = tree_member(metrics.tree, "metrics");
	if (cli->json) {
		print_json(cli, &metrics, &pools);
	} else {
		print_head(cli, tree);
		code = print_pools(cli, tree_member(pools.tree, "pools"));
		print_counts(tree);
	}
	reply_deinit(&metrics);
	reply_deinit(&pools);
	return code;
}

const struct command command_status = {
	.name = "status",
	.arguments = "",
	.help = "show at a glance how the broker and its pools are",
	.description = "With --json: {socket, metrics, pools}, as GetMetrics and ListPools give\n"
		       "them.",
	.run = run,
};
