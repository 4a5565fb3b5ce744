/* SPDX-License-Identifier: MIT */
/* The pools on top's screen. */
#include "client/cli/format.h"
#include "client/cli/pool_remarks.h"
#include "client/cli/table.h"
#include "client/cli/top_view.h"
#include "client/cli/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BAR_COLUMN 1
#define BAR_MIN    12
#define BAR_MAX    40

static const struct table_column columns[] = {
	{"POOL", false, 1},
	{"", false, 0}, /* the bar */
	{"USED", true, 0},
	{"WAIT", true, 0},
	{"NEW/S", true, 0},
	{"REF/S", true, 0},
	{"HELD P50/P99", true, 0},
	{"WAITED P50/P99", true, 100},
	{"REMARKS", false, 1},
};

static size_t bar_width(const struct canvas *canvas)
{
	size_t width = BAR_MIN;

	if (canvas->columns > 80)
		width += (canvas->columns - 80) / 3;
	return width < BAR_MAX ? width : BAR_MAX;
}

/* Of the inside, WIDTH columns. */
static size_t filled(const struct top_pool *pool, size_t width)
{
	double part = pool->limit > 0 ? (double)pool->used / (double)pool->limit : 0;

	if (pool->used <= 0)
		return 0;
	if (part >= 1)
		return width;
	return part * (double)width < 1 ? 1 : (size_t)(part * (double)width);
}

static void add_bar(struct table *t, const struct top_pool *pool, size_t width)
{
	char bar[BAR_MAX + 1];
	size_t full = filled(pool, width - 2);

	memset(bar, ' ', width);
	bar[0] = '[';
	memset(bar + 1, '|', full);
	bar[width - 1] = ']';
	bar[width] = '\0';
	table_add(t, "%s", bar);
}

static void add_rate(struct table *t, double rate)
{
	if (rate < 0)
		table_add(t, "-");
	else
		table_add(t, "%.*f", rate < 99.95 ? 1 : 0, rate);
}

static void add_times(struct table *t, int64_t p50_ns, int64_t p99_ns)
{
	char first[FORMAT_MAX], second[FORMAT_MAX];

	if (p50_ns < 0)
		table_add(t, "-");
	else
		table_add(t, "%s/%s", format_brief(p50_ns, first), format_brief(p99_ns, second));
}

static void add_pool(struct table *t, const struct top_pool *pool, size_t width)
{
	table_add(t, "%s", pool->name);
	add_bar(t, pool, width);
	table_add(t, "%" PRId64 "/%" PRId64, pool->used, pool->limit);
	table_add(t, "%" PRId64, tree_int(pool->pool, "waiting_sessions", 0));
	add_rate(t, pool->numbers.creates);
	add_rate(t, pool->numbers.refusals);
	add_times(t, pool->numbers.held_p50_ns, pool->numbers.held_p99_ns);
	add_times(t, pool->numbers.waited_p50_ns, pool->numbers.waited_p99_ns);
	table_add(t, "%s", pool_remarks(pool->pool));
}

static enum look bar_look(const struct top_pool *pool)
{
	if (pool->used > pool->limit)
		return LOOK_ALERT;
	return pool->used == pool->limit ? LOOK_WARNING : LOOK_GOOD;
}

/* The first pool to show so that the one that is shown alone is among COUNT. */
static size_t first_shown(const struct top_model *m, size_t count)
{
	const struct top_pool *alone = top_model_pool(m);
	size_t index = alone ? (size_t)(alone - m->pools) : 0;
	size_t first = index >= count ? index - count + 1 : 0;

	return first + count <= m->n_pools ? first : m->n_pools > count ? m->n_pools - count : 0;
}

static void draw(const struct top_model *m, struct canvas *canvas, size_t row, size_t first,
	const struct table *t)
{
	const struct top_pool *alone = top_model_pool(m);
	size_t widths[TABLE_COLUMNS_MAX];

	table_layout(t, canvas->columns, widths);
	top_view_row(canvas, row, t, widths, -1, LOOK_HEADING);
	for (size_t i = 0; (i + 1) * t->n_columns <= t->n_cells; i++) {
		const struct top_pool *pool = &m->pools[first + i];

		top_view_row(canvas, row + 1 + i, t, widths, (int)i,
			pool == alone ? LOOK_BOLD : LOOK_PLAIN);
		canvas_paint(canvas, row + 1 + i, top_view_column(widths, BAR_COLUMN) + 1,
			filled(pool, widths[BAR_COLUMN] - 2), bar_look(pool));
	}
}

size_t top_view_pools(const struct top_model *m, struct canvas *canvas, size_t row, size_t max)
{
	size_t count = m->n_pools < max - 1 ? m->n_pools : max - 1;
	size_t hidden = m->n_pools - count, first, width = bar_width(canvas);
	char more[64];
	struct table t;

	if (hidden > 0 && count > 1)
		hidden = m->n_pools - --count; /* a line says so */
	first = first_shown(m, count);
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = first; i < first + count; i++)
		add_pool(&t, &m->pools[i], width);
	if (!t.failed)
		draw(m, canvas, row, first, &t);
	table_deinit(&t);
	row += count + 1;
	if (hidden > 0) {
		snprintf(more, sizeof(more), "and %zu more; p chooses one", hidden);
		canvas_put(canvas, row++, 0, canvas->columns, LOOK_PLAIN, more);
	}
	return row;
}
