/* SPDX-License-Identifier: MIT */
/* Tables for people: aligned by display width, cut to the terminal.
 *
 * Cells are added from left to right, row by row; they are escaped, and an empty one becomes "-".
 * On a terminal there is a header, and columns that may be cut are cut where it is too narrow; in a
 * pipe there is neither, so that `cut` and `awk` see data only. One thread.
 */
#ifndef USHER_CLI_TABLE_H
#define USHER_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct table_column {
	const char *name; /* NULL in all of them: no header */
	bool is_right;
	bool may_cut;
};

struct table {
	const struct table_column *columns;
	size_t n_columns;
	char **cells; /* owned */
	size_t n_cells;
	size_t capacity;
	bool failed; /* out of memory */
};

void table_init(struct table *t, const struct table_column *columns, size_t n_columns);
void table_deinit(struct table *t);

void table_add(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_add_text(struct table *t, const char *text, size_t length);

/* To standard output. 0 or -ENOMEM. */
int table_print(const struct table *t, bool is_terminal);

#endif
