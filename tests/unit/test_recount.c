/* SPDX-License-Identifier: MIT */
/* Calls that look at every session: others are served while they do. */
#include "daemon/commit.h"
#include "daemon/conn.h"
#include "server_fixture.h"
#include "store_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD   3000 /* more than two turns' worth */
#define A_TURN 1024

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
	expect_metrics(0, HELD);
	ck_assert(!is_recounting());
}
END_TEST

START_TEST(what_changes_meanwhile_is_counted_as_it_is_at_the_end)
{
	ask(0, "GetMetrics", "", false);
	turn_once();
	ask(2, "Create", "\"metadata\":{\"a\":2}", false);
	hang_up(1);
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
	expect_metrics(0, HELD);
	ck_assert_str_eq(text + strlen(text) + 1, "{\"parameters\":{}}");
}
END_TEST

START_TEST(who_has_said_all_still_gets_its_answer)
{
	ask(0, "GetMetrics", "", false);
	turn_once();
	shutdown(clients[0], SHUT_WR);
	turn();
	expect_metrics(0, HELD);
	ck_assert(is_hung_up_on(0));
}
END_TEST

START_TEST(who_is_gone_is_not_counted_for)
{
	ask(0, "GetMetrics", "", false);
	turn_once();
	ck_assert(is_recounting());
	hang_up(0);
	turn_once();
	ck_assert(!is_recounting());
}
END_TEST

/* Of the second of these ends no event tells. */
START_TEST(who_is_gone_after_having_said_all_is_not_counted_for)
{
	ask(0, "GetMetrics", "", false);
	turn_once();
	shutdown(clients[0], SHUT_WR);
	turn_once();
	ck_assert(is_recounting());
	hang_up(0);
	turn_once();
	ck_assert(!is_recounting());
	ck_assert_uint_eq(server.loops[0].recounts_left, A_TURN);
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
	expect_metrics(3, HELD);
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
	expect_metrics(0, HELD + 1);
	ck_assert(is_hung_up_on(0));
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
		ck_assert_int_lt(++turns, 2 + HELD / 1024 + 2);
	}
	ck_assert(!hear(2, text, sizeof(text)));
	turn();
	ck_assert(hear(2, text, sizeof(text)));
}
END_TEST

START_TEST(nothing_is_counted_for_who_wants_no_answer)
{
	ask_oneway(0, "GetMetrics", "");
	turn_once();
	ck_assert(!is_recounting());
	turn();
	ck_assert(!hear(0, text, sizeof(text)));
	say(0, "GetMetrics", "", false);
	expect_metrics(0, HELD);
}
END_TEST

/* ---- what is said behind such a call ---- */

static bool is_paused(void)
{
	say(3, "Create", "\"metadata\":{\"a\":3}", false);
	ck_assert(hear(3, text, sizeof(text)));
	return strstr(text, "Paused") != NULL;
}

START_TEST(what_was_said_before_the_end_is_done)
{
	ask(0, "GetMetrics", "", false);
	ask_oneway(0, "Pause", "");
	turn_once();
	hang_up(0);
	turn();
	ck_assert(is_paused());
}
END_TEST

START_TEST(what_was_said_at_once_before_the_end_is_done)
{
	ask(0, "GetMetrics", "", false);
	ask_oneway(0, "Pause", "");
	hang_up(0);
	turn();
	ck_assert(is_paused());
}
END_TEST

START_TEST(what_was_said_before_both_ends_is_done)
{
	ask(0, "GetMetrics", "", false);
	ask_oneway(0, "Pause", "");
	turn_once();
	shutdown(clients[0], SHUT_WR);
	turn_once();
	hang_up(0);
	turn();
	ck_assert(is_paused());
}
END_TEST

START_TEST(who_verifies_for_the_log_need_not_stay)
{
	ask_oneway(0, "Verify", "");
	turn_once();
	hang_up(0);
	turn_once();
	ck_assert(is_recounting());
	ask(2, "GetMetrics", "", false);
	turn();
	ck_assert(!is_recounting());
	expect_metrics(2, HELD);
}
END_TEST

START_TEST(one_who_verifies_for_the_log_does_for_others)
{
	ask_oneway(0, "Verify", "");
	turn_once();
	ask_oneway(2, "Verify", "");
	ask(1, "GetMetrics", "", false);
	turn_once();
	for (int i = 0; i < 20; i++)
		ask_oneway(3, "Verify", "");
	ask(3, "ListPools", "", false);
	turn_once();
	ck_assert(hear(3, text, sizeof(text)));
	turn();
	ck_assert(!is_recounting());
}
END_TEST

START_TEST(one_who_has_begun_to_verify_does_not_do_for_others)
{
	ask_oneway(0, "Verify", "");
	turn_once();
	ask_oneway(3, "Verify", "");
	ask(3, "ListPools", "", false);
	turn_once();
	ck_assert(!hear(3, text, sizeof(text)));
	ask(2, "Verify", "", false); /* nor does one for who wants an answer */
	turn();
	ck_assert(hear(2, text, sizeof(text)));
	ck_assert_str_eq(text, "{\"parameters\":{\"ok\":true,\"findings\":[]}}");
}
END_TEST

/* ---- with a store ---- */

static struct state state;

static void setup_stored(void)
{
	load_config();
	make_server();
	store_setup();
	ck_assert_int_eq(open_store(), 0);
	state = (struct state){.directory = directory, .fence_path = strdup(path_of("fence"))};
	server.committer = committer_new(&server, &state, store, 0);
	committer_begin(server.committer, &server.loops[0], true);
	store = NULL;
	connect_clients();
	hold_sessions(1, HELD);
}

static void teardown_stored(void)
{
	unmake_server();
	committer_free(server.committer);
	config_unref(config);
	disconnect_clients();
	free(state.fence_path);
	store_teardown();
}

static void expect_all_right(int client)
{
	ck_assert(hear(client, text, sizeof(text)));
	ck_assert_str_eq(text, "{\"parameters\":{\"ok\":true,\"findings\":[]}}");
}

static void begin_to_verify_store(int client)
{
	ask(client, "Verify", "", false);
	for (int i = 0; i < 4; i++) /* the table first */
		turn_once();
	ck_assert(is_recounting());
}

START_TEST(others_are_served_while_the_store_is_verified)
{
	begin_to_verify_store(0);
	ask(2, "Create", "\"metadata\":{\"a\":2}", false);
	hang_up(1);
	turn_once();
	ck_assert(hear(2, text, sizeof(text)));
	ck_assert(is_recounting());
	turn();
	expect_all_right(0);
}
END_TEST

START_TEST(a_store_that_another_has_is_waited_for_without_turning)
{
	begin_to_verify_store(0);
	committer_hold(server.committer, &server.loops[0]);
	turn();
	ck_assert(is_recounting());
	ck_assert(!uv_is_active((uv_handle_t *)&server.loops[0].spin));
	committer_let_go(server.committer);
	ck_assert(atomic_load(&server.loops[0].orders) & ORDER_COMMITTED); /* it is woken */
	turn();
	expect_all_right(0);
}
END_TEST

/* Nothing else wakes the loop then. */
START_TEST(what_lies_behind_that_is_not_waited_for_for_ever)
{
	begin_to_verify_store(0);
	committer_hold(server.committer, &server.loops[0]);
	ask(0, "Renew", "\"session_id\":\"session_1\"", false);
	atomic_store(&server.barriers_up, 1);
	loop_order(&server.loops[0], ORDER_BARRIER);
	while (atomic_load(&server.barriers_up) > 0)
		uv_run(&server.loops[0].uv, UV_RUN_ONCE);
	ck_assert(is_recounting());
	committer_let_go(server.committer);
	turn();
	expect_all_right(0);
}
END_TEST

START_TEST(who_is_gone_does_not_wait_for_a_store_that_another_has)
{
	begin_to_verify_store(0);
	committer_hold(server.committer, &server.loops[0]);
	hang_up(0);
	turn();
	ck_assert(!is_recounting());
	committer_let_go(server.committer);
	hang_up(1);
	turn();
	say(2, "Verify", "", false);
	expect_all_right(2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recount");
	TCase *tcase = tcase_create("recount"), *stored = tcase_create("stored");
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
	tcase_add_test(tcase, who_is_gone_after_having_said_all_is_not_counted_for);
	tcase_add_test(tcase, what_was_said_before_the_end_is_done);
	tcase_add_test(tcase, what_was_said_at_once_before_the_end_is_done);
	tcase_add_test(tcase, what_was_said_before_both_ends_is_done);
	tcase_add_test(tcase, who_verifies_for_the_log_need_not_stay);
	tcase_add_test(tcase, one_who_verifies_for_the_log_does_for_others);
	tcase_add_test(tcase, one_who_has_begun_to_verify_does_not_do_for_others);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(stored, 120);
	tcase_add_checked_fixture(stored, setup_stored, teardown_stored);
	tcase_add_test(stored, others_are_served_while_the_store_is_verified);
	tcase_add_test(stored, a_store_that_another_has_is_waited_for_without_turning);
	tcase_add_test(stored, what_lies_behind_that_is_not_waited_for_for_ever);
	tcase_add_test(stored, who_is_gone_does_not_wait_for_a_store_that_another_has);
	suite_add_tcase(suite, stored);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
