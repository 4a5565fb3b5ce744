/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_scan.h"

#define DEPTH 32

/* A copy of exactly the text's size, so that a sanitizer sees any step outside of it. */
static char *exact_copy(const char *text, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, length);
	return copy;
}

static void check_accepted(const char *text, size_t length)
{
	char *copy = exact_copy(text, length);
	struct json_value value;
	struct json_fault fault = {0, "nothing"};
	int r = json_parse(copy, length, DEPTH, &value, &fault);

	ck_assert_msg(
		r == 0, "%s: refused at %zu, expected %s", text, fault.offset, fault.expected);
	free(copy);
}

static void check_fault(const char *text, size_t length, size_t offset, const char *expected)
{
	char *copy = exact_copy(text, length);
	struct json_value value = {.text = "untouched"};
	struct json_fault fault = {0, "nothing"};

	ck_assert_int_eq(json_parse(copy, length, DEPTH, &value, NULL), -EBADMSG);
	ck_assert_int_eq(json_parse(copy, length, DEPTH, &value, &fault), -EBADMSG);
	ck_assert_str_eq(value.text, "untouched");
	ck_assert_msg(fault.offset == offset && strcmp(fault.expected, expected) == 0,
		"%s: %zu \"%s\", not %zu \"%s\"", text, fault.offset, fault.expected, offset,
		expected);
	free(copy);
}

#define accepted(literal) check_accepted(literal, sizeof(literal) - 1)
#define refused(literal, offset, expected)                                                         \
	check_fault(literal, sizeof(literal) - 1, offset, expected)

static struct json_value parsed(const char *text)
{
	struct json_value value;

	ck_assert_msg(json_parse(text, strlen(text), 1024, &value, NULL) == 0, "%s", text);
	return value;
}

static void check_span(const struct json_value *value, enum json_type type, const char *text)
{
	ck_assert_int_eq(value->type, type);
	ck_assert_uint_eq(value->length, strlen(text));
	ck_assert_mem_eq(value->text, text, value->length);
}

START_TEST(every_type_is_told)
{
	ck_assert_int_eq(parsed("null").type, JSON_NULL);
	ck_assert_int_eq(parsed("false").type, JSON_FALSE);
	ck_assert_int_eq(parsed("true").type, JSON_TRUE);
	ck_assert_int_eq(parsed("-1").type, JSON_NUMBER);
	ck_assert_int_eq(parsed("0").type, JSON_NUMBER);
	ck_assert_int_eq(parsed("\"\"").type, JSON_STRING);
	ck_assert_int_eq(parsed("[]").type, JSON_ARRAY);
	ck_assert_int_eq(parsed("{}").type, JSON_OBJECT);
}
END_TEST

START_TEST(span_leaves_white_space_out)
{
	struct json_value value = parsed(" \t\r\n[ 1 ] \t\r\n");

	check_span(&value, JSON_ARRAY, "[ 1 ]");
}
END_TEST

START_TEST(span_of_string_has_no_quotes)
{
	struct json_value value = parsed(" \"a\\\"b\" ");

	check_span(&value, JSON_STRING, "a\\\"b");
	ck_assert(value.escaped);
	value = parsed("\"ab\"");
	check_span(&value, JSON_STRING, "ab");
	ck_assert(!value.escaped);
}
END_TEST

START_TEST(only_strings_are_escaped)
{
	ck_assert(!parsed("[\"\\n\"]").escaped);
}
END_TEST

START_TEST(fault_of_structure_is_told)
{
	refused("", 0, "a value");
	refused("  ", 2, "a value");
	refused("[", 1, "a value or ']'");
	refused("[,1]", 1, "a value or ']'");
	refused("[1", 2, "',' or ']'");
	refused("[1}", 2, "',' or ']'");
	refused("[1,", 3, "a value");
	refused("[1,]", 3, "a value");
	refused("[1 2]", 3, "',' or ']'");
	refused("[[],,", 4, "a value");
	refused("{", 1, "a string or '}'");
	refused("{1:2}", 1, "a string or '}'");
	refused("{]", 1, "a string or '}'");
	refused("[}", 1, "a value or ']'");
	refused("{\"a\"", 4, "':'");
	refused("{\"a\" 1}", 5, "':'");
	refused("{\"a\":", 5, "a value");
	refused("{\"a\":}", 5, "a value");
	refused("{\"a\":1", 6, "',' or '}'");
	refused("{\"a\":1]", 6, "',' or '}'");
	refused("{\"a\":1,", 7, "a string");
	refused("{\"a\":1,}", 7, "a string");
	refused("]", 0, "a value");
	refused("}", 0, "a value");
}
END_TEST

START_TEST(anything_after_the_value_is_refused)
{
	refused("1 2", 2, "the end of the text");
	refused("[]]", 2, "the end of the text");
	refused("{}{}", 2, "the end of the text");
	refused("nullx", 4, "the end of the text");
	refused("1\0", 1, "the end of the text");
	refused("\"a\" ,", 4, "the end of the text");
}
END_TEST

START_TEST(byte_order_mark_is_refused)
{
	refused("\xef\xbb\xbf{}", 0, "a value");
}
END_TEST

START_TEST(other_white_space_is_refused)
{
	refused("\f1", 0, "a value");
	refused("\v1", 0, "a value");
	refused("\0"
		"1",
		0, "a value");
	refused("\xc2\xa0"
		"1",
		0, "a value");
	refused("[1\f]", 2, "',' or ']'");
}
END_TEST

START_TEST(literals_must_be_whole_and_small)
{
	accepted("true");
	accepted("false");
	accepted("null");
	refused("tru", 3, "true");
	refused("trux", 3, "true");
	refused("nUll", 1, "null");
	refused("[fals]", 5, "false");
	refused("True", 0, "a value");
	refused("NaN", 0, "a value");
	refused("Infinity", 0, "a value");
	refused("-Infinity", 1, "a digit");
}
END_TEST

START_TEST(numbers_of_the_grammar_are_accepted)
{
	accepted("0");
	accepted("-0");
	accepted("10");
	accepted("1234567890");
	accepted("-0.0");
	accepted("0.10");
	accepted("0e0");
	accepted("1E+2");
	accepted("1e-2");
	accepted("1.5e00007");
	accepted("1e99999999999999999999");
}
END_TEST

START_TEST(other_numbers_are_refused)
{
	refused("01", 1, "the end of the text");
	refused("[-00]", 3, "',' or ']'");
	refused("1.", 2, "a digit");
	refused("[1.]", 3, "a digit");
	refused("-", 1, "a digit");
	refused("-.5", 1, "a digit");
	refused(".5", 0, "a value");
	refused("+1", 0, "a value");
	refused("--1", 1, "a digit");
	refused("1e", 2, "a digit");
	refused("1e+", 3, "a digit");
	refused("1e+-1", 3, "a digit");
	refused("1e1.5", 3, "the end of the text");
	refused("0x10", 1, "the end of the text");
	refused("1_000", 1, "the end of the text");
}
END_TEST

START_TEST(bytes_after_the_text_are_not_read)
{
	struct json_value value;

	ck_assert_int_eq(json_parse("123", 2, DEPTH, &value, NULL), 0);
	check_span(&value, JSON_NUMBER, "12");
	ck_assert_int_eq(json_parse("true", 3, DEPTH, &value, NULL), -EBADMSG);
	ck_assert_int_eq(json_parse("\"a\"", 2, DEPTH, &value, NULL), -EBADMSG);
}
END_TEST

START_TEST(unclosed_string_is_refused)
{
	refused("\"", 1, "'\"'");
	refused("\"abc", 4, "'\"'");
	refused("\"12345678", 9, "'\"'");
	refused("\"\\", 2, "one of \"\\/bfnrtu");
	refused("\"\\\"", 3, "'\"'");
}
END_TEST

START_TEST(raw_control_bytes_are_refused_at_any_place)
{
	for (int c = 0; c < 0x20; c++) {
		for (size_t place = 0; place < 20; place++) {
			char text[24] = "\"abcdefghijklmnopqrst\"";

			text[1 + place] = (char)c;
			check_fault(text, 22, 1 + place, "control characters escaped");
		}
	}
}
END_TEST

START_TEST(printable_ascii_and_delete_are_plain_at_any_place)
{
	for (int c = 0x20; c < 0x80; c++) {
		for (size_t place = 0; place < 20; place++) {
			char text[24] = "\"abcdefghijklmnopqrst\"";

			if (c == '"' || c == '\\')
				continue;
			text[1 + place] = (char)c;
			check_accepted(text, 22);
		}
	}
}
END_TEST

START_TEST(escapes_are_those_of_the_grammar)
{
	accepted("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"");
	for (int c = 0; c < 256; c++) {
		char text[] = "\"\\x\"";

		text[2] = (char)c;
		if (c == 'u')
			refused("\"\\u\"", 3, "a hexadecimal digit");
		else if (c != 0 && strchr("\"\\/bfnrt", c) != NULL)
			check_accepted(c == '"' || c == '\\' ? "\"\\\\\"" : text, 4);
		else
			check_fault(text, 4, 2, "one of \"\\/bfnrtu");
	}
}
END_TEST

START_TEST(unicode_escape_needs_four_digits)
{
	accepted("\"\\u09aF\"");
	refused("\"\\u", 3, "a hexadecimal digit");
	refused("\"\\u12", 5, "a hexadecimal digit");
	refused("\"\\u123\"", 6, "a hexadecimal digit");
	refused("\"\\u12g4\"", 5, "a hexadecimal digit");
	refused("\"\\u-123\"", 3, "a hexadecimal digit");
	refused("\"\\u@@@@\"", 3, "a hexadecimal digit");
	refused("\"\\u````\"", 3, "a hexadecimal digit");
}
END_TEST

START_TEST(escaped_nul_is_refused)
{
	refused("\"a\\u0000b\"", 2, "no \\u0000");
	refused("{\"a\\u0000\":1}", 3, "no \\u0000");
	accepted("\"\\u0001\"");
	accepted("\"\\\\u0000\"");
}
END_TEST

START_TEST(lone_low_surrogate_is_refused)
{
	refused("\"\\udc00\"", 1, "a high surrogate escape first");
	refused("\"a\\uDFFF\"", 2, "a high surrogate escape first");
	refused("\"\\ud83d\\ude00\\ude00\"", 13, "a high surrogate escape first");
}
END_TEST

START_TEST(lone_high_surrogate_is_refused)
{
	refused("\"\\ud800\"", 7, "a low surrogate escape");
	refused("\"\\udbff", 7, "a low surrogate escape");
	refused("\"\\ud800\\", 7, "a low surrogate escape");
	refused("\"\\ud800\\n\"", 7, "a low surrogate escape");
	refused("\"\\ud800x\"", 7, "a low surrogate escape");
	refused("\"\\ud800\\ud800\"", 7, "a low surrogate escape");
	refused("\"\\ud800\\u0041\"", 7, "a low surrogate escape");
	refused("\"\\ud800\\ue000\"", 7, "a low surrogate escape");
	refused("\"\\ud800\\udc0\"", 12, "a hexadecimal digit");
}
END_TEST

START_TEST(surrogate_pairs_and_their_neighbours_are_accepted)
{
	accepted("\"\\ud800\\udc00\"");
	accepted("\"\\udbff\\udfff\"");
	accepted("\"\\ud7ff\\ue000\"");
}
END_TEST

/* The definition of RFC 3629 again, by decoding instead of by ranges. */
static bool is_utf8(const unsigned char *u, size_t length)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned code = u[0] & (0x7fu >> length);

	if ((unsigned)u[0] >> (7 - length) != (2u << length) - 2)
		return false;
	for (size_t i = 1; i < length; i++) {
		if (u[i] >> 6 != 2)
			return false;
		code = code << 6 | (u[i] & 0x3f);
	}
	return code >= least[length] && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
}

static bool is_accepted(const char *text, size_t length)
{
	struct json_value value;

	return json_parse(text, length, DEPTH, &value, NULL) == 0;
}

START_TEST(every_two_bytes_follow_utf8)
{
	for (unsigned a = 0x80; a < 256; a++) {
		for (unsigned b = 0x80; b < 256; b++) {
			char text[] = {'"', (char)a, (char)b, '"'};

			ck_assert_int_eq(is_accepted(text, sizeof(text)),
				is_utf8((unsigned char *)text + 1, 2));
		}
	}
}
END_TEST

START_TEST(every_three_bytes_follow_utf8)
{
	for (unsigned a = 0xe0; a < 256; a++) {
		for (unsigned b = 0; b < 0x10000; b++) {
			char text[] = {'"', (char)a, (char)(b >> 8), (char)b, '"'};
			bool same = is_accepted(text, sizeof(text)) ==
				    is_utf8((unsigned char *)text + 1, 3);

			ck_assert_msg(same, "%x %x", a, b);
		}
	}
}
END_TEST

START_TEST(every_four_bytes_follow_utf8)
{
	for (unsigned a = 0xf0; a < 256; a++) {
		for (unsigned b = 0; b < 0x100; b++) {
			char text[] = {'"', (char)a, (char)b, '\x80', '\xbf', '"'};
			bool same = is_accepted(text, sizeof(text)) ==
				    is_utf8((unsigned char *)text + 1, 4);

			ck_assert_msg(same, "%x %x", a, b);
		}
	}
}
END_TEST

START_TEST(broken_utf8_is_refused_where_it_begins)
{
	refused("\"a\x80\"", 2, "valid UTF-8");
	refused("\"\xc3\"", 1, "valid UTF-8");
	refused("\"\xc3", 1, "valid UTF-8");
	refused("\"\xe2\x82", 1, "valid UTF-8");
	refused("\"\xe2\x82\"\"", 1, "valid UTF-8");
	refused("\"\xf0\x9f\x98\"\"", 1, "valid UTF-8");
	refused("\"\xff\"", 1, "valid UTF-8");
	refused("[\xc3\xa9]", 1, "a value or ']'");
}
END_TEST

START_TEST(nesting_is_bounded)
{
	struct json_value value;

	ck_assert_int_eq(json_parse("1", 1, 0, &value, NULL), 0);
	ck_assert_int_eq(json_parse("[]", 2, 0, &value, NULL), -EBADMSG);
	ck_assert_int_eq(json_parse("{}", 2, 1, &value, NULL), 0);
	ck_assert_int_eq(json_parse("[[],[]]", 7, 2, &value, NULL), 0);
	ck_assert_int_eq(json_parse("[[[]]]", 6, 2, &value, NULL), -EBADMSG);
	refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{", 32, "less nesting");
}
END_TEST

START_TEST(nesting_over_the_ceiling_is_refused)
{
	const size_t length = 100000;
	char *text = malloc(length);
	struct json_value value;
	struct json_fault fault;

	memset(text, '[', length);
	memset(text + 1024, ']', 1024);
	ck_assert_int_eq(json_parse(text, 2048, 1024, &value, NULL), 0);
	memset(text + 1024, '[', 1024);
	ck_assert_int_eq(json_parse(text, length, 1000000, &value, &fault), -EBADMSG);
	ck_assert_uint_eq(fault.offset, 1024);
	ck_assert_str_eq(fault.expected, "less nesting");
	free(text);
}
END_TEST

START_TEST(kinds_of_containers_are_kept_at_every_depth)
{
	char text[4096];

	/* Levels of kinds that are no multiple of anything: a wrong bit shows as a wrong end. */
	for (size_t wrong = 0; wrong <= 300; wrong++) {
		size_t n = 0;
		struct json_value value;

		for (size_t i = 0; i < 300; i++)
			n += (size_t)sprintf(text + n, i * i % 7 < 3 ? "{\"\":" : "[");
		text[n++] = '0';
		for (size_t i = 300; i-- > 0;)
			text[n++] = (i * i % 7 < 3) == (i != wrong) ? '}' : ']';
		ck_assert_int_eq(
			json_parse(text, n, 300, &value, NULL), wrong == 300 ? 0 : -EBADMSG);
	}
}
END_TEST

START_TEST(every_cut_of_a_text_is_refused)
{
	const char *text =
		" {\"a\\u00e9\":[1.5e-3,true,null,\"\\ud83d\\ude00\xe2\x82\xac\"],\"b\":{}}";

	for (size_t length = 0; length < strlen(text); length++) {
		char *copy = exact_copy(text, length);

		ck_assert(!is_accepted(copy, length));
		free(copy);
	}
	check_accepted(text, strlen(text));
}
END_TEST

static void add_parse_tests(Suite *s)
{
	TCase *tc = tcase_create("parse");

	tcase_add_test(tc, every_type_is_told);
	tcase_add_test(tc, span_leaves_white_space_out);
	tcase_add_test(tc, span_of_string_has_no_quotes);
	tcase_add_test(tc, only_strings_are_escaped);
	tcase_add_test(tc, fault_of_structure_is_told);
	tcase_add_test(tc, anything_after_the_value_is_refused);
	tcase_add_test(tc, byte_order_mark_is_refused);
	tcase_add_test(tc, other_white_space_is_refused);
	tcase_add_test(tc, literals_must_be_whole_and_small);
	tcase_add_test(tc, numbers_of_the_grammar_are_accepted);
	tcase_add_test(tc, other_numbers_are_refused);
	tcase_add_test(tc, bytes_after_the_text_are_not_read);
	tcase_add_test(tc, nesting_is_bounded);
	tcase_add_test(tc, nesting_over_the_ceiling_is_refused);
	tcase_add_test(tc, kinds_of_containers_are_kept_at_every_depth);
	tcase_add_test(tc, every_cut_of_a_text_is_refused);
	suite_add_tcase(s, tc);
}

static void add_string_tests(Suite *s)
{
	TCase *tc = tcase_create("strings");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, unclosed_string_is_refused);
	tcase_add_test(tc, raw_control_bytes_are_refused_at_any_place);
	tcase_add_test(tc, printable_ascii_and_delete_are_plain_at_any_place);
	tcase_add_test(tc, escapes_are_those_of_the_grammar);
	tcase_add_test(tc, unicode_escape_needs_four_digits);
	tcase_add_test(tc, escaped_nul_is_refused);
	tcase_add_test(tc, lone_low_surrogate_is_refused);
	tcase_add_test(tc, lone_high_surrogate_is_refused);
	tcase_add_test(tc, surrogate_pairs_and_their_neighbours_are_accepted);
	tcase_add_test(tc, every_two_bytes_follow_utf8);
	tcase_add_test(tc, every_three_bytes_follow_utf8);
	tcase_add_test(tc, every_four_bytes_follow_utf8);
	tcase_add_test(tc, broken_utf8_is_refused_where_it_begins);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("json_scan");
	SRunner *sr = srunner_create(s);
	int failed;

	add_parse_tests(s);
	add_string_tests(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
