/* SPDX-License-Identifier: MIT */
/* libusher in an event loop: its descriptor, renewal, callbacks that close, forks and signals. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_broker.h"

static struct fake_broker broker;
static struct usher *u;
static struct usher_session session, other;
static int answers;
static int events;
static struct usher_event last;

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool is_readable(void)
{
	struct pollfd item = {.fd = usher_get_fd(u), .events = POLLIN};

	return poll(&item, 1, 0) > 0;
}

static void open_for(fake_serve *serve, const void *data)
{
	answers = events = 0;
	session = other = (struct usher_session){.size = sizeof(session)};
	fake_broker_start_parallel(&broker, serve, data);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_ge(usher_get_fd(u), 0);
}

static void end(void)
{
	usher_session_clear(&session);
	usher_session_clear(&other);
	usher_close(u);
	fake_broker_stop(&broker);
}

/* ---- the descriptor ---- */

static const struct fake_step plain[] = {{"Create", {FAKE_SESSION_REPLY}}, {0}};

START_TEST(the_descriptor_stays_and_is_quiet_when_nothing_is_due)
{
	int fd;

	open_for(fake_serve_steps, plain);
	fd = usher_get_fd(u);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	for (int i = 0; i < 10 && is_readable(); i++)
		ck_assert_int_eq(usher_dispatch(u), 0);
	ck_assert(!is_readable());
	ck_assert_int_eq(usher_connect(u), 0);
	ck_assert_int_eq(usher_get_fd(u), fd);
	ck_assert_int_eq(usher_dispatch(u), 0);
	ck_assert(!is_readable());
	end();
}
END_TEST

static void serve_unasked(struct fake_broker *b, int fd, int index)
{
	(void)b;
	(void)index;
	fake_reply(fd, "{}");
	usleep(20000);
}

START_TEST(what_nobody_asked_for_closes_the_connection)
{
	open_for(serve_unasked, NULL);
	ck_assert_int_eq(usher_connect(u), 0);
	while (usher_connection_fd(u) >= 0)
		fake_pump_for(u, 5);
	ck_assert(!is_readable());
	end();
}
END_TEST

/* ---- renewal ---- */

static atomic_int renewals;
static atomic_int lasts_ms;

/* Sessions of lasts_ms; the broker's answer to a Renew is what the test says. */
static void serve_deadlines(struct fake_broker *b, int fd, int index)
{
	char *text = malloc(FAKE_TEXT_MAX), reply[512];

	(void)index;
	while (fake_read_text(b, fd, text)) {
		long long at = (long long)(now_us() + lasts_ms * 1000);

		if (strstr(text, "Renew"))
			renewals++;
		if (strstr(text, "Start"))
			at = 42;
		if (strstr(text, "Renew") && b->data && renewals % 2 == 1) {
			fake_reply(fd, b->data);
			continue;
		}
		snprintf(reply, sizeof(reply),
			"{\"parameters\":{\"session_id\":\"" FAKE_SESSION_ID
			"\",\"request_id\":\"r\",\"pool\":\"p\",\"slots\":[1],\"fence\":1,"
			"\"metadata_bytes\":0,\"expires_at\":%lld}}",
			at);
		fake_reply(fd, reply);
	}
	free(text);
}

static void hold(bool no_renewal)
{
	struct usher_create_options wish = {.size = sizeof(wish),
		.timeout_ms = 300,
		.owner = USHER_OWNER_DETACHED,
		.no_renewal = no_renewal};

	renewals = 0;
	lasts_ms = 150;
	ck_assert_int_eq(usher_create(u, &wish, &session), 0);
}

START_TEST(a_session_with_a_deadline_is_renewed_at_a_third)
{
	open_for(serve_deadlines, NULL);
	hold(false);
	fake_pump_for(u, 280);
	ck_assert_int_ge(renewals, 3);
	ck_assert_int_le(renewals, 6);
	ck_assert_int_eq(broker.connections, 1);
	end();
}
END_TEST

START_TEST(unless_it_is_not_to_be)
{
	open_for(serve_deadlines, NULL);
	hold(true);
	fake_pump_for(u, 100);
	ck_assert_int_eq(renewals, 0);
	ck_assert_int_eq(usher_set_renewal(u, FAKE_SESSION_ID, true), 0);
	fake_pump_for(u, 100);
	ck_assert_int_ge(renewals, 1);
	ck_assert_int_eq(usher_set_renewal(u, FAKE_SESSION_ID, false), 0);
	fake_pump_for(u, 20);
	renewals = 0;
	fake_pump_for(u, 100);
	ck_assert_int_eq(renewals, 0);
	ck_assert_int_eq(usher_set_renewal(u, "another", true), -ESRCH);
	ck_assert_int_eq(usher_set_renewal(u, NULL, true), -EINVAL);
	end();
}
END_TEST

START_TEST(blocking_calls_and_renewals_share_the_connection)
{
	open_for(serve_deadlines, NULL);
	hold(false);
	lasts_ms = 30;
	for (int i = 0; i < 300; i++) {
		int64_t at;

		ck_assert_int_eq(usher_dispatch(u), 0);
		ck_assert_int_eq(usher_start(u, "other", &at), 0);
		ck_assert_int_eq(at, 42);
		usleep(500);
	}
	ck_assert_int_ge(renewals, 2);
	ck_assert_int_eq(broker.connections, 1);
	end();
}
END_TEST

static void on_event(void *userdata, const struct usher_event *event)
{
	(void)userdata;
	if (event->type >= USHER_EVENT_BROKER_LOST)
		return; /* this broker knows no Monitor */
	events++;
	last = *event;
}

START_TEST(a_failed_renewal_is_told_and_tried_again)
{
	open_for(serve_deadlines,
		"{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}");
	usher_set_event_handler(u, on_event, NULL);
	hold(false);
	fake_pump(u, &events, 1);
	ck_assert_int_eq(last.type, USHER_EVENT_RENEW_FAILED);
	ck_assert_int_eq(last.error, -USHER_E_PERMISSION_DENIED);
	while (renewals < 2)
		fake_pump_for(u, 5);
	end();
}
END_TEST

START_TEST(a_renewal_may_show_that_the_session_is_lost)
{
	open_for(serve_deadlines, FAKE_ERROR("SessionEnded", "\"session_id\":\"" FAKE_SESSION_ID
							     "\",\"outcome\":\"timeout\""));
	usher_set_event_handler(u, on_event, NULL);
	hold(false);
	fake_pump(u, &events, 1);
	ck_assert_int_eq(last.type, USHER_EVENT_LOST);
	ck_assert_int_eq(last.outcome, USHER_TIMEOUT);
	fake_pump_for(u, 100);
	ck_assert_int_eq(renewals, 1);
	end();
}
END_TEST

/* ---- callbacks ---- */

enum deed { CLOSE, CANCEL, CREATE, BLOCK, DISPATCH };

static uint64_t requests[2];
static enum deed deed;

static void on_answer(void *userdata, const struct usher_create_answer *answer)
{
	struct usher_session mine = {.size = sizeof(mine)};

	(void)userdata;
	answers++;
	if (answer->result == USHER_WAITING && deed == CANCEL) {
		ck_assert_int_eq(usher_cancel(u, answer->request), 0);
		return;
	}
	if (answer->result == USHER_WAITING || answers > 1)
		return;
	switch (deed) {
	case CLOSE:
		usher_close(u);
		break;
	case CREATE:
		ck_assert_int_eq(usher_create_async(u, NULL, &session, on_answer, NULL, NULL), 0);
		break;
	case BLOCK:
		ck_assert_int_eq(usher_create(u, NULL, &mine), 0);
		usher_session_clear(&mine);
		break;
	case DISPATCH:
		ck_assert_int_eq(usher_dispatch(u), -EBUSY);
		break;
	case CANCEL:
		break;
	}
}

static void ask_twice(enum deed what)
{
	deed = what;
	ck_assert_int_eq(usher_create_async(u, NULL, &session, on_answer, NULL, &requests[0]), 0);
	ck_assert_int_eq(usher_create_async(u, NULL, &other, on_answer, NULL, &requests[1]), 0);
}

START_TEST(a_callback_may_close_the_handle)
{
	int r;

	open_for(fake_serve_steps, plain);
	ask_twice(CLOSE);
	while ((r = usher_dispatch(u)) == 0)
		usleep(1000);
	ck_assert_int_eq(r, -ECANCELED);
	ck_assert_int_eq(answers, 1);
	usher_session_clear(&session);
	fake_broker_stop(&broker);
}
END_TEST

static const struct fake_step waits[] = {
	{"Create", {FAKE_QUEUED(1, 1), FAKE_WAIT, FAKE_SESSION_REPLY}},
	{0},
};

START_TEST(a_callback_may_cancel_its_request)
{
	open_for(fake_serve_steps, waits);
	ask_twice(CANCEL);
	fake_pump(u, &answers, 2);
	fake_pump_for(u, 20);
	ck_assert_int_eq(answers, 2);
	ck_assert_int_eq(usher_cancel(u, requests[0]), -ESRCH);
	end();
}
END_TEST

START_TEST(a_callback_may_create_block_and_not_dispatch)
{
	struct usher_session first = {.size = sizeof(first)};

	open_for(fake_serve_steps, plain);
	deed = (enum deed)_i;
	ck_assert_int_eq(usher_create_async(u, NULL, &first, on_answer, NULL, NULL), 0);
	fake_pump(u, &answers, deed == CREATE ? 2 : 1);
	usher_session_clear(&first);
	end();
}
END_TEST

static int close_within(void *userdata, const char *parameters, bool continues)
{
	(void)userdata;
	(void)parameters;
	(void)continues;
	usher_close(u);
	return 0;
}

START_TEST(a_stream_s_function_may_close_the_handle)
{
	open_for(fake_serve_steps, waits);
	ck_assert_int_eq(usher_call_more(u, "x.Create", NULL, close_within, NULL), -ECANCELED);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(closing_ends_the_waits)
{
	open_for(fake_serve_steps, waits);
	ask_twice(BLOCK);
	fake_pump(u, &answers, 2);
	usher_close(u);
	sem_post(&broker.go);
	sem_post(&broker.go);
	for (int i = 0; i < 5000 && broker.open; i++)
		usleep(1000);
	ck_assert_int_eq(broker.open, 0);
	fake_broker_stop(&broker);
}
END_TEST

/* ---- process ---- */

static bool child_may_not(void)
{
	return usher_get_fd(u) == -ECHILD && usher_dispatch(u) == -ECHILD &&
	       usher_create_async(u, NULL, &session, on_answer, NULL, NULL) == -ECHILD &&
	       usher_cancel(u, requests[0]) == -ECHILD && usher_cancel_request(u, "x") == -ECHILD &&
	       usher_set_event_handler(u, on_event, NULL) == -ECHILD &&
	       usher_set_renewal(u, "x", true) == -ECHILD;
}

START_TEST(a_forked_child_leaves_the_parents_loop_alone)
{
	int status;
	pid_t pid;

	open_for(fake_serve_steps, waits);
	ask_twice(BLOCK);
	fake_pump(u, &answers, 2);
	ck_assert_int_eq(usher_connect(u), 0);
	pid = fork();
	if (pid == 0) {
		bool good = child_may_not();

		usher_close(u);
		_exit(good ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	answers = 2;
	sem_post(&broker.go);
	sem_post(&broker.go);
	fake_pump(u, &answers, 4);
	end();
}
END_TEST

/* The child has the sockets, so that closing them does not take them out of the epoll set. */
START_TEST(a_child_that_lives_on_does_not_keep_the_descriptor_busy)
{
	pid_t pid;

	open_for(fake_serve_steps, waits);
	ask_twice(BLOCK);
	fake_pump(u, &answers, 2);
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_eq(usher_cancel(u, requests[0]), 0);
	ck_assert_int_eq(usher_cancel(u, requests[1]), 0);
	sem_post(&broker.go);
	sem_post(&broker.go);
	fake_pump_for(u, 50);
	ck_assert(!is_readable());
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	end();
}
END_TEST

static void on_alarm(int signo)
{
	(void)signo;
}

static void serve_slowly(struct fake_broker *b, int fd, int index)
{
	char *text = malloc(FAKE_TEXT_MAX);
	sigset_t set;

	(void)index;
	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (fake_read_text(b, fd, text)) {
		usleep(100000); /* so that signals come in between */
		fake_reply(fd, FAKE_SESSION_REPLY);
	}
	free(text);
}

START_TEST(signals_do_not_disturb_a_wait)
{
	const struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = -1};
	struct sigaction action = {.sa_handler = on_alarm};

	open_for(serve_slowly, NULL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	ck_assert_int_eq(usher_create(u, &wish, &session), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	end();
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_descriptor_stays_and_is_quiet_when_nothing_is_due);
	tcase_add_test(tc, what_nobody_asked_for_closes_the_connection);
	tcase_add_test(tc, a_session_with_a_deadline_is_renewed_at_a_third);
	tcase_add_test(tc, unless_it_is_not_to_be);
	tcase_add_test(tc, blocking_calls_and_renewals_share_the_connection);
	tcase_add_test(tc, a_failed_renewal_is_told_and_tried_again);
	tcase_add_test(tc, a_renewal_may_show_that_the_session_is_lost);
	tcase_add_test(tc, a_callback_may_close_the_handle);
	tcase_add_test(tc, a_callback_may_cancel_its_request);
	tcase_add_loop_test(tc, a_callback_may_create_block_and_not_dispatch, CREATE, DISPATCH + 1);
	tcase_add_test(tc, a_stream_s_function_may_close_the_handle);
	tcase_add_test(tc, closing_ends_the_waits);
	tcase_add_test(tc, a_forked_child_leaves_the_parents_loop_alone);
	tcase_add_test(tc, a_child_that_lives_on_does_not_keep_the_descriptor_busy);
	tcase_add_test(tc, signals_do_not_disturb_a_wait);
}

int main(void)
{
	Suite *s = suite_create("usher_dispatch");
	TCase *tc = tcase_create("dispatch");
	SRunner *sr = srunner_create(s);
	int failed;

	add_tests(tc);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
