/* SPDX-License-Identifier: MIT */
#include "client/cli/json_show.h"

#include "client/cli/escape.h"

#include <inttypes.h>
#include <stdio.h>

static void put_unit(uint32_t unit)
{
	printf("\\u%04" PRIx32, unit);
}

static void put_character(uint32_t c)
{
	if (c < 0x10000) {
		put_unit(c);
		return;
	}
	put_unit(0xd7c0 + (c >> 10));
	put_unit(0xdc00 + (c & 0x3ff));
}

static void show_string(const struct json_value *string)
{
	const char *at = string->text, *end = at + string->length;
	uint32_t c;
	size_t n;

	putchar('"');
	for (; at < end && escape_decode(at, end, &c, &n); at += n) {
		if (escape_is_harmless(c))
			fwrite(at, 1, n, stdout);
		else
			put_character(c);
	}
	putchar('"');
}

static void new_line(unsigned depth)
{
	putchar('\n');
	while (depth-- > 0)
		fputs("  ", stdout);
}

static void show_indented(const struct json_value *value, unsigned depth)
{
	bool is_object = value->type == JSON_OBJECT, is_empty = true;
	struct json_value key, item;
	struct json_iter iter;

	if (value->type == JSON_STRING) {
		show_string(value);
		return;
	}
	if (!is_object && value->type != JSON_ARRAY) {
		fwrite(value->text, 1, value->length, stdout);
		return;
	}
	putchar(is_object ? '{' : '[');
	json_iter_init(&iter, value);
	while (is_object ? json_next_member(&iter, &key, &item) : json_next_element(&iter, &item)) {
		if (!is_empty)
			putchar(',');
		is_empty = false;
		new_line(depth + 1);
		if (is_object) {
			show_string(&key);
			fputs(": ", stdout);
		}
		show_indented(&item, depth + 1);
	}
	if (!is_empty)
		new_line(depth);
	putchar(is_object ? '}' : ']');
}

void json_show(const struct json_value *value, bool is_terminal)
{
	if (is_terminal)
		show_indented(value, 0);
	else
		fwrite(value->text, 1, value->length, stdout);
	putchar('\n');
}

/* Raw line ends occur between the tokens of a valid text only, where a space does as well; what is
 * not ASCII occurs in strings only. */
void json_show_line(const struct json_value *value, bool is_terminal)
{
	const char *at = value->text, *end = at + value->length;
	uint32_t c;
	size_t n;

	for (; at < end && escape_decode(at, end, &c, &n); at += n) {
		if (c == '\n' || c == '\r' || c == '\t')
			putchar(' ');
		else if (is_terminal && !escape_is_harmless(c))
			put_character(c);
		else
			fwrite(at, 1, n, stdout);
	}
	putchar('\n');
}
