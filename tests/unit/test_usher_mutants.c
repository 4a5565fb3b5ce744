/* SPDX-License-Identifier: MIT */
/* libusher's event loop against brokers that say almost what they should: anything may come of it
 * but a crash, a hang, or an answer too many. The seed is printed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake_broker.h"

#define ROUNDS 150

static struct fake_broker broker;
static unsigned seed;

static const char *const replies[] = {
	FAKE_QUEUED(2, 3),
	FAKE_SESSION_REPLY,
	"{\"parameters\":{\"session\":{}}}",
	"{\"parameters\":{\"event\":{\"type\":\"ready\",\"sequence\":1,\"at\":1}},\"continues\":"
	"true}",
	"{\"parameters\":{\"event\":{\"type\":\"ended\",\"sequence\":1,\"at\":1,\"session\":{"
	"\"session_id\":\"" FAKE_SESSION_ID "\"},\"outcome\":\"revoked\"}},\"continues\":true}",
	"{\"parameters\":{\"event\":{\"type\":\"revoking\",\"sequence\":1,\"at\":1,\"session\":{"
	"\"session_id\":\"" FAKE_SESSION_ID
	"\",\"revoking\":true},\"reason\":\"\\u00fc\"}},\"continues\":true}",
	"{\"parameters\":{\"expires_at\":1700000000000000}}",
	FAKE_ERROR("SessionEnded", "\"session_id\":\"x\",\"outcome\":\"timeout\""),
	"{}",
};

#define N_REPLIES (sizeof(replies) / sizeof(replies[0]))

static void send_mutant(int fd, const char *text, unsigned *state)
{
	size_t length = strlen(text) + 1;
	char copy[1024];

	memcpy(copy, text, length);
	if (rand_r(state) % 4 == 0)
		copy[(size_t)rand_r(state) % length] = (char)rand_r(state);
	if (rand_r(state) % 16 == 0)
		length = (size_t)rand_r(state) % length;
	fake_send(fd, copy, length);
}

/* Mostly what was asked for, sometimes something else, too much of it, or the end. */
static void serve_mutants(struct fake_broker *b, int fd, int index)
{
	unsigned state = seed + (unsigned)index * 7919u;
	char *text = malloc(FAKE_TEXT_MAX);

	while (fake_read_text(b, fd, text) && rand_r(&state) % 8) {
		size_t likely = strstr(text, "Create")    ? (size_t)rand_r(&state) % 2
				: strstr(text, "Attach")  ? 2
				: strstr(text, "Monitor") ? 3 + (size_t)rand_r(&state) % 3
							  : 6;

		for (int n = rand_r(&state) % 3; n >= 0; n--)
			send_mutant(fd,
				replies[rand_r(&state) % 3 ? likely
							   : (size_t)rand_r(&state) % N_REPLIES],
				&state);
	}
	free(text);
}

static int answers;

static void on_answer(void *userdata, const struct usher_create_answer *answer)
{
	(void)userdata;
	if (answer->result == USHER_WAITING)
		return;
	ck_assert_int_le(answer->result, 0);
	answers++;
}

static void on_event(void *userdata, const struct usher_event *event)
{
	(void)userdata;
	ck_assert(event->type >= USHER_EVENT_REVOKING && event->type <= USHER_EVENT_REATTACHED);
	ck_assert((event->type == USHER_EVENT_BROKER_LOST ||
			  event->type == USHER_EVENT_BROKER_BACK) == (event->session_id == NULL));
}

static void play(struct usher *u)
{
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = -1};
	struct usher_session sessions[4], one = {.size = sizeof(one)};
	uint64_t requests[4];

	for (int i = 0; i < 4; i++) {
		sessions[i] = (struct usher_session){.size = sizeof(one)};
		wish.owner = (enum usher_owner)(i % 3);
		ck_assert_int_eq(
			usher_create_async(u, &wish, &sessions[i], on_answer, NULL, &requests[i]),
			0);
	}
	fake_pump_for(u, 5);
	usher_cancel(u, requests[1]);
	if (usher_attach(u, FAKE_SESSION_ID, USHER_OWNER_PROCESS, &one) == 0)
		usher_session_clear(&one);
	usher_renew(u, FAKE_SESSION_ID, 0, NULL);
	fake_pump_for(u, 5);
	usher_release(u, FAKE_SESSION_ID, USHER_COMPLETED, NULL, NULL);
	for (int i = 0; i < 4; i++)
		usher_cancel(u, requests[i]);
	usher_close(u);
	for (int i = 0; i < 4; i++)
		usher_session_clear(&sessions[i]);
}

START_TEST(nothing_a_broker_says_does_harm)
{
	seed = (unsigned)time(NULL) * 1000u + (unsigned)_i;
	if (getenv("USHER_SEED"))
		seed = (unsigned)strtoul(getenv("USHER_SEED"), NULL, 10);
	printf("USHER_SEED=%u\n", seed);
	for (int i = 0; i < ROUNDS / 10; i++, seed++) {
		struct usher *u;

		answers = 0;
		fake_broker_start_parallel(&broker, serve_mutants, NULL);
		u = fake_broker_open(&broker, 20);
		ck_assert_int_ge(usher_get_fd(u), 0);
		ck_assert_int_eq(usher_set_event_handler(u, on_event, NULL), 0);
		play(u);
		ck_assert_int_le(answers, 4);
		fake_broker_stop(&broker);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("usher_mutants");
	TCase *tc = tcase_create("mutants");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, nothing_a_broker_says_does_harm, 0, 10);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
