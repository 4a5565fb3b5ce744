/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/failpoint.h"

START_TEST(what_is_not_armed_does_nothing)
{
	ck_assert_int_eq(failpoint_arm("other=eio"), 0);
	ck_assert_int_eq(failpoint_error("one"), 0);
	ck_assert(!failpoint_is_armed("one"));
	FAILPOINT("one");
}
END_TEST

START_TEST(an_error_is_given_once)
{
	ck_assert_int_eq(failpoint_arm("one=eio"), 0);
	ck_assert_int_eq(failpoint_error("one"), -EIO);
	ck_assert_int_eq(failpoint_error("one"), 0);
}
END_TEST

START_TEST(the_nth_time_may_be_chosen)
{
	ck_assert_int_eq(failpoint_arm("one=enospc@3;two=eio@2"), 0);
	ck_assert_int_eq(failpoint_error("one"), 0);
	ck_assert_int_eq(failpoint_error("two"), 0);
	ck_assert_int_eq(failpoint_error("two"), -EIO);
	ck_assert_int_eq(failpoint_error("one"), 0);
	ck_assert_int_eq(failpoint_error("one"), -ENOSPC);
	ck_assert_int_eq(failpoint_error("one"), 0);
}
END_TEST

START_TEST(it_may_go_on_from_the_nth_time)
{
	ck_assert_int_eq(failpoint_arm("one=eio@2+"), 0);
	ck_assert_int_eq(failpoint_error("one"), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(failpoint_error("one"), -EIO);
}
END_TEST

START_TEST(it_is_armed_until_it_was_due)
{
	ck_assert_int_eq(failpoint_arm("one=eio@2;two=eio@1+"), 0);
	ck_assert(failpoint_is_armed("one"));
	failpoint_error("one");
	ck_assert(failpoint_is_armed("one"));
	failpoint_error("one");
	ck_assert(!failpoint_is_armed("one"));
	failpoint_error("two");
	ck_assert(failpoint_is_armed("two"));
}
END_TEST

START_TEST(kill_ends_the_process_at_once)
{
	ck_assert_int_eq(failpoint_arm("one=kill"), 0);
	FAILPOINT("one");
}
END_TEST

static void *end_after_20_ms(void *unused)
{
	struct timespec time = {.tv_nsec = 20000000L};

	(void)unused;
	nanosleep(&time, NULL);
	exit(7); /* so others have gone on meanwhile */
}

START_TEST(kill_may_come_late)
{
	pthread_t thread;

	ck_assert_int_eq(failpoint_arm("one=kill:60000"), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, end_after_20_ms, NULL), 0);
	FAILPOINT("one");
}
END_TEST

START_TEST(kill_comes_at_last)
{
	ck_assert_int_eq(failpoint_arm("one=kill:20"), 0);
	FAILPOINT("one");
}
END_TEST

START_TEST(sleep_delays)
{
	struct timespec begin, end;

	ck_assert_int_eq(failpoint_arm("one=sleep:30"), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	ck_assert_int_eq(failpoint_error("one"), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ck_assert_int_ge(
		(end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec, 30000000L);
}
END_TEST

START_TEST(what_cannot_be_read_arms_nothing)
{
	static const char *const wrong[] = {"one", "=eio", "one=", "one=eperm", "one=eio@",
		"one=eio@0", "one=eio@x", "one=eio@1x", "one=eio@1+x", "one=kill:", "one=kill:x",
		"one=killed", "one=sleep", "one=sleep:", "one=sleep:x", "two=eio;one", NULL};

	for (size_t i = 0; wrong[i]; i++) {
		ck_assert_int_eq(failpoint_arm("one=eio@1+"), 0);
		ck_assert_msg(failpoint_arm(wrong[i]) == -EINVAL, "%s", wrong[i]);
		ck_assert_int_eq(failpoint_error("one"), 0);
	}
}
END_TEST

START_TEST(a_kill_can_be_armed)
{
	ck_assert_int_eq(failpoint_arm("one=kill;two=kill:5@2"), 0);
	ck_assert(failpoint_is_armed("one"));
	ck_assert(failpoint_is_armed("two"));
}
END_TEST

START_TEST(there_is_an_end_to_what_can_be_armed)
{
	char text[2000];

	memset(text, ';', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(failpoint_arm(text), -EINVAL);
	memset(text, 'n', 60);
	strcpy(text + 60, "=eio");
	ck_assert_int_eq(failpoint_arm(text), -EINVAL);
	ck_assert_int_eq(failpoint_arm(text + 20), 0);
	text[0] = '\0';
	for (int i = 0; i < 16; i++)
		strcat(text, "n=eio;");
	ck_assert_int_eq(failpoint_arm(text), 0);
	strcat(text, "n=eio");
	ck_assert_int_eq(failpoint_arm(text), -EINVAL);
}
END_TEST

START_TEST(the_environment_arms)
{
	setenv("USHER_FAILPOINTS", "one=eio;;two=enospc;", 1);
	ck_assert_int_eq(failpoint_error("one"), -EIO);
	ck_assert_int_eq(failpoint_error("two"), -ENOSPC);
}
END_TEST

START_TEST(a_wrong_environment_ends_the_process)
{
	setenv("USHER_FAILPOINTS", "one=no", 1);
	if (!freopen("/dev/null", "w", stderr))
		abort();
	failpoint_error("two");
}
END_TEST

static void replace(const char *file, const char *text)
{
	char temporary[80];
	FILE *out;

	snprintf(temporary, sizeof(temporary), "%s.new", file);
	out = fopen(temporary, "w");
	ck_assert(out && fputs(text, out) >= 0 && fclose(out) == 0);
	ck_assert_int_eq(rename(temporary, file), 0);
}

START_TEST(the_file_may_change_while_the_process_runs)
{
	char file[] = "/tmp/usher-failpoint.XXXXXX";

	close(mkstemp(file));
	setenv("USHER_FAILPOINTS_FILE", file, 1);
	ck_assert_int_eq(failpoint_error("one"), 0);
	replace(file, "one=eio@1+\n");
	ck_assert_int_eq(failpoint_error("one"), -EIO);
	replace(file, "one=enospc@2\n");
	ck_assert_int_eq(failpoint_error("one"), 0);
	ck_assert_int_eq(failpoint_error("one"), -ENOSPC);
	replace(file, "");
	ck_assert_int_eq(failpoint_error("one"), 0);
	unlink(file);
	ck_assert_int_eq(failpoint_error("one"), 0);
}
END_TEST

#define REACHES 10000

static void *reach(void *count)
{
	for (int i = 0; i < REACHES; i++)
		if (failpoint_error("one") == -EIO)
			atomic_fetch_add((atomic_int *)count, 1);
	return NULL;
}

START_TEST(threads_together_reach_the_nth_time_once)
{
	pthread_t threads[4];
	atomic_int count = 0;

	ck_assert_int_eq(failpoint_arm("one=eio@12345"), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, reach, &count), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(count, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("failpoint");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, what_is_not_armed_does_nothing);
	tcase_add_test(tcase, an_error_is_given_once);
	tcase_add_test(tcase, the_nth_time_may_be_chosen);
	tcase_add_test(tcase, it_may_go_on_from_the_nth_time);
	tcase_add_test(tcase, it_is_armed_until_it_was_due);
	tcase_add_test_raise_signal(tcase, kill_ends_the_process_at_once, SIGKILL);
	tcase_add_exit_test(tcase, kill_may_come_late, 7);
	tcase_add_test_raise_signal(tcase, kill_comes_at_last, SIGKILL);
	tcase_add_test(tcase, sleep_delays);
	tcase_add_test(tcase, what_cannot_be_read_arms_nothing);
	tcase_add_test(tcase, a_kill_can_be_armed);
	tcase_add_test(tcase, there_is_an_end_to_what_can_be_armed);
	tcase_add_test(tcase, the_environment_arms);
	tcase_add_test_raise_signal(tcase, a_wrong_environment_ends_the_process, SIGABRT);
	tcase_add_test(tcase, the_file_may_change_while_the_process_runs);
	tcase_add_test(tcase, threads_together_reach_the_nth_time_once);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
