/* SPDX-License-Identifier: MIT */
/* Append-only JSON writer into a growing buffer.
 *
 * Commas are written where they belong; white space is not. What is written is always valid JSON
 * for any bytes in strings: control characters are escaped, each byte of invalid UTF-8 (RFC 3629)
 * becomes U+FFFD, a NUL becomes U+FFFD too, since \u0000 must not go over Varlink. A failed
 * allocation (or a length that no object has) makes the writer fail for good: later calls do
 * nothing and json_writer_failed() tells, so callers check once. One thread at a time.
 */
#ifndef USHER_PROTO_JSON_WRITE_H
#define USHER_PROTO_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
	char *data; /* owned; not NUL-ended */
	size_t length;
	size_t capacity;
	bool failed;
};

/* An empty writer holds no memory. deinit frees the buffer and leaves an empty writer. */
void json_writer_init(struct json_writer *w);
void json_writer_deinit(struct json_writer *w);

/* Forget what is written (from byte LENGTH on), and a failure; the memory is kept. */
void json_writer_truncate(struct json_writer *w, size_t length);

static inline bool json_writer_failed(const struct json_writer *w)
{
	return w->failed;
}

void json_write_object_begin(struct json_writer *w);
void json_write_object_end(struct json_writer *w);
void json_write_array_begin(struct json_writer *w);
void json_write_array_end(struct json_writer *w);

/* A member's name, a C string that needs no escaping (field names of the interface). */
void json_write_key(struct json_writer *w, const char *key);

#define JSON_NAME_COPIED 40
/* A member's name that needs no escaping, as it is written with the comma before it. A fixed number
 * of bytes is copied, which takes less than as many as there are: so there are NULs after it. */
struct json_name {
	char text[1 + JSON_NAME_COPIED];
	unsigned char length;
};
/* Of a string literal of up to 36 bytes: an initializer. */
#define JSON_NAME(literal)                                                                         \
	{                                                                                          \
		",\"" literal "\":", sizeof(",\"" literal "\":") - 1                               \
	}
void json_write_name(struct json_writer *w, const struct json_name *name);

/* A name and its value at once, which is half the work. */
void json_write_string_member(
	struct json_writer *w, const struct json_name *name, const char *text, size_t length);
void json_write_int_member(struct json_writer *w, const struct json_name *name, int64_t value);

void json_write_string(struct json_writer *w, const char *text, size_t length);
void json_write_cstring(struct json_writer *w, const char *text);
void json_write_int(struct json_writer *w, int64_t value);
/* A finite double in the shortest form that reads back the same; null for NaN and infinities.
 * Where the process has called setlocale(), LC_NUMERIC must be one with a decimal point. */
void json_write_double(struct json_writer *w, double value);
void json_write_bool(struct json_writer *w, bool value);
void json_write_null(struct json_writer *w);

/* TEXT, LENGTH bytes, as it is: a JSON value that json_parse() accepted. */
void json_write_raw(struct json_writer *w, const char *text, size_t length);

/* BYTES as they are, without a comma before them: the NUL that ends a frame. */
void json_write_bytes(struct json_writer *w, const char *bytes, size_t length);

#endif
