/* SPDX-License-Identifier: MIT */
/* What is waited for before a deadline passes, and what passes then. */
#include "daemon/deadlines.h"

#include "daemon/conn.h"
#include "server_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTS_US 60000

static struct deadlines deadlines;
static struct listeners listeners;
static char directory[32], path[64];

static void listen_there(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(directory, "/tmp/usher-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/usher.sock", directory);
	strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1000), 0);
	listeners = (struct listeners){.list[0] = {.fd = fd, .lock_fd = -1}, .count = 1};
	ck_assert_int_eq(listeners_start(&listeners, &server.loops[0]), 0);
}

static void setup(void)
{
	load_config();
	config->max_connections_per_uid = 1000;
	make_server();
	connect_clients();
	listen_there();
	ck_assert_int_eq(deadlines_init(&deadlines, &server.loops[0], &listeners), 0);
	server.loops[0].deadlines = &deadlines;
}

static void teardown(void)
{
	unlink(path);
	rmdir(directory);
	loop_clear(&server.loops[0]);
	uv_close((uv_handle_t *)&deadlines.timer, NULL);
	uv_close((uv_handle_t *)&listeners.list[0].poll, NULL);
	uv_close((uv_handle_t *)&listeners.list[0].backoff, NULL);
	turn();
	close(listeners.list[0].fd);
	server.loops[0].deadlines = NULL;
	unmake_server();
	config_unref(config);
	disconnect_clients();
}

static void connect_some(int n)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, path);
	for (int i = 0; i < n; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	}
}

static uint64_t ended(void)
{
	struct table_metrics metrics;
	struct section section;

	broker_enter(server.broker, &section);
	table_metrics(section.table, section.now, &metrics);
	broker_leave(&section);
	return metrics.totals.ended[OUTCOME_TIMEOUT];
}

static void create(void)
{
	say(0, "Create", "\"owner\":\"detached\",\"timeout_ms\":1", false);
	usleep(2000);
}

/* ---- accepting ---- */

START_TEST(who_has_connected_is_accepted_first)
{
	create();
	connect_some(2 * ACCEPTED_A_TURN + 1);
	deadlines_check(&deadlines);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(deadlines.phase, ACCEPTING);
		deadlines_begin_turn(&deadlines);
	}
	ck_assert_int_eq(deadlines.phase, ACCEPTING);
	deadlines_begin_turn(&deadlines);
	ck_assert_int_eq(deadlines.phase, SERVING);
	ck_assert_uint_eq(server.loops[0].stats.connections, CLIENTS + 2 * ACCEPTED_A_TURN + 1);
}
END_TEST

START_TEST(who_connects_on_and_on_holds_nothing_back)
{
	create();
	connect_some(3 * ACCEPTED_A_TURN);
	deadlines_check(&deadlines);
	deadlines_begin_turn(&deadlines);
	ck_assert_int_eq(deadlines.phase, ACCEPTING);
	usleep(ACCEPTS_US);
	deadlines_begin_turn(&deadlines);
	ck_assert_int_eq(deadlines.phase, SERVING);
	ck_assert_uint_eq(server.loops[0].stats.connections, CLIENTS + 2 * ACCEPTED_A_TURN);
}
END_TEST

START_TEST(accepting_may_rest)
{
	create();
	connect_some(1);
	uv_poll_stop(&listeners.list[0].poll);
	deadlines_check(&deadlines);
	deadlines_begin_turn(&deadlines);
	ck_assert_int_eq(deadlines.phase, SERVING);
	ck_assert_uint_eq(server.loops[0].stats.connections, CLIENTS);
}
END_TEST

/* ---- passing ---- */

START_TEST(it_takes_two_turns_and_the_loop_does_not_sleep_meanwhile)
{
	create();
	deadlines_check(&deadlines);
	ck_assert(uv_is_active((uv_handle_t *)&server.loops[0].spin));
	turn_once();
	ck_assert(uv_is_active((uv_handle_t *)&server.loops[0].spin));
	ck_assert_uint_eq(ended(), 0);
	turn_once();
	ck_assert_uint_eq(ended(), 1);
	ck_assert_int_eq(deadlines.phase, NOTHING_DUE);
	ck_assert(!deadlines_want_turn(&deadlines));
}
END_TEST

START_TEST(nor_does_it_if_it_learns_of_it_late_in_a_turn)
{
	create();
	loop_order(&server.loops[0], ORDER_DEADLINES);
	turn_once();
	ck_assert_int_eq(deadlines.phase, ACCEPTING);
	ck_assert(uv_is_active((uv_handle_t *)&server.loops[0].spin));
	turn_once();
	turn_once();
	ck_assert_uint_eq(ended(), 1);
}
END_TEST

START_TEST(what_falls_due_meanwhile_is_the_next_ones)
{
	create();
	deadlines_check(&deadlines);
	deadlines_begin_turn(&deadlines);
	atomic_fetch_add(&server.barriers_up, 1); /* another loop is not through */
	create();
	ck_assert_uint_eq(ended(), 0);
	ck_assert_int_eq(atomic_fetch_sub(&server.barriers_up, 1), 1);
	deadlines_check(&deadlines);
	ck_assert_uint_eq(ended(), 1);
	ck_assert_int_eq(deadlines.phase, ACCEPTING);
	turn_once();
	turn_once();
	ck_assert_uint_eq(ended(), 2);
}
END_TEST

START_TEST(what_was_renewed_meanwhile_does_not_pass)
{
	char reply[4096], parameters[128], *id;

	say(0, "Create", "\"owner\":\"detached\",\"timeout_ms\":1", false);
	ck_assert(hear(0, reply, sizeof(reply)));
	id = strstr(reply, ":\"session_");
	ck_assert_ptr_nonnull(id);
	snprintf(parameters, sizeof(parameters), "\"session_id\"%.23s,\"timeout_ms\":60000", id);
	usleep(2000);
	deadlines_check(&deadlines);
	ask(0, "Renew", parameters, false);
	turn();
	ck_assert(hear(0, reply, sizeof(reply)));
	ck_assert_ptr_nonnull(strstr(reply, "expires_at"));
	ck_assert_uint_eq(ended(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("passing");
	TCase *tcase = tcase_create("passing");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, who_has_connected_is_accepted_first);
	tcase_add_test(tcase, who_connects_on_and_on_holds_nothing_back);
	tcase_add_test(tcase, accepting_may_rest);
	tcase_add_test(tcase, it_takes_two_turns_and_the_loop_does_not_sleep_meanwhile);
	tcase_add_test(tcase, nor_does_it_if_it_learns_of_it_late_in_a_turn);
	tcase_add_test(tcase, what_falls_due_meanwhile_is_the_next_ones);
	tcase_add_test(tcase, what_was_renewed_meanwhile_does_not_pass);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
