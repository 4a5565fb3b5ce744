/* SPDX-License-Identifier: MIT */
/* A damaged store is read as it was committed last, or set aside: never anything else. */
#include "daemon/journal.h"
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STRIDE    997 /* bytes: a bit in so many is flipped */
#define HEAD      200 /* bytes of a chunk: its own, and the first fragment's */
#define PAGE      4096
#define CUT_EVERY 3001

static struct {
	char *bytes; /* up to the last one that is not zero */
	size_t used, size;
	char witness[16]; /* beside it */
	struct dump committed;
	int n_loaded, n_aside;
} sound;

/* Sessions small and large, ended and changed, in several transactions and chunks: free ones are
 * among them, with what was true before. */
static void make_history(void)
{
	for (int i = 0; i < 6; i++) {
		set_metadata(90, 60000);
		commit_range(90, 90);
	}
	commit_drop(90);
	for (uint64_t number = 1; number <= 80; number++)
		set_metadata(number, number * 7 % 300);
	set_metadata(40, 9000);
	commit_range(1, 50);
	ck_assert_int_eq(store_begin(store), 0);
	put_pool("default");
	put_pool("other");
	ck_assert_int_eq(commit(), 0);
	for (uint64_t number = 3; number < 50; number += 5)
		commit_drop(number);
	commit_range(51, 80);
	set_metadata(60, 250);
	commit_range(60, 60);
}

static void read_file(void)
{
	int fd = open(path_of(STORE_FILE WITNESS_SUFFIX), O_RDONLY);

	ck_assert_int_eq(read(fd, sound.witness, sizeof(sound.witness)), sizeof(sound.witness));
	close(fd);
	fd = open(path_of(STORE_FILE), O_RDONLY);

	sound.size = (size_t)lseek(fd, 0, SEEK_END);
	sound.bytes = malloc(sound.size);
	ck_assert_int_eq(pread(fd, sound.bytes, sound.size, 0), (ssize_t)sound.size);
	close(fd);
	for (sound.used = sound.size; !sound.bytes[sound.used - 1]; sound.used--)
		;
}

static void setup(void)
{
	store_setup();
	ck_assert_int_eq(open_store(), 0);
	make_history();
	sound.committed = dump_store();
	close_store();
	read_file();
	sound.n_loaded = sound.n_aside = 0;
}

static void teardown(void)
{
	free(sound.bytes);
	dump_free(&sound.committed);
	store_teardown();
}

/* What was stored, with SIZE bytes, of which the last ones are zero. */
static void write_file(size_t size)
{
	int fd = open(path_of(STORE_FILE), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t used = size < sound.used ? size : sound.used;

	ck_assert_int_eq(write(fd, sound.bytes, used), (ssize_t)used);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	close(fd);
	fd = open(path_of(STORE_FILE WITNESS_SUFFIX), O_WRONLY);
	ck_assert_int_eq(write(fd, sound.witness, sizeof(sound.witness)), sizeof(sound.witness));
	close(fd);
}

static void expect_all_or_nothing(size_t where)
{
	struct dump is;

	ck_assert_msg(open_store() == 0, "at %zu: it is not opened", where);
	is = dump_store();
	if (found == STORE_LOADED)
		ck_assert_msg(
			dumps_are_equal(&is, &sound.committed), "at %zu: it is another set", where);
	else
		ck_assert_msg(is.size == 0, "at %zu: it is set aside and not empty", where);
	sound.n_loaded += found == STORE_LOADED;
	sound.n_aside += aside != NULL;
	dump_free(&is);
	close_store();
}

static void flip(size_t byte, int bit)
{
	sound.bytes[byte] ^= (char)(1 << bit);
	write_file(sound.size);
	expect_all_or_nothing(byte);
	sound.bytes[byte] ^= (char)(1 << bit);
}

START_TEST(the_undamaged_file_is_read)
{
	write_file(sound.size);
	expect_all_or_nothing(0);
	ck_assert_int_eq(sound.n_loaded, 1);
	ck_assert_uint_gt(sound.used, 10 * PAGE);
}
END_TEST

START_TEST(a_flipped_bit_anywhere_never_changes_what_is_read)
{
	int n = 0;

	for (size_t byte = 0; byte < sound.used; byte += STRIDE)
		flip(byte, n++ % 8);
	ck_assert_int_gt(sound.n_loaded, 0);
	ck_assert_int_gt(sound.n_aside, 0);
	ck_assert_int_eq(sound.n_loaded + sound.n_aside, n);
}
END_TEST

/* There it is decided which chunks count. */
START_TEST(a_flipped_bit_in_a_head_never_brings_back_the_past)
{
	for (size_t at = 0; at < sound.used; at += JOURNAL_CHUNK)
		for (size_t byte = 0; byte < HEAD; byte++)
			flip(at + byte, (int)(byte % 8));
	ck_assert_int_gt(sound.n_aside, 0);
}
END_TEST

START_TEST(a_file_cut_off_anywhere_is_read_or_set_aside)
{
	for (size_t size = 0; size < sound.used + PAGE; size += CUT_EVERY) {
		write_file(size);
		expect_all_or_nothing(size);
	}
	ck_assert_int_gt(sound.n_aside, 0);
}
END_TEST

START_TEST(a_page_of_zeros_is_never_taken_for_what_was_there)
{
	char page[PAGE];

	for (size_t at = 0; at < sound.used; at += PAGE) {
		memcpy(page, sound.bytes + at, PAGE);
		memset(sound.bytes + at, 0, PAGE);
		write_file(sound.size);
		expect_all_or_nothing(at);
		memcpy(sound.bytes + at, page, PAGE);
	}
	ck_assert_int_gt(sound.n_aside, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_damage");
	TCase *tcase = tcase_create("store_damage");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 280);
	tcase_add_test(tcase, the_undamaged_file_is_read);
	tcase_add_test(tcase, a_flipped_bit_anywhere_never_changes_what_is_read);
	tcase_add_test(tcase, a_flipped_bit_in_a_head_never_brings_back_the_past);
	tcase_add_test(tcase, a_file_cut_off_anywhere_is_read_or_set_aside);
	tcase_add_test(tcase, a_page_of_zeros_is_never_taken_for_what_was_there);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
