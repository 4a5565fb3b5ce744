/* SPDX-License-Identifier: MIT */
/* libusher tells what happens to the sessions that are held. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_broker.h"

static struct fake_broker broker;

struct seen {
	struct usher *u;
	struct usher_session session;
	int events;
	struct usher_event last;
	char session_id[64];
	char reason[64];
	bool closes;
};

static void on_event(void *userdata, const struct usher_event *event)
{
	struct seen *seen = userdata;

	ck_assert_uint_eq(event->size, sizeof(*event));
	seen->events++;
	seen->last = *event;
	snprintf(seen->session_id, sizeof(seen->session_id), "%s",
		event->session_id ? event->session_id : "");
	snprintf(seen->reason, sizeof(seen->reason), "%s", event->reason ? event->reason : "");
	if (seen->closes)
		usher_close(seen->u);
}

/* A session held by a connection that the broker closes, or by a process. */
static void begin(struct seen *seen, const struct fake_step *steps, enum usher_owner owner)
{
	struct usher_create_options wish = {
		.size = sizeof(wish), .owner = owner, .no_renewal = true};

	memset(seen, 0, sizeof(*seen));
	fake_broker_start_parallel(&broker, fake_serve_steps, steps);
	seen->u = fake_broker_open(&broker, 0);
	seen->session.size = sizeof(seen->session);
	ck_assert_int_eq(usher_set_event_handler(seen->u, on_event, seen), 0);
	ck_assert_int_eq(usher_create(seen->u, &wish, &seen->session), 0);
}

static void end(struct seen *seen)
{
	usher_session_clear(&seen->session);
	if (!seen->closes)
		usher_close(seen->u);
	fake_broker_stop(&broker);
}

#define EVENT(type, rest)                                                                          \
	"{\"parameters\":{\"event\":{\"type\":\"" type "\",\"sequence\":1,\"at\":1" rest           \
	"}},\"continues\":true}"
#define ABOUT(id, rest)                                                                            \
	",\"session\":{\"session_id\":\"" id "\",\"state\":\"idle\",\"expires_at\":"               \
	"1700000000000000" rest "}"
#define READY    EVENT("ready", "")
#define SNAPSHOT EVENT("snapshot", ABOUT(FAKE_SESSION_ID, ",\"overdue\":false,\"revoking\":false"))

static const struct {
	const char *event;
	enum usher_event_type type;
	int outcome;
	const char *reason;
} told[] = {
	{EVENT("revoking",
		 ABOUT(FAKE_SESSION_ID, ",\"revoking\":true") ",\"reason\":\"up\\ngrade\""),
		USHER_EVENT_REVOKING, -1, "up\ngrade"},
	{EVENT("revoking", ABOUT(FAKE_SESSION_ID, ",\"revoking\":true")), USHER_EVENT_REVOKING, -1,
		""},
	{EVENT("overdue", ABOUT(FAKE_SESSION_ID, ",\"overdue\":true")), USHER_EVENT_OVERDUE, -1,
		""},
	{EVENT("snapshot", ABOUT(FAKE_SESSION_ID, ",\"overdue\":true")), USHER_EVENT_OVERDUE, -1,
		""},
	{EVENT("ended", ABOUT(FAKE_SESSION_ID, "") ",\"outcome\":\"timeout\""), USHER_EVENT_LOST,
		USHER_TIMEOUT, ""},
	{EVENT("ended", ABOUT(FAKE_SESSION_ID, "") ",\"outcome\":\"revoked\""), USHER_EVENT_LOST,
		USHER_REVOKED, ""},
	{EVENT("ended", ABOUT(FAKE_SESSION_ID, "") ",\"outcome\":\"abandoned\""), USHER_EVENT_LOST,
		USHER_ABANDONED, ""},
	{EVENT("ended", ABOUT(FAKE_SESSION_ID, "") ",\"outcome\":\"of a newer one\""),
		USHER_EVENT_LOST, -1, ""},
};

START_TEST(what_happens_to_a_session_is_told_once)
{
	const struct fake_step steps[] = {
		{"Create", {FAKE_SESSION_REPLY}},
		{"\"method\":\"io.usher.Broker.Monitor\",\"more\":true,\"parameters\":{\"own\":"
		 "true}",
			{SNAPSHOT, READY, EVENT("created", ABOUT("session_of_another", "")),
				told[_i].event, told[_i].event, FAKE_WAIT}},
		{0},
	};
	struct seen seen;

	begin(&seen, steps, USHER_OWNER_CONNECTION);
	fake_pump(seen.u, &seen.events, 1);
	ck_assert_int_eq(seen.last.type, told[_i].type);
	ck_assert_int_eq(seen.last.outcome, told[_i].outcome);
	ck_assert_int_eq(seen.last.error, 0);
	ck_assert_str_eq(seen.session_id, FAKE_SESSION_ID);
	ck_assert_str_eq(seen.reason, told[_i].reason);
	ck_assert_int_eq(seen.last.expires_at_us, INT64_C(1700000000000000));
	fake_pump_for(seen.u, 20);
	ck_assert_int_eq(seen.events, 1);
	end(&seen);
}
END_TEST

static const struct fake_step ended_later[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Monitor", {SNAPSHOT, READY, FAKE_WAIT,
			    EVENT("ended", ABOUT(FAKE_SESSION_ID, "") ",\"outcome\":\"completed\""),
			    FAKE_WAIT}},
	{"Release", {"{\"parameters\":{\"duration_ms\":1}}"}},
	{0},
};

START_TEST(the_own_release_is_no_loss)
{
	struct seen seen;

	begin(&seen, ended_later, USHER_OWNER_PROCESS);
	fake_pump_for(seen.u, 20);
	ck_assert_int_eq(
		usher_release(seen.u, seen.session.session_id, USHER_COMPLETED, NULL, NULL), 0);
	sem_post(&broker.go);
	fake_pump_for(seen.u, 20);
	ck_assert_int_eq(seen.events, 0);
	end(&seen);
}
END_TEST

START_TEST(a_release_by_somebody_else_is_a_loss)
{
	struct seen seen;

	begin(&seen, ended_later, USHER_OWNER_PROCESS);
	sem_post(&broker.go);
	fake_pump(seen.u, &seen.events, 1);
	ck_assert_int_eq(seen.last.type, USHER_EVENT_LOST);
	ck_assert_int_eq(seen.last.outcome, USHER_COMPLETED);
	end(&seen);
}
END_TEST

START_TEST(a_handler_may_close_the_handle)
{
	struct seen seen;

	begin(&seen, ended_later, USHER_OWNER_PROCESS);
	seen.closes = true;
	sem_post(&broker.go);
	while (usher_dispatch(seen.u) == 0)
		usleep(1000);
	ck_assert_int_eq(seen.events, 1);
	end(&seen);
}
END_TEST

/* ---- what was missed ---- */

static const struct fake_step gone[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Monitor", {READY, FAKE_WAIT}},
	{"Get", {FAKE_ERROR("SessionEnded",
			"\"session_id\":\"" FAKE_SESSION_ID "\",\"outcome\":\"revoked\"")}},
	{0},
};

START_TEST(a_session_that_is_not_in_the_snapshot_is_asked_for)
{
	struct seen seen;

	begin(&seen, gone, USHER_OWNER_PROCESS);
	fake_pump(seen.u, &seen.events, 1);
	ck_assert_int_eq(seen.last.type, USHER_EVENT_LOST);
	ck_assert_int_eq(seen.last.outcome, USHER_REVOKED);
	ck_assert_int_eq(seen.last.error, -USHER_E_SESSION_ENDED);
	end(&seen);
}
END_TEST

static const struct fake_step not_gone[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Monitor", {READY, FAKE_WAIT}},
	{0},
};

START_TEST(and_may_be_there)
{
	struct seen seen;

	begin(&seen, not_gone, USHER_OWNER_PROCESS);
	while (fake_count(&broker, "Get") < 1)
		fake_pump_for(seen.u, 5);
	fake_pump_for(seen.u, 20);
	ck_assert_int_eq(seen.events, 0);
	end(&seen);
}
END_TEST

static const struct fake_step cut_off[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Monitor", {SNAPSHOT, READY, FAKE_CLOSE}},
	{0},
};

START_TEST(a_cut_off_monitor_begins_anew)
{
	struct seen seen;

	begin(&seen, cut_off, USHER_OWNER_PROCESS);
	while (fake_count(&broker, "Monitor") < 3)
		fake_pump_for(seen.u, 10);
	ck_assert_int_eq(seen.events, 0);
	end(&seen);
}
END_TEST

static const char *const nonsense[] = {
	"",
	"{}",
	"[]",
	"{\"parameters\":{\"event\":{}},\"continues\":true}",
	"{\"parameters\":{\"event\":7},\"continues\":true}",
	"{\"parameters\":{},\"continues\":true}",
	SNAPSHOT "x",
	EVENT("ended", ",\"session\":7"),
	EVENT("ended", ",\"session\":{}"),
	EVENT("ended", ",\"session\":{\"session_id\":\"" FAKE_SESSION_ID "\",\"revoking\":7}"),
	EVENT("ended", ",\"session\":{\"session_id\":\"" FAKE_SESSION_ID "\"},\"outcome\":[]"),
	"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"x\"}}",
};

START_TEST(nonsense_is_told_as_a_broker_that_cannot_be_watched)
{
	const struct fake_step steps[] = {
		{"Create", {FAKE_SESSION_REPLY}},
		{"Monitor", {nonsense[_i], FAKE_WAIT}},
		{0},
	};
	struct seen seen;

	begin(&seen, steps, USHER_OWNER_PROCESS);
	fake_pump(seen.u, &seen.events, 1);
	ck_assert_int_eq(seen.last.type, USHER_EVENT_BROKER_LOST);
	ck_assert(seen.last.error == -EBADMSG || seen.last.error == -USHER_E_METHOD_NOT_FOUND);
	ck_assert_str_eq(seen.session_id, "");
	end(&seen);
}
END_TEST

static const char *const harmless[] = {
	EVENT("of a newer broker", ",\"whatever\":{}"),
	EVENT("drain", ",\"draining\":true"),
	EVENT("pool", ",\"pool\":{\"pool\":\"x\"}"),
	EVENT("ended",
		ABOUT("0123456789012345678901234567890123456789012345678901234567890123", "")),
	EVENT("ended", ABOUT("", "")),
	EVENT("snapshot", ABOUT(FAKE_SESSION_ID, ",\"overdue\":null")),
};

START_TEST(what_is_not_known_does_no_harm)
{
	const struct fake_step steps[] = {
		{"Create", {FAKE_SESSION_REPLY}},
		{"Monitor", {SNAPSHOT, READY, harmless[_i], FAKE_WAIT}},
		{0},
	};
	struct seen seen;

	begin(&seen, steps, USHER_OWNER_PROCESS);
	fake_pump_for(seen.u, 30);
	ck_assert_int_eq(seen.events, 0);
	ck_assert_int_eq(fake_count(&broker, "Monitor"), 1);
	end(&seen);
}
END_TEST

/* ---- the connection ---- */

START_TEST(a_process_keeps_its_sessions_when_the_broker_goes_and_comes)
{
	char path[sizeof(broker.path) + 4];
	struct seen seen;

	begin(&seen, cut_off, USHER_OWNER_PROCESS);
	snprintf(path, sizeof(path), "%s.off", broker.path);
	fake_pump_for(seen.u, 10);
	ck_assert_int_eq(rename(broker.path, path), 0);
	fake_pump(seen.u, &seen.events, 1);
	ck_assert_int_eq(seen.last.type, USHER_EVENT_BROKER_LOST);
	ck_assert_int_eq(seen.last.error, -ENOENT);
	ck_assert_int_eq(rename(path, broker.path), 0);
	fake_pump(seen.u, &seen.events, 2);
	ck_assert_int_eq(seen.last.type, USHER_EVENT_BROKER_BACK);
	end(&seen);
}
END_TEST

START_TEST(without_a_handler_nothing_is_watched)
{
	struct seen seen;

	begin(&seen, cut_off, USHER_OWNER_CONNECTION);
	ck_assert_int_eq(usher_set_event_handler(seen.u, NULL, NULL), 0);
	fake_pump_for(seen.u, 30);
	ck_assert_int_eq(seen.events, 0);
	ck_assert_int_eq(fake_count(&broker, "Monitor"), 0);
	end(&seen);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, what_happens_to_a_session_is_told_once, 0,
		(int)(sizeof(told) / sizeof(told[0])));
	tcase_add_test(tc, the_own_release_is_no_loss);
	tcase_add_test(tc, a_release_by_somebody_else_is_a_loss);
	tcase_add_test(tc, a_handler_may_close_the_handle);
	tcase_add_test(tc, a_session_that_is_not_in_the_snapshot_is_asked_for);
	tcase_add_test(tc, and_may_be_there);
	tcase_add_test(tc, a_cut_off_monitor_begins_anew);
	tcase_add_loop_test(tc, nonsense_is_told_as_a_broker_that_cannot_be_watched, 0,
		(int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_loop_test(tc, what_is_not_known_does_no_harm, 0,
		(int)(sizeof(harmless) / sizeof(harmless[0])));
	tcase_add_test(tc, a_process_keeps_its_sessions_when_the_broker_goes_and_comes);
	tcase_add_test(tc, without_a_handler_nothing_is_watched);
}

int main(void)
{
	Suite *s = suite_create("usher_events");
	TCase *tc = tcase_create("events");
	SRunner *sr = srunner_create(s);
	int failed;

	add_tests(tc);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
