/* SPDX-License-Identifier: MIT */
/* What the broker is asked about sessions whose fate is not known: those of a connection that was
 * lost are attached to the new one, those that it has not spoken of are asked for, and those that
 * nobody wants are released. Whatever is not answered is asked again over the next connection,
 * until the broker has said what became of each. */
#include "client/handle.h"

#include <string.h>

/* ---- answers ---- */

/* What asking again cannot change. Else it may: too many have come back at once, the store has no
 * room, a newer broker says what is not known here. */
static bool is_final(int number)
{
	switch (number) {
	case -USHER_E_NO_SUCH_SESSION:
	case -USHER_E_SESSION_ENDED:
	case -USHER_E_INVALID_STATE:
	case -USHER_E_INVALID_PARAMETER:
	case -USHER_E_PERMISSION_DENIED:
	case -USHER_E_INTERFACE_NOT_FOUND:
	case -USHER_E_METHOD_NOT_FOUND:
	case -USHER_E_METHOD_NOT_IMPLEMENTED:
		return true;
	default:
		return false;
	}
}

static void ask_later(struct usher *u, struct held *h)
{
	loop_wake_at(u, backoff_plan(&h->again, conn_now_ms()));
}

/* Without a handler the next call tells the loss, and nothing need be kept for it. */
static void lose(struct usher *u, struct held *h, const struct varlink_reply *reply)
{
	held_lose(u, h, held_outcome_of(&reply->parameters), refusal_number(reply));
	if (u->on_event)
		return;
	u->has_lost_sessions = true;
	held_remove(u, h);
}

/* The one that this is the answer for: it may be gone, or another of the same id in its place. */
static struct held *find_asked(struct usher *u, const char *session_id, enum ask ask)
{
	for (struct held *h = u->held; h; h = h->next) {
		if (h->is_asked && h->ask == ask && !strcmp(h->session_id, session_id))
			return h;
	}
	return NULL;
}

static void on_attached(
	struct usher *u, const struct pending *call, int error, const struct varlink_reply *reply)
{
	struct held *h = error ? NULL : find_asked(u, call->session_id, ASK_ATTACH);

	if (!h)
		return;
	h->is_asked = false;
	if (!reply->error[0]) {
		h->ask = ASK_NOTHING;
		backoff_reset(&h->again);
		held_tell(u, h, USHER_EVENT_REATTACHED);
		told_take_answer(u, h, &reply->parameters);
	} else if (is_final(refusal_number(reply))) {
		lose(u, h, reply);
	} else {
		ask_later(u, h);
	}
}

static void on_checked(
	struct usher *u, const struct pending *call, int error, const struct varlink_reply *reply)
{
	struct held *h = error ? NULL : find_asked(u, call->session_id, ASK_CHECK);

	if (!h)
		return;
	h->is_asked = false;
	h->ask = ASK_NOTHING;
	if (reply->error[0])
		held_note_refusal(u, call->session_id, reply);
	else
		told_take_answer(u, h, &reply->parameters);
}

static void on_released(
	struct usher *u, const struct pending *call, int error, const struct varlink_reply *reply)
{
	struct held *h = error ? NULL : find_asked(u, call->session_id, ASK_RELEASE);

	if (!h)
		return;
	h->is_asked = false;
	if (!reply->error[0] || is_final(refusal_number(reply)))
		held_remove(u, h);
	else
		ask_later(u, h);
}

/* ---- questions ---- */

static int ask_attach(struct usher *u, const struct held *h)
{
	struct attach_call in = {message_cstring(h->session_id),
		owner_index(USHER_OWNER_CONNECTION), MESSAGE_ABSENT};

	return control_call(
		u, USHER_INTERFACE ".Attach", &attach_in, &in, on_attached, h->session_id, NULL);
}

static int ask_check(struct usher *u, const struct held *h)
{
	struct get_call in = {.session_id = message_cstring(h->session_id)};

	return control_call(
		u, USHER_INTERFACE ".Get", &get_in, &in, on_checked, h->session_id, NULL);
}

static int ask_release(struct usher *u, const struct held *h)
{
	struct release_call in = {
		.session_id = message_cstring(h->session_id), .outcome = USHER_CANCELLED};

	return control_call(
		u, USHER_INTERFACE ".Release", &release_in, &in, on_released, h->session_id, NULL);
}

static void ask(struct usher *u, struct held *h)
{
	int r = h->ask == ASK_ATTACH  ? ask_attach(u, h)
		: h->ask == ASK_CHECK ? ask_check(u, h)
				      : ask_release(u, h);

	h->is_asked = r == 0;
	if (r < 0)
		ask_later(u, h); /* without memory */
}

static bool is_open(const struct held *h)
{
	return h->ask && !h->is_asked && !h->is_lost && !h->is_releasing;
}

void recover_ask(struct usher *u)
{
	int64_t now = conn_now_ms();

	for (struct held *h = u->held; h; h = h->next) {
		if (is_open(h) && now >= h->again.at)
			ask(u, h);
	}
}

void recover_check(struct usher *u, struct held *h)
{
	if (h->ask)
		return; /* which tells as much */
	h->ask = ASK_CHECK;
	if (channel_is_open(&u->control))
		recover_ask(u);
	else
		loop_wake_at(u, 0);
}

void recover_release(struct usher *u, struct held *h)
{
	h->is_unwanted = true;
	h->ask = ASK_RELEASE;
	h->is_asked = false;
	h->due_events = 0;
	h->renew_at = -1;
	if (channel_is_open(&u->control))
		recover_ask(u);
	else
		loop_wake_at(u, 0);
}

/* ---- when ---- */

bool recover_is_needed(const struct usher *u)
{
	for (const struct held *h = u->held; h; h = h->next) {
		if (h->ask == ASK_ATTACH && !h->is_asked && !h->is_lost)
			return true;
	}
	return false;
}

bool recover_is_asking(const struct usher *u)
{
	for (const struct held *h = u->held; h; h = h->next) {
		if (h->is_asked && h->ask == ASK_ATTACH)
			return true;
	}
	return false;
}

static int64_t next_question(const struct usher *u)
{
	int64_t next = -1;

	for (const struct held *h = u->held; h; h = h->next) {
		if (is_open(h))
			next = sooner(next, h->again.at);
	}
	return next;
}

int64_t recover_do_due(struct usher *u, int64_t now)
{
	int64_t next = next_question(u);

	if (next < 0)
		return -1;
	if (!channel_is_open(&u->control)) {
		if (now >= next)
			control_open(u);
		if (!channel_is_open(&u->control))
			return next > u->link.at ? next : u->link.at;
	}
	recover_ask(u);
	return next_question(u);
}
