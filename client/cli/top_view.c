/* SPDX-License-Identifier: MIT */
#include "client/cli/top_view.h"

#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/store_trouble.h"
#include "client/cli/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- lines of a table ---- */

size_t top_view_column(const size_t *widths, size_t column)
{
	size_t at = 0;

	for (size_t c = 0; c < column; c++)
		at += widths[c] == TABLE_HIDDEN ? 0 : widths[c] + TABLE_GAP;
	return at;
}

static void put_cell(struct canvas *canvas, size_t row, size_t at, size_t width, bool is_right,
	enum look look, const char *text)
{
	size_t own = escape_width(text), used;

	if (own <= width) {
		canvas_put(canvas, row, at + (is_right ? width - own : 0), width, look, text);
		return;
	}
	used = canvas_put(canvas, row, at, width - 1, look, text);
	canvas_put(canvas, row, at + used, 1, look, "\xe2\x80\xa6");
}

void top_view_row(struct canvas *canvas, size_t row, const struct table *t, const size_t *widths,
	int index, enum look look)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		const char *text =
			index < 0 ? t->columns[c].name : t->cells[(size_t)index * t->n_columns + c];

		if (widths[c] != TABLE_HIDDEN)
			put_cell(canvas, row, top_view_column(widths, c), widths[c],
				t->columns[c].is_right, look, text);
	}
	if (look == LOOK_HEADING || look == LOOK_SELECTED)
		canvas_paint(canvas, row, 0, canvas->columns, look);
}

/* ---- the head ---- */

static size_t put_text(
	struct canvas *canvas, size_t row, size_t column, enum look look, const char *text)
{
	char *escaped = escape_text(text, strlen(text));
	size_t used = 0;

	if (escaped)
		used = canvas_put(canvas, row, column, canvas->columns, look, escaped);
	escape_free(escaped);
	return used;
}

static void view_clock(const struct top_model *m, struct canvas *canvas)
{
	time_t seconds = (time_t)(m->data.now_us / 1000000);
	char text[16];
	struct tm local;

	if (canvas->columns < 40 || !localtime_r(&seconds, &local))
		return;
	strftime(text, sizeof(text), " %H:%M:%S", &local);
	put_text(canvas, 0, canvas->columns - 9, LOOK_PLAIN, text);
}

static void view_broker(const struct top_model *m, struct canvas *canvas)
{
	const cJSON *metrics = tree_member(m->data.metrics, "metrics");
	char line[512], age[FORMAT_MAX];
	int64_t up_ms = (m->data.now_us - tree_int(metrics, "started_at", 0)) / 1000;

	if (!metrics)
		return;
	snprintf(line, sizeof(line),
		"usherd %.32s, up %s: %" PRId64 " active, %" PRId64 " waiting%s",
		tree_text(metrics, "version"), format_span(up_ms, age),
		tree_int(metrics, "active_sessions", 0), tree_int(metrics, "waiting_sessions", 0),
		tree_bool(metrics, "shutdown_requested") ? "  DRAINING" : "");
	put_text(canvas, 0, 0, LOOK_BOLD, line);
	view_clock(m, canvas);
}

static const char *format_rate(double rate, char *buf)
{
	if (rate < 0)
		return "-";
	snprintf(buf, FORMAT_MAX, "%.*f/s", rate < 99.95 ? 1 : 0, rate);
	return buf;
}

/* "new 12.0/s  refused 0.0/s  held 1.50s/30.0s  waited 30.0ms/600ms (p50/p99)". */
static void view_numbers(const struct top_model *m, struct canvas *canvas)
{
	const struct top_pool *pool = top_model_pool(m);
	const struct top_numbers *n = pool ? &pool->numbers : &m->numbers;
	char line[512], texts[6][FORMAT_MAX];

	if (!m->data.metrics)
		return;
	snprintf(line, sizeof(line), "new %s  refused %s  held %s/%s  waited %s/%s (p50/p99)",
		format_rate(n->creates, texts[0]), format_rate(n->refusals, texts[1]),
		format_brief(n->held_p50_ns, texts[2]), format_brief(n->held_p99_ns, texts[3]),
		format_brief(n->waited_p50_ns, texts[4]), format_brief(n->waited_p99_ns, texts[5]));
	put_text(canvas, 1, 0, LOOK_PLAIN, line);
}

static void put_alert(struct canvas *canvas, size_t row, const char *text)
{
	put_text(canvas, row, 0, LOOK_ALERT, text);
	canvas_paint(canvas, row, 0, canvas->columns, LOOK_ALERT);
}

/* Returns the row after it: there is a line more while the broker cannot store anything. */
static size_t view_head(const struct top_model *m, struct canvas *canvas)
{
	const char *trouble = store_trouble(tree_member(m->data.metrics, "metrics"));
	char line[512];

	view_numbers(m, canvas);
	if (m->trouble[0]) {
		snprintf(line, sizeof(line), " no broker: reconnecting (%s)", m->trouble);
		put_alert(canvas, 0, line);
	} else {
		view_broker(m, canvas);
	}
	if (!*trouble)
		return 2;
	snprintf(line, sizeof(line), " %s", trouble);
	put_alert(canvas, 2, line);
	return 3;
}

/* ---- the last line ---- */

static void view_foot(const struct top_model *m, struct canvas *canvas)
{
	size_t row = canvas->rows - 1;
	char line[512];

	if (m->mode == TOP_CONFIRMING) {
		snprintf(line, sizeof(line),
			m->victim.is_waiting ? "End the wait (y: yes, n: no)? %s"
					     : "Revoke (y: ask its owner, f: force, n: no)? %s",
			m->victim.words);
		put_alert(canvas, row, line);
	} else if (m->message[0]) {
		put_text(canvas, row, 0, LOOK_BOLD, m->message);
	} else {
		snprintf(line, sizeof(line),
			"q quit  s sort: %s  p pool: %.64s  r revoke  ? help  arrows, PgUp, PgDn",
			session_order_names[m->order], m->pool[0] ? m->pool : "all");
		put_text(canvas, row, 0, LOOK_PLAIN, line);
	}
}

/* Pools have at most a third of the screen, sessions the rest. */
void top_view(struct top_model *m, struct canvas *canvas)
{
	size_t row, most;

	if (canvas->rows == 0 || canvas->columns == 0)
		return;
	if (m->mode == TOP_HELPING) {
		top_view_help(canvas);
		return;
	}
	row = view_head(m, canvas);
	most = canvas->rows / 3;
	row = top_view_pools(m, canvas, row, most > 3 ? most : 3);
	top_view_sessions(m, canvas, row + 1, canvas->rows - 1);
	canvas_paint(canvas, canvas->rows - 1, 0, canvas->columns, LOOK_PLAIN);
	view_foot(m, canvas);
}
