/* SPDX-License-Identifier: MIT */
#include "proto/json_write.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"

#define FIRST_CAPACITY 256

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void json_writer_init(struct json_writer *w)
{
	*w = (struct json_writer){0};
}

void json_writer_deinit(struct json_writer *w)
{
	free(w->data);
	json_writer_init(w);
}

void json_writer_truncate(struct json_writer *w, size_t length)
{
	if (length < w->length)
		w->length = length;
	w->failed = false;
}

static bool grow(struct json_writer *w, size_t room)
{
	size_t capacity = w->capacity > 0 ? w->capacity : FIRST_CAPACITY;
	char *data;

	if (room > SIZE_MAX / 4 - w->length)
		return false;
	while (capacity < w->length + room)
		capacity *= 2;
	data = realloc(w->data, capacity);
	if (data == NULL)
		return false;
	w->data = data;
	w->capacity = capacity;
	return true;
}

void json_write_bytes(struct json_writer *w, const char *bytes, size_t length)
{
	if (w->failed || length == 0)
		return;
	if (length > w->capacity - w->length && !grow(w, length)) {
		w->failed = true;
		return;
	}
	memcpy(w->data + w->length, bytes, length);
	w->length += length;
}

static void write_char(struct json_writer *w, char c)
{
	json_write_bytes(w, &c, 1);
}

/* What was written last tells whether a value came before: no other state is needed, and callers
 * may truncate or copy values in as they like. */
static void write_comma(struct json_writer *w)
{
	char last = w->length > 0 ? w->data[w->length - 1] : '\0';

	/* ends of strings, containers, numbers, and of true, false and null */
	if (last == '"' || last == '}' || last == ']' || (last >= '0' && last <= '9') ||
		last == 'e' || last == 'l')
		write_char(w, ',');
}

void json_write_object_begin(struct json_writer *w)
{
	write_comma(w);
	write_char(w, '{');
}

void json_write_object_end(struct json_writer *w)
{
	write_char(w, '}');
}

void json_write_array_begin(struct json_writer *w)
{
	write_comma(w);
	write_char(w, '[');
}

void json_write_array_end(struct json_writer *w)
{
	write_char(w, ']');
}

void json_write_key(struct json_writer *w, const char *key)
{
	write_comma(w);
	write_char(w, '"');
	json_write_bytes(w, key, strlen(key));
	json_write_bytes(w, "\":", 2);
}

/* The first byte from P on that cannot go out as it is, or END. */
static const char *skip_verbatim(const char *p, const char *end)
{
	size_t length;

	for (;;) {
		p = json_skip_plain(p, end);
		if (p == end)
			return end;
		length = json_utf8_length(p, end);
		if (length == 0)
			return p;
		p += length;
	}
}

static void write_escaped(struct json_writer *w, char c)
{
	static const char meanings[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	static const char digits[] = "0123456789abcdef";
	char escape[] = {'\\', 'u', '0', '0', '0', '0'};
	const char *meaning;

	if (c == '\0' || (c & 0x80) != 0) {
		json_write_bytes(w, replacement, strlen(replacement));
		return;
	}
	meaning = strchr(meanings, c);
	if (meaning != NULL) {
		escape[1] = letters[meaning - meanings];
		json_write_bytes(w, escape, 2);
	} else {
		escape[4] = digits[c >> 4];
		escape[5] = digits[c & 0x0f];
		json_write_bytes(w, escape, sizeof(escape));
	}
}

void json_write_string(struct json_writer *w, const char *text, size_t length)
{
	const char *end = text + length;

	write_comma(w);
	write_char(w, '"');
	for (;;) {
		const char *stop = skip_verbatim(text, end);

		json_write_bytes(w, text, (size_t)(stop - text));
		if (stop == end)
			break;
		write_escaped(w, *stop);
		text = stop + 1;
	}
	write_char(w, '"');
}

void json_write_cstring(struct json_writer *w, const char *text)
{
	json_write_string(w, text, strlen(text));
}

void json_write_int(struct json_writer *w, int64_t value)
{
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char text[sizeof("-9223372036854775808")];
	char *p = text + sizeof(text);

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		*--p = '-';
	json_write_raw(w, p, (size_t)(text + sizeof(text) - p));
}

void json_write_double(struct json_writer *w, double value)
{
	/* 15 digits always survive the way there and back, so fewer need no try: %g drops zeros.
	 * Subnormal numbers have less precision. With 17 digits any number comes back. */
	int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : DBL_DIG;
	char text[32];

	if (!isfinite(value)) {
		json_write_null(w);
		return;
	}
	do {
		snprintf(text, sizeof(text), "%.*g", digits++, value);
	} while (strtod(text, NULL) != value);
	json_write_raw(w, text, strlen(text));
}

void json_write_bool(struct json_writer *w, bool value)
{
	if (value)
		json_write_raw(w, "true", strlen("true"));
	else
		json_write_raw(w, "false", strlen("false"));
}

void json_write_null(struct json_writer *w)
{
	json_write_raw(w, "null", strlen("null"));
}

void json_write_raw(struct json_writer *w, const char *text, size_t length)
{
	write_comma(w);
	json_write_bytes(w, text, length);
}
