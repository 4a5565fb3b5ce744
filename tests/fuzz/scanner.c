/* SPDX-License-Identifier: MIT */
/* json_parse() and cJSON about the same text. They have to agree: on whether it is one, but for the
 * differences below, and then on what is in it. What was accepted is also written again, see
 * scanner_rewrite.c. */
#include "tests/fuzz/scanner.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define DEPTH      512 /* cJSON itself stops at 1000 */
#define CJSON_LONG 63  /* bytes of a number that some versions of cJSON look at */

struct text {
	const char *bytes;
	size_t length;
};

/* The byte at OFFSET; -1 outside. */
static int byte_at(const struct text *t, size_t offset)
{
	return offset < t->length ? (unsigned char)t->bytes[offset] : -1;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

/* ---- what cJSON accepts, and the scanner does not ---- */

static bool has_control_byte(const struct text *t, size_t at)
{
	int c = byte_at(t, at);

	return c >= 0 && c < 0x20;
}

static bool has_leading_zero(const struct text *t, size_t at)
{
	int before = at > 1 ? byte_at(t, at - 2) : -1;

	return at > 0 && is_digit(byte_at(t, at)) && byte_at(t, at - 1) == '0' &&
	       !is_digit(before) && before != '.';
}

static bool has_bare_point(const struct text *t, size_t at)
{
	return byte_at(t, at) == '.' || (at > 0 && byte_at(t, at - 1) == '.');
}

static bool has_byte_order_mark(const struct text *t, size_t at)
{
	return at == 0 && t->length >= 3 && memcmp(t->bytes, "\xef\xbb\xbf", 3) == 0;
}

/* What a decoder that knows only bit patterns makes of it: the code must be in the range that its
 * length is for, and no surrogate. */
static bool has_bad_utf8(const struct text *t, size_t at)
{
	static const struct form {
		int mask, lead;
		size_t more;
		unsigned least, most;
	} forms[] = {
		{0xe0, 0xc0, 1, 0x80, 0x7ff},
		{0xf0, 0xe0, 2, 0x800, 0xffff},
		{0xf8, 0xf0, 3, 0x10000, 0x10ffff},
	};
	int lead = byte_at(t, at);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct form *form = &forms[i];
		unsigned code = (unsigned)(lead & ~form->mask);

		if ((lead & form->mask) != form->lead)
			continue;
		for (size_t n = 1; n <= form->more; n++) {
			if ((byte_at(t, at + n) & 0xc0) != 0x80 || at + n >= t->length)
				return true;
			code = code << 6 | (byte_at(t, at + n) & 0x3f);
		}
		return code < form->least || code > form->most || code >> 11 == 0x1b;
	}
	return true;
}

static bool has_escaped_nul(const struct text *t, size_t at)
{
	return t->length - at >= 6 && memcmp(t->bytes + at, "\\u0000", 6) == 0;
}

static bool has_no_hex_digit(const struct text *t, size_t at)
{
	int c = byte_at(t, at);

	return c < 0 || !strchr("0123456789abcdefABCDEF", c);
}

static bool is_deep(const struct text *t, size_t at)
{
	return byte_at(t, at) == '[' || byte_at(t, at) == '{';
}

static const struct difference {
	const char *expected; /* by the scanner, where it stopped; NULL: anything */
	bool (*is_it)(const struct text *text, size_t at);
	const char *reason;
} differences[] = {
	{NULL, has_control_byte, "to cJSON any byte up to 0x20 is a space, and fine in a string"},
	{NULL, has_leading_zero, "cJSON reads numbers with strtod(), 01 and -01, too"},
	{NULL, has_byte_order_mark, "cJSON skips it; RFC 8259, section 8.1, lets us refuse it"},
	{"a digit", has_bare_point, "cJSON reads numbers with strtod(): 1. and -.5"},
	{"valid UTF-8", has_bad_utf8, "cJSON does not look at it"},
	{"no \\u0000", has_escaped_nul, "cJSON cuts the string there"},
	{"a hexadecimal digit", has_no_hex_digit, "cJSON takes it for \\u0000"},
	{"less nesting", is_deep, "the limits differ"},
};

static bool is_agreed(const struct text *t, const struct json_fault *fault)
{
	for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
		const struct difference *d = &differences[i];

		if ((!d->expected || strcmp(d->expected, fault->expected) == 0) &&
			d->is_it(t, fault->offset))
			return true;
	}
	return false;
}

/* ---- what the scanner accepts, and cJSON does not ---- */

static bool has_long_number(const struct json_value *value)
{
	struct json_iter iter;
	struct json_value key, inner;

	if (value->type == JSON_NUMBER)
		return value->length >= CJSON_LONG;
	if (value->type != JSON_ARRAY && value->type != JSON_OBJECT)
		return false;
	json_iter_init(&iter, value);
	while (value->type == JSON_ARRAY ? json_next_element(&iter, &inner)
					 : json_next_member(&iter, &key, &inner))
		if (has_long_number(&inner))
			return true;
	return false;
}

/* ---- what is in it ---- */

static void compare_string(const struct json_value *string, const char *other)
{
	char *decoded = exact_copy(string->text, string->length);
	size_t length = json_unescape(string, decoded);

	REQUIRE(string->type == JSON_STRING);
	REQUIRE(strlen(other) == length && memcmp(decoded, other, length) == 0);
	REQUIRE(json_string_is(string, other, length));
	REQUIRE(!json_string_is(string, other, length + 1));
	free(decoded);
}

static void compare_number(const struct json_value *number, double other)
{
	char *text =
		malloc(number->length + 1); /* strndup() looks for a NUL, to a strict sanitizer */
	int64_t n = 0;
	int r = json_get_int(number, &n);

	REQUIRE(text != NULL);
	memcpy(text, number->text, number->length);
	text[number->length] = '\0';
	REQUIRE(strtod(text, NULL) == other);
	REQUIRE((r == -EINVAL) == (strpbrk(text, ".eE") != NULL));
	errno = 0;
	REQUIRE(r == -EINVAL || (strtoll(text, NULL, 10) == n && errno == 0) || r == -ERANGE);
	REQUIRE((r == -ERANGE) == (r != -EINVAL && errno == ERANGE));
	free(text);
}

static void compare_value(const struct json_value *value, const cJSON *other);

static void compare_members(const struct json_value *value, const cJSON *other)
{
	struct json_iter iter;
	struct json_value key, inner;
	const cJSON *child = other->child;

	json_iter_init(&iter, value);
	while (value->type == JSON_ARRAY ? json_next_element(&iter, &inner)
					 : json_next_member(&iter, &key, &inner)) {
		REQUIRE(child != NULL);
		if (value->type == JSON_OBJECT)
			compare_string(&key, child->string);
		compare_value(&inner, child);
		child = child->next;
	}
	REQUIRE(child == NULL);
}

static void compare_value(const struct json_value *value, const cJSON *other)
{
	static const int types[] = {
		[JSON_NULL] = cJSON_NULL,
		[JSON_FALSE] = cJSON_False,
		[JSON_TRUE] = cJSON_True,
		[JSON_NUMBER] = cJSON_Number,
		[JSON_STRING] = cJSON_String,
		[JSON_ARRAY] = cJSON_Array,
		[JSON_OBJECT] = cJSON_Object,
	};

	REQUIRE((other->type & 0xff) == types[value->type]);
	if (value->type == JSON_STRING)
		compare_string(value, other->valuestring);
	else if (value->type == JSON_NUMBER)
		compare_number(value, other->valuedouble);
	else if (value->type >= JSON_ARRAY)
		compare_members(value, other);
}

/* ---- both ---- */

/* cJSON wants the NUL after the text counted. */
static cJSON *parse_by_cjson(const struct text *t)
{
	char *ended = malloc(t->length + 1);
	cJSON *tree;

	REQUIRE(ended != NULL);
	memcpy(ended, t->bytes, t->length);
	ended[t->length] = '\0';
	tree = cJSON_ParseWithLengthOpts(ended, t->length + 1, NULL, true);
	free(ended);
	return tree;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = exact_copy(data, size);
	struct text text = {bytes, size};
	struct json_value value = {.text = NULL};
	struct json_fault fault = {SIZE_MAX, NULL};
	int r = json_parse(bytes, size, DEPTH, &value, &fault);
	cJSON *tree = parse_by_cjson(&text);

	REQUIRE(r == 0 || (r == -EBADMSG && !value.text && fault.offset <= size));
	if (r < 0 && tree)
		REQUIRE(is_agreed(&text, &fault));
	if (r == 0 && !tree)
		REQUIRE(has_long_number(&value));
	if (r == 0 && tree)
		compare_value(&value, tree);
	cJSON_Delete(tree);
	if (r == 0)
		rewrite_value(&value);
	rewrite_bytes(bytes, size);
	free(bytes);
	return 0;
}
