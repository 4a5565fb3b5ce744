/* SPDX-License-Identifier: MIT */
/* The load generator's histogram: what it promises of percentiles. */
#include "tests/bench/histogram.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define VALUES 20000

static struct histogram h;
static int64_t values[VALUES];
static uint64_t state;

static void set_up(void)
{
	memset(&h, 0, sizeof(h));
	state = 88172645463325252;
}

/* xorshift64: the same row in each run. */
static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* As the header says: the least value that at least PARTS of 10000 of all do not exceed. */
static int64_t exact_percentile(size_t n, unsigned parts)
{
	size_t rank = (n * parts + 9999) / 10000;

	return values[rank > 0 ? rank - 1 : 0];
}

static void assert_promise(int64_t told, int64_t exact)
{
	ck_assert_int_ge(told, exact);
	ck_assert_int_le(told - exact, exact / 1024);
}

START_TEST(an_empty_histogram_has_only_zeroes)
{
	for (unsigned parts = 0; parts <= 10000; parts += 2500)
		ck_assert_int_eq(histogram_percentile(&h, parts), 0);
	ck_assert_int_eq(h.min, 0);
	ck_assert_int_eq(h.max, 0);
}
END_TEST

START_TEST(one_value_is_every_percentile_exactly)
{
	histogram_add(&h, 123456789);
	for (unsigned parts = 0; parts <= 10000; parts++)
		ck_assert_int_eq(histogram_percentile(&h, parts), 123456789);
}
END_TEST

/* Values below 2048 have a bucket each. */
START_TEST(percentiles_of_small_values_are_exact)
{
	for (int i = 1; i <= 1000; i++)
		histogram_add(&h, i);
	ck_assert_int_eq(histogram_percentile(&h, 0), 1);
	ck_assert_int_eq(histogram_percentile(&h, 10), 1);
	ck_assert_int_eq(histogram_percentile(&h, 11), 2);
	ck_assert_int_eq(histogram_percentile(&h, 5000), 500);
	ck_assert_int_eq(histogram_percentile(&h, 5001), 501);
	ck_assert_int_eq(histogram_percentile(&h, 9990), 999);
	ck_assert_int_eq(histogram_percentile(&h, 9991), 1000);
	ck_assert_int_eq(histogram_percentile(&h, 10000), 1000);
}
END_TEST

/* Each power of two, its neighbours, and the middle between two. */
START_TEST(each_value_is_told_within_a_1024th)
{
	int64_t power = INT64_C(1) << _i;
	int64_t around[] = {power - 1, power, power + 1, power + power / 2};

	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		set_up();
		histogram_add(&h, 0);
		histogram_add(&h, around[i]);
		histogram_add(&h, INT64_MAX);
		assert_promise(histogram_percentile(&h, 5000), around[i]);
	}
}
END_TEST

/* Of _i bits each, so that all magnitudes come. */
START_TEST(percentiles_of_many_values_are_told_within_a_1024th)
{
	for (size_t i = 0; i < VALUES; i++) {
		values[i] = (int64_t)(draw() >> (64 - (i % (size_t)_i + 1)));
		histogram_add(&h, values[i]);
	}
	qsort(values, VALUES, sizeof(values[0]), compare);
	for (unsigned parts = 1; parts < 10000; parts += 61)
		assert_promise(histogram_percentile(&h, parts), exact_percentile(VALUES, parts));
	ck_assert_int_eq(histogram_percentile(&h, 0), values[0]);
	ck_assert_int_eq(histogram_percentile(&h, 10000), values[VALUES - 1]);
	ck_assert_uint_eq(h.count, VALUES);
}
END_TEST

START_TEST(a_percentile_is_never_above_the_largest_value)
{
	for (int64_t value = 1; value < INT64_MAX / 3; value *= 3) {
		histogram_add(&h, value);
		ck_assert_int_le(histogram_percentile(&h, 9999), value);
	}
}
END_TEST

START_TEST(the_largest_time_and_a_negative_one_have_their_place)
{
	histogram_add(&h, INT64_MAX);
	histogram_add(&h, -1);
	ck_assert_uint_eq(h.count, 2);
	ck_assert_int_eq(histogram_percentile(&h, 0), 0);
	ck_assert_int_eq(histogram_percentile(&h, 5000), 0);
	ck_assert_int_eq(histogram_percentile(&h, 10000), INT64_MAX);
}
END_TEST

START_TEST(merged_histograms_are_those_of_all_values)
{
	static struct histogram parts[3], all;

	memset(parts, 0, sizeof(parts));
	memset(&all, 0, sizeof(all));
	for (size_t i = 0; i < VALUES; i++) {
		int64_t value = (int64_t)(draw() >> (8 + i % 50));

		histogram_add(&all, value);
		histogram_add(&parts[i % 2], value); /* the third stays empty */
	}
	for (size_t i = 0; i < 3; i++)
		histogram_merge(&h, &parts[i]);
	ck_assert_mem_eq(&h, &all, sizeof(h));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tcase = tcase_create("histogram");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, an_empty_histogram_has_only_zeroes);
	tcase_add_test(tcase, one_value_is_every_percentile_exactly);
	tcase_add_test(tcase, percentiles_of_small_values_are_exact);
	tcase_add_loop_test(tcase, each_value_is_told_within_a_1024th, 1, 62);
	tcase_add_loop_test(tcase, percentiles_of_many_values_are_told_within_a_1024th, 1, 64);
	tcase_add_test(tcase, a_percentile_is_never_above_the_largest_value);
	tcase_add_test(tcase, the_largest_time_and_a_negative_one_have_their_place);
	tcase_add_test(tcase, merged_histograms_are_those_of_all_values);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
