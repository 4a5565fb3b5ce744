/* SPDX-License-Identifier: MIT */
#include "daemon/promise.h"

#include <errno.h>
#include <stdlib.h>

#define KEPT 16 /* places that an idle connection may keep */

int promises_add(struct promises *promises, size_t begin, size_t end, struct session *session)
{
	if (promises->count == promises->capacity) {
		size_t capacity = promises->capacity ? promises->capacity * 2 : 4;
		struct promise *items = realloc(promises->items, capacity * sizeof(*items));

		if (!items)
			return -ENOMEM;
		promises->items = items;
		promises->capacity = capacity;
	}
	promises->items[promises->count++] =
		(struct promise){begin, end, session_ref(session), false};
	return 0;
}

void promises_keep(struct promises *promises)
{
	for (size_t i = 0; i < promises->count; i++)
		session_unref(promises->items[i].session);
	promises->count = 0;
	if (promises->capacity > KEPT)
		promises_deinit(promises);
}

void promises_deinit(struct promises *promises)
{
	for (size_t i = 0; i < promises->count; i++)
		session_unref(promises->items[i].session);
	free(promises->items);
	*promises = (struct promises){0};
}

void promises_break(
	struct promises *promises, const struct json_writer *refusal, struct json_writer *out)
{
	struct json_writer fresh;
	size_t at = 0, n_kept = 0;

	json_writer_init(&fresh);
	for (size_t i = 0; i < promises->count; i++) {
		struct promise promise = promises->items[i];
		size_t begin;

		json_write_bytes(&fresh, out->data + at, promise.begin - at);
		at = promise.end;
		if (promise.is_broken) {
			json_write_bytes(&fresh, refusal->data, refusal->length);
			session_unref(promise.session);
			continue;
		}
		begin = fresh.length;
		json_write_bytes(&fresh, out->data + promise.begin, promise.end - promise.begin);
		promises->items[n_kept++] =
			(struct promise){begin, fresh.length, promise.session, false};
	}
	promises->count = n_kept;
	json_write_bytes(&fresh, out->data + at, out->length - at);
	fresh.failed = fresh.failed || out->failed || refusal->failed;
	json_writer_deinit(out);
	*out = fresh;
}
