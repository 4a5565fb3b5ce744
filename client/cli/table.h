/* SPDX-License-Identifier: MIT */
/* Tables for people: aligned by display width, cut to the terminal.
 *
 * Cells are added from left to right, row by row; they are escaped, and an empty one becomes "-".
 * On a terminal there is a header, and columns that may be cut are cut where it is too narrow; in a
 * pipe there is no header, and cells are divided by tabs, so that `cut` and `awk -F'\\t'` see data
 * only. One thread.
 */
#ifndef USHER_CLI_TABLE_H
#define USHER_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_column {
	const char *name; /* NULL in all of them: no header */
	bool is_right;
	/* 0: always whole; 1: may be cut; more: that, and left out where the terminal has fewer
	 * columns than that. */
	unsigned may_cut;
};

#define TABLE_COLUMNS_MAX 24
#define TABLE_HIDDEN      SIZE_MAX
#define TABLE_GAP         2 /* columns between columns */

struct table {
	const struct table_column *columns;
	size_t n_columns;
	char **cells; /* owned */
	size_t n_cells;
	size_t capacity;
	bool has_remarks; /* the last column: on a terminal its empty cells are left blank */
	bool failed;      /* out of memory */
};

void table_init(struct table *t, const struct table_column *columns, size_t n_columns);
void table_deinit(struct table *t);

void table_add(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_add_text(struct table *t, const char *text, size_t length);

/* Columns of the terminal at standard output; 80 if it does not say. */
size_t table_terminal_width(void);

/* How wide the columns are on a terminal of WIDTH columns; TABLE_HIDDEN for one that is left out.
 * RET has room for TABLE_COLUMNS_MAX. */
void table_layout(const struct table *t, size_t width, size_t *ret_widths);

/* To standard output. 0 or -ENOMEM. */
int table_print(const struct table *t, bool is_terminal);

#endif
