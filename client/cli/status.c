/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/json_show.h"
#include "client/cli/pool_remarks.h"
#include "client/cli/reply.h"
#include "client/cli/store_trouble.h"
#include "client/cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BAR_WIDTH  20
#define LINE_WIDTH 79

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
	if (*store_trouble(metrics))
		escape_print(stdout, "", store_trouble(metrics));
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
	memset(buf, '.', BAR_WIDTH);
	memset(buf, '#', (size_t)(full > 0 ? full : 0));
	/* One of many is not nothing, nor a whole part. */
	if (full >= 0 && full < BAR_WIDTH && limit > 0 && used * BAR_WIDTH % limit > 0)
		buf[full] = ':';
	buf[BAR_WIDTH] = '\0';
	return buf;
}

static void add_waiting(struct table *t, const cJSON *pool)
{
	int64_t waiting = tree_int(pool, "waiting_sessions", 0);
	char age[FORMAT_MAX];

	if (waiting > 0)
		table_add(t, "%" PRId64 " waiting, the first for %s", waiting,
			format_span(tree_int(pool, "oldest_wait_ms", -1), age));
	else
		table_add(t, "-");
}

static void add_row(struct table *t, const cJSON *pool)
{
	int64_t used = tree_int(pool, "used_units", 0), limit = tree_int(pool, "limit", 0);
	char text[BAR_WIDTH + 1];

	table_add(t, "%s", tree_text(pool, "pool"));
	table_add(t, "%" PRId64 "/%" PRId64, used, limit);
	table_add(t, "%s", bar(used < INT32_MAX ? used : INT32_MAX, limit, text));
	table_add(t, "%" PRId64 " active", tree_int(pool, "active_sessions", 0));
	add_waiting(t, pool);
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
	t.has_remarks = true;
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static const char *const reasons[][2] = {
	{"rejected_capacity", "full"},
	{"rejected_quota", "over quota"},
	{"rejected_queue_full", "queue full"},
	{"rejected_wait_timeout", "waited in vain"},
	{"rejected_paused", "paused"},
	{"rejected_shutdown", "draining"},
	{"rejected_store", "not stored"},
	{"rejected_metadata_size", "metadata"},
	{"rejected_invalid", "invalid"},
	{"rejected_creation_error", "failed"},
};
#define N_REASONS (sizeof(reasons) / sizeof(reasons[0]))

/* "refused: 3 full, 1 paused", in lines that fit. */
static void print_reasons(const cJSON *totals)
{
	size_t column = 0;

	for (size_t i = 0; i < N_REASONS; i++) {
		int64_t count = tree_int(totals, reasons[i][0], 0);
		char text[64];
		size_t length;

		if (count == 0)
			continue;
		length = (size_t)snprintf(
			text, sizeof(text), "%" PRId64 " %s", count, reasons[i][1]);
		if (column > 0 && column + length + 3 > LINE_WIDTH) {
			fputs(",\n         ", stdout);
			column = 9;
		} else {
			fputs(column ? ", " : "refused: ", stdout);
			column += column ? 2 : 9;
		}
		fputs(text, stdout);
		column += length;
	}
	if (column)
		putchar('\n');
}

static void print_counts(const cJSON *metrics)
{
	const cJSON *totals = tree_member(metrics, "totals");
	int64_t sum = 0;

	for (size_t i = 0; i < N_REASONS; i++)
		sum += tree_int(totals, reasons[i][0], 0);
	printf("since the start: %" PRId64 " created, %" PRId64 " had to wait, %" PRId64
	       " refused\n",
		tree_int(totals, "created", 0), tree_int(totals, "queued", 0), sum);
	print_reasons(totals);
	printf("connections: %" PRId64 "\n", tree_int(metrics, "connections", 0));
	if (!strcmp(tree_text(metrics, "store"), "none"))
		puts("state: not kept; all of it ends with the broker");
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
	.description = "A store that is full or failed is told, with the reason.\n"
		       "With --json: {socket, metrics, pools}, as GetMetrics and ListPools give\n"
		       "them.",
	.run = run,
};
