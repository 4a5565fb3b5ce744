/* SPDX-License-Identifier: MIT */
#include "client/cli/store_trouble.h"

#include "client/cli/tree.h"

#include <stdio.h>
#include <string.h>

const char *store_trouble(const cJSON *metrics)
{
	static char text[256];
	const char *state = tree_text(metrics, "store"), *error = tree_text(metrics, "store_error");
	const char *what = !strcmp(state, "full")     ? "STORE FULL"
			   : !strcmp(state, "failed") ? "STORE FAILED"
						      : NULL;

	if (!what)
		return "";
	snprintf(text, sizeof(text), "%s%s%.160s; new sessions are refused", what,
		*error ? ": " : "", error);
	return text;
}
