/* SPDX-License-Identifier: MIT */
#include "proto/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define US_PER_MS  INT64_C(1000)
#define US_PER_S   (1000 * US_PER_MS)
#define US_PER_MIN (60 * US_PER_S)
#define US_PER_H   (60 * US_PER_MIN)
#define US_PER_D   (24 * US_PER_H)

static const struct unit {
	const char *name;
	int64_t us;
} units[] = {
	{"usec", 1},
	{"us", 1},
	{"\xc2\xb5s", 1}, /* U+00B5 */
	{"\xce\xbcs", 1}, /* U+03BC */
	{"msec", US_PER_MS},
	{"ms", US_PER_MS},
	{"seconds", US_PER_S},
	{"second", US_PER_S},
	{"sec", US_PER_S},
	{"s", US_PER_S},
	{"minutes", US_PER_MIN},
	{"minute", US_PER_MIN},
	{"min", US_PER_MIN},
	{"m", US_PER_MIN},
	{"hours", US_PER_H},
	{"hour", US_PER_H},
	{"hr", US_PER_H},
	{"h", US_PER_H},
	{"days", US_PER_D},
	{"day", US_PER_D},
	{"d", US_PER_D},
	{"weeks", 7 * US_PER_D},
	{"week", 7 * US_PER_D},
	{"w", 7 * US_PER_D},
	{"months", 2629800 * US_PER_S},
	{"month", 2629800 * US_PER_S},
	{"M", 2629800 * US_PER_S},
	{"years", 31557600 * US_PER_S},
	{"year", 31557600 * US_PER_S},
	{"y", 31557600 * US_PER_S},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_space(const char *text)
{
	return text + strspn(text, " \t\n\r");
}

static int read_number(const char **text, int64_t *ret)
{
	int64_t number = 0;

	for (; is_digit(**text); (*text)++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, **text - '0', &number))
			return -ERANGE;
	}
	*ret = number;
	return 0;
}

/* The unit at TEXT; seconds if the next thing is a number or the end. */
static int read_unit(const char **text, int64_t *ret_us)
{
	const char *name = skip_space(*text);
	size_t length = strcspn(name, " \t\n\r0123456789.");

	if (length == 0) {
		if (*name == '.')
			return -EINVAL;
		*ret_us = US_PER_S;
		return 0;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i].name) == length && !memcmp(units[i].name, name, length)) {
			*text = name + length;
			*ret_us = units[i].us;
			return 0;
		}
	}
	return -EINVAL;
}

/* One number and its unit are added to *TOTAL. */
static int read_part(const char **text, int64_t *total)
{
	const char *fraction = "";
	int64_t number, unit;
	int r;

	if (!is_digit(**text))
		return -EINVAL;
	r = read_number(text, &number);
	if (r < 0)
		return r;
	if (**text == '.') {
		fraction = ++*text;
		if (!is_digit(*fraction))
			return -EINVAL;
		*text += strspn(fraction, "0123456789");
	}
	r = read_unit(text, &unit);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(number, unit, &number) ||
		__builtin_add_overflow(*total, number, total))
		return -ERANGE;
	for (unit /= 10; is_digit(*fraction) && unit; fraction++, unit /= 10) {
		if (__builtin_add_overflow(*total, (*fraction - '0') * unit, total))
			return -ERANGE;
	}
	return 0;
}

int duration_parse_ms(const char *text, int64_t *ret_ms)
{
	int64_t total = 0;
	int r;

	text = skip_space(text);
	if (!strncmp(text, "infinity", 8) && !*skip_space(text + 8)) {
		*ret_ms = -1;
		return 0;
	}
	do {
		r = read_part(&text, &total);
		if (r < 0)
			return r;
		text = skip_space(text);
	} while (*text);
	*ret_ms = total / US_PER_MS + (total % US_PER_MS != 0);
	return 0;
}

static void append(char *buf, size_t size, int64_t number, const char *unit)
{
	size_t used = strlen(buf);

	snprintf(buf + used, size - used, "%s%" PRId64 "%s", used ? " " : "", number, unit);
}

char *duration_format(int64_t ms, char *buf, size_t size)
{
	static const struct {
		const char *name;
		int64_t ms;
	} shown[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}};

	if (size == 0)
		return buf;
	buf[0] = '\0';
	if (ms < 0) {
		snprintf(buf, size, "infinity");
		return buf;
	}
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (ms >= shown[i].ms)
			append(buf, size, ms / shown[i].ms, shown[i].name);
		ms %= shown[i].ms;
	}
	if (!buf[0])
		snprintf(buf, size, "0s");
	return buf;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	int64_t number, factor = 1;
	int r;

	text = skip_space(text);
	if (!is_digit(*text))
		return -EINVAL;
	r = read_number(&text, &number);
	if (r < 0)
		return r;
	switch (*text) {
	case 'G':
	case 'g':
		factor *= 1024; /* fall through */
	case 'M':
	case 'm':
		factor *= 1024; /* fall through */
	case 'K':
	case 'k':
		factor *= 1024;
		text++;
	}
	if (*skip_space(text))
		return -EINVAL;
	if (__builtin_mul_overflow(number, factor, &number))
		return -ERANGE;
	*ret_bytes = (uint64_t)number;
	return 0;
}
