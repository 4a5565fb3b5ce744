/* SPDX-License-Identifier: MIT */
/* The end of requests that the program does not want any more. */
#include "client/request.h"

#include <errno.h>

#define RELEASE_MS 10000 /* for the answer to a Release that nobody waits for */

/* ---- giving back ---- */

static struct release_call release_of(const struct request *q)
{
	return (struct release_call){
		.session_id = message_cstring(q->session.session_id),
		.outcome = USHER_CANCELLED,
	};
}

/* The session has moved to the control connection, or the one that waited is lost. It is kept as
 * one that nobody wants, whoever owns it, for the broker may be away. Without memory it is left to
 * its connection or its deadline. */
void request_give_back_over_control(struct usher *u, struct request *q)
{
	struct held *h = NULL;

	held_forget(u, q->session.session_id);
	if (held_new(u, USHER_OWNER_CONNECTION, &h) < 0)
		return;
	held_add(u, h, &q->session, q->owner, false);
	recover_release(u, h);
}

void request_give_back(struct usher *u, struct request *q)
{
	struct release_call in = release_of(q);

	q->state = REQUEST_RELEASING;
	q->deadline = conn_now_ms() + RELEASE_MS;
	loop_wake_at(u, q->deadline);
	if (call_encode(&q->channel.out, USHER_INTERFACE ".Release", VARLINK_PLAIN, &release_in,
		    &in) < 0 ||
		channel_flush(u, &q->channel) < 0) {
		request_give_back_over_control(u, q);
		request_drop(u, q);
	}
}

/* ---- a look ---- */

/* Two calls at once: the answer to the second tells. */
int request_look(struct request *q)
{
	struct cancel_call cancel = {q->call.request_id};
	struct get_call get = {.request_id = q->call.request_id};
	int r = call_encode(
		&q->channel.out, USHER_INTERFACE ".Cancel", VARLINK_PLAIN, &cancel_in, &cancel);

	q->looks = 2;
	return r < 0 ? r
		     : call_encode(&q->channel.out, USHER_INTERFACE ".Get", VARLINK_PLAIN, &get_in,
			       &get);
}

bool request_take_look(struct usher *u, struct request *q, const struct varlink_reply *reply)
{
	struct json_value value;

	if (--q->looks > 0)
		return true;
	if (!reply->error[0] && json_find_member(&reply->parameters, "session", &value) &&
		value.type == JSON_OBJECT && grant_decode(&value, &q->session) == 0)
		request_give_back(u, q);
	else
		request_drop(u, q);
	return false;
}

/* ---- cancel ---- */

/* The Create ends with the answer to it, or with its connection if the broker does not know it. */
static void on_cancelled(
	struct usher *u, const struct pending *call, int error, const struct varlink_reply *reply)
{
	struct request *q = call->request;

	if (!q || q->state != REQUEST_WAITING)
		return;
	if (error)
		request_start_again(u, q, error);
	else if (reply->error[0])
		request_drop(u, q);
}

/* A session that belongs to its connection ends with it. Another one could be granted in this
 * moment, so the wait is ended first, and the answer tells. */
static void cancel_wait(struct usher *u, struct request *q)
{
	struct cancel_call in = {q->call.request_id};
	int r;

	if (q->owner == USHER_OWNER_CONNECTION) {
		request_drop(u, q);
		return;
	}
	r = control_call(u, USHER_INTERFACE ".Cancel", &cancel_in, &in, on_cancelled, NULL, q);
	if (r < 0)
		request_start_again(u, q, r);
}

static void cancel_done(struct usher *u, struct request *q)
{
	held_forget(u, q->session.session_id);
	if (q->result == 0 && channel_is_open(&q->channel)) {
		request_give_back(u, q);
		return;
	}
	if (q->result == 0)
		request_give_back_over_control(u, q);
	request_drop(u, q);
}

static struct request *find_request(struct usher *u, uint64_t number)
{
	for (struct request *q = u->requests; q; q = q->next) {
		if (q->number == number && !q->is_cancelled)
			return q;
	}
	return NULL;
}

int usher_cancel(struct usher *u, uint64_t request)
{
	struct request *q;
	int r = usher_begin(u);

	if (r < 0)
		return r;
	q = find_request(u, request);
	if (!q)
		return usher_fail(u, -ESRCH);
	q->is_cancelled = true;
	q->has_progress = false;
	q->deadline = conn_now_ms() + LOOK_MS;
	loop_wake_at(u, q->deadline);
	/* One that was sent may have been granted unheard: it is looked for, anew. */
	if (q->state == REQUEST_CONNECTING && !q->was_sent)
		request_drop(u, q);
	else if (q->state == REQUEST_WAITING)
		cancel_wait(u, q);
	else if (q->state == REQUEST_DONE)
		cancel_done(u, q);
	return 0;
}

int usher_cancel_request(struct usher *u, const char *request_id)
{
	struct cancel_call in = {message_cstring(request_id)};

	if (!request_id)
		return usher_fail(u, -EINVAL);
	return call_simple(u, USHER_INTERFACE ".Cancel", &cancel_in, &in, &cancel_out, NULL);
}
