/* SPDX-License-Identifier: MIT */
/* Creates that do not block: each has a connection of its own, on which it may wait. */
#include "client/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS       20 /* while the broker's backlog is full */
#define FRAMES_AT_ONCE 64

/* ---- the list ---- */

static void request_unlink(struct usher *u, struct request *q)
{
	struct request **at = &u->requests;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	for (struct pending *p = u->pending; p; p = p->next) {
		if (p->request == q)
			p->request = NULL;
	}
}

static void request_free(struct usher *u, struct request *q)
{
	channel_close(u, &q->channel);
	usher_session_clear(&q->session);
	held_free(q->held);
	free(q->texts);
	free(q->refusal);
	free(q);
}

void request_drop(struct usher *u, struct request *q)
{
	request_unlink(u, q);
	request_free(u, q);
}

void request_free_all(struct usher *u)
{
	while (u->requests)
		request_drop(u, u->requests);
}

static void append(struct usher *u, struct request *q)
{
	struct request **end = &u->requests;

	while (*end)
		end = &(*end)->next;
	*end = q;
}

/* ---- the end ---- */

/* The connection may be needed still, to give the session back. */
static void finish(struct usher *u, struct request *q, int result)
{
	q->state = REQUEST_DONE;
	q->result = result;
	q->has_progress = false;
	q->retry_at = q->deadline = -1;
	if (result < 0)
		channel_close(u, &q->channel);
	else
		channel_unwatch(u, &q->channel);
	if (q->is_cancelled)
		request_drop(u, q);
	else
		loop_wake_at(u, 0);
}

static void finish_granted(struct usher *u, struct request *q)
{
	if (q->is_id_made)
		q->session.is_existing = false; /* it is this very request's, sent twice */
	held_add(u, q->held, &q->session, q->owner, q->is_renewed);
	q->held = NULL;
	finish(u, q, 0);
}

static void finish_refused(struct usher *u, struct request *q, const struct varlink_reply *reply,
	const char *frame, size_t length)
{
	q->refusal = malloc(length + 1);
	if (q->refusal) {
		memcpy(q->refusal, frame, length);
		q->refusal_length = length;
	}
	finish(u, q, refusal_number(reply));
}

/* ---- anew ---- */

static void plan_again(struct usher *u, struct request *q, int error)
{
	q->error = error;
	q->retry_at = backoff_plan(&q->backoff, conn_now_ms());
	loop_wake_at(u, q->retry_at);
}

/* Whatever it was told so far is void: the next broker knows it by its request id, or not at all.
 */
void request_start_again(struct usher *u, struct request *q, int error)
{
	channel_close(u, &q->channel);
	if (q->state == REQUEST_RELEASING) {
		request_give_back_over_control(u, q);
		request_drop(u, q);
		return;
	}
	usher_session_clear(&q->session);
	if (q->sends >= SENDS_MOST) {
		finish(u, q, error);
		return;
	}
	q->state = REQUEST_CONNECTING;
	q->has_progress = false;
	if (!q->is_cancelled)
		q->deadline = q->clock.give_up_at;
	plan_again(u, q, error);
}

/* ---- granted ---- */

/* If the control connection is lost meanwhile, the one that waited takes its place. */
static void on_attached(
	struct usher *u, const struct pending *call, int error, const struct varlink_reply *reply)
{
	struct request *q = call->request;

	if (!q)
		return;
	if (error) {
		if (!q->is_cancelled && control_adopt(u, &q->channel))
			finish_granted(u, q);
		else
			request_start_again(u, q, error);
	} else if (q->is_cancelled) {
		if (!reply->error[0])
			request_give_back_over_control(u, q);
		request_drop(u, q);
	} else if (reply->error[0]) {
		finish(u, q, refusal_number(reply));
	} else {
		channel_close(u, &q->channel);
		finish_granted(u, q);
	}
}

static void attach(struct usher *u, struct request *q)
{
	struct attach_call in = {message_cstring(q->session.session_id),
		owner_index(USHER_OWNER_CONNECTION), MESSAGE_ABSENT};
	int r = control_call(u, USHER_INTERFACE ".Attach", &attach_in, &in, on_attached, NULL, q);

	q->state = REQUEST_ATTACHING;
	channel_unwatch(u, &q->channel);
	if (r < 0)
		request_start_again(u, q, r);
}

static void take_grant(struct usher *u, struct request *q)
{
	q->deadline = -1;
	q->has_progress = false;
	if (q->is_cancelled)
		request_give_back(u, q);
	else if (control_adopt(u, &q->channel) || q->owner != USHER_OWNER_CONNECTION)
		finish_granted(u, q);
	else
		attach(u, q);
}

/* ---- answers ---- */

static void take_progress(struct request *q, const struct json_value *parameters)
{
	int64_t position, waiting;

	if (!grant_decode_queued(parameters, &position, &waiting))
		return;
	q->has_progress = !q->is_cancelled;
	q->position = position;
	q->waiting = waiting;
}

/* True while more may be taken from the connection. */
static bool take_reply(struct usher *u, struct request *q, const char *frame, size_t length)
{
	struct varlink_reply reply;
	int r = varlink_reply_decode(frame, length, CLIENT_DEPTH_MAX, &reply);

	if (r == 0) {
		q->sends = 0;
		q->is_away = false;
		backoff_reset(&q->backoff);
	}
	if (r == 0 && q->state == REQUEST_LOOKING)
		return request_take_look(u, q, &reply);
	if (r == 0 && q->state == REQUEST_RELEASING) {
		request_drop(u, q);
		return false;
	}
	if (r == 0 && reply.error[0]) {
		finish_refused(u, q, &reply, frame, length);
		return false;
	}
	if (r == 0 && reply.continues) {
		take_progress(q, &reply.parameters);
		return true;
	}
	if (r == 0)
		r = grant_decode(&reply.parameters, &q->session);
	if (r < 0)
		finish(u, q, r);
	else
		take_grant(u, q);
	return false;
}

static void on_ready(struct usher *u, struct channel *c)
{
	struct request *q = (struct request *)c;
	int sent = channel_flush(u, c); /* a refusal may lie there even if this fails */
	const char *frame;
	size_t length;
	int n = 0, r = 1;

	while (r > 0 && (n++ < FRAMES_AT_ONCE || conn_has_frame(&c->conn))) {
		r = conn_try_receive(&c->conn, &frame, &length);
		if (r > 0 && !take_reply(u, q, frame, length))
			return;
	}
	if (r >= 0)
		r = sent;
	if (r == -ECONNRESET)
		request_start_again(u, q, r);
	else if (r < 0)
		finish(u, q, r);
}

/* ---- the begin ---- */

static int encode(struct request *q)
{
	struct create_call call = q->call;

	if (q->was_sent && q->is_cancelled)
		return request_look(q);
	if (q->was_sent)
		wish_clock_set(&q->clock, &call);
	return call_encode(
		&q->channel.out, USHER_INTERFACE ".Create", VARLINK_MORE, &create_in, &call);
}

static void send_wish(struct usher *u, struct request *q)
{
	bool is_wanted = !q->is_cancelled;
	int r;

	q->retry_at = -1;
	q->state = is_wanted ? REQUEST_WAITING : REQUEST_LOOKING;
	if (is_wanted)
		q->deadline = q->clock.answer_at; /* else usher_cancel() has set one */
	loop_wake_at(u, q->deadline);
	r = encode(q);
	q->was_sent = true;
	q->sends++;
	if (r == 0)
		r = channel_flush(u, &q->channel);
	if (r < 0 && r != -ECONNRESET)
		finish(u, q, r);
	else if (channel_watch(u, &q->channel) < 0)
		finish(u, q, -ENOMEM);
}

/* Not of the first failure after a loss: a broker that is restarted is back in a blink. */
static void tell_absence(struct usher *u, struct request *q)
{
	if (q->is_away || q->is_cancelled)
		return;
	q->is_away = q->has_progress = true;
	q->position = q->waiting = 0;
	loop_wake_at(u, 0);
}

/* A broker that was there before is about to come back, or so it is hoped by who has sent
 * something, waits anyway, or holds sessions, which wait for it, too. */
static bool is_patient(const struct usher *u, const struct request *q)
{
	return q->was_sent || recover_is_needed(u) ||
	       (u->was_reached && q->call.wait_ms != MESSAGE_ABSENT);
}

static void try_connect(struct usher *u, struct request *q)
{
	int r = conn_try_open(&q->channel.conn, u->socket_path);

	u->was_reached |= r == 0;
	if (r == 0) {
		send_wish(u, q);
	} else if (conn_is_absence(r) && is_patient(u, q)) {
		if (q->backoff.range_ms > BACKOFF_LEAST_MS)
			tell_absence(u, q);
		plan_again(u, q, r);
	} else if (r == -EAGAIN) {
		q->retry_at = conn_now_ms() + RETRY_MS;
		loop_wake_at(u, q->retry_at);
	} else {
		finish(u, q, r);
	}
}

/* Q may be gone then. */
static void do_due(struct usher *u, struct request *q, int64_t now)
{
	if (q->deadline >= 0 && now >= q->deadline)
		finish(u, q, q->state == REQUEST_CONNECTING ? q->error : -ETIMEDOUT);
	else if (q->retry_at >= 0 && now >= q->retry_at)
		try_connect(u, q);
}

int64_t request_do_due(struct usher *u, int64_t now)
{
	int64_t next = -1;

	for (struct request *q = u->requests, *after; q; q = after) {
		after = q->next;
		do_due(u, q, now);
	}
	for (const struct request *q = u->requests; q; q = q->next)
		next = sooner(next, sooner(q->deadline, q->retry_at));
	return next;
}

static int request_new(struct usher *u, const struct wish *wish, struct request **ret)
{
	struct request *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	channel_init(&q->channel, on_ready);
	q->session.size = sizeof(q->session);
	q->owner = wish->options.owner;
	q->is_renewed = !wish->options.no_renewal;
	q->is_id_made = wish->request_id[0];
	q->retry_at = -1;
	q->error = -ETIMEDOUT;
	wish_clock_start(u, wish->options.wait_ms, &q->clock);
	q->deadline = u->was_reached ? q->clock.give_up_at : conn_deadline(u->call_timeout_ms);
	r = wish_keep(&wish->call, &q->call, &q->texts);
	if (r == 0)
		r = held_new(u, q->owner, &q->held);
	if (r < 0) {
		request_free(u, q);
		return r;
	}
	*ret = q;
	return 0;
}

int usher_create_async(struct usher *u, const struct usher_create_options *options,
	struct usher_session *ret, usher_create_fn *on_answer, void *userdata,
	uint64_t *ret_request)
{
	struct request *q = NULL;
	struct wish wish;
	int r = usher_begin(u);

	if (r < 0)
		return r;
	r = wish_prepare(options, &wish);
	if (r == 0 && (!on_answer || !ret || ret->size < sizeof(*ret)))
		r = -EINVAL;
	if (r == 0)
		r = dispatch_prepare(u);
	if (r == 0)
		r = request_new(u, &wish, &q);
	if (r)
		return usher_fail(u, r);
	q->number = ++u->last_request;
	q->ret = ret;
	q->on_answer = on_answer;
	q->userdata = userdata;
	append(u, q);
	if (ret_request)
		*ret_request = q->number;
	try_connect(u, q);
	return 0;
}
