/* SPDX-License-Identifier: MIT */
/* Durations and sizes as people write them, in configuration files and on command lines.
 *
 * Pure functions, independent of the locale: any thread may call.
 */
#ifndef USHER_PROTO_DURATION_H
#define USHER_PROTO_DURATION_H

#include <stddef.h>
#include <stdint.h>

#define DURATION_TEXT_MAX 64 /* room for any duration_format(), NUL included */

/* A time span of systemd.time(7): numbers with units, added up ("300ms", "1h 30min", "1.5h"); a
 * number without a unit is seconds; "infinity" is -1. Units: us, ms, s, min (or m), h, d, w, M (or
 * month, 30.44 days), y, and their longer names. A part of a millisecond counts as a whole one.
 * 0 and milliseconds, -EINVAL if TEXT is no time span, -ERANGE over 2^63 microseconds. */
int duration_parse_ms(const char *text, int64_t *ret_ms);

/* MS, 0 or more or -1, in words that duration_parse_ms() reads back as the same number. Returns
 * BUF, cut if SIZE is less than DURATION_TEXT_MAX. */
char *duration_format(int64_t ms, char *buf, size_t size);

/* A number of bytes, perhaps with K, M or G (1024, 1024^2, 1024^3) behind it.
 * 0, -EINVAL if TEXT is no size, -ERANGE over 2^63 - 1. */
int size_parse(const char *text, uint64_t *ret_bytes);

#endif
