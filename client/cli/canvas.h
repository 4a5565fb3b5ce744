/* SPDX-License-Identifier: MIT */
/* A screen in memory: a grid of cells, into which escaped texts are put and which is then shown at
 * once, or looked at by a test. Everything outside of the grid is dropped. It knows no terminal.
 * One thread.
 */
#ifndef USHER_CLI_CANVAS_H
#define USHER_CLI_CANVAS_H

#include <stddef.h>

enum look {
	LOOK_PLAIN,
	LOOK_BOLD,
	LOOK_HEADING,
	LOOK_SELECTED,
	LOOK_GOOD,
	LOOK_WARNING,
	LOOK_ALERT,
};

/* A character, with what combines with it as far as there is room; "" is a blank. */
struct cell {
	char text[14];
	unsigned char width; /* 1 or 2; 0: the second half of the one before */
	unsigned char look;
};

struct canvas {
	size_t rows;
	size_t columns;
	struct cell *cells; /* owned */
};

/* Make it blank, and so large. 0 or -ENOMEM; then it is empty. An empty one is all zeroes. */
int canvas_reset(struct canvas *canvas, size_t rows, size_t columns);
void canvas_deinit(struct canvas *canvas);

/* Put an escaped text, cut after WIDTH columns. Returns how many it took. */
size_t canvas_put(struct canvas *canvas, size_t row, size_t column, size_t width, enum look look,
	const char *escaped);

/* Change the look of WIDTH columns. */
void canvas_paint(struct canvas *canvas, size_t row, size_t column, size_t width, enum look look);

/* The cell, which must be inside. */
const struct cell *canvas_at(const struct canvas *canvas, size_t row, size_t column);

#endif
