/* SPDX-License-Identifier: MIT */
/* JSON on standard output, with numbers and texts exactly as the broker sent them. One thread. */
#ifndef USHER_CLI_JSON_SHOW_H
#define USHER_CLI_JSON_SHOW_H

#include "proto/json_scan.h"

#include <stdbool.h>

/* One document and a line's end. On a terminal it is indented, and characters that could change the
 * terminal are written as \u escapes, which mean the same; otherwise the text is left as it is. */
void json_show(const struct json_value *value, bool is_terminal);

/* On one line, whatever white space the text has, with the same escapes on a terminal. For JSON
 * Lines. */
void json_show_line(const struct json_value *value, bool is_terminal);

#endif
