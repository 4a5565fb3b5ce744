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

#define COLUMNS_MAX 16
#define GAP         2 /* columns between columns */
#define LEAST_CUT   8 /* nothing is cut shorter */

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

static size_t terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

static bool has_header(const struct table *t, bool is_terminal)
{
	return is_terminal && t->columns[0].name;
}

#define HIDDEN SIZE_MAX

/* On a terminal, what may be cut is left out if no row has anything there. */
static void hide_empty(const struct table *t, size_t *widths)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		bool is_empty = t->columns[c].may_cut && t->n_cells > 0;

		for (size_t i = c; is_empty && i < t->n_cells; i += t->n_columns)
			is_empty = strcmp(t->cells[i], "-") == 0;
		if (is_empty)
			widths[c] = HIDDEN;
	}
}

static void measure(const struct table *t, bool is_terminal, size_t *widths)
{
	for (size_t c = 0; c < t->n_columns; c++)
		widths[c] = has_header(t, is_terminal) ? strlen(t->columns[c].name) : 0;
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t width = escape_width(t->cells[i]);

		if (width > widths[i % t->n_columns])
			widths[i % t->n_columns] = width;
	}
}

/* Take away from the columns that may be cut, the last one first. */
static void fit(const struct table *t, size_t *widths)
{
	size_t total = 0, room = terminal_width() + GAP;

	for (size_t c = 0; c < t->n_columns; c++)
		total += widths[c] == HIDDEN ? 0 : widths[c] + GAP;
	for (size_t c = t->n_columns; c-- > 0 && total > room;) {
		size_t excess = total - room, most;

		if (!t->columns[c].may_cut || widths[c] <= LEAST_CUT || widths[c] == HIDDEN)
			continue;
		most = widths[c] - LEAST_CUT;
		if (excess > most)
			excess = most;
		widths[c] -= excess;
		total -= excess;
	}
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
		size_t own = escape_width(text);

		if (widths[c] == HIDDEN)
			continue;
		print_spaces(pending);
		pending = GAP;
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

int table_print(const struct table *t, bool is_terminal)
{
	size_t widths[COLUMNS_MAX];

	if (t->failed || t->n_columns > COLUMNS_MAX)
		return -ENOMEM;
	measure(t, is_terminal, widths);
	if (is_terminal) {
		hide_empty(t, widths);
		fit(t, widths);
	}
	if (has_header(t, is_terminal))
		print_row(t, NULL, widths);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		print_row(t, t->cells + i, widths);
	return 0;
}
