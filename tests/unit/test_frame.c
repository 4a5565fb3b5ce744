/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/frame.h"
#include "tests/unit/fail_malloc.h"

#define LIMIT 100

static struct frame_reader f;
static char *piece;

static void setup(void)
{
	frame_reader_init(&f, LIMIT);
	piece = NULL;
}

static void teardown(void)
{
	frame_reader_deinit(&f);
	free(piece);
}

/* Lend the reader a piece of exactly LENGTH bytes, and take the one before away. */
static void feed(const char *bytes, size_t length)
{
	free(piece);
	piece = malloc(length > 0 ? length : 1);
	memcpy(piece, bytes, length);
	frame_feed(&f, piece, length);
}

static void keep(void)
{
	ck_assert_int_eq(frame_keep(&f), 0);
	free(piece);
	piece = NULL;
}

#define feed_literal(literal) feed(literal, sizeof(literal) - 1)

static void expect(const char *bytes, size_t length)
{
	const char *text;
	size_t n;

	ck_assert_int_eq(frame_next(&f, &text, &n), 1);
	ck_assert_uint_eq(n, length);
	if (length > 0)
		ck_assert_mem_eq(text, bytes, length);
	ck_assert_int_eq(text[n], '\0');
}

static void expect_text(const char *text)
{
	expect(text, strlen(text));
}

static void expect_result(int expected)
{
	const char *text = "untouched";
	size_t n = 4711;

	ck_assert_int_eq(frame_next(&f, &text, &n), expected);
	ck_assert_str_eq(text, "untouched");
	ck_assert_uint_eq(n, 4711);
}

START_TEST(new_reader_has_nothing)
{
	expect_result(0);
	ck_assert(!frame_is_begun(&f));
	ck_assert_uint_eq(frame_count(&f, 10), 0);
	keep();
	ck_assert_ptr_null(f.kept);
}
END_TEST

START_TEST(whole_frames_are_not_copied)
{
	const char *text;
	size_t n;

	feed_literal("one\0two\0");
	ck_assert_int_eq(frame_next(&f, &text, &n), 1);
	ck_assert_ptr_eq(text, piece);
	ck_assert_int_eq(frame_next(&f, &text, &n), 1);
	ck_assert_ptr_eq(text, piece + 4);
	expect_result(0);
	keep();
	ck_assert_ptr_null(f.kept);
}
END_TEST

START_TEST(empty_frames_are_frames)
{
	feed_literal("\0\0a\0");
	expect_text("");
	expect_text("");
	expect_text("a");
	expect_result(0);
}
END_TEST

START_TEST(frames_survive_a_cut_at_every_two_places)
{
	static const char stream[] = "first\0\0the second one\0x\0rest";
	const size_t length = sizeof(stream) - 1;

	for (size_t a = 0; a <= length; a++) {
		for (size_t b = a; b <= length; b++) {
			const size_t cuts[] = {0, a, b, length};
			const char *expected = stream, *text;
			size_t n;

			for (int i = 0; i < 3; i++) {
				feed(stream + cuts[i], cuts[i + 1] - cuts[i]);
				while (frame_next(&f, &text, &n) == 1) {
					ck_assert_uint_eq(n, strlen(expected));
					ck_assert_str_eq(text, expected);
					expected += n + 1;
				}
				keep();
			}
			ck_assert_str_eq(expected, "rest");
			ck_assert(frame_is_begun(&f));
			feed("", 1);
			expect_text("rest");
		}
	}
}
END_TEST

START_TEST(frames_come_byte_by_byte)
{
	static const char stream[] = "one\0\0three\0";

	for (size_t i = 0; i < sizeof(stream) - 1; i++) {
		feed(stream + i, 1);
		if (i == 3)
			expect_text("one");
		if (i == 4)
			expect_text("");
		if (i == 10)
			expect_text("three");
		expect_result(0);
		keep();
	}
	ck_assert(!frame_is_begun(&f));
	ck_assert_ptr_null(f.kept);
}
END_TEST

/* However often it is asked, before and behind a whole one, in the piece and in what is kept. */
START_TEST(a_whole_frame_is_known)
{
	static const char stream[] = "one\0\0three";

	ck_assert(!frame_is_whole(&f));
	for (size_t i = 0; i < sizeof(stream); i++) {
		feed(stream + i, 1);
		ck_assert_int_eq(frame_is_whole(&f), i >= 3);
		ck_assert_int_eq(frame_is_whole(&f), i >= 3);
		keep();
		ck_assert_int_eq(frame_is_whole(&f), i >= 3);
	}
	expect_text("one");
	ck_assert(frame_is_whole(&f));
	expect_text("");
	ck_assert(frame_is_whole(&f));
	feed_literal("fo");
	ck_assert(frame_is_whole(&f));
	expect_text("three");
	ck_assert(!frame_is_whole(&f));
	expect_result(0);
	keep();
	ck_assert(!frame_is_whole(&f));
	feed("", 1);
	ck_assert(frame_is_whole(&f));
	expect_text("fo");
}
END_TEST

START_TEST(frames_left_for_later_are_kept)
{
	feed_literal("one\0two\0three\0fo");
	expect_text("one");
	keep();
	ck_assert_uint_eq(frame_count(&f, 10), 2);
	expect_text("two");
	keep();
	feed_literal("ur\0five\0si");
	ck_assert_uint_eq(frame_count(&f, 10), 3);
	expect_text("three");
	expect_text("four");
	keep();
	expect_text("five");
	expect_result(0);
	keep();
	feed_literal("x\0");
	expect_text("six");
}
END_TEST

START_TEST(keeping_twice_is_harmless)
{
	feed_literal("abc");
	keep();
	keep();
	feed_literal("\0");
	expect_text("abc");
}
END_TEST

START_TEST(keeping_without_looking_is_allowed)
{
	feed_literal("a\0b");
	keep();
	feed_literal("c\0d");
	keep();
	expect_text("a");
	expect_text("bc");
	expect_result(0);
	ck_assert(frame_is_begun(&f));
}
END_TEST

START_TEST(begun_means_any_byte_not_handed_out)
{
	feed_literal("a\0b");
	ck_assert(frame_is_begun(&f));
	expect_text("a");
	ck_assert(frame_is_begun(&f));
	keep();
	ck_assert(frame_is_begun(&f));
	feed_literal("\0");
	expect_text("b");
	ck_assert(!frame_is_begun(&f));
}
END_TEST

START_TEST(frames_are_counted_up_to_a_maximum)
{
	feed_literal("a\0b\0c\0d");
	ck_assert_uint_eq(frame_count(&f, 10), 3);
	ck_assert_uint_eq(frame_count(&f, 2), 2);
	ck_assert_uint_eq(frame_count(&f, 0), 0);
	keep();
	feed_literal("\0e\0f");
	ck_assert_uint_eq(frame_count(&f, 10), 5);
	ck_assert_uint_eq(frame_count(&f, 4), 4);
	ck_assert_uint_eq(frame_count(&f, 3), 3);
	ck_assert_uint_eq(frame_count(&f, 2), 2);
}
END_TEST

START_TEST(frame_of_the_limit_is_accepted_wherever_it_is_cut)
{
	char bytes[LIMIT + 1];

	memset(bytes, 'x', LIMIT);
	bytes[LIMIT] = '\0';
	for (size_t cut = 0; cut <= LIMIT + 1; cut++) {
		feed(bytes, cut);
		if (cut <= LIMIT) {
			expect_result(0);
			keep();
			feed(bytes + cut, LIMIT + 1 - cut);
		}
		expect(bytes, LIMIT);
		keep();
	}
}
END_TEST

START_TEST(frame_over_the_limit_is_refused_without_its_end)
{
	char bytes[LIMIT + 1];

	memset(bytes, 'x', sizeof(bytes));
	for (size_t cut = 0; cut <= LIMIT; cut++) {
		feed(bytes, cut);
		expect_result(0);
		keep();
		feed(bytes + cut, LIMIT + 1 - cut);
		expect_result(-EMSGSIZE);
		expect_result(-EMSGSIZE);
		keep();
		expect_result(-EMSGSIZE);
		frame_reader_deinit(&f);
		frame_reader_init(&f, LIMIT);
	}
}
END_TEST

START_TEST(frame_over_the_limit_is_refused_with_its_end)
{
	char bytes[LIMIT + 10] = {0};

	bytes[0] = 'a';
	memset(bytes + 2, 'x', LIMIT + 1);
	feed(bytes, sizeof(bytes));
	expect_text("a");
	expect_result(-EMSGSIZE);
	expect_result(-EMSGSIZE);
	keep();
	expect_result(-EMSGSIZE);
}
END_TEST

START_TEST(limit_can_change)
{
	feed_literal("12345\0"
		     "12345\0"
		     "123");
	frame_set_limit(&f, 5);
	expect_text("12345");
	frame_set_limit(&f, 4);
	expect_result(-EMSGSIZE);
	frame_set_limit(&f, 5);
	expect_text("12345");
	frame_set_limit(&f, 2);
	expect_result(-EMSGSIZE);
	frame_set_limit(&f, 0);
	expect_result(-EMSGSIZE);
	frame_set_limit(&f, 3);
	expect_result(0);
}
END_TEST

START_TEST(idle_reader_holds_no_memory)
{
	feed_literal("ab");
	keep();
	ck_assert_ptr_nonnull(f.kept);
	feed_literal("c\0");
	expect_text("abc");
	expect_result(0);
	ck_assert_ptr_null(f.kept);
	keep();
	feed_literal("ab");
	keep();
	feed_literal("c\0");
	expect_text("abc");
	keep();
	ck_assert_ptr_null(f.kept);
	ck_assert_uint_eq(f.kept_capacity, 0);
}
END_TEST

START_TEST(little_left_of_much_holds_little_memory)
{
	enum { MUCH = 64 * 1024 };
	char *bytes = calloc(1, MUCH);

	bytes[MUCH - 1] = 'x';
	feed(bytes, MUCH);
	keep();
	ck_assert_uint_ge(f.kept_capacity, MUCH);
	for (int i = 0; i < MUCH - 1; i++)
		expect_text("");
	expect_result(0);
	keep();
	ck_assert_uint_lt(f.kept_capacity, 1024);
	feed_literal("y\0");
	expect_text("xy");
	free(bytes);
}
END_TEST

/* True if a frame of LENGTH bytes in pieces of PORTION is taken in without a complaint. No check
 * macro in here: each costs a system call. */
static bool take_in(size_t length, size_t portion)
{
	const char *text;
	size_t n;

	for (size_t done = 0; done < length; done += portion) {
		frame_feed(&f, "xxxxxxxx", portion);
		if (frame_next(&f, &text, &n) != 0 || frame_keep(&f) != 0)
			return false;
	}
	return true;
}

START_TEST(long_frames_in_small_pieces_take_linear_time)
{
	const size_t length = 4 << 20;
	clock_t start = clock();

	/* 10 ms; scanning or copying again for each piece would be 10^12 bytes, minutes */
	frame_set_limit(&f, length);
	ck_assert(take_in(length, 4));
	ck_assert((clock() - start) / CLOCKS_PER_SEC < 10);
}
END_TEST

START_TEST(random_streams_come_out_whole)
{
	unsigned seed = 12345;
	enum { FRAMES = 5000 };
	size_t sent = 0, got = 0, at = 0;
	char *stream = malloc(FRAMES * 40);
	const char *text;
	size_t n, total = 0;

	for (int i = 0; i < FRAMES; i++) {
		size_t length = (size_t)(rand_r(&seed) % 39);

		memset(stream + total, 'a' + i % 26, length);
		stream[total + length] = '\0';
		total += length + 1;
	}
	while (got < total) {
		size_t size = (size_t)(rand_r(&seed) % 120);
		int budget = rand_r(&seed) % 8;

		if (size > total - sent)
			size = total - sent;
		feed(stream + sent, size);
		sent += size;
		while (budget-- > 0 && frame_next(&f, &text, &n) == 1) {
			ck_assert_str_eq(text, stream + at);
			at += n + 1;
			got = at;
		}
		keep();
	}
	ck_assert(!frame_is_begun(&f));
	free(stream);
}
END_TEST

START_TEST(absurd_length_is_no_memory)
{
	frame_feed(&f, "a", SIZE_MAX / 2);
	ck_assert_int_eq(frame_keep(&f), -ENOMEM);
	ck_assert_ptr_null(f.kept);
	frame_feed(&f, "a", 1);
	keep();
	frame_feed(&f, "b", SIZE_MAX / 2);
	ck_assert_int_eq(frame_keep(&f), -ENOMEM);
	frame_feed(&f, "b", 2);
	expect_text("ab");
}
END_TEST

START_TEST(nothing_is_lost_when_keeping_fails)
{
	int r;

	feed_literal("a\0bc");
	expect_text("a");
	malloc_fails = true;
	r = frame_keep(&f);
	malloc_fails = false;
	ck_assert_int_eq(r, -ENOMEM);
	expect_result(0);
	keep();
	feed_literal("d\0");
	expect_text("bcd");
}
END_TEST

START_TEST(nothing_is_lost_when_joining_fails)
{
	char bytes[LIMIT] = {0};
	const char *text = NULL;
	size_t n = 0;
	int r;

	memset(bytes, 'x', sizeof(bytes) - 1);
	feed(bytes, 10);
	keep();
	feed(bytes + 10, sizeof(bytes) - 10);
	malloc_fails = true;
	r = frame_next(&f, &text, &n);
	malloc_fails = false;
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_ptr_null(text);
	ck_assert_uint_eq(n, 0);
	expect_text(bytes);
	expect_result(0);
}
END_TEST

static void add_stream_tests(Suite *s)
{
	TCase *tc = tcase_create("stream");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, new_reader_has_nothing);
	tcase_add_test(tc, whole_frames_are_not_copied);
	tcase_add_test(tc, empty_frames_are_frames);
	tcase_add_test(tc, frames_survive_a_cut_at_every_two_places);
	tcase_add_test(tc, frames_come_byte_by_byte);
	tcase_add_test(tc, a_whole_frame_is_known);
	tcase_add_test(tc, frames_left_for_later_are_kept);
	tcase_add_test(tc, keeping_twice_is_harmless);
	tcase_add_test(tc, keeping_without_looking_is_allowed);
	tcase_add_test(tc, begun_means_any_byte_not_handed_out);
	tcase_add_test(tc, frames_are_counted_up_to_a_maximum);
	tcase_add_test(tc, random_streams_come_out_whole);
	tcase_add_test(tc, long_frames_in_small_pieces_take_linear_time);
	suite_add_tcase(s, tc);
}

static void add_bound_tests(Suite *s)
{
	TCase *tc = tcase_create("bounds");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, frame_of_the_limit_is_accepted_wherever_it_is_cut);
	tcase_add_test(tc, frame_over_the_limit_is_refused_without_its_end);
	tcase_add_test(tc, frame_over_the_limit_is_refused_with_its_end);
	tcase_add_test(tc, limit_can_change);
	tcase_add_test(tc, idle_reader_holds_no_memory);
	tcase_add_test(tc, little_left_of_much_holds_little_memory);
	tcase_add_test(tc, absurd_length_is_no_memory);
	tcase_add_test(tc, nothing_is_lost_when_keeping_fails);
	tcase_add_test(tc, nothing_is_lost_when_joining_fails);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("frame");
	SRunner *sr = srunner_create(s);
	int failed;

	add_stream_tests(s);
	add_bound_tests(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
