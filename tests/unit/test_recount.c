/* SPDX-License-Identifier: MIT */
/* Calls that look at every session: others are served while they do. */
#include "daemon/conn.h"
#include "server_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSIONS 3000 /* more than two turns' worth */

static char text[65536];

static void setup(void)
{
	load_config();
	make_server();
	connect_clients();
	hold_sessions(1, SESSIONS);
}

static void teardown(void)
{
	unmake_server();
	config_unref(config);
	disconnect_clients();
}

static bool is_recounting(void)
{
	list_for_each(link, &server.loops[0].conns)
		if (container_of(link, struct conn, link)->pending)
			return true;
	return false;
}

static void expect_metrics(int client, int active)
{
	char wanted[80];

	ck_assert(hear(client, text, sizeof(text)));
	snprintf(wanted, sizeof(wanted), "\"active_sessions\":%d,", active);
	ck_assert_ptr_nonnull(strstr(text, wanted));
	snprintf(wanted, sizeof(wanted), "\"recomputed_metadata_bytes\":%d,", active * 7);
	ck_assert_ptr_nonnull(strstr(text, wanted));
	ck_assert_ptr_nonnull(strstr(text, "\"metadata_bytes_drift\":0,"));
}

START_TEST(others_are_served_while_metrics_are_counted)
{
	ask(0, "GetMetrics", "", false);
	turn_once();
	ck_assert(is_recounting());
	ask(2, "GetMetrics", "\"pool\":\"nowhere\"", false);
	turn_once();
	ck_assert(hear(2, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "NoSuchPool"));
	ck_assert(!hear(0, text, sizeof(text)));
	turn();
	expect_metrics(0, SESSIONS);
	ck_assert(!is_recounting());
}
END_TEST

START_TEST(what_changes_meanwhile_is_counted_as_it_is_at_the_end)
{
	ask(0, "GetMetrics", "", false);
	turn_once();
	ask(2, "Create", "\"metadata\":{\"a\":2}", false);
	close(clients[1]);
	shutdown(ends[1], SHUT_RDWR); /* of which the server has a copy: its sessions end */
	turn();
	expect_metrics(0, 1);
}
END_TEST

START_TEST(calls_behind_wait_for_it)
{
	ask(0, "GetMetrics", "", false);
	ask(0, "Pause", "\"reason\":\"later\"", false);
	turn_once();
	turn_once();
	ck_assert(!hear(0, text, sizeof(text)));
	turn();
	expect_metrics(0, SESSIONS);
	ck_assert_str_eq(text + strlen(text) + 1, "{\"parameters\":{}}");
}
END_TEST

START_TEST(who_has_said_all_still_gets_its_answer)
{
	ask(0, "GetMetrics", "", false);
	turn_once();
	shutdown(clients[0], SHUT_WR);
	turn();
	expect_metrics(0, SESSIONS);
	close(ends[0]);
	ends[0] = -1;
	ck_assert_int_eq(recv(clients[0], text, 1, 0), 0); /* closed */
}
END_TEST

START_TEST(who_is_gone_is_not_counted_for)
{
	ask(0, "GetMetrics", "", false);
	turn_once();
	ck_assert(is_recounting());
	shutdown(clients[0], SHUT_RDWR);
	turn_once();
	ck_assert(!is_recounting());
}
END_TEST

START_TEST(others_are_served_while_all_is_verified)
{
	ask(0, "Verify", "", false);
	turn_once();
	ck_assert(is_recounting());
	ask(2, "Get", "\"request_id\":\"none\"", false);
	ask(3, "GetMetrics", "", false);
	turn_once();
	ck_assert(hear(2, text, sizeof(text)));
	ck_assert(!hear(0, text, sizeof(text)));
	turn();
	ck_assert(hear(0, text, sizeof(text)));
	ck_assert_str_eq(text, "{\"parameters\":{\"ok\":true,\"findings\":[]}}");
	expect_metrics(3, SESSIONS);
}
END_TEST

/* A wait that begins when its client has said all: there would be nothing to end it. */
static void expect_no_wait(int calls_behind)
{
	say(2, "SetPool", "\"pool\":\"p\",\"limit\":1", false);
	say(2, "Create", "\"pool\":\"p\",\"metadata\":{\"a\":3}", false);
	ask(0, "GetMetrics", "", false);
	ask(0, "Create", "\"pool\":\"p\",\"wait_ms\":-1", false);
	for (int i = 0; i < calls_behind; i++)
		ask(0, "ListPools", "", false);
	turn_once();
	shutdown(clients[0], SHUT_WR);
	turn();
	expect_metrics(0, SESSIONS + 1);
	close(ends[0]);
	ends[0] = -1;
	ck_assert_int_eq(recv(clients[0], text, 1, 0), 0); /* closed */
	say(3, "GetMetrics", "", false);
	ck_assert(hear(3, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "\"waiting_sessions\":0,"));
}

START_TEST(who_has_said_all_does_not_wait)
{
	expect_no_wait(0);
}
END_TEST

START_TEST(who_has_said_more_than_is_read_does_not_wait)
{
	expect_no_wait(30); /* reading stops, so that the end is told by a hangup alone */
}
END_TEST

START_TEST(who_came_first_is_done_first)
{
	int turns = 1;

	ask(0, "Verify", "", false);
	turn_once();
	while (!hear(0, text, sizeof(text))) {
		ask(2, "GetMetrics", "", false);
		turn_once();
		ck_assert_int_lt(++turns, 2 + SESSIONS / 1024 + 2);
	}
	ck_assert(!hear(2, text, sizeof(text)));
	turn();
	ck_assert(hear(2, text, sizeof(text)));
}
END_TEST

START_TEST(nothing_is_counted_for_who_wants_no_answer)
{
	static const char call[] = "{\"method\":\"io.usher.Broker.GetMetrics\",\"oneway\":true}";

	ck_assert_int_eq(write(clients[0], call, sizeof(call)), sizeof(call));
	turn_once();
	ck_assert(!is_recounting());
	turn();
	ck_assert(!hear(0, text, sizeof(text)));
	say(0, "GetMetrics", "", false);
	expect_metrics(0, SESSIONS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recount");
	TCase *tcase = tcase_create("recount");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, others_are_served_while_metrics_are_counted);
	tcase_add_test(tcase, what_changes_meanwhile_is_counted_as_it_is_at_the_end);
	tcase_add_test(tcase, calls_behind_wait_for_it);
	tcase_add_test(tcase, who_has_said_all_still_gets_its_answer);
	tcase_add_test(tcase, who_is_gone_is_not_counted_for);
	tcase_add_test(tcase, others_are_served_while_all_is_verified);
	tcase_add_test(tcase, who_has_said_all_does_not_wait);
	tcase_add_test(tcase, who_has_said_more_than_is_read_does_not_wait);
	tcase_add_test(tcase, who_came_first_is_done_first);
	tcase_add_test(tcase, nothing_is_counted_for_who_wants_no_answer);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
