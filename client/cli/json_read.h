/* SPDX-License-Identifier: MIT */
/* Members of objects of a checked text, exactly: for numbers that a cJSON tree would round. */
#ifndef USHER_CLI_JSON_READ_H
#define USHER_CLI_JSON_READ_H

#include "proto/json_scan.h"

#include <string.h>

static inline int64_t json_read_int(
	const struct json_value *object, const char *name, int64_t fallback)
{
	struct json_value value;
	int64_t number;

	if (!json_find_member(object, name, &value) || json_get_int(&value, &number) < 0)
		return fallback;
	return number;
}

static inline bool json_read_object(
	const struct json_value *object, const char *name, struct json_value *ret)
{
	struct json_value value;

	if (!json_find_member(object, name, &value) || value.type != JSON_OBJECT)
		return false;
	*ret = value;
	return true;
}

/* The decoded text, NUL-ended; false if there is none or it does not fit. */
static inline bool json_read_text(
	const struct json_value *object, const char *name, char *buf, size_t size)
{
	struct json_value value;

	if (!json_find_member(object, name, &value) || value.type != JSON_STRING ||
		value.length >= size)
		return false;
	buf[json_unescape(&value, buf)] = '\0';
	return true;
}

#endif
