/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_scan.h"

/* A copy of exactly the text's size, so that a sanitizer sees any step outside of it. */
static char *exact_copy(const char *text, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, length);
	return copy;
}

static void check_equality(const char *a, const char *b, bool expected)
{
	char *left = exact_copy(a, strlen(a)), *right = exact_copy(b, strlen(b));
	struct json_value x, y;

	ck_assert_int_eq(json_parse(left, strlen(a), 1024, &x, NULL), 0);
	ck_assert_int_eq(json_parse(right, strlen(b), 1024, &y, NULL), 0);
	ck_assert_msg(json_equal(&x, &y) == expected, "%s and %s", a, b);
	ck_assert_msg(json_equal(&y, &x) == expected, "%s and %s", b, a);
	ck_assert(json_equal(&x, &x));
	free(left);
	free(right);
}

#define equal(a, b)   check_equality(a, b, true)
#define unequal(a, b) check_equality(a, b, false)

START_TEST(types_are_told_apart)
{
	static const char *const texts[] = {"null", "false", "true", "0", "\"\"", "[]", "{}"};

	for (size_t i = 0; i < 7; i++) {
		for (size_t j = 0; j < 7; j++)
			check_equality(texts[i], texts[j], i == j);
	}
	unequal("1", "\"1\"");
	unequal("null", "\"null\"");
}
END_TEST

START_TEST(numbers_are_equal_by_value)
{
	equal("1", "1.0");
	equal("1", "10e-1");
	equal("1", "0.1e1");
	equal("1", "0.001E+3");
	equal("100", "1e2");
	equal("1200", "1.2e3");
	equal("1200", "0.0012e6");
	equal("-1.50", "-15e-1");
	equal("0.5", "5e-1");
	equal("0.05", "5e-2");
	equal("10.01", "1001e-2");
	equal("10.010", "0.01001e+003");
	equal("9007199254740993", "9007199254740993.000");
	equal("123456789012345678901234567890", "12345678901234567890123456789e1");
}
END_TEST

START_TEST(different_numbers_are_unequal)
{
	unequal("1", "-1");
	unequal("1", "2");
	unequal("1", "10");
	unequal("1", "11");
	unequal("12", "1.2");
	unequal("1e2", "1e3");
	unequal("1e2", "1e-2");
	unequal("0", "1");
	unequal("0e5", "1e5");
	unequal("1.0001", "1.0002");
	unequal("101", "1001");
	unequal("9007199254740993", "9007199254740992");
	unequal("0.1000000000000000000000000000000000001", "0.1");
	unequal("1e400", "1e401");
	unequal("1e-400", "0");
}
END_TEST

START_TEST(all_zeros_are_equal)
{
	static const char *const zeros[] = {"0", "-0", "0.0", "-0.000", "0e5", "0E-5", "-0.0e+0",
		"0e99999999999999999999999999"};

	for (size_t i = 0; i < 8; i++) {
		for (size_t j = 0; j < 8; j++)
			equal(zeros[i], zeros[j]);
	}
}
END_TEST

START_TEST(exponents_of_any_length_are_exact)
{
	equal("1e99999999999999999999", "10e99999999999999999998");
	equal("1e99999999999999999999", "0.1e100000000000000000000");
	equal("1e-99999999999999999999", "10e-100000000000000000000");
	equal("100e-100000000000000000001", "1e-99999999999999999999");
	equal("1e+0000000000000000000000000000003", "1000");
	equal("1e0", "1e-0");
	equal("1e9223372036854775807", "0.1e9223372036854775808");
	equal("1e-9223372036854775808", "10e-9223372036854775809");
	unequal("1e99999999999999999999", "1e99999999999999999998");
	unequal("1e99999999999999999999", "1e-99999999999999999999");
	unequal("1e99999999999999999999", "1e999999999999999999999");
	unequal("1e99999999999999999999", "1");
	unequal("1e-99999999999999999999", "1");
	unequal("1e18446744073709551616", "1");
	unequal("1e18446744073709551617", "10");
	unequal("1e9223372036854775807", "1e-9223372036854775808");
	unequal("1e4294967296", "1");
	unequal("1e100000000000000000000", "1e000000000000000000000");
}
END_TEST

START_TEST(numbers_agree_with_integer_arithmetic)
{
	/* m * 10^e as text in several shapes against its value, over all small pairs */
	for (int m = -12; m <= 120; m++) {
		for (int e = 0; e <= 3; e++) {
			long value = m;
			char a[32], b[32];

			for (int i = 0; i < e; i++)
				value *= 10;
			sprintf(a, "%de%d", m, e);
			for (long other = value - 11; other <= value + 11; other++) {
				sprintf(b, "%ld.00", other);
				check_equality(a, b, other == value);
				sprintf(b, "%lde-02", other * 100);
				check_equality(a, b, other == value);
			}
		}
	}
}
END_TEST

START_TEST(strings_are_equal_by_decoded_text)
{
	equal("\"a\"", "\"\\u0061\"");
	equal("\"\\/\"", "\"/\"");
	equal("\"\\n\"", "\"\\u000A\"");
	equal("\"\xf0\x9f\x98\x80\"", "\"\\ud83d\\ude00\"");
	unequal("\"a\"", "\"b\"");
	unequal("\"a\"", "\"A\"");
	unequal("\"a\"", "\"aa\"");
	unequal("\"\\\\n\"", "\"\\n\"");
	unequal("\"e\xcc\x81\"", "\"\xc3\xa9\"");
}
END_TEST

START_TEST(arrays_are_equal_in_order)
{
	equal("[1,2,3]", "[ 1.0 , 2 , 3e0 ]");
	equal("[[],[[]]]", "[ [ ], [ [ ] ] ]");
	equal("[null,true,false]", "[null, true, false]");
	unequal("[1,2]", "[2,1]");
	unequal("[1]", "[1,1]");
	unequal("[]", "[null]");
	unequal("[1,[2,[3]]]", "[1,[2,[4]]]");
	unequal("[true]", "[false]");
}
END_TEST

START_TEST(objects_are_equal_in_any_order)
{
	equal("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}");
	equal("{\"a\":1}", "{ \"\\u0061\" : 1.0 }");
	equal("{}", "{ }");
	equal("{\"a\":{\"b\":[{\"c\":1,\"d\":2}]}}", "{\"a\":{\"b\":[{\"d\":2,\"c\":1}]}}");
	unequal("{\"a\":1}", "{\"a\":2}");
	unequal("{\"a\":1}", "{\"A\":1}");
	unequal("{\"a\":1}", "{\"a\":1,\"b\":2}");
	unequal("{\"a\":1}", "{}");
	unequal("{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}");
	unequal("{\"a\":null}", "{\"b\":null}");
}
END_TEST

START_TEST(last_duplicate_member_counts)
{
	equal("{\"a\":1,\"a\":2}", "{\"a\":2}");
	equal("{\"a\":1,\"b\":3,\"\\u0061\":2}", "{\"b\":3,\"a\":2}");
	equal("{\"a\":1,\"a\":2}", "{\"a\":3,\"a\":2}");
	unequal("{\"a\":1,\"a\":2}", "{\"a\":1}");
	unequal("{\"a\":1,\"a\":2}", "{\"a\":2,\"a\":1}");
	unequal("{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":1}");
	unequal("{\"a\":1,\"a\":1,\"b\":1}", "{\"a\":1,\"b\":1,\"c\":1}");
}
END_TEST

START_TEST(names_of_one_hash_are_told_apart)
{
	/* a known collision of FNV-1a */
	unequal("{\"costarring\":1}", "{\"liquid\":1}");
	equal("{\"costarring\":1,\"liquid\":2}", "{\"liquid\":2,\"costarring\":1}");
}
END_TEST

/* {"0":0,...} of COUNT members, upwards or downwards; one of them may differ. */
static void write_members(char *out, int count, int step, int odd)
{
	*out++ = '{';
	for (int i = 0; i < count; i++) {
		int name = step > 0 ? i : count - 1 - i;

		out += sprintf(out, "%s\"%d\":%d", i > 0 ? "," : "", name, name == odd ? -1 : name);
	}
	strcpy(out, "}");
}

START_TEST(objects_of_any_size_are_equal_in_any_order)
{
	for (int count = 1; count < 140; count += 3) {
		char a[4096], b[4096];

		write_members(a, count, 1, -1);
		write_members(b, count, -1, -1);
		equal(a, b);
		write_members(b, count, -1, count / 2);
		unequal(a, b);
		write_members(b, count + 1, -1, -1);
		unequal(a, b);
		/* the first member again, with another value, then with its own */
		strcpy(b, a);
		strcpy(b + strlen(b) - 1, ",\"0\":-1}");
		unequal(a, b);
		strcpy(b + strlen(b) - 1, ",\"\\u0030\":0}");
		equal(a, b);
	}
}
END_TEST

START_TEST(deepest_texts_are_compared)
{
	char a[2049], b[2049];

	memset(a, '[', 1024);
	memset(a + 1024, ']', 1024);
	a[2048] = '\0';
	strcpy(b, a);
	b[0] = '[';
	equal(a, b);
	b[1023] = ' ';
	b[1024] = ' ';
	unequal(a, b);
}
END_TEST

START_TEST(deepest_objects_are_compared)
{
	char a[1023 * 6 + 8] = "", b[sizeof(a)] = "";

	for (int i = 0; i < 1023; i++) {
		memcpy(a + i * 5, "{\"a\":", 5);
		memcpy(b + i * 5, "{\"a\":", 5);
		a[1023 * 5 + 2 + i] = '}';
		b[1023 * 5 + 2 + i] = '}';
	}
	memcpy(a + 1023 * 5, "10", 2);
	memcpy(b + 1023 * 5, "11", 2);
	unequal(a, b);
	memcpy(b + 1023 * 5, " 9", 2);
	unequal(a, b);
	memcpy(a + 1023 * 5, "9 ", 2);
	equal(a, b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json_equal");
	SRunner *sr = srunner_create(s);
	TCase *tc = tcase_create("equal");
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, types_are_told_apart);
	tcase_add_test(tc, numbers_are_equal_by_value);
	tcase_add_test(tc, different_numbers_are_unequal);
	tcase_add_test(tc, all_zeros_are_equal);
	tcase_add_test(tc, exponents_of_any_length_are_exact);
	tcase_add_test(tc, numbers_agree_with_integer_arithmetic);
	tcase_add_test(tc, strings_are_equal_by_decoded_text);
	tcase_add_test(tc, arrays_are_equal_in_order);
	tcase_add_test(tc, objects_are_equal_in_any_order);
	tcase_add_test(tc, last_duplicate_member_counts);
	tcase_add_test(tc, names_of_one_hash_are_told_apart);
	tcase_add_test(tc, objects_of_any_size_are_equal_in_any_order);
	tcase_add_test(tc, deepest_objects_are_compared);
	tcase_add_test(tc, deepest_texts_are_compared);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
