/* SPDX-License-Identifier: MIT */
/* The broker's clocks. */
#include "daemon/broker.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define HOUR_US   INT64_C(3600000000)
#define MINUTE_US INT64_C(60000000)

static int64_t day_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void *look(void *first)
{
	*(int64_t *)first = broker_wall_us(monotonic_ns() - HOUR_US * 1000);
	return NULL;
}

/* A call is of the time that its bytes came at, which the thread may look at first. */
START_TEST(the_time_of_day_of_long_ago_is_right)
{
	int64_t ago, expected = day_us() - HOUR_US;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, look, &ago), 0);
	pthread_join(thread, NULL);
	ck_assert_int_ge(ago, expected - MINUTE_US);
	ck_assert_int_le(ago, expected + MINUTE_US);
}
END_TEST

START_TEST(the_time_of_day_goes_with_the_clock)
{
	int64_t now_ns = monotonic_ns(), now_us = broker_wall_us(now_ns);

	ck_assert_int_ge(now_us, day_us() - MINUTE_US);
	ck_assert_int_le(now_us, day_us() + MINUTE_US);
	ck_assert_int_eq(broker_wall_us(now_ns - 5000000), now_us - 5000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("broker");
	TCase *tcase = tcase_create("broker");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, the_time_of_day_of_long_ago_is_right);
	tcase_add_test(tcase, the_time_of_day_goes_with_the_clock);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
