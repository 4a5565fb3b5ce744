/* SPDX-License-Identifier: MIT */
#include "client/cli/pool_details.h"

#include "client/cli/format.h"
#include "client/cli/pool_remarks.h"
#include "client/cli/table.h"
#include "client/cli/tree.h"
#include "proto/duration.h"

#include <inttypes.h>
#include <stdio.h>

enum setting_kind { NUMBER, QUOTA, DURATION, WORD, YES_NO };

/* What a daemon does not give, an older one, is left out. */
static const struct setting {
	const char *member;
	const char *key;
	enum setting_kind kind;
} settings[] = {
	{"limit", "limit", NUMBER},
	{"max_waiters", "max_waiters", NUMBER},
	{"per_uid_waiters", "per_uid_waiters", QUOTA},
	{"per_uid_limit", "per_uid_limit", QUOTA},
	{"per_process_limit", "per_process_limit", QUOTA},
	{"per_label_limit", "per_label_limit", QUOTA},
	{"fair_by", "fair_by", WORD},
	{"age_step_ms", "age_step", DURATION},
	{"starve_after_ms", "starve_after", DURATION},
	{"default_timeout_ms", "default_timeout", DURATION},
	{"max_timeout_ms", "max_timeout", DURATION},
	{"max_duration_ms", "max_duration", DURATION},
	{"on_timeout", "on_timeout", WORD},
	{"max_metadata_bytes", "max_metadata_bytes", NUMBER},
	{"enforce", "enforce", YES_NO},
};

static void add_value(struct table *t, const cJSON *pool, const struct setting *s)
{
	int64_t number = tree_int(pool, s->member, -1);
	char text[DURATION_TEXT_MAX];

	if (s->kind == WORD)
		table_add(t, "%s", tree_text(pool, s->member));
	else if (s->kind == YES_NO)
		table_add(t, tree_bool(pool, s->member) ? "yes" : "no");
	else if (s->kind == DURATION)
		table_add(t, "%s", duration_format(number, text, sizeof(text)));
	else if (s->kind == QUOTA && number < 0)
		table_add(t, "none");
	else
		table_add(t, "%" PRId64, number);
}

static void add_state(struct table *t, const cJSON *pool)
{
	int64_t waiting = tree_int(pool, "waiting_sessions", 0);
	char age[FORMAT_MAX];

	table_add(t, "used");
	table_add(t, "%" PRId64 " of %" PRId64 " slots, by %" PRId64 " sessions",
		tree_int(pool, "used_units", 0), tree_int(pool, "limit", 0),
		tree_int(pool, "active_sessions", 0));
	table_add(t, "waiting");
	if (waiting > 0)
		table_add(t, "%" PRId64 ", the first for %s", waiting,
			format_span(tree_int(pool, "oldest_wait_ms", -1), age));
	else
		table_add(t, "0");
	if (*pool_remarks(pool)) {
		table_add(t, "remarks");
		table_add(t, "%s", pool_remarks(pool));
	}
}

/* "ann, @gpu". */
static void add_allow(struct table *t, const cJSON *pool)
{
	const cJSON *allow = tree_member(pool, "allow"), *name;
	char text[1024] = "";
	int n = 0;

	if (!cJSON_IsArray(allow))
		return;
	cJSON_ArrayForEach(name, allow)
	{
		const char *value = cJSON_GetStringValue(name);

		if (n >= 0 && (size_t)n < sizeof(text))
			n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s", n ? ", " : "",
				value ? value : "?");
	}
	table_add(t, "allow");
	table_add(t, "%s", text);
}

int pool_details(const struct cli *cli, const cJSON *pool)
{
	static const struct table_column columns[] = {{NULL, false, 0}, {NULL, false, 0}};
	struct table t;
	int r;

	table_init(&t, columns, 2);
	table_add(&t, "pool");
	table_add(&t, "%s", tree_text(pool, "pool"));
	table_add(&t, "source");
	table_add(&t, "%s", tree_text(pool, "source"));
	add_state(&t, pool);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (!tree_member(pool, settings[i].member))
			continue;
		table_add(&t, "%s", settings[i].key);
		add_value(&t, pool, &settings[i]);
	}
	add_allow(&t, pool);
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}
