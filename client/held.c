/* SPDX-License-Identifier: MIT */
/* The sessions that the handle holds: their renewal, and what the program is to be told of them. */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RENEW_LEAST_MS 10 /* so that the shortest deadlines do not keep the processor busy */
#define RETRY_LEAST_MS 50 /* of a Renew that was refused */
#define RETRY_MOST_MS  2000

/* ---- the list ---- */

/* What belongs to the connection must be attached again when that is lost. Of the others a program
 * without an event loop or handler is told nothing, so they need not be kept. */
int held_new(const struct usher *u, enum usher_owner owner, struct held **ret)
{
	*ret = NULL;
	if (owner != USHER_OWNER_CONNECTION && u->loop.epoll_fd < 0 && !u->on_event)
		return 0;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void held_free(struct held *h)
{
	if (h)
		free(h->reason);
	free(h);
}

void held_remove(struct usher *u, struct held *h)
{
	struct held **at = &u->held;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	held_free(h);
}

struct held *held_find(struct usher *u, const char *session_id)
{
	for (struct held *h = u->held; h; h = h->next) {
		if (!h->is_lost && !h->is_unwanted && !strcmp(h->session_id, session_id))
			return h;
	}
	return NULL;
}

void held_forget(struct usher *u, const char *session_id)
{
	for (struct held *h = u->held, *next; h; h = next) {
		next = h->next;
		if (!strcmp(h->session_id, session_id))
			held_remove(u, h);
	}
}

void held_add(struct usher *u, struct held *h, const struct usher_session *session,
	enum usher_owner owner, bool is_renewed)
{
	held_forget(u, session->session_id);
	if (!h)
		return;
	memcpy(h->session_id, session->session_id, sizeof(h->session_id));
	h->owner = owner;
	h->is_renewed = is_renewed;
	h->is_seen = true; /* what the Monitor said so far was not about it */
	h->next = u->held;
	u->held = h;
	held_set_deadline(u, h->session_id, session->expires_at_us);
	if (u->on_event)
		loop_wake_at(u, 0); /* to have it watched */
}

/* ---- what is told ---- */

void held_tell(struct usher *u, struct held *h, enum usher_event_type type)
{
	h->due_events |= 1u << type;
	loop_wake_at(u, 0);
}

void held_lose(struct usher *u, struct held *h, int outcome, int error)
{
	h->is_lost = true;
	h->outcome = outcome;
	h->error = error;
	h->renew_at = -1;
	h->ask = ASK_NOTHING;
	h->due_events = 0; /* the rest does not matter any more */
	held_tell(u, h, USHER_EVENT_LOST);
}

void held_lose_connection(struct usher *u)
{
	for (struct held *h = u->held; h; h = h->next) {
		h->is_asked = false;
		if (!h->is_lost && !h->is_unwanted && h->owner == USHER_OWNER_CONNECTION)
			h->ask = ASK_ATTACH;
	}
}

int held_outcome_of(const struct json_value *parameters)
{
	struct json_value value;

	if (!json_find_member(parameters, "outcome", &value) || value.type != JSON_STRING)
		return -1;
	for (int i = 0; outcome_names[i]; i++) {
		if (json_string_is(&value, outcome_names[i], strlen(outcome_names[i])))
			return i;
	}
	return -1;
}

static bool says_it_ended(const struct varlink_reply *reply)
{
	int number = refusal_number(reply);

	return number == -USHER_E_SESSION_ENDED || number == -USHER_E_NO_SUCH_SESSION;
}

void held_note_refusal(struct usher *u, const char *session_id, const struct varlink_reply *reply)
{
	struct held *h = held_find(u, session_id);

	if (h && says_it_ended(reply))
		held_lose(u, h, held_outcome_of(&reply->parameters), refusal_number(reply));
}

/* ---- renewal ---- */

static int64_t left_ms(const struct held *h)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return h->expires_at_us / 1000 - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

void held_set_deadline(struct usher *u, const char *session_id, int64_t expires_at_us)
{
	struct held *h = held_find(u, session_id);
	int64_t wait_ms;

	if (!h)
		return;
	h->expires_at_us = expires_at_us;
	h->renew_at = -1;
	if (expires_at_us < 0 || !h->is_renewed)
		return;
	wait_ms = left_ms(h) / 3;
	h->renew_at = conn_now_ms() + (wait_ms < RENEW_LEAST_MS ? RENEW_LEAST_MS : wait_ms);
	loop_wake_at(u, h->renew_at);
}

/* It may work the next time: the program is told once, and may know better. */
static void fail_renewal(struct usher *u, struct held *h, int error)
{
	int64_t wait_ms = left_ms(h) / 3;

	if (wait_ms > RETRY_MOST_MS)
		wait_ms = RETRY_MOST_MS;
	if (wait_ms < RETRY_LEAST_MS)
		wait_ms = RETRY_LEAST_MS;
	h->renew_at = conn_now_ms() + wait_ms;
	h->error = error;
	if (!h->is_failing)
		held_tell(u, h, USHER_EVENT_RENEW_FAILED);
	h->is_failing = true;
}

static void on_renewed(
	struct usher *u, const struct pending *call, int error, const struct varlink_reply *reply)
{
	struct held *h = held_find(u, call->session_id);
	struct json_value value;
	int64_t expires_at = -1;

	if (!h)
		return;
	h->is_renewing = false;
	if (error) {
		h->renew_at = conn_now_ms(); /* as soon as the broker is back */
		loop_wake_at(u, u->link.at);
	} else if (reply->error[0]) {
		held_note_refusal(u, call->session_id, reply);
		if (!h->is_lost)
			fail_renewal(u, h, refusal_number(reply));
	} else {
		if (json_find_member(&reply->parameters, "expires_at", &value))
			json_get_int(&value, &expires_at);
		h->is_failing = false;
		held_set_deadline(u, call->session_id, expires_at);
	}
}

static void renew(struct usher *u, struct held *h)
{
	struct renew_call in = {message_cstring(h->session_id), MESSAGE_ABSENT};
	int r = control_call(
		u, USHER_INTERFACE ".Renew", &renew_in, &in, on_renewed, h->session_id, NULL);

	h->is_renewing = r == 0;
	if (r == 0)
		h->renew_at = -1;
	else if (r != -EAGAIN)
		fail_renewal(u, h, r);
}

/* One that is to be attached first is renewed right behind that. */
static bool may_be_renewed(const struct held *h)
{
	return h->renew_at >= 0 && !h->is_renewing && (h->ask != ASK_ATTACH || h->is_asked);
}

/* While the broker cannot be reached, it is not sooner than that is tried again. */
static int64_t next_renewal(const struct usher *u, const struct held *h, int64_t now)
{
	if (now < h->renew_at || channel_is_open(&u->control) || u->link.at < now)
		return h->renew_at;
	return u->link.at;
}

int64_t held_do_due(struct usher *u, int64_t now)
{
	int64_t next = -1;

	for (struct held *h = u->held; h; h = h->next) {
		if (may_be_renewed(h) && now >= h->renew_at)
			renew(u, h);
		if (may_be_renewed(h))
			next = sooner(next, next_renewal(u, h, now));
	}
	return next;
}
