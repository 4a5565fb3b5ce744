/* SPDX-License-Identifier: MIT */
/* libusher's blocking calls around a broker that is killed and comes back. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake_broker.h"

static struct fake_broker broker;
static struct usher *u;
static struct usher_session session;

static const char attached[] = "{\"parameters\":{\"session\":{\"session_id\":\"" FAKE_SESSION_ID
			       "\",\"expires_at\":1700000000000000}}}";

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin(const struct fake_step *steps, int64_t call_timeout_ms)
{
	session = (struct usher_session){.size = sizeof(session)};
	fake_broker_start_parallel(&broker, fake_serve_steps, steps);
	u = fake_broker_open(&broker, call_timeout_ms);
}

static void end(void)
{
	usher_session_clear(&session);
	usher_close(u);
	fake_broker_stop(&broker);
}

/* How often each of the calls came, in the order of their first letters: "Create 1, Attach 2". */
static void check_calls(const char *expected)
{
	char wanted[256], *rest = wanted;
	int all = 0;

	snprintf(wanted, sizeof(wanted), "%s", expected);
	for (char *item; (item = strsep(&rest, ",")) != NULL;) {
		char name[64], needle[128];
		int count;

		ck_assert_int_eq(sscanf(item, " %63s %d", name, &count), 2);
		snprintf(needle, sizeof(needle), "io.usher.Broker.%s\"", name);
		ck_assert_msg(fake_count(&broker, needle) == count, "%s: %d\n%s", item,
			fake_count(&broker, needle), broker.log);
		all += count;
	}
	ck_assert_int_eq(broker.calls, all);
}

static void check_order(const char *first, const char *second)
{
	const char *at = strstr(broker.log, first);

	ck_assert_msg(at && strstr(at, second), "%s before %s:\n%s", first, second, broker.log);
}

/* ---- sessions ---- */

static const struct fake_step keeps[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {attached}},
	{"Update", {"{\"parameters\":{\"metadata_bytes\":2}}"}},
	{"Release", {"{\"parameters\":{\"duration_ms\":5}}"}},
	{0},
};

START_TEST(a_program_that_only_makes_calls_keeps_its_sessions)
{
	begin(keeps, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	for (int i = 1; i <= 3; i++) {
		fake_broker_cut(&broker);
		ck_assert_int_eq(usher_update(u, FAKE_SESSION_ID, "{}", NULL), 0);
		ck_assert_int_eq(broker.connections, 1 + i);
	}
	check_calls("Create 1, Attach 3, Update 3");
	check_order("Attach\",\"parameters\":{\"session_id\":\"" FAKE_SESSION_ID
		    "\",\"owner\":\"connection\"}",
		"Update");
	end();
}
END_TEST

START_TEST(what_was_released_is_not_attached)
{
	begin(keeps, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	ck_assert_int_eq(usher_release(u, FAKE_SESSION_ID, USHER_COMPLETED, NULL, NULL), 0);
	fake_broker_cut(&broker);
	ck_assert_int_eq(usher_connect(u), 0);
	check_calls("Create 1, Release 1, Attach 0");
	end();
}
END_TEST

START_TEST(nor_what_belongs_to_a_process_or_nobody)
{
	struct usher_create_options wish = {
		.size = sizeof(wish), .owner = _i ? USHER_OWNER_PROCESS : USHER_OWNER_DETACHED};

	begin(keeps, 0);
	ck_assert_int_eq(usher_create(u, &wish, &session), 0);
	fake_broker_cut(&broker);
	ck_assert_int_eq(usher_connect(u), 0);
	check_calls("Create 1, Attach 0");
	end();
}
END_TEST

START_TEST(nor_what_was_left_to_others)
{
	begin(keeps, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	ck_assert_int_eq(usher_forget(u, FAKE_SESSION_ID), 0);
	ck_assert_int_eq(usher_forget(u, FAKE_SESSION_ID), -ESRCH);
	ck_assert_int_eq(usher_forget(u, NULL), -EINVAL);
	fake_broker_cut(&broker);
	ck_assert_int_eq(usher_connect(u), 0);
	check_calls("Create 1, Attach 0");
	end();
}
END_TEST

static const char *const losses[] = {
	FAKE_ERROR("NoSuchSession", "\"session_id\":\"x\""),
	FAKE_ERROR("SessionEnded", "\"session_id\":\"x\",\"outcome\":\"abandoned\""),
	"{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}",
};

START_TEST(a_loss_is_told_by_the_next_call_once)
{
	const struct fake_step steps[] = {
		{"Create", {FAKE_SESSION_REPLY}}, {"Attach", {losses[_i]}}, {0}};

	begin(steps, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	fake_broker_cut(&broker);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -ECONNRESET);
	ck_assert_int_eq(fake_count(&broker, "a.B"), 0);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	fake_broker_cut(&broker);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	ck_assert_int_eq(fake_count(&broker, "Attach"), 1);
	end();
}
END_TEST

static const struct fake_step not_yet[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {FAKE_ONCE, FAKE_ERROR("OfANewerBroker", "")}},
	{"Attach", {attached}},
	{0},
};

START_TEST(a_refusal_that_may_pass_stops_no_call_and_is_asked_again)
{
	begin(not_yet, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	fake_broker_cut(&broker);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	for (int i = 0; i < 1000 && fake_count(&broker, "Attach") < 2; i++) {
		usleep(1000);
		ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	}
	ck_assert_int_eq(fake_count(&broker, "Attach"), 2);
	ck_assert_int_eq(broker.connections, 2);
	end();
}
END_TEST

/* ---- replies that are lost ---- */

static const struct {
	const char *method;
	const char *reply;
	const char *end;
} lost[] = {
	{"Create", FAKE_SESSION_REPLY, FAKE_CLOSE},
	{"Create", FAKE_SESSION_REPLY, FAKE_HALF},
	{"Attach",
		"{\"parameters\":{\"session\":{\"session_id\":\"s\",\"request_id\":\"r\","
		"\"pool\":\"p\",\"slots\":[1],\"fence\":1,\"metadata_bytes\":0}}}",
		FAKE_CLOSE},
	{"Renew", "{\"parameters\":{\"expires_at\":1}}", FAKE_CLOSE},
	{"Renew", "{\"parameters\":{\"expires_at\":1}}", FAKE_HALF},
	{"Update", "{\"parameters\":{\"metadata_bytes\":2}}", FAKE_CLOSE},
	{"Start", "{\"parameters\":{\"expires_at\":1}}", FAKE_CLOSE},
	{"Release", "{\"parameters\":{\"duration_ms\":1}}", FAKE_CLOSE},
};

static int make(const char *method)
{
	if (!strcmp(method, "Create"))
		return usher_create(u, NULL, &session);
	if (!strcmp(method, "Attach"))
		return usher_attach(u, "s", USHER_OWNER_CONNECTION, &session);
	if (!strcmp(method, "Renew"))
		return usher_renew(u, "s", 0, NULL);
	if (!strcmp(method, "Update"))
		return usher_update(u, "s", "{}", NULL);
	if (!strcmp(method, "Start"))
		return usher_start(u, "s", NULL);
	return usher_release(u, "s", USHER_COMPLETED, NULL, NULL);
}

START_TEST(a_call_whose_reply_is_lost_is_made_again)
{
	const struct fake_step steps[] = {
		{lost[_i].method, {FAKE_ONCE, lost[_i].end, lost[_i].reply}},
		{lost[_i].method, {lost[_i].reply}},
		{0},
	};
	char expected[64], *first, *second;

	begin(steps, 0);
	ck_assert_int_eq(make(lost[_i].method), 0);
	snprintf(expected, sizeof(expected), "%s 2", lost[_i].method);
	check_calls(expected);
	first = broker.log;
	second = strchr(first, '\n') + 1;
	ck_assert_int_eq(strncmp(first, second, (size_t)(second - first)), 0);
	end();
}
END_TEST

static const char *const any_methods[] = {"io.usher.Broker.Get", "io.usher.Broker.List",
	"io.usher.Broker.GetMetrics", "io.usher.Broker.Renew", "org.varlink.service.GetInfo"};

START_TEST(so_it_is_by_name)
{
	const struct fake_step steps[] = {{any_methods[_i], {FAKE_ONCE, FAKE_CLOSE}}, {0}};

	begin(steps, 0);
	ck_assert_int_eq(usher_call(u, any_methods[_i], NULL, NULL), 0);
	ck_assert_int_eq(broker.calls, 2);
	end();
}
END_TEST

static const struct {
	const char *method;
	const char *parameters;
} others[] = {
	{"io.usher.Broker.Create", "{}"},
	{"io.usher.Broker.Cancel", "{\"request_id\":\"r\"}"},
	{"io.usher.Broker.Revoke", "{\"session_id\":\"s\"}"},
	{"io.usher.Broker.Release", "{\"session_id\":\"s\"}"},
	{"io.usher.Broker.SetPool", "{\"pool\":\"p\"}"},
	{"io.usher.Broker.Drain", "{}"},
	{"io.usher.Broker.ResetMetrics", "{}"},
	{"org.example.Get", "{}"},
};

START_TEST(others_are_not)
{
	const struct fake_step steps[] = {{others[_i].method, {FAKE_ONCE, FAKE_CLOSE}}, {0}};

	begin(steps, 0);
	ck_assert_int_eq(
		usher_call(u, others[_i].method, others[_i].parameters, NULL), -ECONNRESET);
	ck_assert_int_eq(broker.calls, 1);
	ck_assert_int_eq(usher_connect(u), 0);
	end();
}
END_TEST

START_TEST(a_create_by_name_is_if_it_has_a_request_id)
{
	const struct fake_step steps[] = {{"Create", {FAKE_ONCE, FAKE_CLOSE}}, {0}};

	begin(steps, 0);
	ck_assert_int_eq(
		usher_call(u, "io.usher.Broker.Create", "{\"request_id\":\"r\"}", NULL), 0);
	check_calls("Create 2");
	end();
}
END_TEST

#define EXISTING                                                                                   \
	"{\"parameters\":{\"session_id\":\"" FAKE_SESSION_ID                                       \
	"\",\"request_id\":\"mine\",\"pool\":\"p\",\"slots\":[1],\"fence\":7,"                     \
	"\"metadata_bytes\":0,\"existing\":true}}"

START_TEST(a_create_that_was_granted_unheard_takes_one_slot)
{
	const struct fake_step steps[] = {
		{"Create", {FAKE_ONCE, FAKE_HALF, FAKE_SESSION_REPLY}},
		{"Create", {EXISTING}},
		{0},
	};
	struct usher_create_options wish = {.size = sizeof(wish), .request_id = _i ? "mine" : NULL};

	begin(steps, 0);
	ck_assert_int_eq(usher_create(u, &wish, &session), 0);
	ck_assert_str_eq(session.session_id, FAKE_SESSION_ID);
	/* Of an id that the library made there can be no earlier one. */
	ck_assert_int_eq(session.is_existing, _i);
	check_calls("Create 2");
	end();
}
END_TEST

/* ---- Release and Start ---- */

static const struct {
	const char *reply;
	int result;
} released[] = {
	{FAKE_ERROR("SessionEnded", "\"session_id\":\"x\",\"outcome\":\"completed\""), 0},
	{FAKE_ERROR("NoSuchSession", "\"session_id\":\"x\""), 0},
	{FAKE_ERROR("SessionEnded", "\"session_id\":\"x\",\"outcome\":\"revoked\""),
		-USHER_E_SESSION_ENDED},
	{FAKE_ERROR("SessionEnded", "\"session_id\":\"x\",\"outcome\":\"error\""),
		-USHER_E_SESSION_ENDED},
	{FAKE_ERROR("SessionEnded", "\"session_id\":\"x\""), -USHER_E_SESSION_ENDED},
	{"{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}",
		-USHER_E_PERMISSION_DENIED},
};

START_TEST(a_release_that_was_heard_has_done_its_work)
{
	const struct fake_step steps[] = {
		{"Create", {FAKE_SESSION_REPLY}},
		{"Release", {FAKE_ONCE, FAKE_CLOSE}},
		{"Release", {released[_i].reply}},
		{0},
	};
	int64_t duration_ms = 7;

	begin(steps, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	ck_assert_int_eq(usher_release(u, FAKE_SESSION_ID, USHER_COMPLETED, NULL, &duration_ms),
		released[_i].result);
	ck_assert_int_eq(usher_last_error(u)->error, released[_i].result);
	ck_assert_int_eq(duration_ms, released[_i].result ? 7 : -1);
	/* It is about to end, so that it is not attached in between. */
	check_calls("Create 1, Release 2, Attach 0");
	end();
}
END_TEST

START_TEST(one_that_was_not_sent_before_has_not)
{
	const struct fake_step steps[] = {{"Create", {FAKE_SESSION_REPLY}}, {"Attach", {attached}},
		{"Release", {released[_i].reply}}, {0}};

	begin(steps, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	fake_broker_cut(&broker);
	ck_assert_int_ne(usher_release(u, FAKE_SESSION_ID, USHER_COMPLETED, NULL, NULL), 0);
	end();
}
END_TEST

START_TEST(a_session_that_nobody_held_was_perhaps_never_there)
{
	const struct fake_step steps[] = {
		{"Release", {FAKE_ONCE, FAKE_CLOSE}}, {"Release", {released[1].reply}}, {0}};

	begin(steps, 0);
	ck_assert_int_eq(
		usher_release(u, "s", USHER_COMPLETED, NULL, NULL), -USHER_E_NO_SUCH_SESSION);
	end();
}
END_TEST

START_TEST(a_release_that_failed_leaves_the_session_to_be_attached)
{
	static const struct fake_step steps[] = {
		{"Create", {FAKE_SESSION_REPLY}}, {"Attach", {attached}}, {0}};

	begin(steps, 500);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	fake_broker_hide(&broker, false);
	fake_broker_cut(&broker);
	ck_assert_int_eq(usher_release(u, FAKE_SESSION_ID, USHER_ERROR, NULL, NULL), -ENOENT);
	fake_broker_show(&broker);
	ck_assert_int_eq(usher_connect(u), 0);
	check_calls("Create 1, Attach 1");
	end();
}
END_TEST

#define NOT_IDLE(state) FAKE_ERROR("InvalidState", "\"session_id\":\"x\",\"state\":\"" state "\"")

static const struct fake_step started[] = {
	{"Start", {FAKE_ONCE, FAKE_CLOSE}},
	{"Start", {NOT_IDLE("processing")}},
	{"Get", {"{\"parameters\":{\"session\":{\"session_id\":\"s\",\"request_id\":\"r\",\"pool\":"
		 "\"p\",\"slots\":[1],\"fence\":1,\"metadata_bytes\":0,\"expires_at\":42}}}"}},
	{0},
};

START_TEST(a_start_that_was_heard_has_done_its_work)
{
	int64_t expires_at = 0;

	begin(started, 0);
	ck_assert_int_eq(usher_start(u, "s", &expires_at), 0);
	ck_assert_int_eq(expires_at, 42);
	ck_assert_int_eq(usher_last_error(u)->error, 0);
	check_calls("Start 2, Get 1");
	/* But the program's own second one is a mistake. */
	ck_assert_int_eq(usher_start(u, "s", NULL), -USHER_E_INVALID_STATE);
	end();
}
END_TEST

START_TEST(a_start_of_one_that_waits_is_refused_in_any_case)
{
	const struct fake_step steps[] = {
		{"Start", {FAKE_ONCE, FAKE_CLOSE}}, {"Start", {NOT_IDLE("waiting")}}, {0}};

	begin(steps, 0);
	ck_assert_int_eq(usher_start(u, "s", NULL), -USHER_E_INVALID_STATE);
	check_calls("Start 2");
	end();
}
END_TEST

/* ---- a broker that is away ---- */

static void *show_later(void *argument)
{
	(void)argument;
	usleep(150000);
	fake_broker_show(&broker);
	return NULL;
}

START_TEST(a_call_waits_for_the_broker_if_sessions_are_at_stake)
{
	pthread_t thread;

	begin(keeps, 5000);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	fake_broker_hide(&broker, _i);
	fake_broker_cut(&broker);
	ck_assert_int_eq(pthread_create(&thread, NULL, show_later, NULL), 0);
	ck_assert_int_eq(usher_release(u, FAKE_SESSION_ID, USHER_COMPLETED, NULL, NULL), 0);
	pthread_join(thread, NULL);
	check_calls("Create 1, Release 1");
	end();
}
END_TEST

START_TEST(no_longer_than_it_may_take)
{
	int64_t began;

	begin(keeps, 500);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	fake_broker_hide(&broker, _i);
	fake_broker_cut(&broker);
	began = now_ms();
	ck_assert_int_eq(
		usher_update(u, FAKE_SESSION_ID, "{}", NULL), _i ? -ECONNREFUSED : -ENOENT);
	ck_assert_int_ge(now_ms() - began, 500);
	fake_broker_show(&broker);
	ck_assert_int_eq(usher_update(u, FAKE_SESSION_ID, "{}", NULL), 0);
	check_calls("Create 1, Attach 1, Update 1");
	end();
}
END_TEST

START_TEST(a_create_that_waits_does_too_if_there_was_a_broker_before)
{
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = 5000};
	pthread_t thread;

	begin(keeps, 0);
	fake_broker_hide(&broker, _i);
	ck_assert_int_eq(usher_create(u, &wish, &session), _i ? -ECONNREFUSED : -ENOENT);
	fake_broker_show(&broker);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	fake_broker_hide(&broker, _i);
	fake_broker_cut(&broker);
	ck_assert_int_eq(pthread_create(&thread, NULL, show_later, NULL), 0);
	ck_assert_int_eq(usher_create(u, &wish, &session), 0);
	pthread_join(thread, NULL);
	end();
}
END_TEST

START_TEST(where_nothing_is_at_stake_it_is_an_error_at_once)
{
	begin(keeps, 60000);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	fake_broker_hide(&broker, _i);
	fake_broker_cut(&broker);
	ck_assert_int_eq(usher_create(u, NULL, &session), _i ? -ECONNREFUSED : -ENOENT);
	end();
}
END_TEST

static const struct fake_step hangs[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {attached}},
	{"a.B", {FAKE_WAIT}},
	{0},
};

START_TEST(what_a_timeout_has_closed_is_attached_again)
{
	begin(hangs, 500);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -ETIMEDOUT);
	ck_assert_int_eq(usher_connect(u), 0);
	ck_assert_int_eq(fake_count(&broker, "Attach"), 1);
	end();
}
END_TEST

/* With socket activation the connection is there at once, and the daemon takes its time. */
static const struct fake_step takes_its_time[] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{"Attach", {FAKE_WAIT, attached}},
	{0},
};

START_TEST(a_connection_on_which_sessions_wait_is_not_closed)
{
	begin(takes_its_time, 500);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	fake_broker_cut(&broker);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -ETIMEDOUT);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -ETIMEDOUT);
	ck_assert_int_eq(fake_count(&broker, "a.B"), 0);
	sem_post(&broker.go);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	ck_assert_int_eq(broker.connections, 2);
	ck_assert_int_eq(fake_count(&broker, "Attach"), 1);
	end();
}
END_TEST

/* ---- waits ---- */

static int64_t waits_asked(int number)
{
	const char *at = broker.log;

	for (; number > 0; number--)
		at = strstr(at, "\"wait_ms\":") + 1;
	return strtoll(at + strlen("\"wait_ms\":") - 1, NULL, 10);
}

static const struct fake_step waits[] = {
	{"Create", {FAKE_ONCE, FAKE_WAIT, FAKE_CLOSE}},
	{"Create", {EXISTING}},
	{"Attach", {attached}},
	{0},
};

enum absence { BLINK, WHILE, EVER };

static void *cut_later(void *argument)
{
	const enum absence *absence = argument;

	ck_assert(fake_await(&broker, "\"wait_ms\"", 1));
	usleep(30000);
	fake_broker_hide(&broker, false); /* else those who come back would be cut off, too */
	fake_broker_cut(&broker);
	if (*absence == BLINK)
		fake_broker_show(&broker);
	return *absence == WHILE ? show_later(NULL) : NULL;
}

/* A Create that waits, and whose broker is killed then. */
static int create_through(enum absence absence, int64_t wait_ms, struct usher_session *ret)
{
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = wait_ms};
	pthread_t thread;
	int r;

	ck_assert_int_eq(pthread_create(&thread, NULL, cut_later, &absence), 0);
	r = usher_create(u, &wish, ret);
	pthread_join(thread, NULL);
	return r;
}

START_TEST(a_wait_is_asked_for_again_for_the_time_that_is_left)
{
	begin(waits, 0);
	ck_assert_int_eq(create_through((enum absence)_i, 60000, &session), 0);
	ck_assert(!session.is_existing);
	check_calls("Create 2, Attach 0");
	ck_assert_int_eq(waits_asked(1), 60000);
	ck_assert_int_le(waits_asked(2), _i == WHILE ? 59820 : 59970);
	ck_assert_int_ge(waits_asked(2), 30000);
	end();
}
END_TEST

START_TEST(a_wait_that_is_over_asks_whether_it_was_granted)
{
	begin(waits, 0);
	ck_assert_int_eq(create_through(WHILE, 50, &session), 0);
	ck_assert_int_eq(waits_asked(2), 1);
	end();
}
END_TEST

static const struct fake_step holds_and_waits[] = {
	{"\"wait_ms\"", {FAKE_ONCE, FAKE_WAIT, FAKE_CLOSE}},
	{"Create", {EXISTING}},
	{"Attach", {attached}},
	{0},
};

START_TEST(what_is_held_does_not_wait_with_it)
{
	struct usher_session other = {.size = sizeof(other)};

	begin(holds_and_waits, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	ck_assert_int_eq(create_through((enum absence)_i, -1, &other), 0);
	usher_session_clear(&other);
	/* The held one, before the Create; and the granted one, which moves. */
	check_calls("Create 3, Attach 2");
	check_order("\"wait_ms\":-1", "Attach");
	check_order("Attach", "\"wait_ms\":-1");
	end();
}
END_TEST

static const struct fake_step loses_and_waits[] = {
	{"\"wait_ms\"", {FAKE_ONCE, FAKE_WAIT, FAKE_CLOSE}},
	{"Create", {EXISTING}},
	{"Attach", {FAKE_ONCE, FAKE_ERROR("NoSuchSession", "\"session_id\":\"x\"")}},
	{"Attach", {attached}},
	{0},
};

START_TEST(a_loss_that_a_wait_comes_across_is_told_by_the_next_call)
{
	struct usher_session other = {.size = sizeof(other)};

	begin(loses_and_waits, 0);
	ck_assert_int_eq(usher_create(u, NULL, &session), 0);
	ck_assert_int_eq(create_through(BLINK, -1, &other), 0);
	usher_session_clear(&other);
	check_calls("Create 3, Attach 2");
	ck_assert_int_eq(usher_connect(u), -ECONNRESET);
	ck_assert_int_eq(usher_connect(u), 0);
	end();
}
END_TEST

START_TEST(a_wait_that_the_broker_dies_of_does_not_kill_it_for_ever)
{
	static const struct fake_step steps[] = {{"Create", {FAKE_CLOSE}}, {0}};
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = -1};

	begin(steps, 0);
	ck_assert_int_eq(usher_create(u, &wish, &session), -ECONNRESET);
	check_calls("Create 8");
	end();
}
END_TEST

START_TEST(a_wait_does_not_outlast_a_broker_that_stays_away)
{
	static const struct fake_step steps[] = {{"Create", {FAKE_WAIT, FAKE_CLOSE}}, {0}};

	begin(steps, 500);
	ck_assert_int_eq(create_through(EVER, 100, &session), -ENOENT);
	check_calls("Create 1");
	end();
}
END_TEST

static void add_call_tests(TCase *tc)
{
	tcase_add_test(tc, a_program_that_only_makes_calls_keeps_its_sessions);
	tcase_add_test(tc, what_was_released_is_not_attached);
	tcase_add_loop_test(tc, nor_what_belongs_to_a_process_or_nobody, 0, 2);
	tcase_add_test(tc, nor_what_was_left_to_others);
	tcase_add_loop_test(tc, a_loss_is_told_by_the_next_call_once, 0,
		(int)(sizeof(losses) / sizeof(losses[0])));
	tcase_add_test(tc, a_refusal_that_may_pass_stops_no_call_and_is_asked_again);
	tcase_add_loop_test(tc, a_call_whose_reply_is_lost_is_made_again, 0,
		(int)(sizeof(lost) / sizeof(lost[0])));
	tcase_add_loop_test(
		tc, so_it_is_by_name, 0, (int)(sizeof(any_methods) / sizeof(any_methods[0])));
	tcase_add_loop_test(tc, others_are_not, 0, (int)(sizeof(others) / sizeof(others[0])));
	tcase_add_test(tc, a_create_by_name_is_if_it_has_a_request_id);
	tcase_add_loop_test(tc, a_create_that_was_granted_unheard_takes_one_slot, 0, 2);
	tcase_add_loop_test(tc, a_release_that_was_heard_has_done_its_work, 0,
		(int)(sizeof(released) / sizeof(released[0])));
	tcase_add_loop_test(tc, one_that_was_not_sent_before_has_not, 0,
		(int)(sizeof(released) / sizeof(released[0])));
	tcase_add_test(tc, a_session_that_nobody_held_was_perhaps_never_there);
	tcase_add_test(tc, a_release_that_failed_leaves_the_session_to_be_attached);
	tcase_add_test(tc, a_start_that_was_heard_has_done_its_work);
	tcase_add_test(tc, a_start_of_one_that_waits_is_refused_in_any_case);
}

static void add_away_tests(TCase *tc)
{
	tcase_add_loop_test(tc, a_call_waits_for_the_broker_if_sessions_are_at_stake, 0, 2);
	tcase_add_loop_test(tc, no_longer_than_it_may_take, 0, 2);
	tcase_add_loop_test(tc, a_create_that_waits_does_too_if_there_was_a_broker_before, 0, 2);
	tcase_add_loop_test(tc, where_nothing_is_at_stake_it_is_an_error_at_once, 0, 2);
	tcase_add_test(tc, what_a_timeout_has_closed_is_attached_again);
	tcase_add_test(tc, a_connection_on_which_sessions_wait_is_not_closed);
	tcase_add_loop_test(tc, a_wait_is_asked_for_again_for_the_time_that_is_left, 0, 2);
	tcase_add_test(tc, a_wait_that_is_over_asks_whether_it_was_granted);
	tcase_add_loop_test(tc, what_is_held_does_not_wait_with_it, 0, 2);
	tcase_add_test(tc, a_loss_that_a_wait_comes_across_is_told_by_the_next_call);
	tcase_add_test(tc, a_wait_that_the_broker_dies_of_does_not_kill_it_for_ever);
	tcase_add_test(tc, a_wait_does_not_outlast_a_broker_that_stays_away);
}

int main(void)
{
	Suite *s = suite_create("usher_retry");
	TCase *tc = tcase_create("retry");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	add_call_tests(tc);
	add_away_tests(tc);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
