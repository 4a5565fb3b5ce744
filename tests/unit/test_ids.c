/* SPDX-License-Identifier: MIT */
/* The texts of ids: what is written reads back, and nothing else does. */
#include "daemon/ids.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNTOUCHED 77

static int parse(const char *text, uint64_t *ret)
{
	*ret = UNTOUCHED;
	return id_parse_session(text, strlen(text), ret);
}

START_TEST(a_session_id_reads_back)
{
	static const uint64_t ids[] = {0, 1, 0x123456789abc, 0xdef09a, 0xffffffffffff};
	char text[SESSION_ID_SIZE];
	uint64_t back;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		id_format_session(ids[i], text);
		ck_assert_int_eq(parse(text, &back), 0);
		ck_assert_uint_eq(back, ids[i]);
	}
	ck_assert_str_eq(text, "session_ffffffffffff");
}
END_TEST

START_TEST(ids_are_hexadecimal_in_lower_case)
{
	static struct id_source source;
	char text[SESSION_ID_SIZE], expected[SESSION_ID_SIZE];

	for (int i = 0; i < 20000; i++) {
		uint64_t id = id_new_session(&source) >> i % 48, back;

		id_format_session(id, text);
		snprintf(expected, sizeof(expected), "session_%012" PRIx64, id);
		ck_assert_str_eq(text, expected);
		ck_assert_int_eq(parse(text, &back), 0);
		ck_assert_uint_eq(back, id);
	}
}
END_TEST

START_TEST(nothing_else_is_a_session_id)
{
	static const char *const wrong[] = {"", "session_", "session_00000000000",
		"session_0000000000000", "Session_000000000000", "session-000000000000",
		"session_00000000000/", "session_00000000000:", "session_00000000000`",
		"session_00000000000g", "session_00000000000A", "session_ 00000000000",
		"session_+00000000000"};
	uint64_t id;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_int_eq(parse(wrong[i], &id), -EINVAL);
		ck_assert_uint_eq(id, UNTOUCHED);
	}
}
END_TEST

START_TEST(new_ids_are_of_48_bits_and_differ)
{
	static struct id_source source;
	uint64_t before = id_new_session(&source), all = before;

	for (int i = 0; i < 2000; i++) { /* more than a block */
		uint64_t id = id_new_session(&source);

		ck_assert_uint_ne(id, before);
		before = id;
		all |= id;
	}
	ck_assert_uint_eq(all, UINT64_C(0xffffffffffff));
}
END_TEST

START_TEST(a_request_id_has_the_time_of_day)
{
	static struct id_source source;
	char text[REQUEST_ID_SIZE], rest[32];
	unsigned long long number;

	ck_assert_uint_eq(id_new_request(&source, 0, text), strlen(text));
	ck_assert_uint_eq(id_new_request(&source, INT64_C(1700000000123456), text), strlen(text));
	ck_assert_int_eq(sscanf(text, "req_%16llx%31s", &number, rest), 2);
	ck_assert_str_eq(rest, "_1700000000123");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ids");
	TCase *tcase = tcase_create("ids");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, a_session_id_reads_back);
	tcase_add_test(tcase, ids_are_hexadecimal_in_lower_case);
	tcase_add_test(tcase, nothing_else_is_a_session_id);
	tcase_add_test(tcase, new_ids_are_of_48_bits_and_differ);
	tcase_add_test(tcase, a_request_id_has_the_time_of_day);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
