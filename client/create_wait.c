/* SPDX-License-Identifier: MIT */
/* A Create that blocks and waits: over a connection of its own, and over others if that is lost. */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>

#define STANDS_MS 10000 /* a connection that did was none that the request has killed */

/* It is sent under its request id until it is answered. */
struct wait {
	struct usher *u;
	const struct wish *wish;
	struct channel *channel;
	struct wish_clock clock;
	struct backoff backoff;
	int64_t sent_at;
	unsigned sends; /* in vain, one soon after the other */
	bool was_sent;
	bool is_lost; /* the connection; it is worth another try */
};

static int64_t call_deadline(const struct wait *w)
{
	return sooner(conn_deadline(w->u->call_timeout_ms), w->clock.give_up_at);
}

static int receive_grant(const struct wait *w, struct usher_session *ret)
{
	struct varlink_reply reply;
	const char *frame;
	size_t length;
	int r = conn_receive(&w->channel->conn, w->clock.answer_at, &frame, &length);

	if (r >= 0)
		r = varlink_reply_decode(frame, length, CLIENT_DEPTH_MAX, &reply);
	if (r < 0)
		return usher_fail(w->u, r);
	if (reply.error[0])
		return usher_refused(w->u, &reply);
	r = reply.continues ? -EBADMSG : grant_decode(&reply.parameters, ret);
	return r < 0 ? usher_fail(w->u, r) : 0;
}

static int send_wish(struct wait *w)
{
	int64_t deadline = call_deadline(w);
	struct create_call call = w->wish->call;
	struct channel *c = w->channel;
	int r;

	if (w->was_sent)
		wish_clock_set(&w->clock, &call);
	r = call_encode(&c->out, USHER_INTERFACE ".Create", VARLINK_PLAIN, &create_in, &call);
	if (r == 0)
		r = conn_send(&c->conn, c->out.data, c->out.length, deadline);
	json_writer_deinit(&c->out);
	w->sent_at = conn_now_ms();
	w->was_sent = true;
	w->sends++;
	/* A broker that refuses a connection answers and closes: the answer counts. */
	return r < 0 && r != -ECONNRESET ? usher_fail(w->u, r) : 0;
}

static int attach(struct usher *u, const char *session_id)
{
	struct attach_call in = {
		message_cstring(session_id), owner_index(USHER_OWNER_CONNECTION), MESSAGE_ABSENT};
	bool has_lost = u->has_lost_sessions;
	int r;

	u->has_lost_sessions = false; /* the next call tells, not this one */
	r = call_simple(u, USHER_INTERFACE ".Attach", &attach_in, &in, &attach_out, NULL);
	u->has_lost_sessions |= has_lost;
	return r;
}

/* The session belongs to the connection that waited. If there is a control connection, move it
 * there; else, or if that turns out to be lost, this one takes its place, if it is not lost, too.
 */
static int keep_session(struct wait *w, const char *session_id)
{
	struct usher *u = w->u;
	int r;

	control_restore_held(u, call_deadline(w));
	if (!channel_is_open(&u->control))
		return control_adopt(u, w->channel) ? 0 : usher_fail(u, -ECONNRESET);
	r = attach(u, session_id);
	if (r == -ECONNRESET && control_adopt(u, w->channel))
		return usher_begin(u);
	return r;
}

static int take_grant(struct wait *w, struct usher_session *ret)
{
	int r = 0;

	if (w->wish->options.owner == USHER_OWNER_CONNECTION)
		r = keep_session(w, ret->session_id);
	else
		control_adopt(w->u, w->channel);
	if (r < 0)
		usher_session_clear(ret);
	return r;
}

/* What is held is seen to first, for it has less time than who waits. A broker that has not been
 * there at all is none to wait for. */
static int connect_and_wait(struct wait *w, struct usher_session *ret)
{
	int64_t deadline = call_deadline(w);
	int r;

	control_restore_held(w->u, deadline);
	r = conn_open(&w->channel->conn, w->u->socket_path, deadline);
	w->is_lost = r < 0 && w->u->was_reached && conn_is_absence(r);
	if (r < 0)
		return usher_fail(w->u, r);
	w->u->was_reached = true;
	r = send_wish(w);
	if (r == 0)
		r = receive_grant(w, ret);
	if (r == 0)
		r = take_grant(w, ret);
	w->is_lost = r == -ECONNRESET;
	return r;
}

/* True to try again. */
static bool wait_for_return(struct wait *w)
{
	int64_t now = conn_now_ms();

	channel_close(w->u, w->channel);
	if (now - w->sent_at > STANDS_MS) {
		w->sends = 0;
		backoff_reset(&w->backoff);
	}
	if (w->sends >= SENDS_MOST)
		return false;
	backoff_plan(&w->backoff, now);
	if (w->clock.give_up_at >= 0 && w->backoff.at > w->clock.give_up_at)
		return false;
	conn_sleep_until(w->backoff.at);
	return true;
}

int create_waiting(struct usher *u, const struct wish *wish, struct usher_session *ret)
{
	struct wait w = {.u = u, .wish = wish};
	int r = usher_begin(u);

	if (r < 0)
		return r;
	w.channel = malloc(sizeof(*w.channel));
	if (!w.channel)
		return usher_fail(u, -ENOMEM);
	channel_init(w.channel, NULL);
	wish_clock_start(u, wish->options.wait_ms, &w.clock);
	do
		r = connect_and_wait(&w, ret);
	while (w.is_lost && wait_for_return(&w));
	channel_close(u, w.channel);
	free(w.channel);
	return r < 0 ? r : usher_begin(u);
}
