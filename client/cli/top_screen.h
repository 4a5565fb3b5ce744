/* SPDX-License-Identifier: MIT */
/* The terminal of `usherctl top`: the only place that knows curses and signals.
 *
 * From open to close the terminal is curses'; close gives it back as it was. One thread, one screen
 * at a time.
 */
#ifndef USHER_CLI_TOP_SCREEN_H
#define USHER_CLI_TOP_SCREEN_H

#include "client/cli/canvas.h"

#include <stdbool.h>
#include <stdint.h>

/* 0, or -ENOTSUP for a terminal that curses does not know. */
int top_screen_open(void);
void top_screen_close(void);

/* Its size now. */
void top_screen_size(size_t *ret_rows, size_t *ret_columns);

/* Show the canvas; whole, also where nothing has changed, with IS_WHOLE. */
void top_screen_show(const struct canvas *canvas, bool is_whole);

/* The next key that was hit, a character or one of enum top_key; 0 if there is none. A new size of
 * the screen counts as one. */
int top_screen_key(void);

/* Until there is a key, or for TIMEOUT_MS. Returns the number of a signal that wants the program to
 * end, SIGHUP also where the terminal is gone; else 0. */
int top_screen_wait(int64_t timeout_ms);

#endif
