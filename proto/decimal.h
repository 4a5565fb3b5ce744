/* SPDX-License-Identifier: MIT */
/* A number's decimal digits. Pure; any thread. */
#ifndef USHER_PROTO_DECIMAL_H
#define USHER_PROTO_DECIMAL_H

#include <stdint.h>
#include <string.h>

#define DECIMAL_MAX 20 /* digits of UINT64_MAX */

/* NUMBER's digits in the bytes before END, of which there must be DECIMAL_MAX; returns the first.
 * Two digits with each division: half the work of a printf(). */
static inline char *decimal_before(char *end, uint64_t number)
{
	static const char pairs[] = "0001020304050607080910111213141516171819"
				    "2021222324252627282930313233343536373839"
				    "4041424344454647484950515253545556575859"
				    "6061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";

	for (; number >= 100; number /= 100) {
		end -= 2;
		memcpy(end, pairs + number % 100 * 2, 2);
	}
	if (number >= 10) {
		end -= 2;
		memcpy(end, pairs + number * 2, 2);
	} else {
		*--end = (char)('0' + number);
	}
	return end;
}

#endif
