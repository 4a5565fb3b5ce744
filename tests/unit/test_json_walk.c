/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_scan.h"

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

START_TEST(members_come_in_order_with_duplicates)
{
	struct json_value object = parsed(
		" { \"a\" : 1 , \"b\":\"}\\\"\" ,\"a\": [ {\"]\":\"\\\\\"} ] ,\"\":{},\"c\":null}");
	struct json_value key, value;
	struct json_iter iter;

	json_iter_init(&iter, &object);
	ck_assert(json_next_member(&iter, &key, &value));
	check_span(&key, JSON_STRING, "a");
	check_span(&value, JSON_NUMBER, "1");
	ck_assert(json_next_member(&iter, &key, &value));
	check_span(&key, JSON_STRING, "b");
	check_span(&value, JSON_STRING, "}\\\"");
	ck_assert(value.escaped);
	ck_assert(json_next_member(&iter, &key, &value));
	check_span(&key, JSON_STRING, "a");
	check_span(&value, JSON_ARRAY, "[ {\"]\":\"\\\\\"} ]");
	ck_assert(json_next_member(&iter, &key, &value));
	check_span(&key, JSON_STRING, "");
	check_span(&value, JSON_OBJECT, "{}");
	ck_assert(json_next_member(&iter, &key, &value));
	check_span(&value, JSON_NULL, "null");
	ck_assert(!json_next_member(&iter, &key, &value));
	ck_assert(!json_next_member(&iter, &key, &value));
}
END_TEST

START_TEST(elements_come_in_order)
{
	static const struct {
		enum json_type type;
		const char *text;
	} expected[] = {
		{JSON_NUMBER, "1"},
		{JSON_TRUE, "true"},
		{JSON_FALSE, "false"},
		{JSON_NULL, "null"},
		{JSON_STRING, "\xc3\xa9, ]"},
		{JSON_ARRAY, "[[],{\"[\":0}]"},
		{JSON_OBJECT, "{\"a\":[1]}"},
		{JSON_NUMBER, "-1.5E+3"},
	};
	struct json_value array = parsed(
		"[1,true ,false\t, null\n,\"\xc3\xa9, ]\",[[],{\"[\":0}],{\"a\":[1]},-1.5E+3]");
	struct json_value value;
	struct json_iter iter;

	json_iter_init(&iter, &array);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		ck_assert(json_next_element(&iter, &value));
		check_span(&value, expected[i].type, expected[i].text);
	}
	ck_assert(!json_next_element(&iter, &value));
}
END_TEST

START_TEST(empty_containers_have_nothing)
{
	struct json_value array = parsed("[ ]"), object = parsed("{\n}"), key, value;
	struct json_iter iter;

	json_iter_init(&iter, &array);
	ck_assert(!json_next_element(&iter, &value));
	json_iter_init(&iter, &object);
	ck_assert(!json_next_member(&iter, &key, &value));
}
END_TEST

START_TEST(inner_values_can_be_walked)
{
	struct json_value outer = parsed("[[2,[3]],4]"), inner, value;
	struct json_iter iter;

	json_iter_init(&iter, &outer);
	ck_assert(json_next_element(&iter, &inner));
	json_iter_init(&iter, &inner);
	ck_assert(json_next_element(&iter, &value));
	check_span(&value, JSON_NUMBER, "2");
	ck_assert(json_next_element(&iter, &value));
	check_span(&value, JSON_ARRAY, "[3]");
	ck_assert(!json_next_element(&iter, &value));
}
END_TEST

static void check_same(const struct json_value *kept, const struct json_value *other)
{
	ck_assert_int_eq(kept->type, other->type);
	ck_assert_int_eq(kept->escaped, other->escaped);
	ck_assert_ptr_eq(kept->text, other->text);
	ck_assert_uint_eq(kept->length, other->length);
}

/* As deep as objects lie in objects; returns the number of members that were kept. */
static size_t check_same_walk(const struct json_value *kept, const struct json_value *other)
{
	struct json_value kept_key, kept_value, key, value;
	struct json_iter of_kept, of_text;
	size_t n_kept = kept->n_members;

	check_same(kept, other);
	ck_assert_ptr_null(other->members);
	if (other->type != JSON_OBJECT)
		return 0;
	json_iter_init(&of_kept, kept);
	json_iter_init(&of_text, other);
	while (json_next_member(&of_text, &key, &value)) {
		ck_assert(json_next_member(&of_kept, &kept_key, &kept_value));
		check_same(&kept_key, &key);
		n_kept += check_same_walk(&kept_value, &value);
	}
	ck_assert(!json_next_member(&of_kept, &kept_key, &kept_value));
	return n_kept;
}

static size_t check_kept(const char *text)
{
	struct json_kept kept;
	struct json_value value, other = parsed(text);

	ck_assert_int_eq(json_parse_keeping(text, strlen(text), 1024, &kept, &value, NULL), 0);
	return check_same_walk(&value, &other);
}

START_TEST(kept_members_are_those_of_the_text)
{
	static const struct {
		const char *text;
		size_t n_kept;
	} cases[] = {
		{"7", 0},
		{"\"a\\n\"", 0},
		{"{}", 0},
		{"[{\"a\":{\"b\":1}}]", 0},
		{" {\"a\":1} ", 1},
		{"{\"a\":{},\"b\":[],\"c\":\"\"}", 3},
		{"{\"m\\u0065\":\"\\\"\" , \"p\" : { \"x\" : -1e5 ,\"x\":null } ,\"o\":true}", 5},
		{"{\"p\":{\"d\":{\"e\":{\"f\":[{\"g\":1}]}},\"h\":\"i\"}}", 3},
		{"{\"p\":[{\"a\":1},{\"b\":2}],\"q\":{\"c\":[{}]}}", 3},
		{"{\"p\":{\"a\":1},\"q\":{\"b\":2,\"c\":\"}\"}}", 5},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_uint_eq(check_kept(cases[i].text), cases[i].n_kept);
}
END_TEST

/* OUTER members, and as many INNER ones in each of the first two. */
static size_t count_kept(int n_outer, int n_inner)
{
	static char text[65536];
	size_t used = 0;

	text[used++] = '{';
	for (int i = 0; i < n_outer; i++) {
		used += (size_t)sprintf(text + used, "%s\"o%d\":{", i ? "," : "", i);
		for (int j = 0; i < 2 && j < n_inner; j++)
			used += (size_t)sprintf(
				text + used, "%s\"i%d\":\"%d\"", j ? "," : "", j, j);
		text[used++] = '}';
	}
	text[used++] = '}';
	text[used] = '\0';
	return check_kept(text);
}

START_TEST(members_are_kept_where_there_is_room_for_all)
{
	ck_assert_uint_eq(count_kept(8, 12), 8 + 24);
	ck_assert_uint_eq(count_kept(8, 13), 8 + 13); /* none of the second one's */
	ck_assert_uint_eq(count_kept(8, 24), 8 + 24);
	ck_assert_uint_eq(count_kept(8, 25), 8);
	ck_assert_uint_eq(count_kept(9, 1), 0);
	ck_assert_uint_eq(count_kept(1000, 1000), 0);
}
END_TEST

START_TEST(first_member_of_a_name_is_found)
{
	struct json_value object = parsed("{\"A\":0,\"a\":1,\"a\":2,\"a\\u0062\":3,\"\":4}"), value;

	ck_assert(json_find_member(&object, "a", &value));
	check_span(&value, JSON_NUMBER, "1");
	ck_assert(json_find_member(&object, "ab", &value));
	check_span(&value, JSON_NUMBER, "3");
	ck_assert(json_find_member(&object, "", &value));
	check_span(&value, JSON_NUMBER, "4");
	ck_assert(!json_find_member(&object, "abc", &value));
	ck_assert(!json_find_member(&object, "b", &value));
	check_span(&value, JSON_NUMBER, "4");
}
END_TEST

START_TEST(nothing_is_found_in_other_types)
{
	struct json_value array = parsed("[\"a\",1]"), value;

	ck_assert(!json_find_member(&array, "a", &value));
}
END_TEST

static void check_unescape(const char *text, const char *expected)
{
	struct json_value string = parsed(text);
	char *out = malloc(string.length + 1);

	ck_assert_uint_eq(json_unescape(&string, out), strlen(expected));
	ck_assert_mem_eq(out, expected, strlen(expected));
	ck_assert(json_string_is(&string, expected, strlen(expected)));
	free(out);
}

START_TEST(escapes_are_decoded)
{
	check_unescape("\"\"", "");
	check_unescape("\"plain\"", "plain");
	check_unescape("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
	check_unescape("\"a\\nb\\nc\"", "a\nb\nc");
	check_unescape("\"\\u0041\\u007f\"", "A\x7f");
	check_unescape("\"\\u0080\\u00e9\\u07ff\"", "\xc2\x80\xc3\xa9\xdf\xbf");
	check_unescape("\"\\u0800\\u20AC\\uffff\"", "\xe0\xa0\x80\xe2\x82\xac\xef\xbf\xbf");
	check_unescape("\"\\ud800\\udc00\"", "\xf0\x90\x80\x80");
	check_unescape("\"x\\uD83D\\uDE00y\"", "x\xf0\x9f\x98\x80y");
	check_unescape("\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf");
	check_unescape("\"\\\\u0041\"", "\\u0041");
	check_unescape("\"\xc3\xa9\\u00e9\"", "\xc3\xa9\xc3\xa9");
}
END_TEST

static unsigned decode_utf8(const char *text, size_t length)
{
	unsigned code = (unsigned char)text[0] & (length == 1 ? 0x7fu : 0x7fu >> length);

	for (size_t i = 1; i < length; i++)
		code = code << 6 | ((unsigned char)text[i] & 0x3f);
	return code;
}

START_TEST(every_code_point_is_decoded_as_it_is_written)
{
	for (unsigned code = 1; code < 0x110000; code += code < 0x900 ? 1 : 97) {
		char text[32], out[32];
		struct json_value escaped, verbatim;
		size_t n;

		if (code >= 0xd800 && code < 0xe000)
			continue;
		if (code < 0x10000)
			sprintf(text, "\"\\u%04x\"", code);
		else
			sprintf(text, "\"\\u%04x\\u%04x\"", 0xd7c0 + (code >> 10),
				0xdc00 + (code & 0x3ff));
		escaped = parsed(text);
		n = json_unescape(&escaped, out);
		ck_assert_uint_eq(n, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
		ck_assert_uint_eq(decode_utf8(out, n), code);
		verbatim = (struct json_value){.type = JSON_STRING, .text = out, .length = n};
		ck_assert(json_strings_equal(&escaped, &verbatim));
	}
}
END_TEST

START_TEST(string_is_compared_decoded)
{
	struct json_value string = parsed("\"a\\u00e9\"");
	struct json_value number = parsed("1");

	ck_assert(json_string_is(&string, "a\xc3\xa9", 3));
	ck_assert(!json_string_is(&string, "a\xc3", 2));
	ck_assert(!json_string_is(&string, "a\xc3\xa9z", 4));
	ck_assert(!json_string_is(&string, "a\\u00e9", 7));
	ck_assert(!json_string_is(&string, "", 0));
	ck_assert(!json_string_is(&number, "1", 1));
	string = parsed("\"ab\"");
	ck_assert(json_string_is(&string, "ab", 2));
	ck_assert(!json_string_is(&string, "ac", 2));
	ck_assert(!json_string_is(&string, "abc", 3));
}
END_TEST

START_TEST(two_escaped_strings_are_compared_decoded)
{
	struct json_value a = parsed("\"\\u00e9\\n\\ud83d\\ude00\"");
	struct json_value b = parsed("\"\xc3\xa9\\u000a\xf0\x9f\x98\x80\"");
	struct json_value c = parsed("\"\\u00e9\\r\\ud83d\\ude00\"");

	ck_assert(json_strings_equal(&a, &b));
	ck_assert(json_strings_equal(&b, &a));
	ck_assert(!json_strings_equal(&a, &c));
}
END_TEST

static int int_of(const char *text, int64_t *ret)
{
	struct json_value value = parsed(text);

	return json_get_int(&value, ret);
}

static void check_int(const char *text, int64_t expected)
{
	int64_t n = 42;

	ck_assert_int_eq(int_of(text, &n), 0);
	ck_assert_int_eq(n, expected);
}

static void check_no_int(const char *text, int error)
{
	int64_t n = 42;

	ck_assert_int_eq(int_of(text, &n), error);
	ck_assert_int_eq(n, 42);
}

START_TEST(integers_are_exact)
{
	check_int("0", 0);
	check_int("-0", 0);
	check_int("-1", -1);
	check_int("30000", 30000);
	check_int("9007199254740993", INT64_C(9007199254740993));
	check_int("9223372036854775807", INT64_MAX);
	check_int("-9223372036854775808", INT64_MIN);
}
END_TEST

START_TEST(integers_out_of_range_are_told)
{
	check_no_int("9223372036854775808", -ERANGE);
	check_no_int("-9223372036854775809", -ERANGE);
	check_no_int("92233720368547758070", -ERANGE);
	check_no_int("18446744073709551616", -ERANGE);
	check_no_int("340282366920938463463374607431768211456", -ERANGE);
	check_no_int("-100000000000000000000000000000000000000000000", -ERANGE);
}
END_TEST

START_TEST(fractions_and_other_types_are_no_integers)
{
	check_no_int("1.0", -EINVAL);
	check_no_int("1e0", -EINVAL);
	check_no_int("1E400", -EINVAL);
	check_no_int("99999999999999999999.5", -EINVAL);
	check_no_int("\"1\"", -EINVAL);
	check_no_int("null", -EINVAL);
	check_no_int("true", -EINVAL);
	check_no_int("[1]", -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json_walk");
	SRunner *sr = srunner_create(s);
	TCase *tc = tcase_create("walk");
	int failed;

	tcase_add_test(tc, members_come_in_order_with_duplicates);
	tcase_add_test(tc, elements_come_in_order);
	tcase_add_test(tc, empty_containers_have_nothing);
	tcase_add_test(tc, inner_values_can_be_walked);
	tcase_add_test(tc, kept_members_are_those_of_the_text);
	tcase_add_test(tc, members_are_kept_where_there_is_room_for_all);
	tcase_add_test(tc, first_member_of_a_name_is_found);
	tcase_add_test(tc, nothing_is_found_in_other_types);
	tcase_add_test(tc, escapes_are_decoded);
	tcase_add_test(tc, every_code_point_is_decoded_as_it_is_written);
	tcase_add_test(tc, string_is_compared_decoded);
	tcase_add_test(tc, two_escaped_strings_are_compared_decoded);
	tcase_add_test(tc, integers_are_exact);
	tcase_add_test(tc, integers_out_of_range_are_told);
	tcase_add_test(tc, fractions_and_other_types_are_no_integers);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
