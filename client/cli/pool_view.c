/* SPDX-License-Identifier: MIT */
#include "client/cli/pool_view.h"

#include "client/cli/pool_remarks.h"
#include "client/cli/reply.h"
#include "client/cli/table.h"
#include "proto/duration.h"

#include <inttypes.h>

static void add_duration(struct table *t, const cJSON *pool, const char *name)
{
	char text[DURATION_TEXT_MAX];
	int64_t ms = tree_int(pool, name, -1);

	table_add(t, "%s", ms < 0 ? "" : duration_format(ms, text, sizeof(text)));
}

static const char *const quotas[][2] = {
	{"per_uid_limit", "user"},
	{"per_process_limit", "process"},
	{"per_label_limit", "label"},
};

/* "user 2, label 4". */
static void add_quotas(struct table *t, const cJSON *pool)
{
	char text[128] = "";

	for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
		int64_t limit = tree_int(pool, quotas[i][0], -1);

		if (limit >= 0)
			remark_add(text, sizeof(text), "%s %" PRId64, quotas[i][1], limit);
	}
	table_add(t, "%s", text);
}

static void add_row(struct table *t, const cJSON *pool)
{
	table_add(t, "%s", tree_text(pool, "pool"));
	table_add(t, "%" PRId64, tree_int(pool, "used_units", 0));
	table_add(t, "%" PRId64, tree_int(pool, "limit", 0));
	table_add(t, "%" PRId64, tree_int(pool, "waiting_sessions", 0));
	add_quotas(t, pool);
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
		{"WAIT", true, false},
		{"QUOTAS", false, true},
		{"TIMEOUT", true, false},
		{"LONGEST", true, false},
		{"LIFE", true, false},
		{"THEN", false, false},
		{"BYTES", true, 110},
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
	t.has_remarks = true;
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}
