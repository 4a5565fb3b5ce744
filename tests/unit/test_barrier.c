/* SPDX-License-Identifier: MIT */
/* When a loop says that it has served all that had arrived when it was asked. */
#include "daemon/conn.h"
#include "server_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD        6000 /* more than five turns' worth of counting */
#define PATIENCE_US 110000

static char text[65536];

static void setup(void)
{
	load_config();
	make_server();
	connect_clients();
	hold_sessions(1, HELD);
}

static void teardown(void)
{
	unmake_server();
	config_unref(config);
	disconnect_clients();
}

static void raise_barrier(void)
{
	atomic_store(&server.barriers_up, 1);
	loop_order(&server.loops[0], ORDER_BARRIER);
}

static bool is_through(void)
{
	return atomic_load(&server.barriers_up) == 0;
}

/* That of client 0. */
static struct conn *first_conn(void)
{
	return container_of(server.loops[0].conns.next, struct conn, link);
}

/* Two for a whole one, and one in which it takes the order. */
static void turn_thrice(void)
{
	for (int i = 0; i < 3; i++)
		turn_once();
}

static void expect_no_wait(void)
{
	raise_barrier();
	turn_thrice();
	ck_assert(is_through());
}

/* Served in the end, and the barrier knows. */
static void expect_wait(int client)
{
	raise_barrier();
	turn_thrice();
	ck_assert(!is_through());
	turn();
	ck_assert(is_through());
	ck_assert(!uv_is_active((uv_handle_t *)&server.loops[0].barrier.patience));
	hear_nothing_more(client);
}

static void renew(int client)
{
	ask(client, "Renew", "\"session_id\":\"session_1\"", false);
}

/* In one piece: N calls of LENGTH bytes each. */
static void send_calls(int client, int n, int length, const char *call)
{
	for (int i = 0; i < n; i++)
		snprintf(text + i * length, (size_t)length, "%-*s}", length - 2, call);
	ck_assert_int_eq(write(clients[client], text, (size_t)(n * length)), n * length);
}

static void list_pools(int client, int n)
{
	send_calls(client, n, 60, "{\"method\":\"io.usher.Broker.ListPools\"");
}

static void send_oneway(int client, int n, int length)
{
	send_calls(client, n, length, "{\"method\":\"io.usher.Broker.ListPools\",\"oneway\":true");
}

static void hear_all(int client)
{
	while (hear(client, text, sizeof(text)))
		turn();
}

START_TEST(nobody_is_waited_for_who_has_nothing_left)
{
	expect_no_wait();
	renew(0);
	expect_no_wait();
	ck_assert(hear(0, text, sizeof(text)));
}
END_TEST

START_TEST(one_turn_is_not_enough)
{
	raise_barrier();
	turn_once();
	ck_assert(!is_through()); /* it may have polled before it was asked */
	turn_thrice();
	ck_assert(is_through());
}
END_TEST

START_TEST(what_lies_behind_a_call_in_work_is_waited_for)
{
	ask(0, "GetMetrics", "", false);
	renew(0);
	expect_wait(0);
}
END_TEST

START_TEST(more_than_is_served_in_a_turn_is_waited_for)
{
	list_pools(0, 300);
	expect_wait(0);
}
END_TEST

/* What is read at once takes three turns to be served. When the last one of them ends, which is the
 * whole one, none is left, and reading has begun anew. */
START_TEST(what_has_not_been_read_is_waited_for)
{
	send_oneway(0, 129, 500);
	send_oneway(0, 1, LOOP_READ_BUFFER - 129 * 500);
	renew(0);
	turn_once();
	raise_barrier();
	turn_once();
	ck_assert(!first_conn()->is_reading);
	turn_once();
	ck_assert(first_conn()->is_reading);
	ck_assert(!is_through());
	turn_once();
	ck_assert(is_through());
	ck_assert(hear(0, text, sizeof(text)));
}
END_TEST

/* However often it is read in a turn: here twice, as many as are served at once each time. */
START_TEST(no_more_than_so_many_are_served_in_a_turn)
{
	uint64_t before = server.loops[0].stats.frames_received;

	send_oneway(0, 60, 1030);
	send_oneway(0, 60, 1030);
	turn_once();
	ck_assert_uint_le(server.loops[0].stats.frames_received, before + 64);
	turn_once();
	turn_once();
	ck_assert_uint_eq(server.loops[0].stats.frames_received, before + 120);
}
END_TEST

/* And not what comes after: who never stops is waited for no longer than that takes. */
START_TEST(what_had_come_is_waited_for_and_no_more)
{
	send_oneway(0, 600, 100);
	turn_once();
	raise_barrier();
	for (int i = 0; !is_through(); i++) {
		ck_assert_int_lt(i, 20);
		send_oneway(0, 64, 100);
		turn_once();
	}
	ck_assert(!list_is_empty(&first_conn()->behind_link));
	ck_assert(!first_conn()->is_waited_out);
}
END_TEST

/* Not one whose calls take long; nor does it use up the patience for others. */
START_TEST(nobody_is_waited_for_for_ever)
{
	for (int i = 0; i < 10; i++)
		ask(0, "GetMetrics", "", false);
	raise_barrier();
	turn_thrice();
	ck_assert(!is_through());
	usleep(PATIENCE_US);
	turn_once();
	ck_assert(is_through());
	expect_no_wait();

	list_pools(2, 300);
	expect_wait(2);
	ask(0, "GetMetrics", "", false);
	expect_no_wait();
	while (first_conn()->pending || frame_is_whole(&first_conn()->frames))
		turn();
	ask(0, "GetMetrics", "", false);
	renew(0);
	expect_wait(0);
}
END_TEST

/* It has not caught up if there is more that has not been read, also when no barrier is up. */
START_TEST(who_has_not_caught_up_is_not_waited_for)
{
	ask(0, "GetMetrics", "", false);
	send_oneway(0, 60, 1000);
	send_oneway(0, 60, 1000);
	raise_barrier();
	turn_thrice();
	usleep(PATIENCE_US);
	turn_once();
	ck_assert(is_through());
	for (int i = 0; first_conn()->pending || !first_conn()->is_reading; i++) {
		ck_assert_int_lt(i, 20);
		turn_once();
	}
	ck_assert(first_conn()->is_waited_out);
	turn();
	ck_assert(!first_conn()->is_waited_out);
}
END_TEST

START_TEST(who_asks_on_and_on_holds_nothing_back)
{
	int turns = 0;

	for (int i = 0; i < 15; i++)
		ask(0, "GetMetrics", "", false);
	raise_barrier();
	while (!is_through()) {
		ck_assert_int_lt(turns++, 60);
		turn_once();
		while (hear(0, text, sizeof(text)))
			ask(0, "GetMetrics", "", false);
		usleep(5000);
	}
	expect_no_wait();
}
END_TEST

START_TEST(who_waits_is_not_waited_for)
{
	say(4, "SetPool", "\"pool\":\"one\",\"limit\":1", false);
	say(4, "Create", "\"pool\":\"one\"", false);
	ask(0, "Create", "\"pool\":\"one\",\"wait_ms\":-1", false);
	send_oneway(0, 300, 60);
	ask(2, "Monitor", "", true);
	renew(2);
	turn();
	expect_no_wait();
	hang_up(4); /* what lies behind the wait can be served then */
	close(ends[4]);
	ends[4] = -1;
	expect_wait(0);
}
END_TEST

static void choke(int client)
{
	for (int i = 0; first_conn()->is_reading; i++) {
		ck_assert_int_lt(i, 5000);
		list_pools(client, 1);
		turn_once();
	}
}

START_TEST(who_does_not_read_is_not_waited_for)
{
	choke(0);
	renew(0); /* is not read */
	expect_no_wait();
	ask(2, "List", "", true);
	renew(2);
	turn();
	expect_no_wait();
	hear_all(0);
	hear_all(2);
	ck_assert(first_conn()->is_reading);
}
END_TEST

/* Far more is said to CLIENT than may be unsent, and than its socket takes. */
static void be_awaited(int client)
{
	send_calls(client, 40, 160,
		"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"io.usher.Broker\"}");
	renew(client);
	raise_barrier();
	for (int i = 0; i < 3; i++) {
		turn_once();
		hear_nothing_more(client);
	}
	ck_assert(!is_through());
}

START_TEST(who_reads_is_waited_for)
{
	be_awaited(0);
	for (int i = 0; !is_through(); i++) {
		ck_assert_int_lt(i, 40);
		hear_nothing_more(0);
		turn_once();
	}
	ck_assert(hear(0, text, sizeof(text)));
}
END_TEST

START_TEST(who_reads_no_longer_is_not_waited_for)
{
	be_awaited(0);
	for (int i = 0; !is_through(); i++) {
		ck_assert_int_lt(i, 40);
		turn_once();
	}
	ck_assert(!first_conn()->is_waited_out);
	ck_assert(!list_is_empty(&first_conn()->behind_link));
}
END_TEST

START_TEST(who_leaves_is_not_waited_for)
{
	ask(0, "GetMetrics", "", false);
	list_pools(0, 100);
	raise_barrier();
	turn_thrice();
	ck_assert(!is_through());
	loop_clear(&server.loops[0]);
	turn_once();
	ck_assert(is_through());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("barrier");
	TCase *tcase = tcase_create("barrier");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nobody_is_waited_for_who_has_nothing_left);
	tcase_add_test(tcase, one_turn_is_not_enough);
	tcase_add_test(tcase, what_lies_behind_a_call_in_work_is_waited_for);
	tcase_add_test(tcase, more_than_is_served_in_a_turn_is_waited_for);
	tcase_add_test(tcase, what_has_not_been_read_is_waited_for);
	tcase_add_test(tcase, no_more_than_so_many_are_served_in_a_turn);
	tcase_add_test(tcase, what_had_come_is_waited_for_and_no_more);
	tcase_add_test(tcase, nobody_is_waited_for_for_ever);
	tcase_add_test(tcase, who_has_not_caught_up_is_not_waited_for);
	tcase_add_test(tcase, who_asks_on_and_on_holds_nothing_back);
	tcase_add_test(tcase, who_waits_is_not_waited_for);
	tcase_add_test(tcase, who_does_not_read_is_not_waited_for);
	tcase_add_test(tcase, who_reads_is_waited_for);
	tcase_add_test(tcase, who_reads_no_longer_is_not_waited_for);
	tcase_add_test(tcase, who_leaves_is_not_waited_for);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
