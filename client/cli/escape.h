/* SPDX-License-Identifier: MIT */
/* Texts from other programs made safe to print, and how wide they are on a terminal.
 *
 * Control characters, invalid UTF-8, what reorders or hides text (bidi controls, zero width
 * formatting) and unassigned characters become visible escapes: \n, \x1b, \u{202e}. One thread.
 */
#ifndef USHER_CLI_ESCAPE_H
#define USHER_CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Have the locale that this needs, in the calling thread. Done by itself where it is needed. */
void escape_init(void);

/* A copy of TEXT, LENGTH bytes, with escapes; NULL without memory. Free it with escape_free(). */
char *escape_text(const char *text, size_t length);
void escape_free(char *escaped);

/* A line: INTRO as it is, TEXT escaped. */
void escape_print(FILE *stream, const char *intro, const char *text);

/* Columns of an escaped text. */
size_t escape_width(const char *escaped);

/* How many bytes of an escaped text fit into WIDTH columns. */
size_t escape_fit(const char *escaped, size_t width);

/* Columns of the character at ESCAPED, which has *RET_LENGTH bytes. */
size_t escape_step(const char *escaped, const char *end, size_t *ret_length);

/* The character at TEXT, of *RET_LENGTH bytes; false if there is no valid one. */
bool escape_decode(const char *text, const char *end, uint32_t *ret, size_t *ret_length);

/* True if the character may go to a terminal as it is. */
bool escape_is_harmless(uint32_t character);

#endif
