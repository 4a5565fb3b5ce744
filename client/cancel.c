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

void request_give_back(struct usher *u, struct request *q)
{
	struct release_call in = release_of(q);

	q->state = REQUEST_RELEASING;
	q->deadline = conn_now_ms() + RELEASE_MS;
	loop_wake_at(u, q->deadline);
	if (call_encode(&q->channel.out, USHER_INTERFACE ".Release", VARLINK_PLAIN, &release_in,
		    &in) < 0 ||
		channel_flush(u, &q->channel) < 0)
		request_drop(u, q);
}

static void on_ignored(
	struct usher *u, const struct pending *call, int error, const struct varlink_reply *reply)
{
	(void)u;
	(void)call;
	(void)error;
	(void)reply;
}

/* The session has moved to the control connection, or is about to. */
void request_give_back_over_control(struct usher *u, struct request *q)
{
	struct release_call in = release_of(q);

	held_forget(u, q->session.session_id);
	control_call(u, USHER_INTERFACE ".Release", &release_in, &in, on_ignored, NULL, NULL);
}

/* ---- cancel ---- */

/* The Create ends with the answer to it, or with its connection if the broker does not know it. */
static void on_cancelled(
	struct usher *u, const struct pending *call, int error, const struct varlink_reply *reply)
{
	struct request *q = call->request;

	if (q && q->state == REQUEST_WAITING && (error || reply->error[0]))
		request_drop(u, q);
}

/* A session that belongs to its connection ends with it. Another one could be granted in this
 * moment, so the wait is ended first, and the answer tells. */
static void cancel_wait(struct usher *u, struct request *q)
{
	struct cancel_call in = {message_cstring(q->request_id)};

	if (q->owner == USHER_OWNER_CONNECTION ||
		control_call(u, USHER_INTERFACE ".Cancel", &cancel_in, &in, on_cancelled, NULL, q) <
			0)
		request_drop(u, q);
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
	if (q->state == REQUEST_CONNECTING)
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
