/* SPDX-License-Identifier: MIT */
/* The state directory: which one is used and which is refused, the lock, and the mark of fences. */
#include "daemon/state.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64];
static char message[512];
static struct state state;
static bool is_open;

static const char *path_of(const char *name)
{
	static char paths[4][256];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, 256, "%s/%s", base, name);
	return path;
}

static void setup(void)
{
	static const char *const told[] = {"RUNTIME_DIRECTORY", "STATE_DIRECTORY", "XDG_STATE_HOME",
		"XDG_RUNTIME_DIR", "USHER_BOOT_ID"};

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		unsetenv(told[i]);
	snprintf(base, sizeof(base), "/tmp/usher-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	is_open = false;
}

static void close_state(void)
{
	if (is_open)
		state_close(&state);
	is_open = false;
}

static void remove_all(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char inner[600];

	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		if (unlink(inner) < 0)
			remove_all(inner);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static void teardown(void)
{
	close_state();
	if (getuid() == 0 && seteuid(0) < 0)
		abort();
	remove_all(base);
}

static int open_for(const char *given, const char *socket)
{
	close_state();
	message[0] = '\0';
	is_open = true;
	return state_open(&state, given, socket, message, sizeof(message));
}

static int open_given(void)
{
	return open_for(path_of("state"), NULL);
}

static mode_t mode_of(const char *path)
{
	struct stat stat;

	ck_assert_int_eq(lstat(path, &stat), 0);
	return stat.st_mode & 07777;
}

static void write_file(const char *path, const char *bytes)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(bytes, file);
	fclose(file);
}

static void expect_file(const char *path, const char *bytes)
{
	char is[64] = "";
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(is, 1, sizeof(is) - 1, file), strlen(bytes));
	ck_assert_str_eq(is, bytes);
	fclose(file);
}

/* ---- which directory ---- */

START_TEST(a_given_directory_is_made_for_its_owner_alone)
{
	char deep[128];

	snprintf(deep, sizeof(deep), "%s", path_of("a/b/state"));
	ck_assert_int_eq(open_for(deep, NULL), 0);
	ck_assert_str_eq(state.directory, deep);
	ck_assert_int_eq(mode_of(deep), 0700);
	ck_assert_str_eq(message, "");
}
END_TEST

START_TEST(without_a_given_one_the_state_is_beside_the_socket)
{
	ck_assert_int_eq(open_for(NULL, path_of("usher.sock")), 0);
	ck_assert_str_eq(state.directory, path_of("state"));
	ck_assert_str_eq(state.fence_path, path_of("state/fence"));
}
END_TEST

START_TEST(the_directory_of_a_socket_is_not_made)
{
	ck_assert_int_eq(open_for(NULL, path_of("none/usher.sock")), -ENOENT);
	ck_assert_ptr_nonnull(strstr(message, path_of("none/state")));
}
END_TEST

START_TEST(systemd_tells_the_directories)
{
	char list[300];

	mkdir(path_of("run"), 0700);
	snprintf(list, sizeof(list), "%s:/other", path_of("run"));
	setenv("RUNTIME_DIRECTORY", list, 1);
	setenv("STATE_DIRECTORY", path_of("lib"), 1);
	ck_assert_int_eq(open_for(NULL, path_of("usher.sock")), 0);
	ck_assert_str_eq(state.directory, path_of("run"));
	ck_assert_str_eq(state.fence_path, path_of("lib/fence"));
}
END_TEST

START_TEST(a_relative_directory_of_systemd_is_none)
{
	setenv("RUNTIME_DIRECTORY", "run", 1);
	ck_assert_int_eq(open_for(NULL, path_of("usher.sock")), -ENOENT);
	ck_assert_ptr_nonnull(strstr(message, "no state directory"));
}
END_TEST

/* As somebody who may do no harm, with all of the test's directory. */
static void become_user(void)
{
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(base, 65533, 65533), 0);
		ck_assert_int_eq(seteuid(65533), 0);
	}
	setenv("XDG_RUNTIME_DIR", path_of("run"), 1);
	setenv("XDG_STATE_HOME", path_of("lib"), 1);
	setenv("HOME", path_of("home"), 1);
}

START_TEST(a_user_has_directories_of_his_own)
{
	become_user();
	ck_assert_int_eq(open_for(NULL, NULL), 0);
	ck_assert_str_eq(state.directory, path_of("run/usher/state"));
	ck_assert_str_eq(state.fence_path, path_of("lib/usher/fence"));
	ck_assert_int_eq(mode_of(path_of("run/usher/state")), 0700);
}
END_TEST

START_TEST(what_is_no_absolute_path_counts_as_unset)
{
	static const char *const none[] = {NULL, "", "relative"};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		become_user();
		unsetenv("XDG_STATE_HOME");
		if (none[i])
			setenv("XDG_STATE_HOME", none[i], 1);
		ck_assert_int_eq(open_for(NULL, NULL), 0);
		ck_assert_str_eq(state.fence_path, path_of("home/.local/state/usher/fence"));
		unsetenv("HOME");
		if (none[i])
			setenv("HOME", none[i], 1);
		ck_assert_int_eq(open_for(NULL, NULL), -ENOENT);
		ck_assert_ptr_nonnull(strstr(message, "or set XDG_STATE_HOME"));
		unsetenv("XDG_RUNTIME_DIR");
		if (none[i])
			setenv("XDG_RUNTIME_DIR", none[i], 1);
		ck_assert_int_eq(open_for(NULL, NULL), -ENOENT);
		ck_assert_ptr_nonnull(strstr(message, "or set XDG_RUNTIME_DIR"));
	}
}
END_TEST

/* ---- which is refused ---- */

START_TEST(a_file_in_its_place_is_refused)
{
	write_file(path_of("state"), "");
	ck_assert_int_lt(open_given(), 0);
	ck_assert_ptr_nonnull(strstr(message, path_of("state")));
	ck_assert_ptr_nonnull(strstr(message, "expected a directory"));
}
END_TEST

START_TEST(a_link_in_its_place_is_refused)
{
	mkdir(path_of("real"), 0700);
	ck_assert_int_eq(symlink(path_of("real"), path_of("state")), 0);
	ck_assert_int_eq(open_given(), -ENOTDIR);
}
END_TEST

static void expect_mode_refused(mode_t mode)
{
	mkdir(path_of("state"), 0700);
	ck_assert_int_eq(chmod(path_of("state"), mode), 0);
	ck_assert_int_eq(open_given(), -EPERM);
	ck_assert_ptr_nonnull(strstr(message, "only its owner"));
}

START_TEST(a_directory_that_others_can_write_to_is_refused)
{
	expect_mode_refused(0770);
	expect_mode_refused(0702);
	chmod(path_of("state"), 0755);
	ck_assert_int_eq(open_given(), 0);
}
END_TEST

START_TEST(somebody_elses_directory_is_refused)
{
	mkdir(path_of("state"), 0700);
	ck_assert_int_eq(chown(path_of("state"), 12345, 12345), 0);
	ck_assert_int_eq(open_given(), -EPERM);
	ck_assert_ptr_nonnull(strstr(message, "uid 12345's"));
}
END_TEST

/* ---- the lock ---- */

START_TEST(a_second_daemon_is_told_who_has_the_directory)
{
	struct state second;
	char expected[64];

	ck_assert_int_eq(open_given(), 0);
	ck_assert_int_eq(
		state_open(&second, path_of("state"), NULL, message, sizeof(message)), -EAGAIN);
	snprintf(expected, sizeof(expected), "another usherd (pid %d)", (int)getpid());
	ck_assert_ptr_nonnull(strstr(message, expected));
	state_close(&second);
	close_state();
	ck_assert_int_eq(open_given(), 0);
}
END_TEST

START_TEST(the_lock_does_not_follow_a_link)
{
	mkdir(path_of("state"), 0700);
	write_file(path_of("precious"), "kept");
	ck_assert_int_eq(symlink(path_of("precious"), path_of("state/lock")), 0);
	ck_assert_int_eq(open_given(), -ELOOP);
	expect_file(path_of("precious"), "kept");
}
END_TEST

/* ---- the boot ---- */

START_TEST(the_boot_id_is_the_kernels)
{
	ck_assert_int_eq(open_given(), 0);
	ck_assert_uint_eq(strlen(state.boot_id), 32);
	ck_assert_ptr_null(strchr(state.boot_id, '\n'));
}
END_TEST

START_TEST(the_boot_id_may_be_told)
{
	setenv("USHER_BOOT_ID", "told", 1);
	ck_assert_int_eq(open_given(), 0);
	ck_assert_str_eq(state.boot_id, "told");
	setenv("USHER_BOOT_ID", "", 1);
	ck_assert_int_eq(open_given(), 0);
	ck_assert_uint_eq(strlen(state.boot_id), 32);
}
END_TEST

/* ---- fences ---- */

START_TEST(without_a_mark_no_fence_is_known)
{
	ck_assert_int_eq(open_given(), 0);
	ck_assert_uint_eq(state.fence_mark, 0);
}
END_TEST

START_TEST(a_mark_is_there_the_next_time)
{
	open_given();
	ck_assert_int_eq(state_mark_fences(&state, 1234567), 0);
	ck_assert_uint_eq(state.fence_mark, 1234567);
	ck_assert_int_eq(open_given(), 0);
	ck_assert_uint_eq(state.fence_mark, 1234567);
	expect_file(path_of("state/fence"), "00000000000001234567\n");
}
END_TEST

START_TEST(the_largest_mark_fits)
{
	open_given();
	ck_assert_int_eq(state_mark_fences(&state, UINT64_MAX), 0);
	open_given();
	ck_assert_uint_eq(state.fence_mark, UINT64_MAX);
}
END_TEST

static ino_t inode_of(const char *path)
{
	struct stat stat;

	ck_assert_int_eq(lstat(path, &stat), 0);
	return stat.st_ino;
}

START_TEST(a_later_mark_is_written_over_the_one_before)
{
	ino_t inode;

	open_given();
	state_mark_fences(&state, 5);
	inode = inode_of(path_of("state/fence"));
	ck_assert_int_eq(state_mark_fences(&state, 1000), 0);
	ck_assert_uint_eq(inode_of(path_of("state/fence")), inode);
	expect_file(path_of("state/fence"), "00000000000000001000\n");
	ck_assert_int_eq(access(path_of("state/fence.new"), F_OK), -1);
}
END_TEST

START_TEST(a_mark_of_another_size_is_replaced)
{
	ino_t inode;

	mkdir(path_of("state"), 0700);
	write_file(path_of("state/fence"), "77\n");
	inode = inode_of(path_of("state/fence"));
	open_given();
	ck_assert_uint_eq(state.fence_mark, 77);
	ck_assert_int_eq(state_mark_fences(&state, 80), 0);
	ck_assert_uint_ne(inode_of(path_of("state/fence")), inode);
	expect_file(path_of("state/fence"), "00000000000000000080\n");
}
END_TEST

START_TEST(a_mark_that_is_no_number_is_none)
{
	static const char *const damaged[] = {"", "\n", "damaged", "-\n", "\x80\xff\n"};

	mkdir(path_of("state"), 0700);
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		write_file(path_of("state/fence"), damaged[i]);
		ck_assert_int_eq(open_given(), 0);
		ck_assert_uint_eq(state.fence_mark, 0);
		ck_assert_int_eq(state_mark_fences(&state, 9), 0);
	}
}
END_TEST

START_TEST(a_mark_that_cannot_be_written_stays_as_it_was)
{
	open_given();
	state_mark_fences(&state, 5);
	unlink(path_of("state/fence"));
	mkdir(path_of("state/fence"), 0700);
	ck_assert_int_lt(state_mark_fences(&state, 6), 0);
	ck_assert_uint_eq(state.fence_mark, 5);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_given_directory_is_made_for_its_owner_alone);
	tcase_add_test(tcase, without_a_given_one_the_state_is_beside_the_socket);
	tcase_add_test(tcase, the_directory_of_a_socket_is_not_made);
	tcase_add_test(tcase, systemd_tells_the_directories);
	tcase_add_test(tcase, a_relative_directory_of_systemd_is_none);
	tcase_add_test(tcase, a_user_has_directories_of_his_own);
	tcase_add_test(tcase, what_is_no_absolute_path_counts_as_unset);
	tcase_add_test(tcase, a_file_in_its_place_is_refused);
	tcase_add_test(tcase, a_link_in_its_place_is_refused);
	tcase_add_test(tcase, a_directory_that_others_can_write_to_is_refused);
	if (geteuid() == 0) /* nobody else can give a directory away */
		tcase_add_test(tcase, somebody_elses_directory_is_refused);
	tcase_add_test(tcase, a_second_daemon_is_told_who_has_the_directory);
	tcase_add_test(tcase, the_lock_does_not_follow_a_link);
	tcase_add_test(tcase, the_boot_id_is_the_kernels);
	tcase_add_test(tcase, the_boot_id_may_be_told);
	tcase_add_test(tcase, without_a_mark_no_fence_is_known);
	tcase_add_test(tcase, a_mark_is_there_the_next_time);
	tcase_add_test(tcase, the_largest_mark_fits);
	tcase_add_test(tcase, a_later_mark_is_written_over_the_one_before);
	tcase_add_test(tcase, a_mark_of_another_size_is_replaced);
	tcase_add_test(tcase, a_mark_that_is_no_number_is_none);
	tcase_add_test(tcase, a_mark_that_cannot_be_written_stays_as_it_was);
}

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *tcase = tcase_create("state");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	add(tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
