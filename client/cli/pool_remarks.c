/* SPDX-License-Identifier: MIT */
#include "client/cli/pool_remarks.h"

#include "client/cli/format.h"
#include "client/cli/tree.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void remark_add(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	if (used) {
		snprintf(text + used, size - used, ", ");
		used = strlen(text);
	}
	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

const char *pool_remarks(const cJSON *pool)
{
	static char text[512];
	int64_t until = tree_int(pool, "paused_until", -1);
	int64_t over = tree_int(pool, "over", 0), overdue = tree_int(pool, "overdue", 0);
	int64_t orphaned = tree_int(pool, "orphaned", 0);
	const char *reason = tree_text(pool, "pause_reason");
	char left[FORMAT_MAX];

	text[0] = '\0';
	if (tree_bool(pool, "paused"))
		remark_add(text, sizeof(text), "paused%s%s%s%s", until < 0 ? "" : " for another ",
			until < 0 ? "" : format_age((until - format_now_us()) / 1000, left),
			*reason ? ": " : "", reason);
	if (tree_bool(pool, "removed"))
		remark_add(text, sizeof(text), "being removed");
	if (tree_member(pool, "enforce") && !tree_bool(pool, "enforce"))
		remark_add(text, sizeof(text), "not enforced");
	if (over > 0)
		remark_add(text, sizeof(text), "%" PRId64 " over the limit", over);
	if (overdue > 0)
		remark_add(text, sizeof(text), "%" PRId64 " overdue", overdue);
	if (orphaned > 0)
		remark_add(text, sizeof(text), "%" PRId64 " orphaned", orphaned);
	return text;
}
