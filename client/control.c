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
		r = control_open(u);
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
	backoff_reset(&u->link);
	p->on_answer(u, p, 0, &reply);
	free(p);
	return 0;
}

/* ---- the connection ---- */

/* Unknown ones cannot be attached again, and nobody could be told their ids. The answers' functions
 * may call again, but find no connection before its time. */
void control_lost(struct usher *u, int error)
{
	struct pending *list = u->pending;

	u->pending = NULL;
	if (u->owns_unknown)
		u->has_lost_sessions = true;
	u->owns_unknown = false;
	channel_close(u, &u->control);
	backoff_plan(&u->link, conn_now_ms());
	held_lose_connection(u);
	while (list) {
		struct pending *p = list;

		list = p->next;
		p->on_answer(u, p, error, NULL);
		free(p);
	}
	loop_wake_at(u, u->link.at);
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

int control_open(struct usher *u)
{
	if (conn_now_ms() < u->link.at)
		return -EAGAIN;
	if (channel_open(u, &u->control) < 0) {
		loop_wake_at(u, backoff_plan(&u->link, conn_now_ms()));
		return -EAGAIN;
	}
	recover_ask(u);
	return 0;
}

/* False if the time is over before that. */
static bool sleep_until_retry(const struct usher *u, int64_t give_up_at)
{
	conn_sleep_until(u->link.at < give_up_at ? u->link.at : give_up_at);
	return conn_now_ms() < give_up_at;
}

/* Once at least, and at once if nothing has failed in the same call. */
static int open_blocking(struct usher *u, int64_t deadline, int64_t give_up_at, bool is_retry)
{
	bool is_patient = is_retry || recover_is_needed(u);
	int r;

	if (is_retry)
		sleep_until_retry(u, give_up_at);
	for (;;) {
		r = conn_open(&u->control.conn, u->socket_path, deadline);
		u->was_reached |= r == 0;
		if (r == 0)
			r = channel_watch(u, &u->control);
		if (r == 0)
			return 0;
		channel_close(u, &u->control);
		backoff_plan(&u->link, conn_now_ms());
		if (!is_patient || !conn_is_absence(r) || !sleep_until_retry(u, give_up_at))
			return r;
	}
}

/* Those to the questions about sessions, which nothing may overtake. */
static int receive_asked(struct usher *u, int64_t deadline)
{
	const char *frame;
	size_t length;
	int r = 0;

	while (r == 0 && recover_is_asking(u)) {
		r = channel_send_all(u, &u->control, deadline);
		if (r == 0)
			r = conn_receive(&u->control.conn, deadline, &frame, &length);
		if (r == 0)
			r = control_answer(u, frame, length);
	}
	return r;
}

int control_restore(struct usher *u, int64_t deadline, bool is_expected)
{
	int64_t give_up_at = deadline < 0 ? conn_now_ms() + RETURN_MS : deadline;
	int r = channel_is_open(&u->control) ? check_alive(u) : 0;

	for (bool is_retry = is_expected;; is_retry = true) {
		if (r < 0 && channel_is_open(&u->control))
			control_lost(u, r);
		r = channel_is_open(&u->control) ? 0
						 : open_blocking(u, deadline, give_up_at, is_retry);
		if (r < 0)
			return r;
		recover_ask(u);
		r = receive_asked(u, deadline);
		if (r == 0 || r == -ETIMEDOUT || conn_now_ms() >= give_up_at)
			return r;
	}
}

void control_restore_held(struct usher *u, int64_t deadline)
{
	int r = channel_is_open(&u->control) ? check_alive(u) : 0;

	if (r < 0 && channel_is_open(&u->control))
		control_lost(u, r);
	if (recover_is_needed(u) || recover_is_asking(u))
		control_restore(u, deadline, true);
}

static int take_loss(struct usher *u)
{
	bool has_lost = u->has_lost_sessions;

	u->has_lost_sessions = false;
	return has_lost ? -ECONNRESET : 0;
}

int control_ensure(struct usher *u, int64_t deadline, bool is_expected)
{
	int r = take_loss(u);

	if (r == 0)
		r = control_restore(u, deadline, is_expected);
	return r == 0 ? take_loss(u) : r;
}

bool control_adopt(struct usher *u, struct channel *from)
{
	if (channel_is_open(&u->control) || conn_check_idle(&from->conn) < 0)
		return false;
	if (channel_move(u, from, &u->control) < 0)
		control_lost(u, -ENOMEM); /* unwatched, it would be of no use */
	else
		recover_ask(u);
	return channel_is_open(&u->control);
}

/* A refusal may lie there even if sending has failed. */
void control_on_ready(struct usher *u, struct channel *c)
{
	int sent = channel_flush(u, c);
	int r = control_receive(u);

	if (r == 0 && sent < 0)
		control_lost(u, sent);
}

/* Sessions that are about to be attached would end with the connection, so that it is not closed
 * because the broker, which may have just been started, takes its time. */
int64_t control_do_due(struct usher *u, int64_t now)
{
	if (!u->pending || u->pending->deadline < 0 || recover_is_asking(u))
		return -1;
	if (now < u->pending->deadline)
		return u->pending->deadline;
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
