/* SPDX-License-Identifier: MIT */
#include "client/cli/tree.h"

static int64_t int_of(const cJSON *item, int64_t fallback)
{
	if (!cJSON_IsNumber(item))
		return fallback;
	/* What is outside of int64_t, or no number at all, must not be converted. */
	if (!(item->valuedouble > -9.2e18 && item->valuedouble < 9.2e18))
		return fallback;
	return (int64_t)item->valuedouble;
}

const cJSON *tree_member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *tree_text(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(tree_member(object, name));

	return text ? text : "";
}

int64_t tree_int(const cJSON *object, const char *name, int64_t fallback)
{
	return int_of(tree_member(object, name), fallback);
}

int64_t tree_first_int(const cJSON *object, const char *name, int64_t fallback)
{
	return int_of(cJSON_GetArrayItem(tree_member(object, name), 0), fallback);
}

bool tree_bool(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(tree_member(object, name));
}
