/* SPDX-License-Identifier: MIT */
/* What the program is told of its requests. */
#include "client/request.h"

static struct request *find_news(const struct usher *u)
{
	struct request *q = u->requests;

	while (q && (q->is_cancelled || (q->state != REQUEST_DONE && !q->has_progress)))
		q = q->next;
	return q;
}

bool request_has_news(const struct usher *u)
{
	return find_news(u) != NULL;
}

/* The reason goes where the program looks for it. */
static void set_last_error(struct usher *u, const struct request *q)
{
	struct varlink_reply reply;

	if (q->result == 0)
		usher_begin(u);
	else if (q->refusal &&
		 varlink_reply_decode(q->refusal, q->refusal_length, CLIENT_DEPTH_MAX, &reply) == 0)
		usher_refused(u, &reply);
	else
		usher_fail(u, q->result);
}

static void deliver_result(struct usher *u, struct request *q)
{
	struct usher_create_answer answer = {
		.size = sizeof(answer),
		.request = q->number,
		.result = q->result,
		.session = q->result == 0 ? q->ret : NULL,
	};
	usher_create_fn *on_answer = q->on_answer;
	void *userdata = q->userdata;

	set_last_error(u, q);
	if (q->result == 0) {
		grant_give(&q->session, q->ret);
		q->session = (struct usher_session){.size = sizeof(q->session)};
	}
	request_drop(u, q);
	on_answer(userdata, &answer);
}

static void deliver_progress(struct request *q)
{
	const struct usher_create_answer answer = {
		.size = sizeof(answer),
		.request = q->number,
		.result = USHER_WAITING,
		.position = q->position,
		.waiting = q->waiting,
	};

	q->has_progress = false;
	q->on_answer(q->userdata, &answer);
}

bool request_deliver(struct usher *u)
{
	struct request *q = find_news(u);

	if (!q)
		return false;
	if (q->state == REQUEST_DONE)
		deliver_result(u, q);
	else
		deliver_progress(q);
	return true;
}
