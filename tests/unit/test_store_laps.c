/* SPDX-License-Identifier: MIT */
/* The store's file is written round and round: what is needed stays, what is not makes room, and a
 * transaction that was not written to its end is none. */
#include "daemon/journal_file.h"
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBERS  300 /* of the sessions that come and go */
#define ROUNDS   4000
#define MIXTURES 300

static void setup(void)
{
	store_setup();
	options.max_bytes = STORE_STEP;
	ck_assert_int_eq(open_store(), 0);
}

static unsigned random_below(unsigned n)
{
	static uint64_t state = 88172645463325252; /* xorshift (Marsaglia 2003) */

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % n;
}

static void expect_same(const struct dump *expected)
{
	struct dump is = dump_store();

	ck_assert(dumps_are_equal(&is, expected));
	dump_free(&is);
}

/* ---- round and round ---- */

static size_t random_size(void)
{
	switch (random_below(6)) {
	case 0:
	case 1:
		return random_below(400000); /* more than a chunk */
	case 2:
		return 0;
	default:
		return random_below(4000);
	}
}

static int change(uint64_t number)
{
	if (session_of(number)->stored_sum && random_below(3) == 0)
		return drop(number);
	set_metadata(number, random_size());
	return put(number);
}

static int change_some(void)
{
	int r = 0;

	for (unsigned n = 1 + random_below(10); r == 0 && n > 0; n--)
		r = change(1 + random_below(NUMBERS));
	if (r == 0 && random_below(10) == 0)
		r = put_pool(random_below(2) ? "default" : "other");
	if (r == 0 && random_below(40) == 0)
		r = store_delete_pool(store, "other", 5);
	return r;
}

/* What the store has room for is committed. True if it was. */
static bool run_transaction(void)
{
	ck_assert_int_eq(store_begin(store), 0);
	if (change_some() == 0 && random_below(8)) {
		ck_assert_int_eq(commit(), 0);
		return true;
	}
	abort_all();
	return false;
}

/* That which is there as long as the store is. */
static void commit_old_ones(void)
{
	for (uint64_t number = NUMBERS + 1; number <= NUMBERS + 40; number++)
		set_metadata(number, 1000);
	commit_range(NUMBERS + 1, NUMBERS + 40);
}

START_TEST(what_is_needed_stays_lap_after_lap)
{
	struct dump expected;
	uint64_t written = 0, n_full = 0;

	commit_old_ones();
	for (int round = 0; round < ROUNDS; round++) {
		written += run_transaction();
		n_full += store_is_out_of_room(store);
		if (random_below(60))
			continue;
		expected = dump_store();
		while (run_transaction()) {
			dump_free(&expected);
			expected = dump_store();
		}
		expect_same(&expected);
		reopen();
		expect_same(&expected);
		dump_free(&expected);
	}
	ck_assert_uint_gt(written, ROUNDS / 4);
	ck_assert_uint_gt(n_full, 0);
	ck_assert_uint_eq(store_room(store).size_bytes, STORE_STEP);
	for (uint64_t number = NUMBERS + 1; number <= NUMBERS + 40; number++)
		ck_assert_uint_ne(session_of(number)->stored_sum, 0);
}
END_TEST

/* With sessions from 1 on, of so many bytes; how many. */
static uint64_t fill_up(size_t bytes)
{
	uint64_t n = 0;

	while (!store_room(store).is_full) {
		set_metadata(++n, bytes);
		commit_range(n, n);
	}
	return n;
}

/* Nothing is left but what is new: that the file has been full is of no consequence. */
START_TEST(all_can_go_and_come_again)
{
	for (int lap = 0; lap < 5; lap++) {
		uint64_t n = fill_up(50000);

		for (uint64_t number = 1; number <= n; number++)
			commit_drop((number * 7) % n + 1);
		for (uint64_t number = 1; number <= n; number++)
			commit_drop(number);
		ck_assert_uint_eq(count(), 0);
		ck_assert_uint_gt(n, 250);
		reopen();
	}
}
END_TEST

START_TEST(a_full_file_makes_room_of_what_lies_between)
{
	uint64_t n = fill_up(20000);

	for (uint64_t number = 1; number <= n; number += 2) {
		ck_assert_int_eq(store_begin(store), 0);
		ck_assert_int_eq(drop(number), 0);
		ck_assert_int_eq(
			store_commit(store), 0); /* at once, as the totals do not matter here */
	}
	set_metadata(n + 1, 3 << 20); /* in no chunk, and not what is free at once */
	ck_assert_int_eq(store_begin(store), 0);
	for (int tries = 0; put(n + 1) == -ENOSPC; tries++) {
		ck_assert_int_lt(tries, 200);
		abort_all();
		ck_assert(store_make_room(store));
		ck_assert_int_eq(store_begin(store), 0);
	}
	ck_assert_int_eq(store_commit(store), 0);
	ck_assert_uint_eq(count(), n / 2 + 1);
}
END_TEST

START_TEST(without_anything_to_gather_there_is_no_room_to_make)
{
	uint64_t n = fill_up(20000);

	for (int tries = 0; tries < 1000 && store_make_room(store); tries++)
		;
	ck_assert(!store_make_room(store));
	ck_assert_uint_eq(count(), n);
	reopen();
	ck_assert_uint_eq(count(), n);
}
END_TEST

/* ---- half a transaction ---- */

struct image {
	char *bytes;
	size_t size;
	char witness[16];
};

static void read_part(const char *name, void *bytes, size_t size)
{
	int fd = open(path_of(name), O_RDONLY);

	ck_assert_int_eq(read(fd, bytes, size), (ssize_t)size);
	close(fd);
}

static void write_part(const char *name, const void *bytes, size_t size)
{
	int fd = open(path_of(name), O_WRONLY);

	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

static struct image take_image(void)
{
	struct image image = {.bytes = malloc(STORE_STEP), .size = STORE_STEP};

	read_part(STORE_FILE, image.bytes, image.size);
	read_part(STORE_FILE WITNESS_SUFFIX, image.witness, sizeof(image.witness));
	return image;
}

static const struct chunk_head *head_at(const struct image *image, size_t chunk)
{
	return (const struct chunk_head *)(image->bytes + chunk * JOURNAL_CHUNK);
}

/* The next chunk to be written after that of ORDER. */
static size_t chunk_after(const struct image *image, uint64_t order)
{
	size_t next = SIZE_MAX;

	for (size_t i = 0; i < image->size / JOURNAL_CHUNK; i++)
		if (head_at(image, i)->order > order &&
			(next == SIZE_MAX ||
				head_at(image, i)->order < head_at(image, next)->order))
			next = i;
	return next;
}

/* As it was, and as it came to be up to somewhere, in the order in which it is written; with the
 * witness of before. */
static void write_mixture(const struct image *before, const struct image *after)
{
	char *bytes = malloc(before->size);
	size_t left = random_below(8 * JOURNAL_CHUNK);
	size_t chunk = chunk_after(after, 0);

	memcpy(bytes, before->bytes, before->size);
	for (; chunk != SIZE_MAX; chunk = chunk_after(after, head_at(after, chunk)->order)) {
		size_t at = chunk * JOURNAL_CHUNK;

		for (size_t i = 0; left > 0 && i < JOURNAL_CHUNK; i++, left--)
			bytes[at + i] = after->bytes[at + i];
	}
	write_part(STORE_FILE, bytes, before->size);
	write_part(STORE_FILE WITNESS_SUFFIX, before->witness, sizeof(before->witness));
	free(bytes);
}

struct mixing {
	struct image before, after;
	struct dump then, now;
};

static bool is_then(struct mixing *m)
{
	struct dump is;
	bool is_it;

	close_store();
	write_mixture(&m->before, &m->after);
	reopen();
	is = dump_store();
	is_it = dumps_are_equal(&is, &m->then);
	ck_assert(is_it || dumps_are_equal(&is, &m->now));
	dump_free(&is);
	return is_it;
}

/* What is found of half a transaction is gone for good, whatever is written then. */
static void go_on(struct mixing *m)
{
	struct dump expected;

	while (!is_then(m))
		;
	take_back(61);
	for (uint64_t number = 1000; number <= SESSIONS; number += 1000)
		commit_range(number, number);
	expected = dump_store();
	reopen();
	expect_same(&expected);
	dump_free(&expected);
}

static void mix(struct mixing *m)
{
	int n_then = 0;

	for (int i = 0; i < MIXTURES; i++)
		n_then += is_then(m);
	ck_assert_int_gt(n_then, 0);
	ck_assert_int_lt(n_then, MIXTURES);
	go_on(m);
	free(m->before.bytes);
	free(m->after.bytes);
	dump_free(&m->then);
	dump_free(&m->now);
}

static void make_then(struct mixing *m)
{
	for (uint64_t number = 1; number <= 60; number++)
		set_metadata(number, 5000);
	commit_range(1, 60);
	commit_drop(30);
	m->then = dump_store();
	m->before = take_image();
}

static void make_now(struct mixing *m)
{
	m->now = dump_store();
	m->after = take_image();
}

START_TEST(half_a_small_transaction_is_none)
{
	struct mixing m;

	make_then(&m);
	set_metadata(61, 20000);
	commit_range(61, 61);
	make_now(&m);
	mix(&m);
}
END_TEST

START_TEST(half_a_transaction_in_several_chunks_is_none)
{
	struct mixing m;

	make_then(&m);
	set_metadata(61, 600000);
	commit_range(61, 61);
	make_now(&m);
	mix(&m);
}
END_TEST

/* It is found in the place of what was given up, in the middle of it. */
START_TEST(what_was_given_up_in_several_chunks_does_not_come_back)
{
	struct dump expected;

	commit_old_ones();
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(store_begin(store), 0);
		set_metadata(1, 700000);
		ck_assert_int_eq(put(1), 0);
		abort_all();
		expected = dump_store();
		reopen();
		expect_same(&expected);
		dump_free(&expected);
		set_metadata(2, 1000U * (unsigned)i * (unsigned)i);
		commit_range(2, 2);
	}
}
END_TEST

START_TEST(an_entry_may_end_where_its_chunk_does)
{
	struct dump expected;

	for (size_t size = JOURNAL_CHUNK - 1200; size < JOURNAL_CHUNK; size += 8) {
		set_metadata(1, size);
		commit_range(1, 1);
		expected = dump_store();
		reopen();
		expect_same(&expected);
		dump_free(&expected);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_laps");
	TCase *tcase = tcase_create("store_laps");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, store_teardown);
	tcase_set_timeout(tcase, 280);
	tcase_add_test(tcase, what_is_needed_stays_lap_after_lap);
	tcase_add_test(tcase, all_can_go_and_come_again);
	tcase_add_test(tcase, a_full_file_makes_room_of_what_lies_between);
	tcase_add_test(tcase, without_anything_to_gather_there_is_no_room_to_make);
	tcase_add_test(tcase, half_a_small_transaction_is_none);
	tcase_add_test(tcase, half_a_transaction_in_several_chunks_is_none);
	tcase_add_test(tcase, what_was_given_up_in_several_chunks_does_not_come_back);
	tcase_add_test(tcase, an_entry_may_end_where_its_chunk_does);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
