/* SPDX-License-Identifier: MIT */
#include "client/cli/canvas.h"

#include "client/cli/escape.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_LIMIT 10000 /* no terminal is larger; the product cannot overflow */

void canvas_deinit(struct canvas *canvas)
{
	free(canvas->cells);
	*canvas = (struct canvas){0};
}

int canvas_reset(struct canvas *canvas, size_t rows, size_t columns)
{
	canvas_deinit(canvas);
	if (rows > SIZE_LIMIT || columns > SIZE_LIMIT)
		return -ENOMEM;
	canvas->cells = calloc(rows * columns + 1, sizeof(*canvas->cells));
	if (!canvas->cells)
		return -ENOMEM;
	canvas->rows = rows;
	canvas->columns = columns;
	for (size_t i = 0; i < rows * columns; i++)
		canvas->cells[i].width = 1;
	return 0;
}

static struct cell *cell_at(struct canvas *canvas, size_t row, size_t column)
{
	return canvas->cells + row * canvas->columns + column;
}

const struct cell *canvas_at(const struct canvas *canvas, size_t row, size_t column)
{
	return canvas->cells + row * canvas->columns + column;
}

/* One without a width of its own goes to the cell that is left of COLUMN. */
static void combine(
	struct canvas *canvas, size_t row, size_t column, const char *text, size_t length)
{
	struct cell *cell;
	size_t used;

	if (column == 0)
		return;
	cell = cell_at(canvas, row, column - 1);
	if (cell->width == 0 && column > 1)
		cell--;
	used = strlen(cell->text);
	if (used > 0 && used + length < sizeof(cell->text))
		memcpy(cell->text + used, text, length);
}

static void set(struct canvas *canvas, size_t row, size_t column, size_t width, enum look look,
	const char *text, size_t length)
{
	struct cell *cell = cell_at(canvas, row, column);

	*cell = (struct cell){.width = (unsigned char)width, .look = (unsigned char)look};
	memcpy(cell->text, text, length);
	if (width == 2)
		cell[1] = (struct cell){.width = 0, .look = (unsigned char)look};
}

size_t canvas_put(struct canvas *canvas, size_t row, size_t column, size_t width, enum look look,
	const char *escaped)
{
	const char *end = escaped + strlen(escaped);
	size_t begin = column, limit, own, n;

	if (row >= canvas->rows || column >= canvas->columns)
		return 0;
	limit = width < canvas->columns - column ? column + width : canvas->columns;
	for (; escaped < end; escaped += n) {
		own = escape_step(escaped, end, &n);
		if (column + own > limit)
			break;
		if (own == 0)
			combine(canvas, row, column, escaped, n);
		else
			set(canvas, row, column, own, look, escaped, n);
		column += own;
	}
	return column - begin;
}

void canvas_paint(struct canvas *canvas, size_t row, size_t column, size_t width, enum look look)
{
	if (row >= canvas->rows)
		return;
	for (; width > 0 && column < canvas->columns; column++, width--)
		cell_at(canvas, row, column)->look = (unsigned char)look;
}
