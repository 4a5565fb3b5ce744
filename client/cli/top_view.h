/* SPDX-License-Identifier: MIT */
/* The screen of `usherctl top` on a canvas. One thread. */
#ifndef USHER_CLI_TOP_VIEW_H
#define USHER_CLI_TOP_VIEW_H

#include "client/cli/canvas.h"
#include "client/cli/top_model.h"

/* Draw all of it. The model is told which rows are on the screen. Without memory parts are missing.
 */
void top_view(struct top_model *model, struct canvas *canvas);

/* ---- its parts, for each other ---- */

/* The pools with a heading, from ROW on, at most MAX rows. Returns the row after them. */
size_t top_view_pools(const struct top_model *model, struct canvas *canvas, size_t row, size_t max);

/* The sessions with a heading, from ROW on down to the one before END. */
void top_view_sessions(struct top_model *model, struct canvas *canvas, size_t row, size_t end);

void top_view_help(struct canvas *canvas);

struct table;

/* Row INDEX of the table, or its heading (-1), laid out as table_layout() said. */
void top_view_row(struct canvas *canvas, size_t row, const struct table *table,
	const size_t *widths, int index, enum look look);

/* Where a column begins. */
size_t top_view_column(const size_t *widths, size_t column);

#endif
