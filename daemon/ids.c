/* SPDX-License-Identifier: MIT */
#include "daemon/ids.h"

#include "proto/decimal.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SESSION_PREFIX "session_"
#define SESSION_DIGITS 12
#define REQUEST_PREFIX "req_"
#define REQUEST_DIGITS 16

/* Once the kernel's pool is ready it cannot fail; a signal may cut what is more than 256 bytes
 * short (random(7)). */
static void refill(struct id_source *source)
{
	ssize_t n;

	do
		n = getrandom(source->block, sizeof(source->block), 0);
	while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof(source->block[0]))
		abort();
	source->left = (size_t)n / sizeof(source->block[0]);
}

uint64_t id_random(struct id_source *source)
{
	if (source->left == 0)
		refill(source);
	return source->block[--source->left];
}

uint64_t id_new_session(struct id_source *source)
{
	return id_random(source) >> 16;
}

/* Eight digits at once, a byte each, the first one lowest. */
static void put_hex_8(char *at, uint32_t number)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t fours = (uint64_t)(number & 0xffff) << 32 | number >> 16;
	uint64_t twos = (fours & UINT64_C(0x000000ff000000ff)) << 16 |
			(fours >> 8 & UINT64_C(0x000000ff000000ff));
	uint64_t digits = (twos & UINT64_C(0x000f000f000f000f)) << 8 |
			  (twos >> 4 & UINT64_C(0x000f000f000f000f));
	uint64_t letters = (digits + ones * 6) >> 4 & ones; /* 1 where a digit is over 9 */

	digits = htole64(digits + ones * '0' + letters * ('a' - '0' - 10));
	memcpy(at, &digits, sizeof(digits));
}

/* 8 to 16 digits. */
static char *put_hex(char *at, uint64_t number, int n_digits)
{
	put_hex_8(at, (uint32_t)(number >> 4 * (n_digits - 8)));
	put_hex_8(at + n_digits - 8, (uint32_t)number);
	return at + n_digits;
}

void id_format_session(uint64_t id, char text[SESSION_ID_SIZE])
{
	memcpy(text, SESSION_PREFIX, sizeof(SESSION_PREFIX) - 1);
	*put_hex(text + sizeof(SESSION_PREFIX) - 1, id, SESSION_DIGITS) = '\0';
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
	char *next = text + sizeof(REQUEST_PREFIX) - 1;

	/* By hand: snprintf() took a tenth of a Create. */
	memcpy(text, REQUEST_PREFIX, sizeof(REQUEST_PREFIX) - 1);
	next = put_hex(next, id_random(source), REQUEST_DIGITS);
	*next++ = '_';
	next = decimal_put(next, (uint64_t)(wall_us / 1000));
	*next = '\0';
	return (size_t)(next - text);
}
