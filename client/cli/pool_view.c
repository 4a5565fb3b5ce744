/* SPDX-License-Identifier: MIT */
#include "client/cli/pool_view.h"

#include "client/cli/format.h"
#include "client/cli/reply.h"
#include "client/cli/table.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static void add_remark(
	char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	if (used) {
		snprintf(text + used, size - used, ", ");
		used = strlen(text);
	}
	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

const char *pool_remarks(const cJSON *pool)
{
	static char text[512];
	int64_t until = tree_int(pool, "paused_until", -1);
	int64_t over = tree_int(pool, "over", 0), overdue = tree_int(pool, "overdue", 0);
	const char *reason = tree_text(pool, "pause_reason");
	char left[FORMAT_MAX];

	text[0] = '\0';
	if (tree_bool(pool, "paused"))
		add_remark(text, sizeof(text), "paused%s%s%s%s", until < 0 ? "" : " for another ",
			until < 0 ? "" : format_age((until - format_now_us()) / 1000, left),
			*reason ? ": " : "", reason);
	if (tree_bool(pool, "removed"))
		add_remark(text, sizeof(text), "being removed");
	if (over > 0)
		add_remark(text, sizeof(text), "%" PRId64 " over the limit", over);
	if (overdue > 0)
		add_remark(text, sizeof(text), "%" PRId64 " overdue", overdue);
	return text;
}

static void add_duration(struct table *t, const cJSON *pool, const char *name)
{
	char text[DURATION_TEXT_MAX];
	int64_t ms = tree_int(pool, name, -1);

	table_add(t, "%s", ms < 0 ? "" : duration_format(ms, text, sizeof(text)));
}

static void add_row(struct table *t, const cJSON *pool)
{
	table_add(t, "%s", tree_text(pool, "pool"));
	table_add(t, "%" PRId64, tree_int(pool, "used_units", 0));
	table_add(t, "%" PRId64, tree_int(pool, "limit", 0));
	add_duration(t, pool, "default_timeout_ms");
	add_duration(t, pool, "max_timeout_ms");
	add_duration(t, pool, "max_duration_ms");
	table_add(t, "%s", tree_text(pool, "on_timeout"));
	table_add(t, "%" PRId64, tree_int(pool, "max_metadata_bytes", 0));
	table_add(t, "%s", tree_text(pool, "source"));
	table_add(t, "%s", pool_remarks(pool));
}

int pool_view(const struct cli *cli, const cJSON *pools)
{
	static const struct table_column columns[] = {
		{"POOL", false, true},
		{"USED", true, false},
		{"LIMIT", true, false},
		{"TIMEOUT", true, false},
		{"LONGEST", true, false},
		{"LIFE", true, false},
		{"THEN", false, false},
		{"BYTES", true, false},
		{"SOURCE", false, false},
		{"REMARKS", false, true},
	};
	const cJSON *pool;
	struct table t;
	int r;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	if (cJSON_IsObject(pools))
		add_row(&t, pools);
	else
		cJSON_ArrayForEach(pool, pools)
		{
			add_row(&t, pool);
		}
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}
