/* SPDX-License-Identifier: MIT */
/* A number's decimal digits, eight at a time. Pure; any thread. */
#ifndef USHER_PROTO_DECIMAL_H
#define USHER_PROTO_DECIMAL_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DECIMAL_MAX 20 /* digits of UINT64_MAX */

#define DECIMAL_EIGHT UINT64_C(100000000)

/* A digit a byte, the first one lowest. In each step all parts are divided at once, which are of
 * 32, 16 and 8 bits; the factors are right for what is below 10,000 and below 100. */
static inline uint64_t decimal_split(uint32_t number)
{
	uint64_t fours = number / 10000 | (uint64_t)(number % 10000) << 32;
	uint64_t hundreds = fours * 10486 >> 20 & UINT64_C(0x0000007f0000007f);
	uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
	uint64_t tens = twos * 103 >> 10 & UINT64_C(0x000f000f000f000f);

	return tens | (twos - tens * 10) << 8;
}

static inline void decimal_put_digits(char *at, uint64_t digits)
{
	digits = htole64(digits | UINT64_C(0x3030303030303030));
	memcpy(at, &digits, sizeof(digits));
}

/* At most eight, without zeros in front. Writes to eight bytes. */
static inline char *decimal_put_first(char *at, uint32_t number)
{
	uint64_t digits = decimal_split(number);
	int zeros = __builtin_ctzll(digits | UINT64_C(1) << 56) / 8;

	decimal_put_digits(at, digits >> 8 * zeros);
	return at + 8 - zeros;
}

static inline char *decimal_put_eight(char *at, uint32_t number)
{
	decimal_put_digits(at, decimal_split(number));
	return at + 8;
}

/* NUMBER's digits at AT, where DECIMAL_MAX bytes may be written to; returns the end of them. */
static inline char *decimal_put(char *at, uint64_t number)
{
	uint64_t rest = number % DECIMAL_EIGHT;

	if (number < DECIMAL_EIGHT)
		return decimal_put_first(at, (uint32_t)number);
	number /= DECIMAL_EIGHT;
	if (number < DECIMAL_EIGHT) {
		at = decimal_put_first(at, (uint32_t)number);
	} else {
		at = decimal_put_first(at, (uint32_t)(number / DECIMAL_EIGHT));
		at = decimal_put_eight(at, (uint32_t)(number % DECIMAL_EIGHT));
	}
	return decimal_put_eight(at, (uint32_t)rest);
}

#endif
