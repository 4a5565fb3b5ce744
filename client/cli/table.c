/* SPDX-License-Identifier: MIT */
#include "client/cli/table.h"

#include "client/cli/escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LEAST_CUT 6 /* nothing is cut shorter */

void table_init(struct table *t, const struct table_column *columns, size_t n_columns)
{
	*t = (struct table){.columns = columns, .n_columns = n_columns};
}

void table_deinit(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		escape_free(t->cells[i]);
	free(t->cells);
	table_init(t, t->columns, t->n_columns);
}

static bool make_room(struct table *t)
{
	size_t capacity = t->capacity ? t->capacity * 2 : 64;
	char **cells;

	if (t->n_cells < t->capacity)
		return true;
	cells = reallocarray(t->cells, capacity, sizeof(*cells));
	if (!cells)
		return false;
	t->cells = cells;
	t->capacity = capacity;
	return true;
}

void table_add_text(struct table *t, const char *text, size_t length)
{
	char *cell = escape_text(length ? text : "-", length ? length : 1);

	if (!cell || !make_room(t)) {
		escape_free(cell);
		t->failed = true;
		return;
	}
	t->cells[t->n_cells++] = cell;
}

void table_add(struct table *t, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		t->failed = true;
		return;
	}
	table_add_text(t, text, (size_t)n);
	free(text);
}

size_t table_terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

static bool has_header(const struct table *t)
{
	return t->columns[0].name;
}

/* On a terminal, what may be cut is left out if no row has anything there, or no room is there. */
static void hide(const struct table *t, size_t width, size_t *widths)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		bool is_empty = t->columns[c].may_cut && t->n_cells > 0;

		for (size_t i = c; is_empty && i < t->n_cells; i += t->n_columns)
			is_empty = strcmp(t->cells[i], "-") == 0;
		if (is_empty || width < t->columns[c].may_cut)
			widths[c] = TABLE_HIDDEN;
	}
}

static void measure(const struct table *t, size_t *widths)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		widths[c] = has_header(t) ? strlen(t->columns[c].name) : 0;
		for (size_t i = c; i < t->n_cells; i += t->n_columns) {
			size_t width = escape_width(t->cells[i]);

			if (width > widths[c])
				widths[c] = width;
		}
	}
}

/* The widest of the columns that may be cut further, and the width of the next one. */
static size_t find_widest(const struct table *t, const size_t *widths, size_t *ret_next)
{
	size_t widest = TABLE_HIDDEN, next = LEAST_CUT;

	for (size_t c = 0; c < t->n_columns; c++) {
		if (!t->columns[c].may_cut || widths[c] == TABLE_HIDDEN || widths[c] <= LEAST_CUT)
			continue;
		if (widest == TABLE_HIDDEN || widths[c] >= widths[widest]) {
			next = widest == TABLE_HIDDEN ? next : widths[widest];
			widest = c;
		} else if (widths[c] > next) {
			next = widths[c];
		}
	}
	*ret_next = next;
	return widest;
}

/* Take away from the widest column until all fit: one long text costs the others nothing. */
static void fit(const struct table *t, size_t width, size_t *widths)
{
	size_t total = 0, room = width + TABLE_GAP;

	for (size_t c = 0; c < t->n_columns; c++)
		total += widths[c] == TABLE_HIDDEN ? 0 : widths[c] + TABLE_GAP;
	while (total > room) {
		size_t next, excess = total - room;
		size_t c = find_widest(t, widths, &next), most;

		if (c == TABLE_HIDDEN)
			return;
		most = widths[c] > next ? widths[c] - next : 1;
		if (excess > most)
			excess = most;
		widths[c] -= excess;
		total -= excess;
	}
}

void table_layout(const struct table *t, size_t width, size_t *ret_widths)
{
	measure(t, ret_widths);
	hide(t, width, ret_widths);
	fit(t, width, ret_widths);
}

static void print_spaces(size_t count)
{
	while (count-- > 0)
		putchar(' ');
}

static void print_cut(const char *text, size_t width)
{
	size_t bytes = escape_fit(text, width - 1);
	char *cut = strndup(text, bytes);
	size_t own = cut ? escape_width(cut) + 1 : width;

	printf("%s\xe2\x80\xa6", cut ? cut : "");
	free(cut);
	print_spaces(width - own);
}

/* No spaces at the end of a line: those of a cell are printed before the next one. */
static void print_row(const struct table *t, char *const *cells, const size_t *widths)
{
	size_t pending = 0;

	for (size_t c = 0; c < t->n_columns; c++) {
		const char *text = cells ? cells[c] : t->columns[c].name;
		size_t own;

		if (widths[c] == TABLE_HIDDEN)
			continue;
		if (t->has_remarks && c == t->n_columns - 1 && !strcmp(text, "-"))
			continue;
		own = escape_width(text);
		print_spaces(pending);
		pending = TABLE_GAP;
		if (own > widths[c]) {
			print_cut(text, widths[c]);
			continue;
		}
		print_spaces(t->columns[c].is_right ? widths[c] - own : 0);
		fputs(text, stdout);
		pending += t->columns[c].is_right ? 0 : widths[c] - own;
	}
	putchar('\n');
}

static void print_on_terminal(const struct table *t)
{
	size_t widths[TABLE_COLUMNS_MAX];

	table_layout(t, table_terminal_width(), widths);
	if (has_header(t))
		print_row(t, NULL, widths);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		print_row(t, t->cells + i, widths);
}

int table_print(const struct table *t, bool is_terminal)
{
	if (t->failed || t->n_columns > TABLE_COLUMNS_MAX)
		return -ENOMEM;
	if (is_terminal)
		print_on_terminal(t);
	for (size_t i = 0; !is_terminal && i < t->n_cells; i++)
		printf("%s%c", t->cells[i], (i + 1) % t->n_columns ? '\t' : '\n');
	return 0;
}
