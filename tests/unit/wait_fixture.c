/* SPDX-License-Identifier: MIT */
#include "wait_fixture.h"

#include <check.h>
#include <string.h>

struct fake_broker broker;

const struct fake_step granted[2] = {
	{"Create", {FAKE_SESSION_REPLY}},
	{0},
};

const struct fake_step queued[4] = {
	{"Create",
		{FAKE_QUEUED(3, 12), FAKE_WAIT, FAKE_QUEUED(1, 9), FAKE_WAIT, FAKE_SESSION_REPLY}},
	{"Attach", {"{\"parameters\":{\"session\":{}}}"}},
	{"Cancel", {"{}"}},
	{0},
};

void wait_on_answer(void *userdata, const struct usher_create_answer *answer)
{
	struct seen *seen = userdata;

	ck_assert_uint_eq(answer->size, sizeof(*answer));
	ck_assert_uint_eq(answer->request, seen->request);
	if (answer->result == USHER_WAITING) {
		ck_assert_ptr_null(answer->session);
		seen->progress++;
		seen->position = answer->position;
		seen->waiting = answer->waiting;
		return;
	}
	ck_assert_int_eq(answer->result, usher_last_error(seen->u)->error);
	ck_assert(answer->result < 0 ? !answer->session : answer->session == &seen->session);
	strcpy(seen->message, usher_last_error(seen->u)->message);
	seen->result = answer->result;
	seen->done++;
}

void wait_ask(struct seen *seen, enum usher_owner owner, int64_t wait_ms)
{
	struct usher_create_options wish = {.size = sizeof(wish),
		.pool = "gpu",
		.owner = owner,
		.wait_ms = wait_ms,
		.request_id = "mine"};

	seen->session = (struct usher_session){.size = sizeof(seen->session)};
	ck_assert_int_eq(usher_create_async(seen->u, &wish, &seen->session, wait_on_answer, seen,
				 &seen->request),
		0);
}

void wait_begin(struct seen *seen, const struct fake_step *steps)
{
	memset(seen, 0, sizeof(*seen));
	fake_broker_start_parallel(&broker, fake_serve_steps, steps);
	seen->u = fake_broker_open(&broker, 0);
}

void wait_end(struct seen *seen)
{
	usher_session_clear(&seen->session);
	usher_close(seen->u);
	fake_broker_stop(&broker);
}
