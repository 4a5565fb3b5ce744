/* SPDX-License-Identifier: MIT */
/* What all dialects have in common. */
#include "tests/bench/dialect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int request_set(struct request *request, const char *bytes, size_t length)
{
	const char *place = memmem(bytes, length, ID_PLACE, ID_LENGTH);

	request->text = malloc(length);
	if (!request->text)
		return -ENOMEM;
	memcpy(request->text, bytes, length);
	request->length = length;
	request->id_at = place ? (size_t)(place - bytes) : 0;
	return 0;
}

size_t request_write(const struct request *request, const char *id, char *out)
{
	memcpy(out, request->text, request->length);
	if (request->id_at)
		memcpy(out + request->id_at, id, ID_LENGTH);
	return request->length;
}

size_t dialect_request_room(const struct dialect *dialect)
{
	size_t room = 0;

	for (int i = 0; i < CALLS; i++) {
		if (dialect->requests[i].length > room)
			room = dialect->requests[i].length;
	}
	return room;
}

size_t frame_length(const char *input, size_t length)
{
	const char *end = memchr(input, '\0', length);

	return end ? (size_t)(end - input) + 1 : 0;
}

void dialect_deinit(struct dialect *dialect)
{
	for (int i = 0; i < CALLS; i++)
		free(dialect->requests[i].text);
	*dialect = (struct dialect){0};
}
