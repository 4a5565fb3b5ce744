/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pack.h"
#include "tests/unit/fail_malloc.h"

struct sample {
	bool flag;
	uint8_t small;
	uint32_t word;
	int32_t number;
	uint64_t large;
	int64_t time;
	struct pack_span text;
};

static const struct pack_item sample_items[] = {
	PACK_ITEM(sample, 1, PACK_BOOL, flag),
	PACK_ITEM(sample, 2, PACK_U8, small),
	PACK_ITEM(sample, 3, PACK_U32, word),
	PACK_ITEM(sample, 4, PACK_I32, number),
	PACK_ITEM(sample, 5, PACK_U64, large),
	PACK_ITEM(sample, 6, PACK_I64, time),
	PACK_ITEM(sample, 7, PACK_SPAN, text),
	{0},
};

static const struct sample extremes = {
	.flag = true,
	.small = UINT8_MAX,
	.word = UINT32_MAX,
	.number = INT32_MIN,
	.large = UINT64_MAX,
	.time = INT64_MIN,
	.text = {"text", 4},
};

static struct pack_writer w;

static void setup(void)
{
	pack_writer_init(&w);
}

static void teardown(void)
{
	pack_writer_deinit(&w);
}

static struct pack_reader written(void)
{
	ck_assert(!pack_writer_failed(&w));
	return pack_reader_of(w.data, w.length);
}

static int unpack(struct pack_reader record, struct sample *ret)
{
	return unpack_struct(record, sample_items, ret, sizeof(*ret));
}

/* A copy of exactly LENGTH bytes, so that a sanitizer sees any step beyond them. */
static int unpack_copy(const void *bytes, size_t length)
{
	struct sample sample;
	unsigned char *copy = malloc(length ? length : 1);
	int r;

	memcpy(copy, bytes, length);
	r = unpack(pack_reader_of(copy, length), &sample);
	if (r == 0 && sample.text.bytes)
		for (size_t i = 0; i < sample.text.length; i++)
			((volatile const char *)sample.text.bytes)[i];
	free(copy);
	return r;
}

START_TEST(what_is_written_reads_back)
{
	struct sample sample;

	pack_struct(&w, sample_items, &extremes);
	ck_assert_int_eq(unpack(written(), &sample), 0);
	ck_assert(sample.flag);
	ck_assert_uint_eq(sample.small, UINT8_MAX);
	ck_assert_uint_eq(sample.word, UINT32_MAX);
	ck_assert_int_eq(sample.number, INT32_MIN);
	ck_assert_uint_eq(sample.large, UINT64_MAX);
	ck_assert_int_eq(sample.time, INT64_MIN);
	ck_assert_uint_eq(sample.text.length, 4);
	ck_assert_mem_eq(sample.text.bytes, "text", 4);
}
END_TEST

START_TEST(nothing_takes_no_room_and_reads_as_nothing)
{
	struct sample sample = {0};

	pack_struct(&w, sample_items, &sample);
	ck_assert_uint_eq(w.length, 0);
	sample = extremes;
	ck_assert_int_eq(unpack(written(), &sample), 0);
	ck_assert(!sample.flag && !sample.large && !sample.text.bytes);
}
END_TEST

START_TEST(an_empty_text_is_not_an_absent_one)
{
	struct sample sample = {.text = {"", 0}};

	pack_struct(&w, sample_items, &sample);
	ck_assert_int_eq(unpack(written(), &sample), 0);
	ck_assert_ptr_nonnull(sample.text.bytes);
	ck_assert_uint_eq(sample.text.length, 0);
}
END_TEST

START_TEST(bytes_are_the_same_on_every_machine)
{
	static const unsigned char expected[] = {
		0x03,
		0x01,
		2,
		0,
		0,
		0,
		0x34,
		0x12, /* a number of two bytes */
		0x05,
		0,
		3,
		0,
		0,
		0,
		'a',
		0,
		'b',
	};

	pack_number(&w, 0x103, 0x1234);
	pack_bytes(&w, 5, "a\0b", 3);
	ck_assert_uint_eq(w.length, sizeof(expected));
	ck_assert_mem_eq(w.data, expected, sizeof(expected));
}
END_TEST

START_TEST(unknown_fields_are_skipped)
{
	struct sample sample;
	size_t begun;

	pack_number(&w, 999, 7);
	pack_number(&w, 3, 5);
	begun = pack_begin(&w, 1000);
	pack_number(&w, 3, 6);
	pack_end(&w, begun);
	ck_assert_int_eq(unpack(written(), &sample), 0);
	ck_assert_uint_eq(sample.word, 5);
}
END_TEST

START_TEST(records_nest)
{
	struct pack_reader r, inner;
	struct pack_field field;
	size_t outer = pack_begin(&w, 1), in;
	uint64_t number;

	in = pack_begin(&w, 2);
	pack_number(&w, 3, 77);
	pack_end(&w, in);
	pack_end(&w, outer);
	pack_number(&w, 4, 1);
	r = written();
	ck_assert_int_eq(pack_next(&r, &field), 1);
	inner = pack_inner(&field);
	ck_assert_int_eq(pack_next(&inner, &field), 1);
	ck_assert_uint_eq(field.tag, 2);
	inner = pack_inner(&field);
	ck_assert_int_eq(pack_next(&inner, &field), 1);
	ck_assert_int_eq(pack_get_number(&field, &number), 0);
	ck_assert_uint_eq(number, 77);
	ck_assert_int_eq(pack_next(&inner, &field), 0);
	ck_assert_int_eq(pack_next(&r, &field), 1);
	ck_assert_uint_eq(field.tag, 4);
	ck_assert_int_eq(pack_next(&r, &field), 0);
}
END_TEST

START_TEST(arrays_read_back_and_must_have_their_length)
{
	const uint32_t values[] = {0, 1, UINT32_MAX};
	uint32_t read[4];
	struct pack_field field;
	struct pack_reader r;

	pack_u32s(&w, 9, values, 3);
	r = written();
	ck_assert_int_eq(pack_next(&r, &field), 1);
	ck_assert_int_eq(unpack_u32s((struct pack_span){field.bytes, field.length}, read, 3), 0);
	ck_assert_mem_eq(read, values, sizeof(values));
	for (size_t n = 0; n <= 4; n++)
		if (n != 3)
			ck_assert_int_eq(
				unpack_u32s((struct pack_span){field.bytes, field.length}, read, n),
				-EBADMSG);
}
END_TEST

static void expect_out_of_range(uint16_t tag, uint64_t value)
{
	struct sample sample;

	pack_writer_deinit(&w);
	pack_number(&w, tag, value);
	ck_assert_int_eq(unpack(written(), &sample), -EBADMSG);
}

START_TEST(numbers_out_of_range_are_refused)
{
	struct sample sample;

	expect_out_of_range(1, 2);
	expect_out_of_range(2, UINT8_MAX + 1);
	expect_out_of_range(3, (uint64_t)UINT32_MAX + 1);
	expect_out_of_range(4, (uint64_t)INT32_MAX + 1);
	expect_out_of_range(4, (uint64_t)((int64_t)INT32_MIN - 1));
	pack_writer_deinit(&w);
	pack_bytes(&w, 5, "123456789", 9);
	ck_assert_int_eq(unpack(written(), &sample), -EBADMSG);
}
END_TEST

START_TEST(what_is_cut_off_anywhere_but_between_fields_is_refused)
{
	size_t whole = 0;

	pack_struct(&w, sample_items, &extremes);
	for (size_t length = 0; length <= w.length; length++) {
		int r = unpack_copy(w.data, length);

		ck_assert(r == 0 || r == -EBADMSG);
		whole += r == 0;
	}
	ck_assert_uint_eq(whole, 8); /* before the first, and after each of seven */
}
END_TEST

START_TEST(random_bytes_are_read_within_their_bounds)
{
	unsigned char bytes[64];
	unsigned refused = 0;

	srand(1);
	for (int i = 0; i < 200000; i++) {
		size_t length = (size_t)rand() % sizeof(bytes);

		for (size_t j = 0; j < length; j++)
			bytes[j] = (unsigned char)(rand() % 4 ? rand() % 8 : rand());
		refused += unpack_copy(bytes, length) < 0;
	}
	ck_assert_uint_gt(refused, 1000);
}
END_TEST

START_TEST(mutated_records_are_read_within_their_bounds)
{
	unsigned char bytes[256];

	pack_struct(&w, sample_items, &extremes);
	ck_assert_uint_lt(w.length, sizeof(bytes));
	srand(2);
	for (int i = 0; i < 200000; i++) {
		memcpy(bytes, w.data, w.length);
		bytes[(size_t)rand() % w.length] = (unsigned char)rand();
		bytes[(size_t)rand() % w.length] ^= (unsigned char)(1 << rand() % 8);
		unpack_copy(bytes, w.length);
	}
}
END_TEST

START_TEST(without_memory_the_writer_fails_for_good)
{
	pack_number(&w, 1, 1);
	malloc_fails = true;
	for (int i = 0; i < 10000; i++)
		pack_bytes(&w, 2, "0123456789", 10);
	malloc_fails = false;
	ck_assert(pack_writer_failed(&w));
	pack_end(&w, pack_begin(&w, 3));
	pack_u32s(&w, 4, (const uint32_t[]){1}, 1);
	ck_assert(pack_writer_failed(&w));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pack");
	TCase *tcase = tcase_create("pack");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_written_reads_back);
	tcase_add_test(tcase, nothing_takes_no_room_and_reads_as_nothing);
	tcase_add_test(tcase, an_empty_text_is_not_an_absent_one);
	tcase_add_test(tcase, bytes_are_the_same_on_every_machine);
	tcase_add_test(tcase, unknown_fields_are_skipped);
	tcase_add_test(tcase, records_nest);
	tcase_add_test(tcase, arrays_read_back_and_must_have_their_length);
	tcase_add_test(tcase, numbers_out_of_range_are_refused);
	tcase_add_test(tcase, what_is_cut_off_anywhere_but_between_fields_is_refused);
	tcase_add_test(tcase, random_bytes_are_read_within_their_bounds);
	tcase_add_test(tcase, mutated_records_are_read_within_their_bounds);
	tcase_add_test(tcase, without_memory_the_writer_fails_for_good);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
