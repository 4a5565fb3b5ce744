/* SPDX-License-Identifier: MIT */
/* Events of Monitor as lines. Pure but for the names of users and the time zone. One thread. */
#ifndef USHER_CLI_EVENT_VIEW_H
#define USHER_CLI_EVENT_VIEW_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* One line with its end: for a terminal of COLUMNS padded, and with the time of day; for 0, a pipe,
 * with tabs between the fields and the whole date. The caller frees it; NULL without memory. */
char *event_line(const cJSON *event, size_t columns);

#endif
