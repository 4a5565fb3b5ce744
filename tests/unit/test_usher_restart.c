/* SPDX-License-Identifier: MIT */
/* libusher's event loop around a broker that is killed and comes back. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/backoff.h"
#include "wait_fixture.h"

static struct usher *u;
static struct usher_session session;
static char told[512]; /* what the program was told, in order */
static int events;
static enum usher_event_type closes_at;
static bool is_closed;

static void on_event(void *userdata, const struct usher_event *event)
{
	static const char *const names[] = {[USHER_EVENT_REVOKING] = "revoking",
		[USHER_EVENT_OVERDUE] = "overdue",
		[USHER_EVENT_RENEW_FAILED] = "renew failed",
		[USHER_EVENT_LOST] = "lost",
		[USHER_EVENT_BROKER_LOST] = "broker lost",
		[USHER_EVENT_BROKER_BACK] = "broker back",
		[USHER_EVENT_REATTACHED] = "reattached"};
	size_t used = strlen(told);

	(void)userdata;
	ck_assert(event->type <= USHER_EVENT_REATTACHED);
	snprintf(told + used, sizeof(told) - used, "%s", names[event->type]);
	used = strlen(told);
	if (event->type == USHER_EVENT_LOST)
		snprintf(told + used, sizeof(told) - used, " %d %d", event->outcome, event->error);
	strcat(told, ", ");
	events++;
	if (event->type == closes_at) {
		usher_close(u);
		is_closed = true;
	}
}

static void begin(fake_serve *serve, const void *data, int64_t call_timeout_ms)
{
	session = (struct usher_session){.size = sizeof(session)};
	told[0] = '\0';
	events = 0;
	closes_at = 0;
	is_closed = false;
	fake_broker_start_parallel(&broker, serve, data);
	u = fake_broker_open(&broker, call_timeout_ms);
	ck_assert_int_ge(usher_get_fd(u), 0);
	ck_assert_int_eq(usher_set_event_handler(u, on_event, NULL), 0);
}

/* With a session that the connection owns, in a broker that does STEPS. */
static void hold(const struct fake_step *steps)
{
	struct usher_create_options wish = {.size = sizeof(wish), .no_renewal = true};

	begin(fake_serve_steps, steps, 0);
	ck_assert_int_eq(usher_create(u, &wish, &session), 0);
	while (!fake_count(&broker, "Monitor"))
		fake_pump_for(u, 5);
	fake_pump_for(u, 10);
}

static void end(void)
{
	usher_session_clear(&session);
	if (!is_closed)
		usher_close(u);
	fake_broker_stop(&broker);
}

static void pump_until(const char *needle)
{
	for (int i = 0; i < 1000 && !strstr(told, needle); i++)
		fake_pump_for(u, 5);
	ck_assert_msg(strstr(told, needle) != NULL, "told: %s", told);
}

static void pump_until_called(const char *needle, int count)
{
	for (int i = 0; i < 1000 && fake_count(&broker, needle) < count; i++)
		fake_pump_for(u, 5);
	ck_assert_int_ge(fake_count(&broker, needle), count);
}

#define EVENT(type, rest)                                                                          \
	"{\"parameters\":{\"event\":{\"type\":\"" type "\",\"sequence\":1,\"at\":1" rest           \
	"}},\"continues\":true}"
#define READY EVENT("ready", "")
#define STATE(rest)                                                                                \
	"\"session\":{\"session_id\":\"" FAKE_SESSION_ID "\",\"expires_at\":1700000000000000" rest \
	"}"
#define ATTACHED(rest) "{\"parameters\":{" STATE(rest) "}}"

static const struct fake_step quiet[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {ATTACHED("")}},
	{"Monitor", {EVENT("snapshot", "," STATE("")), READY, FAKE_WAIT}},
	{"Release", {"{\"parameters\":{\"duration_ms\":1}}"}},
	{0},
};

/* ---- what is held ---- */

START_TEST(a_session_is_attached_again_and_the_program_told)
{
	hold(quiet);
	for (int i = 1; i <= 3; i++) {
		told[0] = '\0';
		fake_broker_cut(&broker);
		pump_until("reattached");
		ck_assert_int_eq(
			fake_count(&broker, "Attach\",\"parameters\":{\"session_id\":"
					    "\"" FAKE_SESSION_ID "\",\"owner\":\"connection\"}"),
			i);
	}
	ck_assert_ptr_null(strstr(told, "lost "));
	ck_assert_int_eq(usher_release(u, FAKE_SESSION_ID, USHER_COMPLETED, NULL, NULL), 0);
	end();
}
END_TEST

static const struct {
	const char *reply;
	const char *told;
} ends[] = {
	{FAKE_ERROR("SessionEnded", "\"session_id\":\"x\",\"outcome\":\"timeout\""),
		"lost 3 -4106, "},
	{FAKE_ERROR("SessionEnded", "\"session_id\":\"x\",\"outcome\":\"abandoned\""),
		"lost 4 -4106, "},
	{FAKE_ERROR("NoSuchSession", "\"session_id\":\"x\""), "lost -1 -4105, "},
	{"{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}",
		"lost -1 -4132, "},
};

START_TEST(or_that_it_is_lost_and_why)
{
	const struct fake_step steps[] = {{"Create", {FAKE_SESSION_REPLY}},
		{"Attach", {ends[_i].reply}}, {"Monitor", {FAKE_WAIT}}, {0}};

	hold(steps);
	fake_broker_cut(&broker);
	pump_until("lost");
	fake_pump_for(u, 30);
	ck_assert_str_eq(told, ends[_i].told);
	ck_assert_int_eq(fake_count(&broker, "Attach"), 1);
	ck_assert_int_eq(usher_set_renewal(u, FAKE_SESSION_ID, true), -ESRCH);
	end();
}
END_TEST

START_TEST(a_broker_may_be_away_for_a_while)
{
	hold(quiet);
	fake_broker_hide(&broker, _i);
	fake_broker_cut(&broker);
	pump_until("broker lost");
	fake_pump_for(u, 200);
	ck_assert_str_eq(told, "broker lost, ");
	fake_broker_show(&broker);
	pump_until("broker back");
	pump_until("reattached");
	ck_assert_int_eq(events, 3);
	end();
}
END_TEST

static const struct fake_step changed[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {ATTACHED(",\"revoking\":true,\"overdue\":true")}},
	{"Monitor", {EVENT("snapshot", "," STATE(",\"revoking\":true,\"overdue\":true")), READY,
			    FAKE_WAIT}},
	{0},
};

static const struct fake_step watched_first[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {ATTACHED(",\"revoking\":true,\"overdue\":true")}},
	{"Monitor", {FAKE_ONCE, READY, FAKE_WAIT}},
	{"Monitor", {FAKE_WAIT}},
	{0},
};

START_TEST(what_happened_meanwhile_is_told_after_that_and_once)
{
	hold(_i ? watched_first : changed);
	if (!_i)
		pump_until("overdue"); /* what it is from the beginning is told, too */
	told[0] = '\0';
	fake_broker_cut(&broker);
	pump_until("reattached");
	fake_pump_for(u, 30);
	ck_assert_str_eq(told, _i ? "reattached, revoking, overdue, " : "reattached, ");
	end();
}
END_TEST

static const struct fake_step too_many[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {FAKE_ONCE, FAKE_ERROR("TooManyConnections", "\"limit\":1"), FAKE_CLOSE}},
	{"Attach", {ATTACHED("")}},
	{"Monitor", {READY, FAKE_WAIT}},
	{0},
};

static const struct fake_step store_is_full[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {FAKE_ONCE, FAKE_ERROR("StoreUnavailable", "")}},
	{"Attach", {ATTACHED("")}},
	{"Monitor", {READY, FAKE_WAIT}},
	{0},
};

START_TEST(a_refusal_that_may_pass_is_no_loss)
{
	hold(_i ? store_is_full : too_many);
	fake_broker_cut(&broker);
	pump_until("reattached");
	ck_assert_ptr_null(strstr(told, "lost -"));
	ck_assert_int_eq(fake_count(&broker, "Attach"), 2);
	end();
}
END_TEST

START_TEST(what_was_released_or_belongs_to_a_process_is_not_attached)
{
	struct usher_create_options wish = {.size = sizeof(wish), .owner = USHER_OWNER_PROCESS};

	hold(quiet);
	ck_assert_int_eq(usher_release(u, FAKE_SESSION_ID, USHER_COMPLETED, NULL, NULL), 0);
	usher_session_clear(&session);
	ck_assert_int_eq(usher_create(u, &wish, &session), 0);
	fake_pump_for(u, 10);
	fake_broker_cut(&broker);
	pump_until_called("Monitor", 2);
	fake_pump_for(u, 30);
	ck_assert_int_eq(fake_count(&broker, "Attach"), 0);
	ck_assert_ptr_null(strstr(told, "lost -"));
	end();
}
END_TEST

START_TEST(a_program_that_sets_no_handler_keeps_its_sessions_too)
{
	hold(quiet);
	ck_assert_int_eq(usher_set_event_handler(u, NULL, NULL), 0);
	fake_broker_cut(&broker);
	pump_until_called("Attach", 1);
	ck_assert_int_eq(usher_connect(u), 0);
	end();
}
END_TEST

/* ---- renewal ---- */

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Sessions of 300 ms, which are renewed after 100. */
static void serve_deadlines(struct fake_broker *b, int fd, int index)
{
	char *text = malloc(FAKE_TEXT_MAX), reply[512];

	(void)index;
	while (fake_read_text(b, fd, text)) {
		long long at = (long long)now_us() + 300000;

		if (strstr(text, "Attach"))
			snprintf(reply, sizeof(reply),
				"{\"parameters\":{\"session\":{\"session_id\":\"" FAKE_SESSION_ID
				"\",\"expires_at\":%lld}}}",
				at);
		else
			snprintf(reply, sizeof(reply),
				"{\"parameters\":{\"session_id\":\"" FAKE_SESSION_ID
				"\",\"request_id\":\"r\",\"pool\":\"p\",\"slots\":[1],\"fence\":1,"
				"\"metadata_bytes\":0,\"expires_at\":%lld}}",
				at);
		if (!strstr(text, "Monitor"))
			fake_reply(fd, reply);
	}
	free(text);
}

START_TEST(a_renewal_that_was_due_is_made_right_after_the_attach)
{
	const char *attach, *renew;

	begin(serve_deadlines, NULL, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	fake_broker_hide(&broker, false);
	fake_broker_cut(&broker);
	fake_pump_for(u, 150);
	ck_assert_int_eq(fake_count(&broker, "Renew"), 0);
	fake_broker_show(&broker);
	pump_until_called("Renew", 1);
	attach = strstr(broker.log, "Attach");
	renew = strstr(broker.log, "Renew");
	ck_assert(attach && attach < renew);
	ck_assert_ptr_null(strstr(told, "renew failed"));
	pump_until_called("Renew", 2);
	end();
}
END_TEST

/* ---- backoff ---- */

START_TEST(each_wait_is_drawn_from_twice_the_range_up_to_a_second)
{
	int64_t least = INT64_MAX, most = 0;

	for (int i = 0; i < 200; i++) {
		struct backoff b = {0};
		int64_t range = 10;

		for (int n = 0; n < 12; n++) {
			int64_t at = backoff_plan(&b, 1000);

			ck_assert_int_eq(at, b.at);
			ck_assert_int_gt(at, 1000);
			ck_assert_int_le(at, 1000 + range);
			range = range * 2 > 1000 ? 1000 : range * 2;
		}
		least = b.at < least ? b.at : least;
		most = b.at > most ? b.at : most;
		backoff_reset(&b);
		ck_assert_int_le(backoff_plan(&b, 0), 10);
	}
	/* Of 200 draws from 1 to 1000, none below 150 or above 850 would be a miracle. */
	ck_assert_int_lt(least, 1150);
	ck_assert_int_gt(most, 1850);
}
END_TEST

static const struct fake_step hangs_up[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {FAKE_CLOSE}},
	{"Monitor", {FAKE_WAIT}},
	{0},
};

/* Eight tries take 1.3 s at most. */
START_TEST(a_broker_that_hangs_up_is_not_run_down)
{
	hold(hangs_up);
	ck_assert_int_eq(usher_set_event_handler(u, NULL, NULL), 0);
	fake_broker_cut(&broker);
	fake_pump_for(u, 1500);
	ck_assert_int_ge(fake_count(&broker, "Attach"), 5);
	ck_assert_int_le(fake_count(&broker, "Attach"), 60);
	end();
}
END_TEST

/* ---- the program ---- */

START_TEST(the_handler_may_close_the_handle)
{
	static const enum usher_event_type at[] = {
		USHER_EVENT_BROKER_LOST, USHER_EVENT_REATTACHED, USHER_EVENT_REVOKING};

	hold(watched_first);
	closes_at = at[_i];
	fake_broker_hide(&broker, false);
	fake_broker_cut(&broker);
	for (int i = 0; i < 5000 && usher_dispatch(u) == 0; i++) {
		if (i == 100)
			fake_broker_show(&broker);
		usleep(1000);
	}
	ck_assert(is_closed);
	end();
}
END_TEST

START_TEST(a_forked_child_has_no_part_in_it)
{
	int status;
	pid_t pid;

	hold(quiet);
	fake_broker_hide(&broker, false);
	fake_broker_cut(&broker);
	pump_until("broker lost");
	pid = fork();
	if (pid == 0) {
		bool good =
			usher_dispatch(u) == -ECHILD && usher_connect(u) == -ECHILD &&
			usher_release(u, FAKE_SESSION_ID, USHER_COMPLETED, NULL, NULL) == -ECHILD;

		usher_close(u);
		_exit(good ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	fake_broker_show(&broker);
	pump_until("reattached");
	ck_assert_int_eq(fake_count(&broker, "Attach"), 1);
	end();
}
END_TEST

START_TEST(blocking_calls_join_in)
{
	hold(quiet);
	for (int i = 1; i <= 5; i++) {
		fake_broker_cut(&broker);
		ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
		ck_assert_int_eq(fake_count(&broker, "Attach"), i);
	}
	pump_until("reattached");
	fake_pump_for(u, 20);
	ck_assert_int_eq(fake_count(&broker, "Attach"), 5);
	end();
}
END_TEST

START_TEST(the_descriptor_is_quiet_while_the_broker_is_away)
{
	struct pollfd item = {.events = POLLIN};
	int n = 0;

	hold(quiet);
	fake_broker_hide(&broker, false);
	fake_broker_cut(&broker);
	item.fd = usher_get_fd(u);
	for (int i = 0; i < 500; i++) {
		n += poll(&item, 1, 1);
		ck_assert_int_eq(usher_dispatch(u), 0);
	}
	/* Two connections, each of which is tried some seven times in half a second. */
	ck_assert_int_le(n, 60);
	end();
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, a_session_is_attached_again_and_the_program_told);
	tcase_add_loop_test(
		tc, or_that_it_is_lost_and_why, 0, (int)(sizeof(ends) / sizeof(ends[0])));
	tcase_add_loop_test(tc, a_broker_may_be_away_for_a_while, 0, 2);
	tcase_add_loop_test(tc, what_happened_meanwhile_is_told_after_that_and_once, 0, 2);
	tcase_add_loop_test(tc, a_refusal_that_may_pass_is_no_loss, 0, 2);
	tcase_add_test(tc, what_was_released_or_belongs_to_a_process_is_not_attached);
	tcase_add_test(tc, a_program_that_sets_no_handler_keeps_its_sessions_too);
	tcase_add_test(tc, a_renewal_that_was_due_is_made_right_after_the_attach);
	tcase_add_test(tc, each_wait_is_drawn_from_twice_the_range_up_to_a_second);
	tcase_add_test(tc, a_broker_that_hangs_up_is_not_run_down);
	tcase_add_loop_test(tc, the_handler_may_close_the_handle, 0, 3);
	tcase_add_test(tc, a_forked_child_has_no_part_in_it);
	tcase_add_test(tc, blocking_calls_join_in);
	tcase_add_test(tc, the_descriptor_is_quiet_while_the_broker_is_away);
}

int main(void)
{
	Suite *s = suite_create("usher_restart");
	TCase *tc = tcase_create("restart");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	add_tests(tc);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
