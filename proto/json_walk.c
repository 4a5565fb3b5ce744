/* SPDX-License-Identifier: MIT */
/* Walks and decodes what json_parse() accepted; nothing is checked again here. */
#include "proto/json_scan.h"

#include <errno.h>
#include <string.h>

#include "proto/json_text.h"

/* From the opening quote to the byte after the closing one. */
static const char *skip_string(const char *p, const char *end, bool *ret_escaped)
{
	for (p = json_skip_plain(p + 1, end); *p != '"'; p = json_skip_plain(p, end)) {
		bool escape = *p == '\\';

		*ret_escaped |= escape;
		p += escape ? 2 : 1;
	}
	return p + 1;
}

static const char *skip_container(const char *p, const char *end)
{
	bool escaped = false;
	unsigned depth = 0;

	do {
		switch (*p) {
		case '"':
			p = skip_string(p, end, &escaped);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			depth--;
			break;
		}
		p++;
	} while (depth > 0);
	return p;
}

/* A number or a literal. The closing bracket is not in reach: an iterator ends before it. */
static const char *skip_word(const char *p, const char *end)
{
	while (p < end && !json_is_space(*p) && *p != ',')
		p++;
	return p;
}

static void take_value(struct json_iter *iter, struct json_value *ret)
{
	const char *start = iter->next;
	bool escaped = false;

	if (*start == '"')
		iter->next = skip_string(start, iter->end, &escaped);
	else if (*start == '{' || *start == '[')
		iter->next = skip_container(start, iter->end);
	else
		iter->next = skip_word(start, iter->end);
	json_set_value(ret, json_type_of(*start), start, iter->next, escaped);
}

/* To the next key or value; false at the end. */
static bool skip_between(struct json_iter *iter)
{
	const char *p = iter->next;

	while (p < iter->end && (json_is_space(*p) || *p == ',' || *p == ':'))
		p++;
	iter->next = p;
	return p < iter->end;
}

void json_iter_init(struct json_iter *iter, const struct json_value *container)
{
	iter->next = container->text + 1;
	iter->end = container->text + container->length - 1;
	iter->member = container->members;
	iter->last = iter->member ? iter->member + container->n_members : NULL;
}

const struct json_member *json_next(struct json_iter *iter, struct json_member *storage)
{
	if (iter->member)
		return iter->member < iter->last ? iter->member++ : NULL;
	if (!skip_between(iter))
		return NULL;
	take_value(iter, &storage->key);
	skip_between(iter);
	take_value(iter, &storage->value);
	return storage;
}

bool json_next_member(
	struct json_iter *iter, struct json_value *ret_key, struct json_value *ret_value)
{
	struct json_member storage;
	const struct json_member *member = json_next(iter, &storage);

	if (!member)
		return false;
	*ret_key = member->key;
	*ret_value = member->value;
	return true;
}

bool json_next_element(struct json_iter *iter, struct json_value *ret_value)
{
	if (!skip_between(iter))
		return false;
	take_value(iter, ret_value);
	return true;
}

bool json_find_member(const struct json_value *object, const char *key, struct json_value *ret)
{
	size_t length = strlen(key);
	struct json_iter iter;
	struct json_value name, value;

	if (object->type != JSON_OBJECT)
		return false;
	json_iter_init(&iter, object);
	while (json_next_member(&iter, &name, &value)) {
		if (json_string_is(&name, key, length)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static unsigned decode_hex4(const char *p)
{
	unsigned code = 0;

	for (int i = 0; i < 4; i++)
		code = code << 4 | (unsigned)json_hex_digit(p[i]);
	return code;
}

static size_t encode_utf8(unsigned code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

static size_t decode_unicode_escape(const char **next, char *out)
{
	unsigned code = decode_hex4(*next);

	*next += 4;
	if (json_is_high_surrogate(code)) {
		unsigned low = decode_hex4(*next + strlen("\\u"));

		*next += strlen("\\uXXXX");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	return encode_utf8(code, out);
}

/* The escape whose backslash is at *NEXT, to OUT; *NEXT moves past it. */
static size_t decode_escape(const char **next, char *out)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	char c = (*next)[1];
	const char *letter = strchr(letters, c);

	*next += 2;
	if (c == 'u')
		return decode_unicode_escape(next, out);
	*out = letter != NULL ? meanings[letter - letters] : c;
	return 1;
}

size_t json_unescape(const struct json_value *string, char *out)
{
	const char *p = string->text, *end = p + string->length;
	size_t length = 0;

	while (p < end) {
		const char *escape = string->escaped ? memchr(p, '\\', (size_t)(end - p)) : NULL;
		size_t run = (size_t)((escape != NULL ? escape : end) - p);

		memcpy(out + length, p, run);
		length += run;
		p += run;
		if (escape != NULL)
			length += decode_escape(&p, out + length);
	}
	return length;
}

/* A string's decoded bytes one by one. */
struct reader {
	const char *next;
	const char *end;
	bool escaped;
	char decoded[4]; /* what an escape stands for */
	size_t used;
	size_t count;
};

static struct reader reader_of(const struct json_value *string)
{
	return (struct reader){
		.next = string->text,
		.end = string->text + string->length,
		.escaped = string->escaped,
	};
}

/* -1 at the end. */
static int reader_next(struct reader *r)
{
	if (r->used < r->count)
		return (unsigned char)r->decoded[r->used++];
	if (r->next == r->end)
		return -1;
	if (!r->escaped || *r->next != '\\')
		return (unsigned char)*r->next++;
	r->count = decode_escape(&r->next, r->decoded);
	r->used = 1;
	return (unsigned char)r->decoded[0];
}

static bool are_equal_decoded(const struct json_value *a, const struct json_value *b)
{
	struct reader left = reader_of(a), right = reader_of(b);
	int byte;

	do {
		byte = reader_next(&left);
		if (byte != reader_next(&right))
			return false;
	} while (byte >= 0);
	return true;
}

/* Of two without escapes. */
static inline bool is_plain_equal(const struct json_value *a, const struct json_value *b)
{
	return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

bool json_strings_equal(const struct json_value *a, const struct json_value *b)
{
	return a->escaped || b->escaped ? are_equal_decoded(a, b) : is_plain_equal(a, b);
}

uint32_t json_string_hash(const struct json_value *string)
{
	struct reader r = reader_of(string);
	uint32_t hash = 2166136261u;
	int byte;

	while ((byte = reader_next(&r)) >= 0)
		hash = (hash ^ (uint32_t)byte) * 16777619u;
	return hash;
}

bool json_string_is(const struct json_value *string, const char *text, size_t length)
{
	struct json_value other = {.type = JSON_STRING, .text = text, .length = length};

	if (string->type != JSON_STRING)
		return false;
	/* A key is compared with one name after the other: straight on, that is 3 % of a call less.
	 */
	return string->escaped ? are_equal_decoded(string, &other) : is_plain_equal(string, &other);
}

int json_get_int(const struct json_value *value, int64_t *ret)
{
	const char *p = value->text, *end = p + value->length;
	bool is_negative, is_over = false;
	int64_t n = 0;

	if (value->type != JSON_NUMBER)
		return -EINVAL;
	is_negative = *p == '-';
	/* Counted downwards, since the negative side reaches one further. */
	for (p += is_negative; p < end; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		is_over |= __builtin_mul_overflow(n, 10, &n);
		is_over |= __builtin_sub_overflow(n, *p - '0', &n);
	}
	if (!is_negative)
		is_over |= __builtin_sub_overflow(0, n, &n);
	if (is_over)
		return -ERANGE;
	*ret = n;
	return 0;
}
