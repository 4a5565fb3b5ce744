/* SPDX-License-Identifier: MIT */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- pending calls ---- */

static struct pending *pending_new(const struct usher *u, answer_fn *on_answer,
	const char *session_id, struct request *request)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->on_answer = on_answer;
	p->deadline = conn_deadline(u->call_timeout_ms);
	p->request = request;
	if (session_id)
		strncpy(p->session_id, session_id, sizeof(p->session_id) - 1);
	return p;
}

static void append(struct usher *u, struct pending *p)
{
	struct pending **end = &u->pending;

	while (*end)
		end = &(*end)->next;
	*end = p;
}

static struct pending *take_oldest(struct usher *u)
{
	struct pending *p = u->pending;

	if (p)
		u->pending = p->next;
	return p;
}

/* A call that cannot be sent now fails with the connection, as if it had been sent. */
int control_call(struct usher *u, const char *method, const struct message *in_table,
	const void *in, answer_fn *on_answer, const char *session_id, struct request *request)
{
	struct pending *p = pending_new(u, on_answer, session_id, request);
	int r = 0;

	if (!p)
		return -ENOMEM;
	if (!channel_is_open(&u->control))
		r = channel_open(u, &u->control);
	if (r == 0)
		r = call_encode(&u->control.out, method, VARLINK_PLAIN, in_table, in);
	if (r < 0) {
		free(p);
		return r;
	}
	append(u, p);
	loop_wake_at(u, p->deadline);
	if (channel_flush(u, &u->control) < 0)
		loop_wake_at(
			u, 0); /* control_receive() will meet the loss, after what came before */
	return 0;
}

int control_answer(struct usher *u, const char *frame, size_t length)
{
	struct varlink_reply reply;
	struct pending *p;

	if (varlink_reply_decode(frame, length, CLIENT_DEPTH_MAX, &reply) < 0 || reply.continues)
		return -EBADMSG;
	p = take_oldest(u);
	if (!p)
		return -EBADMSG;
	p->on_answer(u, p, 0, &reply);
	free(p);
	return 0;
}

/* ---- the connection ---- */

/* The answers' functions may call again, over the next connection. */
void control_lost(struct usher *u, int error)
{
	struct pending *list = u->pending;
	bool owned_sessions = u->owns_sessions;

	u->pending = NULL;
	u->owns_sessions = false;
	channel_close(u, &u->control);
	if (owned_sessions)
		held_lose_connection(u, error);
	while (list) {
		struct pending *p = list;

		list = p->next;
		p->on_answer(u, p, error, NULL);
		free(p);
	}
}

int control_receive(struct usher *u)
{
	const char *frame;
	size_t length;
	int r;

	for (;;) {
		r = conn_try_receive(&u->control.conn, &frame, &length);
		if (r > 0)
			r = control_answer(u, frame, length);
		else if (r == 0)
			return 0;
		if (r < 0)
			break;
	}
	control_lost(u, r);
	return r;
}

static int check_alive(struct usher *u)
{
	int r = u->pending ? control_receive(u) : 0;

	if (r == 0 && !u->pending)
		r = conn_check_idle(&u->control.conn);
	return r;
}

int control_ensure(struct usher *u, int64_t deadline)
{
	int r;

	if (u->has_lost_sessions) {
		u->has_lost_sessions = false;
		return -ECONNRESET;
	}
	if (channel_is_open(&u->control)) {
		bool had_sessions = u->owns_sessions;

		r = check_alive(u);
		if (r == 0)
			return 0;
		if (channel_is_open(&u->control))
			control_lost(u, r);
		if (had_sessions)
			return r;
	}
	r = conn_open(&u->control.conn, u->socket_path, deadline);
	if (r == 0)
		r = channel_watch(u, &u->control);
	if (r < 0)
		channel_close(u, &u->control);
	return r;
}

bool control_adopt(struct usher *u, struct channel *from)
{
	if (channel_is_open(&u->control) || conn_check_idle(&from->conn) < 0)
		return false;
	if (channel_move(u, from, &u->control) < 0)
		control_lost(u, -ENOMEM); /* unwatched, it would be of no use */
	return channel_is_open(&u->control);
}

/* A refusal may lie there even if sending has failed. Where the program has no event handler, its
 * next call has to say that sessions were lost. */
void control_on_ready(struct usher *u, struct channel *c)
{
	bool is_silent = u->owns_sessions && !u->on_event;
	int sent = channel_flush(u, c);
	int r = control_receive(u);

	if (r == 0 && sent < 0) {
		r = sent;
		control_lost(u, r);
	}
	if (r < 0 && is_silent)
		u->has_lost_sessions = true;
}

int64_t control_do_due(struct usher *u, int64_t now)
{
	if (!u->pending || u->pending->deadline < 0)
		return -1;
	if (now < u->pending->deadline)
		return u->pending->deadline;
	if (u->owns_sessions && !u->on_event)
		u->has_lost_sessions = true;
	control_lost(u, -ETIMEDOUT);
	return -1;
}

void control_deinit(struct usher *u)
{
	struct pending *p;

	channel_close(u, &u->control);
	while ((p = take_oldest(u)) != NULL)
		free(p);
}
