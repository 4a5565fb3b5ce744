/* SPDX-License-Identifier: MIT */
#include "daemon/core/stats.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct histogram h;
static struct histogram_copy copy;

static void take_copy(void)
{
	memset(&copy, 0, sizeof(copy));
	histogram_copy_add(&copy, &h);
}

START_TEST(an_empty_histogram_has_no_percentiles)
{
	take_copy();
	ck_assert_uint_eq(histogram_percentile(&copy, 0.5), 0);
	ck_assert_uint_eq(histogram_median(&h), 0);
	ck_assert_uint_eq(histogram_count_up_to(&copy, 10), 0);
}
END_TEST

START_TEST(count_sum_and_max_are_exact)
{
	histogram_add(&h, 1000003, 2);
	histogram_add(&h, 7, 1);
	histogram_add(&h, 9, 0);
	take_copy();
	ck_assert_uint_eq(copy.count, 3);
	ck_assert_uint_eq(copy.sum, 2000013);
	ck_assert_uint_eq(copy.max, 1000003);
}
END_TEST

START_TEST(a_copy_taken_while_others_write_counts_its_own_cells)
{
	uint64_t in_cells = 0;

	histogram_add(&h, 5, 3);
	atomic_store(&h.count, 1); /* as if read before the writer got there */
	take_copy();
	for (int i = 0; i < HISTOGRAM_CELLS; i++)
		in_cells += copy.cells[i];
	ck_assert_uint_eq(copy.count, in_cells);
	ck_assert_uint_le(histogram_count_up_to(&copy, 10), copy.count);
}
END_TEST

START_TEST(a_negative_value_counts_as_zero)
{
	histogram_add(&h, -5, 1);
	take_copy();
	ck_assert_uint_eq(copy.count, 1);
	ck_assert_uint_eq(copy.sum, 0);
	ck_assert_uint_eq(histogram_percentile(&copy, 1), 0);
}
END_TEST

START_TEST(percentiles_are_within_a_thirty_second)
{
	uint64_t value = UINT64_C(1) << _i;

	for (uint64_t v = value; v < 2 * value; v += (value + 99) / 100) {
		uint64_t median;

		memset(&h, 0, sizeof(h));
		histogram_add(&h, (int64_t)v, 3);
		histogram_add(&h, INT64_C(1) << 54, 1);
		take_copy();
		median = histogram_percentile(&copy, 0.5);
		ck_assert_uint_ge(median, v);
		ck_assert_uint_le(median - v, v / 32);
		ck_assert_uint_eq(histogram_median(&h), median);
	}
}
END_TEST

START_TEST(a_percentile_is_never_above_the_largest_value)
{
	histogram_add(&h, 1000003, 1);
	take_copy();
	ck_assert_uint_eq(histogram_percentile(&copy, 0.999), 1000003);
	ck_assert_uint_eq(histogram_percentile(&copy, 0), 1000003);
}
END_TEST

START_TEST(percentiles_count_ranks)
{
	for (int i = 1; i <= 30; i++)
		histogram_add(&h, i, 1);
	take_copy();
	ck_assert_uint_eq(histogram_percentile(&copy, 0.5), 15);
	ck_assert_uint_eq(histogram_percentile(&copy, 0.9), 27);
	ck_assert_uint_eq(histogram_percentile(&copy, 1), 30);
	ck_assert_uint_eq(histogram_median(&h), 15);
}
END_TEST

START_TEST(counts_up_to_powers_of_two_are_exact)
{
	int64_t bound = INT64_C(1) << _i;

	histogram_add(&h, bound, 1);
	histogram_add(&h, bound + 1, 10);
	histogram_add(&h, 0, 100);
	take_copy();
	ck_assert_uint_eq(histogram_count_up_to(&copy, (unsigned)_i), 101);
}
END_TEST

START_TEST(huge_values_share_the_last_cell)
{
	histogram_add(&h, INT64_MAX, 1);
	histogram_add(&h, INT64_C(1) << 55, 1);
	take_copy();
	ck_assert_uint_eq(copy.cells[HISTOGRAM_CELLS - 1], 2);
	ck_assert_uint_eq(histogram_percentile(&copy, 0.5), INT64_MAX);
	ck_assert_uint_eq(histogram_median(&h), INT64_MAX);
	ck_assert_uint_eq(histogram_count_up_to(&copy, HISTOGRAM_MAX_BITS - 1), 0);
	ck_assert_uint_eq(histogram_count_up_to(&copy, HISTOGRAM_MAX_BITS), 2);
}
END_TEST

START_TEST(what_was_before_can_be_taken_away)
{
	struct histogram_copy earlier;

	histogram_add(&h, 1 << 20, 1);
	histogram_add(&h, 5, 1);
	take_copy();
	earlier = copy;
	histogram_add(&h, 10, 2);
	take_copy();
	histogram_copy_subtract(&copy, &earlier);
	ck_assert_uint_eq(copy.count, 2);
	ck_assert_uint_eq(copy.sum, 20);
	ck_assert_uint_eq(copy.max, 10);
	ck_assert_uint_eq(histogram_percentile(&copy, 0.99), 10);
}
END_TEST

START_TEST(copies_of_several_histograms_add_up)
{
	histogram_add(&h, 10, 1);
	take_copy();
	histogram_copy_add(&copy, &h);
	ck_assert_uint_eq(copy.count, 2);
	ck_assert_uint_eq(copy.sum, 20);
	ck_assert_uint_eq(copy.max, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stats");
	TCase *tcase = tcase_create("stats");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, an_empty_histogram_has_no_percentiles);
	tcase_add_test(tcase, count_sum_and_max_are_exact);
	tcase_add_test(tcase, a_copy_taken_while_others_write_counts_its_own_cells);
	tcase_add_test(tcase, a_negative_value_counts_as_zero);
	tcase_add_loop_test(tcase, percentiles_are_within_a_thirty_second, 0, 53);
	tcase_add_test(tcase, a_percentile_is_never_above_the_largest_value);
	tcase_add_test(tcase, percentiles_count_ranks);
	tcase_add_loop_test(tcase, counts_up_to_powers_of_two_are_exact, 0, HISTOGRAM_MAX_BITS);
	tcase_add_test(tcase, huge_values_share_the_last_cell);
	tcase_add_test(tcase, what_was_before_can_be_taken_away);
	tcase_add_test(tcase, copies_of_several_histograms_add_up);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
