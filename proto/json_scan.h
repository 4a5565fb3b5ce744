/* SPDX-License-Identifier: MIT */
/* Strict scanner for RFC 8259 texts: validates once, then walks without failing.
 *
 * json_parse() checks a whole text: grammar, UTF-8 (RFC 3629: no overlongs, no surrogates, at most
 * U+10FFFF), nesting depth, and two things beyond the grammar that have no place in a C program's
 * strings: the escape \u0000 and lone surrogate escapes. A byte order mark is refused (RFC 8259
 * section 8.1). It allocates nothing, keeps no tree and runs in one pass, linear in the length.
 * Values are spans of the text: they point into it and live as long as it does. The walking
 * functions take values of a text that json_parse() accepted, and nothing else.
 * Pure functions: any thread may call.
 */
#ifndef USHER_PROTO_JSON_SCAN_H
#define USHER_PROTO_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_member;

struct json_value {
	enum json_type type;
	bool escaped;     /* of a string: it has at least one backslash */
	const char *text; /* a string's inside without its quotes; the whole value otherwise */
	size_t length;    /* bytes */
	const struct json_member *members; /* of an object, where they were kept; else NULL */
	size_t n_members;
};

struct json_member {
	struct json_value key;
	struct json_value value;
};

struct json_fault {
	size_t offset;        /* byte where the text stopped being acceptable */
	const char *expected; /* static text: what was expected there */
};

/* Check that TEXT, LENGTH bytes, is one JSON value with optional white space around it, nested at
 * most MAX_DEPTH deep (an object or array at the top has depth 1; over 1024 means 1024). Returns 0
 * and the value, or -EBADMSG and the fault; RET is untouched then. FAULT may be NULL. */
int json_parse(const char *text, size_t length, unsigned max_depth, struct json_value *ret,
	struct json_fault *fault);

/* Where a parse keeps the members that it comes by: those of the object at the top, and of the
 * objects right in it. With them there is nothing to be scanned again for a walk. */
struct json_kept {
	struct json_member outer[8];
	struct json_member inner[24];
};

/* The same. The values of RET's members point into KEPT, as far as there was room for all members
 * of an object; without room an object is walked through its text. */
int json_parse_keeping(const char *text, size_t length, unsigned max_depth, struct json_kept *kept,
	struct json_value *ret, struct json_fault *fault);

struct json_iter {
	const char *next;
	const char *end;
	const struct json_member *member; /* NULL: through the text */
	const struct json_member *last;   /* one after it */
};

/* Walk the members of an object or the elements of an array that json_parse() accepted. */
void json_iter_init(struct json_iter *iter, const struct json_value *container);

/* The next member or element; false at the end. Order and duplicates are those of the text. */
bool json_next_member(
	struct json_iter *iter, struct json_value *ret_key, struct json_value *ret_value);
/* The next member where it is kept, or else in STORAGE; NULL at the end. */
const struct json_member *json_next(struct json_iter *iter, struct json_member *storage);
bool json_next_element(struct json_iter *iter, struct json_value *ret_value);

/* The first member of OBJECT named KEY (a C string without escapes); false without one. */
bool json_find_member(const struct json_value *object, const char *key, struct json_value *ret);

/* Decode a string's escapes into OUT, which must have room for value->length bytes (decoding never
 * grows a text). No NUL is added. Returns the decoded length. */
size_t json_unescape(const struct json_value *string, char *out);

/* True if the decoded string is exactly TEXT, LENGTH bytes. Allocates nothing. */
bool json_string_is(const struct json_value *string, const char *text, size_t length);

/* True if both strings decode to the same bytes. Allocates nothing. */
bool json_strings_equal(const struct json_value *a, const struct json_value *b);

/* The value as an integer: only an optional minus and digits (RFC 8259's int, "-0" is 0), exactly.
 * -EINVAL if it is no number or has a fraction or exponent, -ERANGE outside of int64_t. */
int json_get_int(const struct json_value *value, int64_t *ret);

/* True if A and B mean the same: strings by decoded text, numbers by decimal value (1, 1.0 and
 * 10e-1 are equal, exactly at any size), arrays in order, objects as sets of members where of a
 * duplicate name the last one counts. Allocates nothing; quadratic in the members of one object. */
bool json_equal(const struct json_value *a, const struct json_value *b);

#endif
