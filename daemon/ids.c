/* SPDX-License-Identifier: MIT */
#include "daemon/ids.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SESSION_PREFIX "session_"
#define SESSION_DIGITS 12

uint64_t id_random(struct id_source *source)
{
	if (source->left == 0) {
		/* Cannot fail once the kernel's pool is ready, and then returns it all (random(7)).
		 */
		if (getrandom(source->block, sizeof(source->block), 0) != sizeof(source->block))
			abort();
		source->left = sizeof(source->block) / sizeof(source->block[0]);
	}
	return source->block[--source->left];
}

uint64_t id_new_session(struct id_source *source)
{
	return id_random(source) >> 16;
}

void id_format_session(uint64_t id, char text[SESSION_ID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *next = text + sizeof(SESSION_PREFIX) - 1;

	memcpy(text, SESSION_PREFIX, sizeof(SESSION_PREFIX) - 1);
	for (int shift = 4 * (SESSION_DIGITS - 1); shift >= 0; shift -= 4)
		*next++ = digits[id >> shift & 15];
	*next = '\0';
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int id_parse_session(const char *text, size_t length, uint64_t *ret)
{
	uint64_t id = 0;

	if (length != SESSION_ID_SIZE - 1 ||
		memcmp(text, SESSION_PREFIX, sizeof(SESSION_PREFIX) - 1) != 0)
		return -EINVAL;
	for (size_t i = sizeof(SESSION_PREFIX) - 1; i < length; i++) {
		int value = digit_value(text[i]);

		if (value < 0)
			return -EINVAL;
		id = id << 4 | (uint64_t)value;
	}
	*ret = id;
	return 0;
}

size_t id_new_request(struct id_source *source, int64_t wall_us, char text[REQUEST_ID_SIZE])
{
	return (size_t)snprintf(text, REQUEST_ID_SIZE, "req_%016" PRIx64 "_%" PRId64,
		id_random(source), wall_us / 1000);
}
