/* SPDX-License-Identifier: MIT */
/* A handle that asks a fake broker for sessions without blocking, and what it is told. */
#ifndef USHER_TESTS_WAIT_FIXTURE_H
#define USHER_TESTS_WAIT_FIXTURE_H

#include "fake_broker.h"

extern struct fake_broker broker;

struct seen {
	struct usher *u;
	struct usher_session session;
	int progress;
	int done;
	int result;
	int64_t position;
	int64_t waiting;
	char message[512];
	uint64_t request;
};

/* The answers go to *seen, which is the USERDATA. */
usher_create_fn wait_on_answer;

/* A broker that does STEPS, and a handle for it. */
void wait_begin(struct seen *seen, const struct fake_step *steps);
void wait_end(struct seen *seen);

/* Ask for a session of pool gpu by the request id "mine". */
void wait_ask(struct seen *seen, enum usher_owner owner, int64_t wait_ms);

/* Grants at once; or after two places in the queue, each of which waits for the test. */
extern const struct fake_step granted[2], queued[4];

#endif
