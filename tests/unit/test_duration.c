/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/duration.h"

static void check_parsed(const char *text, int64_t expected)
{
	int64_t ms = -77;
	int r = duration_parse_ms(text, &ms);

	ck_assert_msg(r == 0 && ms == expected, "%s: %d, %lld", text, r, (long long)ms);
}

static void check_refused(const char *text, int expected)
{
	int64_t ms = -77;
	int r = duration_parse_ms(text, &ms);

	ck_assert_msg(r == expected && ms == -77, "\"%s\": %d, %lld", text, r, (long long)ms);
}

START_TEST(a_bare_number_is_seconds)
{
	check_parsed("0", 0);
	check_parsed("5", 5000);
	check_parsed(" 5 ", 5000);
	check_parsed("2 3", 5000);
}
END_TEST

START_TEST(every_unit_of_systemd_is_known)
{
	check_parsed("300ms", 300);
	check_parsed("300 msec", 300);
	check_parsed("2000us", 2);
	check_parsed("2000 usec", 2);
	check_parsed("2000\xc2\xb5s", 2);
	check_parsed("2000\xce\xbcs", 2);
	check_parsed("30s", 30000);
	check_parsed("30sec", 30000);
	check_parsed("1 second", 1000);
	check_parsed("2 seconds", 2000);
	check_parsed("5min", 300000);
	check_parsed("5m", 300000);
	check_parsed("1 minute", 60000);
	check_parsed("2minutes", 120000);
	check_parsed("1h", 3600000);
	check_parsed("1hr", 3600000);
	check_parsed("1hour", 3600000);
	check_parsed("2 hours", 7200000);
	check_parsed("1d", 86400000);
	check_parsed("2days", 172800000);
	check_parsed("1day", 86400000);
	check_parsed("1w", 604800000);
	check_parsed("2 weeks", 1209600000);
	check_parsed("1week", 604800000);
	check_parsed("1M", 2629800000);
	check_parsed("1month", 2629800000);
	check_parsed("2months", 5259600000);
	check_parsed("1y", 31557600000);
	check_parsed("1year", 31557600000);
	check_parsed("2years", 63115200000);
}
END_TEST

START_TEST(parts_are_added_up)
{
	check_parsed("1h 30min", 5400000);
	check_parsed("1h30min", 5400000);
	check_parsed("1min 1s\t1ms\n", 61001);
}
END_TEST

START_TEST(fractions_are_exact_and_round_up)
{
	check_parsed("1.5h", 5400000);
	check_parsed("0.25", 250);
	check_parsed("1us", 1);
	check_parsed("0.0001s", 1);
	check_parsed("1.0000000000000000001s", 1000);
	check_parsed("0.1s 0.2s", 300);
}
END_TEST

START_TEST(infinity_is_minus_one)
{
	check_parsed("infinity", -1);
	check_parsed(" infinity ", -1);
	check_refused("infinity 5s", -EINVAL);
	check_refused("5s infinity", -EINVAL);
	check_refused("Infinity", -EINVAL);
}
END_TEST

START_TEST(what_is_no_time_span_is_refused)
{
	static const char *const texts[] = {"", " ", "-1", "+1", "s", "5x", "5 sS", "5.", ".5",
		"1..5", "1.5.5", "5,5", "5s5x", "0x10", "1e3", "5s\x01", "five", "5\xc2", "infinit",
		"nan"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_refused(texts[i], -EINVAL);
}
END_TEST

START_TEST(what_is_too_long_is_a_range_error)
{
	check_refused("9223372036854775808", -ERANGE);
	check_refused("9223372036854775807", -ERANGE);
	check_refused("99999999999999999999999999s", -ERANGE);
	check_refused("292278y", -ERANGE);
	check_refused("292000y 292000y", -ERANGE);
	check_refused("9223372036854.9s", -ERANGE);
	check_parsed("9223372036854775807us", INT64_C(9223372036854776));
	check_parsed("290000y", INT64_C(290000) * 31557600000);
}
END_TEST

static void check_format(int64_t ms, const char *expected)
{
	char text[DURATION_TEXT_MAX];
	int64_t back = -77;

	ck_assert_str_eq(duration_format(ms, text, sizeof(text)), expected);
	ck_assert_int_eq(duration_parse_ms(text, &back), 0);
	ck_assert_int_eq(back, ms);
}

START_TEST(formatted_durations_read_back_the_same)
{
	check_format(-1, "infinity");
	check_format(0, "0s");
	check_format(1, "1ms");
	check_format(1000, "1s");
	check_format(61001, "1min 1s 1ms");
	check_format(5400000, "1h 30min");
	check_format(90061001, "1d 1h 1min 1s 1ms");
	check_format(INT64_C(9223372036854775), "106751991d 4h 54s 775ms");
}
END_TEST

START_TEST(a_small_buffer_gets_the_beginning)
{
	char text[8] = "xxxxxxx";

	ck_assert_str_eq(duration_format(90061001, text, sizeof(text)), "1d 1h 1");
	ck_assert_str_eq(duration_format(90061001, text, 1), "");
	text[0] = 'x';
	duration_format(5, text, 0);
	ck_assert_int_eq(text[0], 'x');
}
END_TEST

static void check_size(const char *text, int expected_r, uint64_t expected)
{
	uint64_t bytes = 77;
	int r = size_parse(text, &bytes);

	ck_assert_msg(r == expected_r && bytes == expected, "\"%s\": %d, %llu", text, r,
		(unsigned long long)bytes);
}

START_TEST(sizes_take_binary_suffixes)
{
	check_size("0", 0, 0);
	check_size("10240", 0, 10240);
	check_size("10K", 0, 10240);
	check_size("10k", 0, 10240);
	check_size(" 2M ", 0, 2097152);
	check_size("1G", 0, 1073741824);
}
END_TEST

START_TEST(what_is_no_size_is_refused)
{
	static const char *const texts[] = {
		"", " ", "K", "-1", "+1", "1.5K", "1KB", "1 K", "1KK", "0x10", "1e3", "ten"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_size(texts[i], -EINVAL, 77);
	check_size("9223372036854775808", -ERANGE, 77);
	check_size("9007199254740992K", -ERANGE, 77);
	check_size("9223372036854775807", 0, INT64_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("duration");
	TCase *tc = tcase_create("duration");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, a_bare_number_is_seconds);
	tcase_add_test(tc, every_unit_of_systemd_is_known);
	tcase_add_test(tc, parts_are_added_up);
	tcase_add_test(tc, fractions_are_exact_and_round_up);
	tcase_add_test(tc, infinity_is_minus_one);
	tcase_add_test(tc, what_is_no_time_span_is_refused);
	tcase_add_test(tc, what_is_too_long_is_a_range_error);
	tcase_add_test(tc, formatted_durations_read_back_the_same);
	tcase_add_test(tc, a_small_buffer_gets_the_beginning);
	tcase_add_test(tc, sizes_take_binary_suffixes);
	tcase_add_test(tc, what_is_no_size_is_refused);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
