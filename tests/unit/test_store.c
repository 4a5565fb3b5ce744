/* SPDX-License-Identifier: MIT */
/* The store's file: transactions, room, and what is set aside. */
#include "daemon/journal_file.h"
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void setup(void)
{
	store_setup();
	ck_assert_int_eq(open_store(), 0);
}

static int64_t size_of(const char *name)
{
	struct stat stat;

	return lstat(path_of(name), &stat) == 0 ? stat.st_size : -1;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

/* ---- transactions ---- */

START_TEST(a_fresh_store_is_empty)
{
	struct record_totals totals;
	struct saved_table saved;

	ck_assert_int_eq(found, STORE_FRESH);
	ck_assert_ptr_null(aside);
	ck_assert_uint_eq(count(), 0);
	ck_assert_int_eq(store_read_table(store, &saved, &totals), -ENOENT);
	ck_assert_int_eq(size_of(STORE_FILE), STORE_STEP);
	reopen(); /* though nothing was committed */
}
END_TEST

START_TEST(what_was_committed_is_there_when_it_is_opened_again)
{
	struct dump before, after;

	set_metadata(2, 20000);
	ck_assert_int_eq(store_begin(store), 0);
	put(1);
	put(2);
	put_pool("default");
	put_pool("other");
	ck_assert_int_eq(commit(), 0);
	before = dump_store();
	reopen();
	after = dump_store();
	ck_assert_uint_gt(before.size, 20000);
	ck_assert(dumps_are_equal(&before, &after));
	ck_assert_uint_eq(count(), 2);
	dump_free(&before);
	dump_free(&after);
}
END_TEST

START_TEST(the_seed_of_a_store_is_kept)
{
	commit_range(1, 1);
	options.seed[0] = options.seed[1] = 1;
	reopen();
	ck_assert_uint_eq(options.seed[0], 7);
	ck_assert_uint_eq(options.seed[1], 9);
}
END_TEST

START_TEST(a_session_that_changes_is_one_record)
{
	uint32_t sum;

	commit_range(1, 1);
	sum = session_of(1)->stored_sum;
	set_metadata(1, 100);
	commit_range(1, 1);
	ck_assert_uint_ne(session_of(1)->stored_sum, sum);
	ck_assert_uint_eq(count(), 1);
	reopen();
}
END_TEST

START_TEST(a_session_that_is_deleted_is_gone)
{
	commit_range(1, 3);
	commit_drop(2);
	ck_assert_uint_eq(session_of(2)->stored_sum, 0);
	ck_assert_uint_eq(count(), 2);
	reopen();
	ck_assert_uint_eq(count(), 2);
}
END_TEST

START_TEST(to_delete_what_was_never_stored_is_nothing)
{
	commit_drop(1);
	ck_assert_uint_eq(count(), 0);
	ck_assert_int_eq(store_begin(store), 0);
	ck_assert_int_eq(store_delete_pool(store, "none", 4), 0);
	ck_assert_int_eq(commit(), 0);
}
END_TEST

START_TEST(sessions_may_be_put_in_any_order)
{
	static const uint64_t order[] = {5, 2, 9, 1, 7};

	for (int i = 0; i < 5; i++)
		commit_range(order[i], order[i]);
	reopen();
	ck_assert_uint_eq(count(), 5);
	commit_range(3, 4);
	reopen();
	ck_assert_uint_eq(count(), 7);
}
END_TEST

static int note_pool(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct saved_pool saved;

	(void)sequence;
	ck_assert_int_eq(record_read_pool(bytes, size, &saved), 0);
	strcat(strcat(context, saved.name->bytes), " ");
	saved_pool_deinit(&saved);
	return 0;
}

START_TEST(pools_are_read_by_name)
{
	char names[64] = "";

	ck_assert_int_eq(store_begin(store), 0);
	put_pool("b");
	put_pool("a");
	put_pool("c");
	put_pool("a");
	ck_assert_int_eq(store_delete_pool(store, "b", 1), 0);
	ck_assert_int_eq(commit(), 0);
	ck_assert_int_eq(store_each_pool(store, note_pool, names), 0);
	ck_assert_str_eq(names, "a c ");
}
END_TEST

static int note_session(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	uint64_t id;

	ck_assert_int_eq(record_read_session_id(bytes, size, &id), 0);
	ck_assert_uint_eq(id, sequence);
	*(uint64_t *)context = *(uint64_t *)context * 10 + sequence;
	return sequence == 9 ? -EDOM : 0;
}

START_TEST(sessions_are_read_in_portions)
{
	struct store_scan *scan;
	uint64_t seen = 0;
	bool is_end;

	commit_range(3, 5);
	commit_range(1, 3);
	ck_assert_int_eq(store_scan_begin(store, &scan), 0);
	ck_assert_int_eq(store_scan_next(scan, 2, note_session, &seen, &is_end), 0);
	ck_assert_uint_eq(seen, 12);
	ck_assert(!is_end);
	ck_assert_int_eq(store_scan_next(scan, 100, note_session, &seen, &is_end), 0);
	ck_assert_uint_eq(seen, 12345);
	ck_assert(is_end);
	store_scan_end(scan);
}
END_TEST

START_TEST(a_readers_error_ends_the_reading)
{
	struct store_scan *scan;
	uint64_t seen = 0;
	bool is_end;

	commit_range(8, 10);
	ck_assert_int_eq(store_scan_begin(store, &scan), 0);
	ck_assert_int_eq(store_scan_next(scan, 9, note_session, &seen, &is_end), -EDOM);
	ck_assert_uint_eq(seen, 89);
	store_scan_end(scan);
}
END_TEST

/* ---- what is not committed ---- */

START_TEST(abort_puts_the_sums_back)
{
	struct dump before, after;
	uint32_t sum;

	commit_range(1, 2);
	sum = session_of(1)->stored_sum;
	before = dump_store();
	ck_assert_int_eq(store_begin(store), 0);
	set_metadata(1, 50);
	put(1);
	put(1);
	ck_assert_uint_ne(session_of(1)->stored_sum, sum);
	drop(2);
	put(3);
	abort_all();
	ck_assert_uint_eq(session_of(1)->stored_sum, sum);
	ck_assert_uint_ne(session_of(2)->stored_sum, 0);
	ck_assert_uint_eq(session_of(3)->stored_sum, 0);
	commit_range(3, 3); /* the totals are right: else it would count as damaged */
	commit_drop(3);
	reopen();
	after = dump_store();
	ck_assert_uint_eq(count(), 2);
	ck_assert_uint_eq(before.size, after.size);
	dump_free(&before);
	dump_free(&after);
}
END_TEST

START_TEST(what_is_open_when_it_is_closed_is_not_there)
{
	commit_range(1, 1);
	ck_assert_int_eq(store_begin(store), 0);
	put(2);
	reopen();
	ck_assert_uint_eq(count(), 1);
	ck_assert_uint_eq(session_of(2)->stored_sum, 0);
}
END_TEST

static void die_in_a_transaction(void)
{
	commit_range(3, 4);
	store_begin(store);
	for (uint64_t number = 5; number < 500; number++)
		put(number);
	raise(SIGKILL);
}

START_TEST(a_kill_in_a_transaction_leaves_what_was_committed)
{
	pid_t child;
	int status;

	commit_range(1, 2);
	child = fork();
	if (child == 0)
		die_in_a_transaction();
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	reopen();
	ck_assert_uint_eq(count(), 4);
}
END_TEST

/* ---- room ---- */

START_TEST(the_file_grows_by_steps)
{
	uint64_t number = 1;

	ck_assert_uint_eq(store_room(store).size_bytes, STORE_STEP);
	while (store_room(store).size_bytes == STORE_STEP) {
		ck_assert(!store_room(store).is_full);
		set_metadata(number, 100000);
		commit_range(number, number);
		number++;
	}
	ck_assert_uint_gt(store_room(store).used_bytes, STORE_STEP / 10 * 7);
	ck_assert_uint_eq(store_room(store).size_bytes, 2 * STORE_STEP);
	ck_assert_int_eq(size_of(STORE_FILE), 2 * STORE_STEP);
	reopen();
	ck_assert_uint_eq(count(), number - 1);
	ck_assert_uint_ge(store_room(store).size_bytes, 2 * STORE_STEP);
}
END_TEST

/* One step is all there is. */
static uint64_t fill_up(void)
{
	uint64_t number = 1;

	close_store();
	unlink(path_of(STORE_FILE));
	options.max_bytes = STORE_STEP;
	ck_assert_int_eq(open_store(), 0);
	while (!store_room(store).is_full) {
		set_metadata(number, 20000 + number % 7 * 1000);
		commit_range(number, number);
		number++;
	}
	return number - 1;
}

START_TEST(nine_tenths_are_full_and_deletes_are_possible_then)
{
	uint64_t n = fill_up();

	ck_assert_uint_gt(store_room(store).used_bytes, STORE_STEP / 10 * 9);
	ck_assert_uint_lt(store_room(store).used_bytes, STORE_STEP / 100 * 92);
	ck_assert(!store_grow(store));
	for (uint64_t number = 1; number <= n; number += 2)
		commit_drop(number);
	for (uint64_t number = 2; number <= n; number += 2)
		commit_drop(number);
	ck_assert_uint_eq(count(), 0);
	ck_assert(!store_room(store).is_full);
	reopen();
}
END_TEST

/* As the daemon does: what has no room is tried again when it has been made. */
static void change_in_full(uint64_t number)
{
	ck_assert_int_eq(store_begin(store), 0);
	while (put(number) == -ENOSPC) {
		ck_assert(store_is_out_of_room(store));
		abort_all();
		ck_assert(store_make_room(store));
		ck_assert_int_eq(store_begin(store), 0);
	}
	ck_assert_int_eq(commit(), 0);
}

START_TEST(changes_of_what_is_there_are_possible_when_it_is_full)
{
	uint64_t n = fill_up();

	for (uint64_t number = 1; number <= n; number++)
		change_in_full(number);
	ck_assert_uint_eq(count(), n);
	reopen();
}
END_TEST

static int put_until_it_fails(uint64_t first)
{
	int r = store_begin(store);

	for (uint64_t number = first; r == 0; number++) {
		set_metadata(number, 100000);
		r = put(number);
	}
	return r;
}

START_TEST(a_transaction_without_room_fails_and_changes_nothing)
{
	struct dump before, after;
	uint64_t n = fill_up();

	before = dump_store();
	ck_assert(!store_is_out_of_room(store));
	ck_assert_int_eq(put_until_it_fails(n + 1), -ENOSPC);
	ck_assert(store_is_out_of_room(store));
	abort_all();
	after = dump_store();
	ck_assert(dumps_are_equal(&before, &after));
	ck_assert_uint_eq(session_of(n + 1)->stored_sum, 0);
	ck_assert(!store_is_lost(-ENOSPC));
	commit_drop(1);
	reopen();
	ck_assert_uint_eq(count(), n - 1);
	dump_free(&before);
	dump_free(&after);
}
END_TEST

START_TEST(a_larger_file_has_room_for_what_had_none)
{
	options.max_bytes = STORE_STEP;
	reopen();
	set_metadata(1, 6 << 20);
	ck_assert_int_eq(store_begin(store), 0);
	ck_assert_int_eq(put(1), 0);
	set_metadata(2, 6 << 20);
	ck_assert_int_eq(put(2), -ENOSPC); /* to write it again needs as much */
	abort_all();
	options.max_bytes = 2 * STORE_STEP;
	ck_assert_int_eq(open_store(), 0);
	commit_range(1, 2); /* it grows in the middle of the transaction */
	ck_assert_uint_eq(store_room(store).size_bytes, 2 * STORE_STEP);
	reopen();
	ck_assert_uint_eq(count(), 2);
}
END_TEST

/* ---- what is set aside ---- */

static void expect_aside(enum store_found why, const char *name)
{
	ck_assert_int_eq(open_store(), 0);
	ck_assert_int_eq(found, why);
	ck_assert_str_eq(aside, name);
	ck_assert(is_there(name));
	ck_assert_uint_eq(count(), 0);
	close_store();
	reopen();
}

START_TEST(a_store_of_another_boot_is_set_aside)
{
	commit_range(1, 1);
	options.boot_id = "ffffffff-4b5a-6978-8796-a5b4c3d2e1f0";
	expect_aside(STORE_OLD_BOOT, STORE_FILE ".old-boot");
}
END_TEST

/* Every chunk says so. */
static void write_version(uint32_t version)
{
	int fd = open(path_of(STORE_FILE), O_RDWR);
	struct chunk_head head;

	close_store();
	for (off_t at = 0; at < (off_t)STORE_STEP; at += JOURNAL_CHUNK) {
		ck_assert_int_eq(pread(fd, &head, sizeof(head), at), sizeof(head));
		if (!head.order)
			continue;
		head.version = version;
		head.sum = chunk_head_sum(&head);
		ck_assert_int_eq(pwrite(fd, &head, sizeof(head), at), sizeof(head));
	}
	close(fd);
}

START_TEST(a_store_of_a_newer_version_is_set_aside)
{
	commit_range(1, 1);
	write_version(JOURNAL_VERSION + 1);
	expect_aside(STORE_NEWER, STORE_FILE ".newer");
}
END_TEST

START_TEST(a_store_of_no_version_is_set_aside)
{
	commit_range(1, 1);
	write_version(0);
	expect_aside(STORE_CORRUPT, STORE_FILE ".corrupt");
}
END_TEST

START_TEST(a_newer_version_of_another_boot_is_a_newer_version)
{
	write_version(JOURNAL_VERSION + 1);
	options.boot_id = "ffffffff-4b5a-6978-8796-a5b4c3d2e1f0";
	expect_aside(STORE_NEWER, STORE_FILE ".newer");
}
END_TEST

START_TEST(what_is_no_store_is_set_aside)
{
	char page[8192];

	memset(page, 'x', sizeof(page));
	close_store();
	write_file(STORE_FILE, "", 0);
	expect_aside(STORE_CORRUPT, STORE_FILE ".corrupt");
	write_file(STORE_FILE, "text\n", 5);
	expect_aside(STORE_CORRUPT, STORE_FILE ".corrupt");
	ck_assert_int_eq(size_of(STORE_FILE ".corrupt"), 5); /* in place of the one before */
	write_file(STORE_FILE, page, sizeof(page));
	expect_aside(STORE_CORRUPT, STORE_FILE ".corrupt");
}
END_TEST

START_TEST(a_link_or_a_directory_in_its_place_is_set_aside)
{
	close_store();
	unlink(path_of(STORE_FILE));
	ck_assert_int_eq(symlink("/etc/passwd", path_of(STORE_FILE)), 0);
	expect_aside(STORE_CORRUPT, STORE_FILE ".corrupt");
	close_store();
	unlink(path_of(STORE_FILE));
	unlink(path_of(STORE_FILE ".corrupt"));
	ck_assert_int_eq(mkdir(path_of(STORE_FILE), 0700), 0);
	expect_aside(STORE_CORRUPT, STORE_FILE ".corrupt");
}
END_TEST

static int commit_table(uint64_t active, uint64_t created)
{
	struct saved_table saved = {.active = active, .totals = {.created = created}};

	store_put_table(store, &saved, 0);
	return store_commit(store);
}

/* What one commit says of one session. */
static void commit_lie(uint64_t active, uint64_t created)
{
	ck_assert_int_eq(store_begin(store), 0);
	ck_assert_int_eq(put(1), 0);
	ck_assert_int_eq(commit_table(active, created), 0);
	session_of(1)->stored_sum = 0;
}

START_TEST(totals_that_are_not_those_of_the_sessions_are_damage)
{
	commit_lie(2, 2);
	expect_aside(STORE_CORRUPT, STORE_FILE ".corrupt");
	commit_lie(1, 2);
	expect_aside(STORE_CORRUPT, STORE_FILE ".corrupt");
	commit_lie(1, 1);
	reopen();
}
END_TEST

START_TEST(a_session_that_no_total_has_is_damage)
{
	ck_assert_int_eq(store_begin(store), 0);
	ck_assert_int_eq(put(1), 0);
	ck_assert_int_eq(store_commit(store), 0);
	expect_aside(STORE_CORRUPT, STORE_FILE ".corrupt");
}
END_TEST

START_TEST(what_a_beginning_left_behind_is_no_hindrance)
{
	commit_range(1, 1);
	close_store();
	write_file(STORE_FILE ".new", "half", 4);
	reopen();
	ck_assert_uint_eq(count(), 1);
	unlink(path_of(STORE_FILE));
	ck_assert_int_eq(open_store(), 0);
	ck_assert_int_eq(found, STORE_FRESH);
	ck_assert(!is_there(STORE_FILE ".new"));
}
END_TEST

START_TEST(only_its_owner_can_read_the_store)
{
	struct stat stat;

	commit_range(1, 1);
	ck_assert_int_eq(lstat(path_of(STORE_FILE), &stat), 0);
	ck_assert_int_eq(stat.st_mode & 0777, 0600);
}
END_TEST

/* ---- beginning anew ---- */

START_TEST(a_store_begins_anew_and_keeps_what_was_there_aside)
{
	commit_range(5, 9);
	ck_assert_int_eq(store_begin_anew(store), 0);
	ck_assert(is_there(STORE_FILE ".corrupt"));
	ck_assert_uint_eq(count(), 0);
	ck_assert(store_is_lost(-EUCLEAN));
	forget_stored();
	commit_range(5, 6);
	commit_range(1, 1); /* below the numbers of before */
	reopen();
	ck_assert_uint_eq(count(), 3);
}
END_TEST

START_TEST(a_store_begins_anew_in_a_transaction)
{
	commit_range(1, 1);
	ck_assert_int_eq(store_begin(store), 0);
	put(2);
	ck_assert_int_eq(store_begin_anew(store), 0);
	ck_assert_uint_eq(session_of(2)->stored_sum, 0);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(a_store_without_its_directory_can_begin_later)
{
	close_store();
	unlink(path_of(STORE_FILE));
	unlink(path_of(STORE_FILE WITNESS_SUFFIX));
	ck_assert_int_eq(rmdir(directory), 0);
	ck_assert_int_eq(open_store(), -ENOENT);
	ck_assert_ptr_nonnull(store);
	ck_assert_int_eq(store_begin_anew(store), -ENOENT);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	ck_assert_int_eq(store_begin_anew(store), 0);
	commit_range(1, 1);
	reopen();
}
END_TEST

static void add_transactions(TCase *tcase)
{
	tcase_add_test(tcase, a_fresh_store_is_empty);
	tcase_add_test(tcase, what_was_committed_is_there_when_it_is_opened_again);
	tcase_add_test(tcase, the_seed_of_a_store_is_kept);
	tcase_add_test(tcase, a_session_that_changes_is_one_record);
	tcase_add_test(tcase, a_session_that_is_deleted_is_gone);
	tcase_add_test(tcase, to_delete_what_was_never_stored_is_nothing);
	tcase_add_test(tcase, sessions_may_be_put_in_any_order);
	tcase_add_test(tcase, pools_are_read_by_name);
	tcase_add_test(tcase, sessions_are_read_in_portions);
	tcase_add_test(tcase, a_readers_error_ends_the_reading);
	tcase_add_test(tcase, abort_puts_the_sums_back);
	tcase_add_test(tcase, what_is_open_when_it_is_closed_is_not_there);
	tcase_add_test(tcase, a_kill_in_a_transaction_leaves_what_was_committed);
	tcase_add_test(tcase, the_file_grows_by_steps);
	tcase_add_test(tcase, nine_tenths_are_full_and_deletes_are_possible_then);
	tcase_add_test(tcase, changes_of_what_is_there_are_possible_when_it_is_full);
	tcase_add_test(tcase, a_transaction_without_room_fails_and_changes_nothing);
	tcase_add_test(tcase, a_larger_file_has_room_for_what_had_none);
}

static void add_setting_aside(TCase *tcase)
{
	tcase_add_test(tcase, a_store_of_another_boot_is_set_aside);
	tcase_add_test(tcase, a_store_of_a_newer_version_is_set_aside);
	tcase_add_test(tcase, a_store_of_no_version_is_set_aside);
	tcase_add_test(tcase, a_newer_version_of_another_boot_is_a_newer_version);
	tcase_add_test(tcase, what_is_no_store_is_set_aside);
	tcase_add_test(tcase, a_link_or_a_directory_in_its_place_is_set_aside);
	tcase_add_test(tcase, totals_that_are_not_those_of_the_sessions_are_damage);
	tcase_add_test(tcase, a_session_that_no_total_has_is_damage);
	tcase_add_test(tcase, what_a_beginning_left_behind_is_no_hindrance);
	tcase_add_test(tcase, only_its_owner_can_read_the_store);
	tcase_add_test(tcase, a_store_begins_anew_and_keeps_what_was_there_aside);
	tcase_add_test(tcase, a_store_begins_anew_in_a_transaction);
	tcase_add_test(tcase, a_store_without_its_directory_can_begin_later);
}

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("store");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, store_teardown);
	tcase_set_timeout(tcase, 60);
	add_transactions(tcase);
	add_setting_aside(tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
