/* SPDX-License-Identifier: MIT */
#include "client/cli/metrics_view.h"

#include "client/cli/json_read.h"
#include "client/cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_scalar(const struct json_value *value)
{
	return value->type != JSON_OBJECT && value->type != JSON_ARRAY;
}

/* Every number of the reply by its own name, so that none is missed here when one is added. */
static int view_scalars(const struct cli *cli, const struct json_value *metrics)
{
	static const struct table_column columns[] = {{NULL, false, false}, {NULL, true, false}};
	struct json_value key, value;
	struct json_iter iter;
	struct table t;
	int r;

	table_init(&t, columns, 2);
	json_iter_init(&iter, metrics);
	while (json_next_member(&iter, &key, &value)) {
		if (!is_scalar(&value) || json_string_is(&key, "version", 7))
			continue;
		table_add_text(&t, key.text, key.length);
		table_add_text(&t, value.text, value.length);
	}
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r;
}

static void add_time(struct table *t, const struct json_value *histogram, const char *name)
{
	int64_t ns = json_read_int(histogram, name, 0);

	if (json_read_int(histogram, "count", 0) == 0)
		table_add(t, "-");
	else if (ns < 1000000)
		table_add(t, "%.1fus", (double)ns / 1e3);
	else if (ns < INT64_C(1000000000))
		table_add(t, "%.2fms", (double)ns / 1e6);
	else
		table_add(t, "%.2fs", (double)ns / 1e9);
}

static int view_histograms(const struct cli *cli, const struct json_value *metrics)
{
	static const struct table_column columns[] = {{"TIMES", false, false},
		{"COUNT", true, false}, {"P50", true, false}, {"P90", true, false},
		{"P99", true, false}, {"P99.9", true, false}, {"MAX", true, false}};
	static const char *const points[] = {"p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"};
	struct json_value key, value, unused;
	struct json_iter iter;
	struct table t;
	int r;

	table_init(&t, columns, 7);
	json_iter_init(&iter, metrics);
	while (json_next_member(&iter, &key, &value)) {
		if (value.type != JSON_OBJECT || !json_find_member(&value, "p50_ns", &unused))
			continue;
		table_add_text(&t, key.text, key.length);
		table_add(&t, "%" PRId64, json_read_int(&value, "count", 0));
		for (size_t i = 0; i < 5; i++)
			add_time(&t, &value, points[i]);
	}
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r;
}

static void add_pool(struct table *t, const struct json_value *pool)
{
	static const char *const own[] = {
		"active_sessions", "used_units", "limit", "over", "overdue"};
	static const char *const of_totals[] = {"created", "completed", "error", "cancelled",
		"timeout", "abandoned", "revoked", "rejected_capacity"};
	struct json_value totals, name;

	if (!json_read_object(pool, "totals", &totals) || !json_find_member(pool, "pool", &name))
		return;
	table_add_text(t, name.text, name.length);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		table_add(t, "%" PRId64, json_read_int(pool, own[i], 0));
	for (size_t i = 0; i < sizeof(of_totals) / sizeof(of_totals[0]); i++)
		table_add(t, "%" PRId64, json_read_int(&totals, of_totals[i], 0));
}

static int view_pools(const struct cli *cli, const struct json_value *metrics)
{
	static const struct table_column columns[] = {{"POOL", false, true},
		{"ACTIVE", true, false}, {"USED", true, false}, {"LIMIT", true, false},
		{"OVER", true, false}, {"DUE", true, false}, {"CREATED", true, false},
		{"DONE", true, false}, {"ERROR", true, false}, {"CANCEL", true, false},
		{"TIMEOUT", true, false}, {"ABANDON", true, false}, {"REVOKE", true, false},
		{"FULL", true, false}};
	struct json_value pools, pool;
	struct json_iter iter;
	struct table t;
	int r;

	if (!json_find_member(metrics, "pools", &pools) || pools.type != JSON_ARRAY)
		return 0;
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	json_iter_init(&iter, &pools);
	while (json_next_element(&iter, &pool)) {
		if (pool.type == JSON_OBJECT)
			add_pool(&t, &pool);
	}
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r;
}

int metrics_view(const struct cli *cli, const struct json_value *metrics)
{
	int r = view_scalars(cli, metrics);

	/* Pipes get the numbers, a name and a value a line. */
	if (r == 0 && cli->is_terminal) {
		putchar('\n');
		r = view_histograms(cli, metrics);
	}
	if (r == 0 && cli->is_terminal) {
		puts("\nSince the start:");
		r = view_pools(cli, metrics);
	}
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}
