/* SPDX-License-Identifier: MIT */
/* The sessions on top's screen. */
#include "client/cli/format.h"
#include "client/cli/table.h"
#include "client/cli/top_view.h"
#include "client/cli/tree.h"

#include <stdio.h>

#define MARGIN 300 /* rows above and below the screen that take part in the layout */

static const struct table_column columns[] = {
	{"SLOT", false, 1},
	{"POOL", false, 1},
	{"USER", false, 1},
	{"PID", true, 0},
	{"COMMAND", false, 1},
	{"UNIT", false, 110},
	{"AGE", true, 0},
	{"LEFT", true, 0},
	{"FLAGS", false, 1},
	{"SESSION", false, 100},
	{"LABEL", false, 140},
};

static void add_row(struct table *t, const struct session_row *row)
{
	session_row_add_place(t, row);
	table_add(t, "%s", row->pool);
	session_row_add_user(t, row);
	session_row_add_pid(t, row);
	table_add(t, "%s", row->command);
	table_add(t, "%s", row->unit);
	session_row_add_age(t, row);
	session_row_add_left(t, row);
	session_row_add_flags(t, row);
	table_add(t, "%s", row->session_id);
	table_add(t, "%s", row->label);
}

/* The cursor's row is on the screen, and there is no gap at the end. */
static void scroll(struct top_model *m, size_t page)
{
	m->page = page;
	if (m->cursor < m->scroll)
		m->scroll = m->cursor;
	if (page > 0 && m->cursor >= m->scroll + page)
		m->scroll = m->cursor - page + 1;
	if (m->scroll + page > m->n_rows)
		m->scroll = m->n_rows > page ? m->n_rows - page : 0;
}

static enum look look_of(const struct top_model *m, size_t index)
{
	const cJSON *session = m->rows[index].session;

	if (index == m->cursor)
		return LOOK_SELECTED;
	if (*session_flags(session, ","))
		return LOOK_WARNING;
	return LOOK_PLAIN;
}

static void draw(const struct top_model *m, struct canvas *canvas, size_t row, size_t first,
	const struct table *t)
{
	size_t widths[TABLE_COLUMNS_MAX];

	table_layout(t, canvas->columns, widths);
	top_view_row(canvas, row, t, widths, -1, LOOK_HEADING);
	for (size_t i = 0; i < m->page && m->scroll + i < m->n_rows; i++)
		top_view_row(canvas, row + 1 + i, t, widths, (int)(m->scroll + i - first),
			look_of(m, m->scroll + i));
}

/* "1-12 of 500" above the heading, where not all are on the screen. */
static void view_range(const struct top_model *m, struct canvas *canvas, size_t row)
{
	char text[64];
	int n;

	if (m->n_rows <= m->page || canvas->columns < 60 || row == 0)
		return;
	n = snprintf(text, sizeof(text), " %zu-%zu of %zu", m->scroll + 1, m->scroll + m->page,
		m->n_rows);
	canvas_put(canvas, row - 1, canvas->columns - (size_t)n, (size_t)n, LOOK_PLAIN, text);
}

void top_view_sessions(struct top_model *m, struct canvas *canvas, size_t row, size_t end)
{
	size_t page = end > row + 1 ? end - row - 1 : 0, first, last;
	struct table t;

	scroll(m, page);
	first = m->scroll > MARGIN ? m->scroll - MARGIN : 0;
	last = m->scroll + page + MARGIN < m->n_rows ? m->scroll + page + MARGIN : m->n_rows;
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = first; i < last; i++)
		add_row(&t, &m->rows[i]);
	if (!t.failed && row < end)
		draw(m, canvas, row, first, &t);
	if (m->n_rows == 0 && row + 1 < end && m->data.metrics)
		canvas_put(canvas, row + 1, 0, canvas->columns, LOOK_PLAIN,
			"nobody holds a slot, nobody waits");
	table_deinit(&t);
	view_range(m, canvas, row);
}
