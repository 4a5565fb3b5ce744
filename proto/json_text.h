/* SPDX-License-Identifier: MIT */
/* What the scanner, the walker and the writer know in common. Internal to proto/.
 * Pure functions: any thread may call.
 */
#ifndef USHER_PROTO_JSON_TEXT_H
#define USHER_PROTO_JSON_TEXT_H

#include <endian.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "proto/json_scan.h"

/* Plain bytes stand for themselves in JSON and in UTF-8: ASCII but controls, '"' and '\'. */
static inline bool json_is_plain(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* How many of the 8 bytes at TEXT are plain before one that is not. A borrow spoils only bytes
 * after one that is not. */
static inline size_t json_count_plain_8(const char *text)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t bytes, control, quote, backslash, others;

	memcpy(&bytes, text, sizeof(bytes));
	bytes = le64toh(bytes);
	control = bytes - ones * 0x20;
	quote = (bytes ^ (ones * '"')) - ones;
	backslash = (bytes ^ (ones * '\\')) - ones;
	others = (bytes | control | quote | backslash) & (ones * 0x80);
	return others ? (size_t)__builtin_ctzll(others) / 8 : 8;
}

/* How many of the 16 bytes at TEXT are plain before one that is not. */
#ifdef __SSE2__
static inline size_t json_count_plain_16(const char *text)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)text);
	__m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	/* As signed numbers, what is not ASCII is below the controls. */
	__m128i controls = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
	__m128i others = _mm_or_si128(_mm_or_si128(quotes, backslashes), controls);
	unsigned found = (unsigned)_mm_movemask_epi8(others);

	return (size_t)__builtin_ctz(found | 1u << 16);
}
#else
static inline size_t json_count_plain_16(const char *text)
{
	size_t n = json_count_plain_8(text);

	return n < 8 ? n : 8 + json_count_plain_8(text + 8);
}
#endif

/* The first byte in [START, END) that is not plain, or END. What is left after as many bytes at
 * once as fit is looked at together with some before it, which are known to be plain. */
static inline const char *json_skip_plain(const char *start, const char *end)
{
	const char *text = start;

	for (; end - text >= 16; text += 16) {
		size_t n = json_count_plain_16(text);

		if (n < 16)
			return text + n;
	}
	if (end - start >= 16)
		return end - 16 + json_count_plain_16(end - 16);
	if (end - start >= 8) {
		size_t n = json_count_plain_8(start);

		return n < 8 ? start + n : end - 8 + json_count_plain_8(end - 8);
	}
	while (text < end && json_is_plain(*text))
		text++;
	return text;
}

/* Length of the UTF-8 sequence (RFC 3629) of two to four bytes at TEXT, which must hold at least
 * one byte before END; 0 if there is no such sequence. */
static inline size_t json_utf8_length(const char *text, const char *end)
{
	const unsigned char *u = (const unsigned char *)text;
	unsigned low = 0x80, high = 0xbf;
	size_t length;

	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	length = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if ((size_t)(end - text) < length)
		return 0;
	switch (u[0]) {
	case 0xe0: /* below: an overlong form */
		low = 0xa0;
		break;
	case 0xed: /* above: a surrogate */
		high = 0x9f;
		break;
	case 0xf0: /* below: an overlong form */
		low = 0x90;
		break;
	case 0xf4: /* above: over U+10FFFF */
		high = 0x8f;
		break;
	}
	if (u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

static inline bool json_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* -1 if C is none. */
static inline int json_hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static inline bool json_is_high_surrogate(unsigned code)
{
	return code >= 0xd800 && code < 0xdc00;
}

static inline bool json_is_low_surrogate(unsigned code)
{
	return code >= 0xdc00 && code < 0xe000;
}

/* Of a value that begins with FIRST. */
static inline enum json_type json_type_of(char first)
{
	static const unsigned char types[UCHAR_MAX + 1] = {
		['"'] = JSON_STRING,
		['['] = JSON_ARRAY,
		['{'] = JSON_OBJECT,
		['f'] = JSON_FALSE,
		['t'] = JSON_TRUE,
		['-'] = JSON_NUMBER,
		['0' ... '9'] = JSON_NUMBER,
	};

	return (enum json_type)types[(unsigned char)first];
}

/* The value whose text, quotes of a string included, is [START, END); ESCAPED is for strings. */
static inline void json_set_value(struct json_value *ret, enum json_type type, const char *start,
	const char *end, bool escaped)
{
	size_t quote = type == JSON_STRING;

	ret->type = type;
	ret->escaped = escaped && quote;
	ret->text = start + quote;
	ret->length = (size_t)(end - start) - 2 * quote;
	ret->members = NULL;
	ret->n_members = 0;
}

/* A hash of the decoded bytes: equal strings have equal ones. */
uint32_t json_string_hash(const struct json_value *string);

#endif
