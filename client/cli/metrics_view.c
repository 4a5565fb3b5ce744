/* SPDX-License-Identifier: MIT */
#include "client/cli/metrics_view.h"

#include "client/cli/json_read.h"
#include "client/cli/metrics_names.h"
#include "client/cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_scalar(const struct json_value *value)
{
	return value->type != JSON_OBJECT && value->type != JSON_ARRAY;
}

static const struct table_column pair[] = {{NULL, false, 0}, {NULL, false, 0}};

/* ---- for pipes ---- */

/* What an element of an array is called: a pool's name. */
static bool read_own_name(const struct json_value *element, struct json_value *ret)
{
	return element->type == JSON_OBJECT && json_find_member(element, "pool", ret) &&
	       ret->type == JSON_STRING;
}

static void add_flat(struct table *t, const char *prefix, const struct json_value *value);

static void add_flat_member(struct table *t, const char *prefix, const struct json_value *key,
	const struct json_value *value)
{
	char *name;

	if (asprintf(&name, "%s%s%.*s", prefix, *prefix ? "." : "", (int)key->length, key->text) <
		0) {
		t->failed = true;
		return;
	}
	if (is_scalar(value)) {
		table_add_text(t, name, strlen(name));
		table_add_text(t, value->text, value->length);
	} else {
		add_flat(t, name, value);
	}
	free(name);
}

/* Every number by its own name, so that none is missed here when one is added. */
static void add_flat(struct table *t, const char *prefix, const struct json_value *value)
{
	struct json_value key, item;
	struct json_iter iter;

	json_iter_init(&iter, value);
	if (value->type == JSON_OBJECT) {
		while (json_next_member(&iter, &key, &item))
			add_flat_member(t, prefix, &key, &item);
		return;
	}
	while (json_next_element(&iter, &item)) {
		if (read_own_name(&item, &key))
			add_flat_member(t, prefix, &key, &item);
	}
}

static int view_flat(const struct cli *cli, const struct json_value *object)
{
	struct table t;
	int r;

	table_init(&t, pair, 2);
	add_flat(&t, "", object);
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r;
}

/* ---- for people ---- */

static void add_pair(struct table *t, const struct metrics_name *kind_of,
	const struct json_value *key, const struct json_value *value)
{
	char text[METRICS_VALUE_MAX];

	if (!is_scalar(value))
		return;
	table_add_text(t, key->text, key->length);
	table_add(t, "%s", metrics_format(kind_of, value, text));
}

static void add_group(struct table *t, const struct json_value *object, enum metrics_group group)
{
	struct json_value value;

	for (const struct metrics_name *n = metrics_names; n->name; n++) {
		const struct json_value key = {.text = n->name, .length = strlen(n->name)};

		if (n->group == group && json_find_member(object, n->name, &value))
			add_pair(t, n, &key, &value);
	}
}

static void add_unknown(struct table *t, const struct json_value *object)
{
	struct json_value key, value;
	struct json_iter iter;

	json_iter_init(&iter, object);
	while (json_next_member(&iter, &key, &value)) {
		if (!metrics_find_name(key.text, key.length))
			add_pair(t, NULL, &key, &value);
	}
}

static int print_titled(const char *title, struct table *t)
{
	int r = 0;

	if (t->n_cells > 0 || t->failed) {
		puts(title);
		r = table_print(t, true);
		putchar('\n');
	}
	table_deinit(t);
	return r;
}

static int view_group(const struct json_value *object, enum metrics_group group, const char *title)
{
	struct table t;

	table_init(&t, pair, 2);
	add_group(&t, object, group);
	if (group == METRICS_OF_BROKER)
		add_unknown(&t, object);
	return print_titled(title, &t);
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

static int view_histograms(const struct json_value *object, const char *title)
{
	static const struct table_column columns[] = {{"TIMES", false, false},
		{"COUNT", true, false}, {"P50", true, false}, {"P90", true, false},
		{"P99", true, false}, {"P99.9", true, false}, {"MAX", true, false}};
	static const char *const points[] = {"p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"};
	struct json_value key, value, unused;
	struct json_iter iter;
	struct table t;

	table_init(&t, columns, 7);
	json_iter_init(&iter, object);
	while (json_next_member(&iter, &key, &value)) {
		if (value.type != JSON_OBJECT || !json_find_member(&value, "p50_ns", &unused))
			continue;
		table_add_text(&t, key.text, key.length);
		table_add(&t, "%" PRId64, json_read_int(&value, "count", 0));
		for (size_t i = 0; i < 5; i++)
			add_time(&t, &value, points[i]);
	}
	return print_titled(title, &t);
}

static void add_pool(struct table *t, const struct json_value *pool)
{
	static const char *const own[] = {"active_sessions", "waiting_sessions", "used_units",
		"limit", "over", "overdue", "orphaned"};
	static const char *const of_totals[] = {"created", "completed", "error", "cancelled",
		"timeout", "abandoned", "revoked", "rejected_capacity", "rejected_quota",
		"rejected_queue_full", "rejected_wait_timeout", "rejected_store"};
	struct json_value totals, name;

	if (!json_read_object(pool, "totals", &totals) || !json_find_member(pool, "pool", &name))
		return;
	table_add_text(t, name.text, name.length);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		table_add(t, "%" PRId64, json_read_int(pool, own[i], 0));
	for (size_t i = 0; i < sizeof(of_totals) / sizeof(of_totals[0]); i++)
		table_add(t, "%" PRId64, json_read_int(&totals, of_totals[i], 0));
}

static int view_pools(const struct json_value *metrics)
{
	/* Those with a number over 1 need a terminal of so many columns. */
	static const struct table_column columns[] = {{"POOL", false, 1}, {"ACTIVE", true, 0},
		{"WAIT", true, 0}, {"USED", true, 90}, {"LIMIT", true, 0}, {"OVER", true, 100},
		{"DUE", true, 100}, {"ORPHAN", true, 140}, {"CREATED", true, 0}, {"DONE", true, 0},
		{"ERROR", true, 0}, {"CANCEL", true, 120}, {"TIMEOUT", true, 90},
		{"ABANDON", true, 120}, {"REVOKE", true, 120}, {"FULL", true, 0},
		{"QUOTA", true, 140}, {"QUEUE", true, 140}, {"IN VAIN", true, 140},
		{"STORE", true, 140}};
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
	puts("The pools, counted since the start:");
	r = table_print(&t, true);
	table_deinit(&t);
	return r;
}

#define SINCE_RESET "since the start or the last reset-metrics"

static int view_broker(const struct json_value *metrics)
{
	int r = view_group(metrics, METRICS_NOW, "Now:");

	if (r == 0)
		r = view_group(metrics, METRICS_SINCE_RESET, "Counted " SINCE_RESET ":");
	if (r == 0)
		r = view_group(metrics, METRICS_OF_BROKER, "The broker, counted since its start:");
	if (r == 0)
		r = view_histograms(metrics, "Times " SINCE_RESET ":");
	return r ? r : view_pools(metrics);
}

int metrics_view(const struct cli *cli, const struct json_value *metrics)
{
	int r = cli->is_terminal ? view_broker(metrics) : view_flat(cli, metrics);

	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static int view_one_pool(const struct json_value *pool)
{
	struct json_value totals;
	struct table t;
	int r;

	table_init(&t, pair, 2);
	add_group(&t, pool, METRICS_NOW);
	add_unknown(&t, pool);
	r = print_titled("Now:", &t);
	if (r < 0 || !json_read_object(pool, "totals", &totals))
		return r;
	table_init(&t, pair, 2);
	add_unknown(&t, &totals);
	r = print_titled("Counted since the start:", &t);
	return r ? r : view_histograms(&totals, "Times since the start:");
}

int metrics_view_pool(const struct cli *cli, const struct json_value *pool)
{
	int r = cli->is_terminal ? view_one_pool(pool) : view_flat(cli, pool);

	return r < 0 ? EXIT_FAILED : EXIT_OK;
}
