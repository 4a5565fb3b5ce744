/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_scan.h"
#include "proto/json_write.h"
#include "tests/unit/fail_malloc.h"

static struct json_writer w;

static void setup(void)
{
	json_writer_init(&w);
}

static void teardown(void)
{
	json_writer_deinit(&w);
}

static void check_written(const char *expected, size_t length)
{
	ck_assert(!json_writer_failed(&w));
	ck_assert_msg(w.length == length && memcmp(w.data, expected, length) == 0,
		"%.*s instead of %s", (int)w.length, w.data, expected);
	json_writer_truncate(&w, 0);
}

#define written(literal) check_written(literal, sizeof(literal) - 1)

static void check_valid(void)
{
	struct json_value value;

	ck_assert_int_eq(json_parse(w.data, w.length, 32, &value, NULL), 0);
}

START_TEST(empty_writer_holds_no_memory)
{
	ck_assert_ptr_null(w.data);
	ck_assert_uint_eq(w.length, 0);
	ck_assert_uint_eq(w.capacity, 0);
	ck_assert(!json_writer_failed(&w));
}
END_TEST

START_TEST(deinit_leaves_an_empty_writer)
{
	json_write_null(&w);
	json_writer_deinit(&w);
	ck_assert_ptr_null(w.data);
	json_write_null(&w);
	written("null");
}
END_TEST

START_TEST(commas_are_written_where_they_belong)
{
	json_write_object_begin(&w);
	json_write_key(&w, "a");
	json_write_int(&w, 1);
	json_write_key(&w, "b");
	json_write_array_begin(&w);
	json_write_bool(&w, true);
	json_write_bool(&w, false);
	json_write_null(&w);
	json_write_cstring(&w, "x");
	json_write_double(&w, 0.5);
	json_write_array_begin(&w);
	json_write_array_end(&w);
	json_write_object_begin(&w);
	json_write_object_end(&w);
	json_write_raw(&w, "[1]", 3);
	json_write_raw(&w, "2", 1);
	json_write_array_end(&w);
	json_write_key(&w, "c");
	json_write_object_begin(&w);
	json_write_object_end(&w);
	json_write_key(&w, "d");
	json_write_cstring(&w, "");
	json_write_object_end(&w);
	written("{\"a\":1,\"b\":[true,false,null,\"x\",0.5,[],{},[1],2],\"c\":{},\"d\":\"\"}");
}
END_TEST

START_TEST(strings_that_end_in_brackets_get_their_commas)
{
	json_write_array_begin(&w);
	json_write_cstring(&w, "{");
	json_write_cstring(&w, ",");
	json_write_cstring(&w, ":");
	json_write_cstring(&w, "[");
	json_write_array_end(&w);
	written("[\"{\",\",\",\":\",\"[\"]");
}
END_TEST

START_TEST(frames_follow_each_other_without_comma)
{
	json_write_object_begin(&w);
	json_write_object_end(&w);
	json_write_bytes(&w, "\0", 1);
	json_write_object_begin(&w);
	json_write_object_end(&w);
	json_write_bytes(&w, "\n", 1);
	json_write_int(&w, 1);
	written("{}\0{}\n1");
}
END_TEST

START_TEST(truncating_takes_members_back)
{
	size_t mark;

	json_write_array_begin(&w);
	json_write_int(&w, 1);
	mark = w.length;
	json_write_int(&w, 2);
	json_write_cstring(&w, "three");
	json_writer_truncate(&w, mark);
	json_writer_truncate(&w, 1000);
	json_write_int(&w, 4);
	json_write_array_end(&w);
	written("[1,4]");
}
END_TEST

START_TEST(truncating_keeps_the_memory)
{
	char *data;

	json_write_cstring(&w, "something");
	data = w.data;
	json_writer_truncate(&w, 0);
	ck_assert_uint_eq(w.length, 0);
	ck_assert_ptr_eq(w.data, data);
}
END_TEST

START_TEST(integers_are_written_exactly)
{
	json_write_int(&w, 0);
	json_write_int(&w, -1);
	json_write_int(&w, 10);
	json_write_int(&w, INT64_C(9007199254740993));
	json_write_int(&w, INT64_MAX);
	json_write_int(&w, INT64_MIN);
	written("0,-1,10,9007199254740993,9223372036854775807,-9223372036854775808");
}
END_TEST

START_TEST(doubles_are_short)
{
	json_write_double(&w, 1);
	json_write_double(&w, 0.5);
	json_write_double(&w, 0.1);
	json_write_double(&w, -0.0);
	json_write_double(&w, 100000);
	json_write_double(&w, 1e22);
	json_write_double(&w, 0.1 + 0.2);
	json_write_double(&w, 2.0 / 3.0);
	json_write_double(&w, 5e-324);
	json_write_double(&w, DBL_MAX);
	json_write_double(&w, 1234567890123456.0);
	written("1,0.5,0.1,-0,100000,1e+22,0.30000000000000004,0.6666666666666666,5e-324,"
		"1.7976931348623157e+308,1234567890123456");
}
END_TEST

static uint64_t next_random(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void is_written_as_printf_does(int64_t value)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "%" PRId64, value);
	json_write_int(&w, value);
	check_written(expected, strlen(expected));
}

/* All of up to five digits, which are split as those of any part are; around powers of ten; any. */
START_TEST(integers_are_those_of_printf)
{
	for (int64_t value = 0; value < 100000; value++) {
		is_written_as_printf_does(value);
		is_written_as_printf_does(-value * 100000001);
		is_written_as_printf_does(value * 10000000000001);
	}
	for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10)
		for (int64_t near = -2; near <= 2; near++)
			is_written_as_printf_does(power * 10 + near);
	for (int i = 0; i < 20000; i++)
		is_written_as_printf_does((int64_t)(next_random() >> i % 64));
}
END_TEST

/* Whatever was written before it, and whatever room there is. */
START_TEST(names_of_all_lengths)
{
	static const struct json_name names[] = {JSON_NAME("n"), JSON_NAME("a_name_of_19_letters"),
		JSON_NAME("a_name_with_as_many_letters_as_go_in")};

	json_write_object_begin(&w);
	for (size_t i = 0; i < 3; i++) {
		json_write_name(&w, &names[i]);
		json_write_null(&w);
		json_write_int_member(&w, &names[i], (int64_t)i - 1);
		json_write_string_member(&w, &names[i], "x\n", 2);
	}
	json_write_object_end(&w);
	written("{\"n\":null,\"n\":-1,\"n\":\"x\\n\",\"a_name_of_19_letters\":null,"
		"\"a_name_of_19_letters\":0,\"a_name_of_19_letters\":\"x\\n\","
		"\"a_name_with_as_many_letters_as_go_in\":null,"
		"\"a_name_with_as_many_letters_as_go_in\":1,"
		"\"a_name_with_as_many_letters_as_go_in\":\"x\\n\"}");
}
END_TEST

START_TEST(what_is_not_finite_is_null)
{
	json_write_double(&w, (double)NAN);
	json_write_double(&w, (double)INFINITY);
	json_write_double(&w, -(double)INFINITY);
	written("null,null,null");
}
END_TEST

START_TEST(doubles_read_back_the_same)
{
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = next_random();
		double value;

		/* every other one is near zero, where precision is less */
		if (i % 2 == 0)
			bits >>= 12 + i % 40;
		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value))
			continue;
		json_write_double(&w, value);
		check_valid();
		json_write_bytes(&w, "", 1);
		ck_assert(strtod(w.data, NULL) == value);
		json_writer_truncate(&w, 0);
	}
}
END_TEST

START_TEST(special_characters_are_escaped)
{
	json_write_cstring(&w, "\"\\/\b\f\n\r\t");
	written("\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
	json_write_cstring(&w, "\x01\x0b\x10\x1b\x1f\x7f");
	written("\"\\u0001\\u000b\\u0010\\u001b\\u001f\x7f\"");
	json_write_cstring(&w, "12345678\"12345678\n");
	written("\"12345678\\\"12345678\\n\"");
}
END_TEST

START_TEST(valid_utf8_is_written_as_it_is)
{
	json_write_cstring(&w, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbfz");
	written("\"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbfz\"");
}
END_TEST

#define FFFD "\xef\xbf\xbd"

START_TEST(nul_becomes_a_replacement)
{
	json_write_string(&w, "a\0b\0", 4);
	written("\"a" FFFD "b" FFFD "\"");
}
END_TEST

START_TEST(invalid_utf8_becomes_a_replacement_a_byte)
{
	json_write_cstring(&w, "a\x80z");
	written("\"a" FFFD "z\"");
	json_write_cstring(&w, "\xe2\x82");
	written("\"" FFFD FFFD "\"");
	json_write_cstring(&w, "\xc0\xaf");
	written("\"" FFFD FFFD "\"");
	json_write_cstring(&w, "\xed\xa0\x80");
	written("\"" FFFD FFFD FFFD "\"");
	json_write_cstring(&w, "\xf4\x90\x80\x80\xff");
	written("\"" FFFD FFFD FFFD FFFD FFFD "\"");
	json_write_cstring(&w, "\xc3\"");
	written("\"" FFFD "\\\"\"");
}
END_TEST

START_TEST(any_bytes_give_valid_json)
{
	for (int i = 0; i < 20000; i++) {
		char bytes[24], *copy;
		size_t length = next_random() % sizeof(bytes);
		struct json_value value;

		for (size_t k = 0; k < length; k++)
			bytes[k] = (char)(next_random() >> (i % 3 * 8));
		copy = malloc(length + 1);
		memcpy(copy, bytes, length);
		json_write_string(&w, copy, length);
		free(copy);
		check_valid();
		json_parse(w.data, w.length, 1, &value, NULL);
		ck_assert_int_eq(value.type, JSON_STRING);
		json_writer_truncate(&w, 0);
	}
}
END_TEST

START_TEST(valid_strings_survive_the_way_there_and_back)
{
	for (int i = 0; i < 2000; i++) {
		char bytes[24];
		size_t length = next_random() % sizeof(bytes);
		struct json_value value;

		for (size_t k = 0; k < length; k++)
			bytes[k] = (char)(1 + next_random() % 0x7f);
		json_write_string(&w, bytes, length);
		ck_assert_int_eq(json_parse(w.data, w.length, 1, &value, NULL), 0);
		ck_assert(json_string_is(&value, bytes, length));
		json_writer_truncate(&w, 0);
	}
}
END_TEST

START_TEST(buffer_grows_as_needed)
{
	char text[1000];

	memset(text, 'x', sizeof(text));
	json_write_array_begin(&w);
	for (int i = 0; i < 1000; i++)
		json_write_string(&w, text, sizeof(text));
	json_write_array_end(&w);
	ck_assert(!json_writer_failed(&w));
	ck_assert_uint_eq(w.length, 1000 * 1003 + 1);
	check_valid();
}
END_TEST

START_TEST(absurd_length_fails_for_good)
{
	json_write_int(&w, 1);
	json_write_bytes(&w, "x", SIZE_MAX - 1);
	ck_assert(json_writer_failed(&w));
	json_write_int(&w, 2);
	ck_assert(json_writer_failed(&w));
	ck_assert_uint_eq(w.length, 1);
	json_writer_truncate(&w, w.length);
	json_write_int(&w, 3);
	written("1,3");
}
END_TEST

static void write_int(void)
{
	json_write_int(&w, 1);
}

static const struct json_name name = JSON_NAME("a");

static void write_int_member(void)
{
	json_write_int_member(&w, &name, 1);
}

static void write_string(void)
{
	json_write_string(&w, "a", 1);
}

static void write_string_member(void)
{
	json_write_string_member(&w, &name, "b", 1);
}

static void write_raw(void)
{
	json_write_raw(&w, "1", 1);
}

START_TEST(nothing_is_written_without_memory)
{
	static void (*const writes[])(void) = {
		write_int, write_int_member, write_string, write_string_member, write_raw};

	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		malloc_fails = true;
		writes[i]();
		malloc_fails = false;
		ck_assert(json_writer_failed(&w));
		ck_assert_uint_eq(w.length, 0);
		json_writer_truncate(&w, 0);
	}
	json_write_int(&w, 1);
	written("1");
}
END_TEST

START_TEST(failed_allocation_fails_for_good)
{
	malloc_fails = true;
	json_write_object_begin(&w);
	malloc_fails = false;
	json_write_key(&w, "a");
	json_write_int(&w, 1);
	json_write_object_end(&w);
	ck_assert(json_writer_failed(&w));
	ck_assert_uint_eq(w.length, 0);
	json_writer_truncate(&w, 0);
	json_write_int(&w, 1);
	written("1");
}
END_TEST

static void add_value_tests(Suite *s)
{
	TCase *tc = tcase_create("values");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, integers_are_written_exactly);
	tcase_add_test(tc, integers_are_those_of_printf);
	tcase_add_test(tc, names_of_all_lengths);
	tcase_add_test(tc, doubles_are_short);
	tcase_add_test(tc, what_is_not_finite_is_null);
	tcase_add_test(tc, doubles_read_back_the_same);
	tcase_add_test(tc, special_characters_are_escaped);
	tcase_add_test(tc, valid_utf8_is_written_as_it_is);
	tcase_add_test(tc, nul_becomes_a_replacement);
	tcase_add_test(tc, invalid_utf8_becomes_a_replacement_a_byte);
	tcase_add_test(tc, any_bytes_give_valid_json);
	tcase_add_test(tc, valid_strings_survive_the_way_there_and_back);
	suite_add_tcase(s, tc);
}

static void add_buffer_tests(Suite *s)
{
	TCase *tc = tcase_create("buffer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, empty_writer_holds_no_memory);
	tcase_add_test(tc, deinit_leaves_an_empty_writer);
	tcase_add_test(tc, commas_are_written_where_they_belong);
	tcase_add_test(tc, strings_that_end_in_brackets_get_their_commas);
	tcase_add_test(tc, frames_follow_each_other_without_comma);
	tcase_add_test(tc, truncating_takes_members_back);
	tcase_add_test(tc, truncating_keeps_the_memory);
	tcase_add_test(tc, buffer_grows_as_needed);
	tcase_add_test(tc, absurd_length_fails_for_good);
	tcase_add_test(tc, nothing_is_written_without_memory);
	tcase_add_test(tc, failed_allocation_fails_for_good);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("json_write");
	SRunner *sr = srunner_create(s);
	int failed;

	add_value_tests(s);
	add_buffer_tests(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
