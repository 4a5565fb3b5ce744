/* SPDX-License-Identifier: MIT */
/* Reading cJSON trees: what is missing or of another type is "", FALLBACK, false or NULL. Any
 * thread may call.
 */
#ifndef USHER_CLI_TREE_H
#define USHER_CLI_TREE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

const char *tree_text(const cJSON *object, const char *name);
int64_t tree_int(const cJSON *object, const char *name, int64_t fallback);
bool tree_bool(const cJSON *object, const char *name);
const cJSON *tree_member(const cJSON *object, const char *name);

/* The first element of the array NAME. */
int64_t tree_first_int(const cJSON *object, const char *name, int64_t fallback);

#endif
