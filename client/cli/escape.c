/* SPDX-License-Identifier: MIT */
#include "client/cli/escape.h"

#include "proto/json_text.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* wcwidth(3) needs a locale with Unicode; only its character types are wanted, and only here, so
 * that numbers are printed the same everywhere. Without it, all but ASCII is escaped. */
void escape_init(void)
{
	static bool is_done;
	locale_t locale;

	if (is_done)
		return;
	is_done = true;
	locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (locale)
		uselocale(locale);
}

/* Most of what is printed is ASCII, and reading a locale takes as long as a call to the broker. */
static int width_of_character(uint32_t c)
{
	escape_init();
	return wcwidth((wchar_t)c);
}

bool escape_decode(const char *text, const char *end, uint32_t *ret, size_t *ret_length)
{
	const unsigned char *u = (const unsigned char *)text;
	size_t length = u[0] < 0x80 ? 1 : json_utf8_length(text, end);
	uint32_t c;

	if (length == 0)
		return false;
	c = length == 1 ? u[0] : u[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++)
		c = c << 6 | (u[i] & 0x3f);
	*ret = c;
	*ret_length = length;
	return true;
}

/* Characters that have no shape of their own and change how others look. */
static bool is_invisible(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0xad, 0xad},
		{0x34f, 0x34f},
		{0x61c, 0x61c},
		{0x115f, 0x1160},
		{0x17b4, 0x17b5},
		{0x180b, 0x180f},
		{0x200b, 0x200f},
		{0x2028, 0x202e},
		{0x2060, 0x206f},
		{0x2800, 0x2800},
		{0x3164, 0x3164},
		{0xfe00, 0xfe0f},
		{0xfeff, 0xfeff},
		{0xffa0, 0xffa0},
		{0xfff9, 0xfffb},
		{0x1bca0, 0x1bca3},
		{0x1d173, 0x1d17a},
		{0xe0000, 0xe0fff},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

bool escape_is_harmless(uint32_t c)
{
	if (c < 0x80)
		return c >= 0x20 && c < 0x7f;
	return !is_invisible(c) && width_of_character(c) >= 0;
}

static void put_escape(FILE *out, uint32_t c)
{
	static const char names[] = "\nn\tt\rr";
	const char *name = c && c < 0x20 ? strchr(names, (int)c) : NULL;

	if (name)
		fprintf(out, "\\%c", name[1]);
	else if (c < 0x80)
		fprintf(out, "\\x%02x", (unsigned)c);
	else
		fprintf(out, "\\u{%x}", (unsigned)c);
}

char *escape_text(const char *text, size_t length)
{
	const char *end = text + length;
	char *escaped = NULL;
	size_t size, n;
	FILE *out = open_memstream(&escaped, &size);
	uint32_t c;

	if (!out)
		return NULL;
	while (text < end) {
		if (!escape_decode(text, end, &c, &n)) {
			fprintf(out, "\\x%02x", (unsigned char)*text++);
			continue;
		}
		if (escape_is_harmless(c))
			fwrite(text, 1, n, out);
		else
			put_escape(out, c);
		text += n;
	}
	if (fclose(out) != 0) {
		free(escaped);
		return NULL;
	}
	return escaped;
}

void escape_free(char *escaped)
{
	free(escaped);
}

void escape_print(FILE *stream, const char *intro, const char *text)
{
	char *escaped = escape_text(text, strlen(text));

	fprintf(stream, "%s%s\n", intro, escaped ? escaped : "?");
	escape_free(escaped);
}

size_t escape_step(const char *text, const char *end, size_t *ret_length)
{
	uint32_t c;
	int width;

	if (!escape_decode(text, end, &c, ret_length)) {
		*ret_length = 1;
		return 1;
	}
	width = c < 0x80 ? 1 : width_of_character(c);
	return width < 0 ? 1 : (size_t)width;
}

size_t escape_width(const char *escaped)
{
	const char *end = escaped + strlen(escaped);
	size_t width = 0, n;

	for (; escaped < end; escaped += n)
		width += escape_step(escaped, end, &n);
	return width;
}

size_t escape_fit(const char *escaped, size_t width)
{
	const char *at = escaped, *end = escaped + strlen(escaped);
	size_t used = 0, n;

	while (at < end) {
		used += escape_step(at, end, &n);
		if (used > width)
			break;
		at += n;
	}
	return (size_t)(at - escaped);
}
