/* SPDX-License-Identifier: MIT */
/* The handle's one call of Monitor, which tells what happens to its sessions. It says too much (all
 * that the process holds), and it may be cut off and begun anew at any time: what a session is told
 * to be is compared with what the program knows. */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_AT_ONCE 64

/* Of an Event, what is wanted here: names that a newer broker adds do no harm. */
struct told {
	struct message_text type;
	struct message_text session; /* an object */
	struct message_text outcome;
	struct message_text reason;
};

#define TOLD(field, k, required)                                                                   \
	{                                                                                          \
		MESSAGE_NAME(#field), .kind = k, .is_required = required,                          \
				      .offset = offsetof(struct told, field), .min = 0,            \
				      .max = INT64_MAX                                             \
	}

static const struct message_field told_fields[] = {
	TOLD(type, FIELD_STRING, true),
	TOLD(session, FIELD_OBJECT, false),
	TOLD(outcome, FIELD_STRING, false),
	TOLD(reason, FIELD_STRING, false),
};
static const struct message told_table = {
	"Event", sizeof(struct told), told_fields, sizeof(told_fields) / sizeof(told_fields[0])};

/* ---- events ---- */

static bool is_type(const struct told *told, const char *name)
{
	return told->type.length == strlen(name) &&
	       !memcmp(told->type.text, name, told->type.length);
}

static int outcome_of(const struct told *told)
{
	for (int i = 0; told->outcome.text && outcome_names[i]; i++) {
		if (told->outcome.length == strlen(outcome_names[i]) &&
			!memcmp(told->outcome.text, outcome_names[i], told->outcome.length))
			return i;
	}
	return -1;
}

static void take_session(
	struct usher *u, const struct told *told, const struct told_session *session)
{
	char session_id[SESSION_ID_SIZE];
	struct held *h;

	if (copy_text(&session->session_id, session_id, sizeof(session_id)) < 0)
		return;
	h = held_find(u, session_id);
	if (!h)
		return;
	h->is_seen = true;
	if (is_type(told, "ended")) {
		held_lose(u, h, outcome_of(told), 0);
		return;
	}
	told_take(u, h, session, &told->reason);
}

/* Those that were held before and are not in the snapshot have ended, unless the broker does not
 * count them as ours any more. */
static void check_unseen(struct usher *u)
{
	backoff_reset(&u->watch.backoff);
	backoff_reset(&u->link); /* where one connection goes, others do */
	for (struct held *h = u->held; h; h = h->next) {
		if (!h->is_lost && !h->is_unwanted && !h->is_seen)
			recover_check(u, h);
		h->is_seen = true;
	}
	if (u->watch.is_unreachable)
		u->due_events |= 1u << USHER_EVENT_BROKER_BACK;
	u->watch.is_unreachable = false;
}

/* 0, or -EBADMSG: what follows cannot be trusted either. */
static int decode(const struct message *table, const struct json_value *value,
	struct message_scratch *scratch, void *ret)
{
	struct varlink_fault fault;

	return message_decode(table, value, MESSAGE_IGNORE_UNKNOWN, scratch, ret, &fault) == 0
		       ? 0
		       : -EBADMSG;
}

static int take_event(
	struct usher *u, const struct json_value *event, struct message_scratch *scratch)
{
	struct told_session session;
	struct json_value value;
	struct told told;
	int r = decode(&told_table, event, scratch, &told);

	if (r < 0)
		return r;
	if (is_type(&told, "ready"))
		check_unseen(u);
	if (!told.session.text)
		return 0;
	if (!json_find_member(event, "session", &value))
		return -EBADMSG;
	r = decode(&told_session_table, &value, scratch, &session);
	if (r == 0)
		take_session(u, &told, &session);
	return r;
}

static int take_frame(struct usher *u, const char *frame, size_t length)
{
	struct message_scratch scratch;
	struct varlink_reply reply;
	struct json_value event;
	char *decoded;
	int r = varlink_reply_decode(frame, length, CLIENT_DEPTH_MAX, &reply);

	if (r < 0)
		return r;
	if (reply.error[0])
		return refusal_number(&reply);
	if (!reply.continues || !json_find_member(&reply.parameters, "event", &event) ||
		event.type != JSON_OBJECT)
		return -EBADMSG;
	decoded = malloc(event.length);
	if (!decoded)
		return -ENOMEM;
	scratch = (struct message_scratch){decoded, event.length};
	r = take_event(u, &event, &scratch);
	free(decoded);
	return r;
}

/* ---- the connection ---- */

/* Being cut off is no news: the next snapshot tells what was missed. Not to get there again is. */
static void fail(struct usher *u, int error)
{
	bool is_again = u->watch.backoff.range_ms > 0;

	channel_close(u, &u->watch.channel);
	if (is_again && error != -EAGAIN && !u->watch.is_unreachable) {
		u->watch.is_unreachable = true;
		u->due_events &= ~(1u << USHER_EVENT_BROKER_BACK);
		u->due_events |= 1u << USHER_EVENT_BROKER_LOST;
		u->due_error = error;
	}
	loop_wake_at(u, backoff_plan(&u->watch.backoff, conn_now_ms()));
}

/* The next frame, or 0 for now. */
static int receive(struct usher *u, struct channel *c)
{
	const char *frame;
	size_t length;
	int r = conn_try_receive(&c->conn, &frame, &length);

	if (r <= 0)
		return r;
	r = take_frame(u, frame, length);
	return r < 0 ? r : 1;
}

static void on_ready(struct usher *u, struct channel *c)
{
	int n = 0, r = channel_flush(u, c);

	if (r == 0)
		r = 1;
	while (r > 0 && (n++ < FRAMES_AT_ONCE || conn_has_frame(&c->conn)))
		r = receive(u, c);
	if (r < 0)
		fail(u, r);
}

static void start(struct usher *u)
{
	struct monitor_call in = {.own = true};
	int r = channel_open(u, &u->watch.channel);

	if (r == 0)
		r = call_encode(&u->watch.channel.out, USHER_INTERFACE ".Monitor", VARLINK_MORE,
			&monitor_in, &in);
	if (r == 0)
		r = channel_flush(u, &u->watch.channel);
	if (r < 0) {
		fail(u, r);
		return;
	}
	for (struct held *h = u->held; h; h = h->next)
		h->is_seen = false;
}

void watch_init(struct usher *u)
{
	channel_init(&u->watch.channel, on_ready);
}

void watch_deinit(struct usher *u)
{
	channel_close(u, &u->watch.channel);
}

int64_t watch_do_due(struct usher *u, int64_t now)
{
	struct watch *w = &u->watch;

	if (!u->on_event) {
		channel_close(u, &w->channel);
		return -1;
	}
	if (channel_is_open(&w->channel) || !u->held)
		return -1;
	if (now >= w->backoff.at)
		start(u);
	return channel_is_open(&w->channel) ? -1 : w->backoff.at;
}
