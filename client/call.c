/* SPDX-License-Identifier: MIT */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int call_begin(struct usher *u, const char *method, struct call *ret)
{
	int r = usher_begin(u);

	if (r == 0 && !method)
		r = usher_fail(u, -EINVAL);
	if (r < 0)
		return r;
	*ret = (struct call){.method = method};
	json_writer_init(&ret->frame);
	varlink_call_begin(&ret->frame, method, VARLINK_PLAIN);
	return 0;
}

int call_abandon(struct usher *u, struct call *call, int error)
{
	json_writer_deinit(&call->frame);
	return usher_fail(u, error);
}

int call_misunderstood(struct usher *u)
{
	control_lost(u, -EBADMSG);
	u->has_lost_sessions = false; /* this tells */
	return usher_fail(u, -EBADMSG);
}

int call_encode(struct json_writer *out, const char *method, enum varlink_flag flag,
	const struct message *in_table, const void *in)
{
	size_t length = out->length;

	varlink_call_begin(out, method, flag);
	message_encode_members(in_table, in, out);
	varlink_call_end(out);
	if (!json_writer_failed(out))
		return 0;
	json_writer_truncate(out, length);
	return -ENOMEM;
}

int usher_connect(struct usher *u)
{
	int r = usher_begin(u);

	if (r == 0)
		r = control_ensure(u, conn_deadline(u->call_timeout_ms), false);
	return r < 0 ? usher_fail(u, r) : 0;
}

enum sent { SENT_NOT, SENT_WHOLE };

/* The answers to what was called before come first. */
static int receive_answers(struct usher *u, size_t count, int64_t deadline)
{
	const char *frame;
	size_t length;
	int r = 0;

	for (; r == 0 && count > 0; count--) {
		r = conn_receive(&u->control.conn, deadline, &frame, &length);
		if (r == 0)
			r = control_answer(u, frame, length);
	}
	return r;
}

static size_t count_pending(const struct usher *u)
{
	size_t count = 0;

	for (const struct pending *p = u->pending; p; p = p->next)
		count++;
	return count;
}

/* A broker that refuses a connection answers and closes: its answer counts, also where the call
 * could not be sent any more. */
static int exchange(struct usher *u, const struct json_writer *frame, int64_t deadline,
	enum sent *ret_sent, const char **ret, size_t *ret_length)
{
	size_t n_before = count_pending(u);
	int r = channel_send_all(u, &u->control, deadline);

	*ret_sent = SENT_NOT;
	if (r == 0) {
		r = conn_send(&u->control.conn, frame->data, frame->length, deadline);
		*ret_sent = r < 0 ? SENT_NOT : SENT_WHOLE;
	}
	if (r < 0 && r != -ECONNRESET)
		return r;
	r = receive_answers(u, n_before, deadline);
	if (r < 0)
		return r;
	return conn_receive(&u->control.conn, deadline, ret, ret_length);
}

/* A call whose answer is lost is sent again if that does no harm, as soon as the broker is back;
 * one that was not sent whole in any case. */
static int send_and_receive(
	struct usher *u, struct call *call, const char **ret, size_t *ret_length)
{
	int64_t deadline = conn_deadline(u->call_timeout_ms);
	enum sent sent;

	for (int n = 1;; n++) {
		int r = control_ensure(u, deadline, n > 1);

		if (r < 0)
			return r;
		r = exchange(u, &call->frame, deadline, &sent, ret, ret_length);
		if (r == 0) {
			backoff_reset(&u->link);
			return 0;
		}
		control_lost(u, r);
		if (r != -ECONNRESET || n == SENDS_MOST ||
			(sent == SENT_WHOLE && !call->may_resend)) {
			u->has_lost_sessions = false; /* this tells */
			return r;
		}
		call->was_resent |= sent == SENT_WHOLE;
	}
}

int call_finish(struct usher *u, struct call *call, struct varlink_reply *ret)
{
	const char *frame = NULL;
	size_t length = 0;
	int r;

	varlink_call_end(&call->frame);
	r = json_writer_failed(&call->frame) ? -ENOMEM : send_and_receive(u, call, &frame, &length);
	json_writer_deinit(&call->frame);
	if (r < 0)
		return usher_fail(u, r);
	if (varlink_reply_decode(frame, length, CLIENT_DEPTH_MAX, ret) < 0)
		return call_misunderstood(u);
	if (ret->error[0])
		return usher_refused(u, ret);
	return ret->continues ? call_misunderstood(u) : 0;
}

int call_decode(
	struct usher *u, const struct message *table, const struct json_value *value, void *out)
{
	struct message_scratch scratch = {NULL, value->length};
	struct varlink_fault fault;

	free(u->scratch);
	u->scratch = scratch.next = malloc(value->length);
	if (!u->scratch)
		return usher_fail(u, -ENOMEM);
	if (message_decode(table, value, MESSAGE_IGNORE_UNKNOWN, &scratch, out, &fault) != 0)
		return call_misunderstood(u);
	return 0;
}

static int make_call(struct usher *u, const char *method, const struct message *in_table,
	const void *in, const struct message *out_table, void *out, bool is_safe, bool *ret_resent)
{
	struct varlink_reply reply;
	struct call call;
	int r = call_begin(u, method, &call);

	if (r < 0)
		return r;
	call.may_resend = is_safe;
	message_encode_members(in_table, in, &call.frame);
	r = call_finish(u, &call, &reply);
	*ret_resent = call.was_resent;
	return r < 0 || !out ? r : call_decode(u, out_table, &reply.parameters, out);
}

int call_safe(struct usher *u, const char *method, const struct message *in_table, const void *in,
	const struct message *out_table, void *out, bool *ret_resent)
{
	bool resent = false;
	int r = make_call(u, method, in_table, in, out_table, out, true, &resent);

	if (ret_resent)
		*ret_resent = resent;
	return r;
}

int call_simple(struct usher *u, const char *method, const struct message *in_table, const void *in,
	const struct message *out_table, void *out)
{
	bool resent;

	return make_call(u, method, in_table, in, out_table, out, false, &resent);
}
