/* SPDX-License-Identifier: MIT */
#include "proto/json_write.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/decimal.h"
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

/* Room for LENGTH bytes more, to be written at the place returned and then counted by put(); NULL
 * without memory. */
static char *reserve(struct json_writer *w, size_t length)
{
	if (w->failed)
		return NULL;
	if (length > w->capacity - w->length && !grow(w, length)) {
		w->failed = true;
		return NULL;
	}
	return w->data + w->length;
}

static void put(struct json_writer *w, const char *end)
{
	w->length = (size_t)(end - w->data);
}

static char *append(char *at, const char *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

void json_write_bytes(struct json_writer *w, const char *bytes, size_t length)
{
	char *at = length > 0 ? reserve(w, length) : NULL;

	if (at != NULL)
		put(w, append(at, bytes, length));
}

/* Last bytes of strings, containers, numbers, and of true, false and null. */
static const bool ends_value[256] = {
	['"'] = true,
	['}'] = true,
	[']'] = true,
	['0' ... '9'] = true,
	['e'] = true,
	['l'] = true,
};

/* What was written last tells whether a value came before: no other state is needed, and callers
 * may truncate or copy values in as they like. */
static bool needs_comma(const struct json_writer *w, const char *at)
{
	return at > w->data && ends_value[(unsigned char)at[-1]];
}

/* There must be room. */
static char *append_comma(const struct json_writer *w, char *at)
{
	if (needs_comma(w, at))
		*at++ = ',';
	return at;
}

static void write_opening(struct json_writer *w, char c)
{
	char *at = reserve(w, strlen(",{"));

	if (at == NULL)
		return;
	at = append_comma(w, at);
	*at++ = c;
	put(w, at);
}

void json_write_object_begin(struct json_writer *w)
{
	write_opening(w, '{');
}

void json_write_object_end(struct json_writer *w)
{
	json_write_bytes(w, "}", 1);
}

void json_write_array_begin(struct json_writer *w)
{
	write_opening(w, '[');
}

void json_write_array_end(struct json_writer *w)
{
	json_write_bytes(w, "]", 1);
}

void json_write_key(struct json_writer *w, const char *key)
{
	size_t length = strlen(key);
	char *at = reserve(w, strlen(",\"\":") + length);

	if (at == NULL)
		return;
	at = append_comma(w, at);
	*at++ = '"';
	at = append(at, key, length);
	put(w, append(at, "\":", 2));
}

/* There must be JSON_NAME_COPIED bytes. */
static char *append_name(const struct json_writer *w, char *at, const struct json_name *name)
{
	size_t skipped = !needs_comma(w, at);

	memcpy(at, name->text + skipped, JSON_NAME_COPIED);
	return at + name->length - skipped;
}

void json_write_name(struct json_writer *w, const struct json_name *name)
{
	char *at = reserve(w, JSON_NAME_COPIED);

	if (at != NULL)
		put(w, append_name(w, at, name));
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

static void write_rest_of_string(struct json_writer *w, const char *text, const char *end)
{
	for (;;) {
		const char *stop = skip_verbatim(text, end);

		json_write_bytes(w, text, (size_t)(stop - text));
		if (stop == end)
			break;
		write_escaped(w, *stop);
		text = stop + 1;
	}
	json_write_bytes(w, "\"", 1);
}

#define STRING_ROOM(length) (strlen(",\"\"") + (length))

/* Most strings go out as they are: for those there must be STRING_ROOM(). */
static void write_string_at(struct json_writer *w, char *at, const char *text, size_t length)
{
	const char *end = text + length, *stop = skip_verbatim(text, end);

	*at++ = '"';
	at = append(at, text, (size_t)(stop - text));
	if (stop == end)
		*at++ = '"';
	put(w, at);
	if (stop < end)
		write_rest_of_string(w, stop, end);
}

void json_write_string(struct json_writer *w, const char *text, size_t length)
{
	char *at = reserve(w, STRING_ROOM(length));

	if (at != NULL)
		write_string_at(w, append_comma(w, at), text, length);
}

void json_write_string_member(
	struct json_writer *w, const struct json_name *name, const char *text, size_t length)
{
	char *at = reserve(w, JSON_NAME_COPIED + STRING_ROOM(length));

	if (at != NULL)
		write_string_at(w, append_name(w, at, name), text, length);
}

void json_write_cstring(struct json_writer *w, const char *text)
{
	json_write_string(w, text, strlen(text));
}

#define INT_ROOM (strlen("-") + DECIMAL_MAX)

/* There must be INT_ROOM. */
static char *append_int(char *at, int64_t value)
{
	if (value < 0)
		*at++ = '-';
	return decimal_put(at, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void json_write_int(struct json_writer *w, int64_t value)
{
	char *at = reserve(w, strlen(",") + INT_ROOM);

	if (at != NULL)
		put(w, append_int(append_comma(w, at), value));
}

void json_write_int_member(struct json_writer *w, const struct json_name *name, int64_t value)
{
	char *at = reserve(w, JSON_NAME_COPIED + INT_ROOM);

	if (at != NULL)
		put(w, append_int(append_name(w, at, name), value));
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
	char *at = reserve(w, strlen(",") + length);

	if (at != NULL)
		put(w, append(append_comma(w, at), text, length));
}
