/* SPDX-License-Identifier: MIT */
/* Replies that promise a session, and what becomes of them when it cannot be stored. */
#include "daemon/promise.h"

#include <check.h>
#include <string.h>

static struct json_writer out, refusal;
static struct promises promises;
static struct session *session;

static void setup(void)
{
	const struct session_params params = {
		.id = 1, .request_id = "r", .request_id_length = 1, .units = 1};

	json_writer_init(&out);
	json_writer_init(&refusal);
	json_write_bytes(&refusal, "<no>", 4);
	session = session_new(&params);
	promises = (struct promises){0};
}

static void teardown(void)
{
	promises_deinit(&promises);
	json_writer_deinit(&out);
	json_writer_deinit(&refusal);
	ck_assert_uint_eq(atomic_load(&session->references), 1);
	session_unref(session);
}

static void say(const char *text)
{
	json_write_bytes(&out, text, strlen(text));
}

static void promise(const char *text)
{
	size_t begin = out.length;

	say(text);
	ck_assert_int_eq(promises_add(&promises, begin, out.length, session), 0);
}

static void expect(const char *text)
{
	ck_assert(!json_writer_failed(&out));
	ck_assert_uint_eq(out.length, strlen(text));
	ck_assert_mem_eq(out.data, text, out.length);
}

/* What promise INDEX, of those that are left, stands for in the output. */
static void expect_promise(size_t index, const char *text)
{
	const struct promise *is = &promises.items[index];

	ck_assert_uint_lt(index, promises.count);
	ck_assert_uint_eq(is->end - is->begin, strlen(text));
	ck_assert_mem_eq(out.data + is->begin, text, strlen(text));
	ck_assert(!is->is_broken);
}

/* BROKEN has an x for each promise that is. */
static void break_some(const char *broken)
{
	for (size_t i = 0; broken[i]; i++)
		promises.items[i].is_broken = broken[i] == 'x';
	promises_break(&promises, &refusal, &out);
}

/* Three promises among other output. */
static void say_all(void)
{
	promise("[one]");
	say("a");
	promise("[number two]");
	say("b");
	promise("[3]");
}

START_TEST(no_broken_promise_changes_nothing)
{
	say_all();
	break_some("...");
	expect("[one]a[number two]b[3]");
	ck_assert_uint_eq(promises.count, 3);
	expect_promise(1, "[number two]");
}
END_TEST

START_TEST(output_without_promises_stays)
{
	say("only this");
	break_some("");
	expect("only this");
}
END_TEST

START_TEST(a_promise_at_the_begin_is_replaced)
{
	say_all();
	break_some("x..");
	expect("<no>a[number two]b[3]");
	ck_assert_uint_eq(promises.count, 2);
	expect_promise(0, "[number two]");
	expect_promise(1, "[3]");
}
END_TEST

START_TEST(a_promise_in_the_middle_is_replaced)
{
	say_all();
	break_some(".x.");
	expect("[one]a<no>b[3]");
	expect_promise(0, "[one]");
	expect_promise(1, "[3]");
}
END_TEST

START_TEST(a_promise_at_the_end_is_replaced)
{
	say_all();
	break_some("..x");
	expect("[one]a[number two]b<no>");
	ck_assert_uint_eq(promises.count, 2);
}
END_TEST

START_TEST(what_comes_before_and_after_stays)
{
	say("before");
	promise("[p]");
	say("after");
	break_some("x");
	expect("before<no>after");
	ck_assert_uint_eq(promises.count, 0);
}
END_TEST

START_TEST(adjacent_promises_are_replaced_each)
{
	promise("[1]");
	promise("[2]");
	promise("[3]");
	promise("[4]");
	break_some(".xx.");
	expect("[1]<no><no>[4]");
	expect_promise(0, "[1]");
	expect_promise(1, "[4]");
}
END_TEST

START_TEST(all_promises_are_replaced)
{
	say_all();
	break_some("xxx");
	expect("<no>a<no>b<no>");
	ck_assert_uint_eq(promises.count, 0);
	ck_assert_uint_eq(atomic_load(&session->references), 1);
}
END_TEST

START_TEST(what_is_left_can_be_broken_later)
{
	say_all();
	break_some("x..");
	promise("[new]");
	break_some(".xx");
	expect("<no>a[number two]b<no><no>");
	expect_promise(0, "[number two]");
}
END_TEST

START_TEST(a_long_refusal_and_an_empty_one_fit)
{
	say_all();
	json_write_bytes(&refusal, "................................", 32);
	break_some(".x.");
	expect("[one]a<no>................................b[3]");
	json_writer_truncate(&refusal, 0);
	break_some("xx");
	expect("a<no>................................b");
}
END_TEST

START_TEST(many_promises_keep_their_places)
{
	char broken[201] = "";

	for (int i = 0; i < 200; i++) {
		promise(i % 2 ? "[odd]" : "[even]");
		broken[i] = i % 2 ? 'x' : '.';
	}
	break_some(broken);
	ck_assert_uint_eq(promises.count, 100);
	for (size_t i = 0; i < 100; i++)
		expect_promise(i, "[even]");
	ck_assert_uint_eq(out.length, 100 * (strlen("[even]") + strlen("<no>")));
}
END_TEST

START_TEST(kept_promises_are_forgotten_and_new_ones_can_be_made)
{
	for (int i = 0; i < 100; i++)
		promise("[p]");
	promises_keep(&promises);
	ck_assert_uint_eq(promises.count, 0);
	ck_assert_uint_eq(promises.capacity, 0); /* an idle connection keeps little */
	ck_assert_uint_eq(atomic_load(&session->references), 1);
	json_writer_truncate(&out, 0);
	promise("[again]");
	break_some("x");
	expect("<no>");
}
END_TEST

START_TEST(a_failed_writer_stays_failed)
{
	say_all();
	out.failed = true;
	break_some("x..");
	ck_assert(json_writer_failed(&out));
}
END_TEST

START_TEST(a_failed_refusal_fails_the_output)
{
	say_all();
	refusal.failed = true;
	break_some("x..");
	ck_assert(json_writer_failed(&out));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("promise");
	TCase *tcase = tcase_create("promise");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, no_broken_promise_changes_nothing);
	tcase_add_test(tcase, output_without_promises_stays);
	tcase_add_test(tcase, a_promise_at_the_begin_is_replaced);
	tcase_add_test(tcase, a_promise_in_the_middle_is_replaced);
	tcase_add_test(tcase, a_promise_at_the_end_is_replaced);
	tcase_add_test(tcase, what_comes_before_and_after_stays);
	tcase_add_test(tcase, adjacent_promises_are_replaced_each);
	tcase_add_test(tcase, all_promises_are_replaced);
	tcase_add_test(tcase, what_is_left_can_be_broken_later);
	tcase_add_test(tcase, a_long_refusal_and_an_empty_one_fit);
	tcase_add_test(tcase, many_promises_keep_their_places);
	tcase_add_test(tcase, kept_promises_are_forgotten_and_new_ones_can_be_made);
	tcase_add_test(tcase, a_failed_writer_stays_failed);
	tcase_add_test(tcase, a_failed_refusal_fails_the_output);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
