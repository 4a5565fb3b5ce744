/* SPDX-License-Identifier: MIT */
/* What is out of the ordinary about a pool, in words. Pure but for the clock. One thread. */
#ifndef USHER_CLI_POOL_REMARKS_H
#define USHER_CLI_POOL_REMARKS_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* "paused for another 5min: reason, 2 over the limit"; "" if there is nothing to say. Static; not
 * escaped. */
const char *pool_remarks(const cJSON *pool);

/* Add one to a list of them at TEXT, with a comma if it is not the first. */
void remark_add(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
