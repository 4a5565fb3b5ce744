/* SPDX-License-Identifier: MIT */
/* The store held against the table while both change, and what is wrong in one of them. */
#include "daemon/store_check.h"

#include "daemon/batch.h"
#include "daemon/store_private.h"
#include "server_fixture.h"
#include "store_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EARLY 100
#define LATE  600

static struct batch batch;
static struct store_check check;
static struct session *session; /* an early one */

static void store_all(void)
{
	ck_assert_int_eq(batch_take(&batch, server.broker), 0);
	if (!session)
		session = batch.sessions[7].session;
	ck_assert_int_eq(batch_store(&batch, store, server.broker), 0);
	batch_forget(&batch);
}

static void setup(void)
{
	struct section section;

	load_config();
	make_server();
	connect_clients();
	store_setup();
	ck_assert_int_eq(open_store(), 0);
	broker_enter(server.broker, &section);
	table_keep_changes(section.table);
	broker_leave(&section);
	hold_sessions(1, EARLY);
	hold_sessions(2, LATE);
	store_all();
	check = (struct store_check){.audit = NULL};
}

static void teardown(void)
{
	store_check_end(&check);
	batch_deinit(&batch);
	store_teardown();
	unmake_server();
	config_unref(config);
	disconnect_clients();
}

static int go_on(void)
{
	int r = store_check_go_on(&check, server.broker, store);

	ck_assert_int_ge(r, 0);
	return r;
}

static void finish(void)
{
	while (go_on())
		;
}

static void expect_right(uint64_t n)
{
	ck_assert_uint_eq(check.missing, 0);
	ck_assert_uint_eq(check.damaged, 0);
	ck_assert_uint_eq(check.different, 0);
	ck_assert_uint_eq(check.found, n);
	ck_assert_uint_eq(check.in_store, n);
	ck_assert_uint_eq(check.active, n);
	ck_assert_uint_eq(check.found_sums, check.recorded_sums);
}

static void end_sessions_of(int client)
{
	shutdown(ends[client], SHUT_RDWR);
	turn();
}

START_TEST(what_is_stored_as_it_is_is_right)
{
	finish();
	expect_right(EARLY + LATE);
}
END_TEST

START_TEST(what_is_stored_meanwhile_is_right)
{
	ck_assert_int_eq(go_on(), 1);
	end_sessions_of(1);
	hold_sessions(3, 40);
	store_all();
	ck_assert_int_eq(go_on(), 1);
	end_sessions_of(2);
	store_all();
	finish();
	expect_right(40);
}
END_TEST

/* What has ended and is to be deleted is still in the store. */
START_TEST(what_is_not_stored_yet_is_right)
{
	end_sessions_of(1);
	ck_assert_int_eq(go_on(), 1);
	end_sessions_of(2);
	hold_sessions(3, 40);
	finish();
	expect_right(EARLY + LATE);
}
END_TEST

START_TEST(what_ends_between_and_is_deleted_later_is_right)
{
	hold_sessions(3, 300);
	store_all();
	ck_assert_int_eq(go_on(), 1);
	end_sessions_of(2);
	ck_assert_int_eq(go_on(), 1);
	store_all();
	finish();
	expect_right(EARLY + 300);
}
END_TEST

START_TEST(what_is_taken_back_is_right)
{
	ck_assert_int_eq(go_on(), 1);
	ck_assert_int_eq(store_begin(store), 0);
	ck_assert_int_eq(store_delete_session(store, session), 0);
	store_abort(store);
	finish();
	expect_right(EARLY + LATE);
}
END_TEST

START_TEST(what_begins_anew_is_right)
{
	struct section section;

	ck_assert_int_eq(go_on(), 1);
	ck_assert_int_eq(store_begin_anew(store), 0);
	broker_enter(server.broker, &section);
	table_mark_everything(section.table);
	broker_leave(&section);
	store_all();
	finish();
	expect_right(EARLY + LATE);
}
END_TEST

START_TEST(what_is_stored_otherwise_is_found)
{
	session->stored_sum++;
	finish();
	ck_assert_uint_eq(check.different, 1);
	ck_assert_uint_eq(check.found_sums, check.recorded_sums + 1);
	session->stored_sum--;
}
END_TEST

START_TEST(what_is_missing_is_found)
{
	uint32_t sum = session->stored_sum;

	ck_assert_int_eq(store_begin(store), 0);
	ck_assert_int_eq(store_delete_session(store, session), 0);
	ck_assert_int_eq(store_put_table(store, &batch.table, 0), 0);
	ck_assert_int_eq(store_commit(store), 0);
	session->stored_sum = sum;
	finish();
	ck_assert_uint_eq(check.missing, 1);
	ck_assert_uint_eq(check.in_store, EARLY + LATE - 1);
	ck_assert_uint_eq(check.found, EARLY + LATE);
}
END_TEST

START_TEST(what_is_damaged_is_found)
{
	static char bytes[1 << 20];
	int fd = open(path_of("state.journal"), O_RDWR | O_CLOEXEC);
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	const char *metadata = memmem(bytes, (size_t)n, "{\"a\":1}", 7);

	ck_assert_ptr_nonnull(metadata);
	ck_assert_int_eq(pwrite(fd, "?", 1, metadata - bytes), 1);
	close(fd);
	finish();
	ck_assert_uint_eq(check.damaged, 1);
	ck_assert_uint_eq(check.missing + check.different, 0);
}
END_TEST

START_TEST(one_that_is_given_up_hears_nothing_more)
{
	ck_assert_int_eq(go_on(), 1);
	store_check_end(&check);
	end_sessions_of(1);
	store_all();
	ck_assert(list_is_empty(&store->audits));
	check = (struct store_check){.audit = NULL};
	finish();
	expect_right(LATE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_check");
	TCase *tcase = tcase_create("store_check");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_stored_as_it_is_is_right);
	tcase_add_test(tcase, what_is_stored_meanwhile_is_right);
	tcase_add_test(tcase, what_is_not_stored_yet_is_right);
	tcase_add_test(tcase, what_ends_between_and_is_deleted_later_is_right);
	tcase_add_test(tcase, what_is_taken_back_is_right);
	tcase_add_test(tcase, what_begins_anew_is_right);
	tcase_add_test(tcase, what_is_stored_otherwise_is_found);
	tcase_add_test(tcase, what_is_missing_is_found);
	tcase_add_test(tcase, what_is_damaged_is_found);
	tcase_add_test(tcase, one_that_is_given_up_hears_nothing_more);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
