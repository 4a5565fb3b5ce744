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

static void disconnect(struct usher *u)
{
	conn_close(&u->conn);
	u->owns_sessions = false;
}

int call_misunderstood(struct usher *u)
{
	disconnect(u);
	return usher_fail(u, -EBADMSG);
}

/* A connection that was lost between calls is replaced, unless sessions went with it. */
static int ensure_connected(struct usher *u, int64_t deadline)
{
	if (u->conn.fd >= 0) {
		bool had_sessions = u->owns_sessions;
		int r = conn_check_idle(&u->conn);

		if (r == 0)
			return 0;
		disconnect(u);
		if (had_sessions)
			return r;
	}
	return conn_open(&u->conn, u->socket_path, deadline);
}

int usher_connect(struct usher *u)
{
	int r = usher_begin(u);

	if (r == 0)
		r = ensure_connected(u, conn_deadline(u->call_timeout_ms));
	return r < 0 ? usher_fail(u, r) : 0;
}

enum sent { SENT_NOT, SENT_WHOLE };

/* A broker that refuses a connection answers and closes: its answer counts, also where the call
 * could not be sent any more. */
static int exchange(struct usher *u, const struct json_writer *frame, int64_t deadline,
	enum sent *ret_sent, const char **ret, size_t *ret_length)
{
	int r = conn_send(&u->conn, frame->data, frame->length, deadline);

	*ret_sent = r < 0 ? SENT_NOT : SENT_WHOLE;
	if (r < 0 && r != -ECONNRESET)
		return r;
	return conn_receive(&u->conn, deadline, ret, ret_length);
}

static int send_and_receive(
	struct usher *u, const struct call *call, const char **ret, size_t *ret_length)
{
	int64_t deadline = conn_deadline(u->call_timeout_ms);

	for (bool is_retry = false;; is_retry = true) {
		int r = ensure_connected(u, deadline);
		enum sent sent;
		bool had_sessions;

		if (r < 0)
			return r;
		r = exchange(u, &call->frame, deadline, &sent, ret, ret_length);
		if (r == 0)
			return 0;
		had_sessions = u->owns_sessions;
		disconnect(u);
		if (r != -ECONNRESET || is_retry || had_sessions)
			return r;
		if (sent == SENT_WHOLE && !call->may_resend)
			return r;
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

int call_simple(struct usher *u, const char *method, const struct message *in_table, const void *in,
	const struct message *out_table, void *out)
{
	struct varlink_reply reply;
	struct call call;
	int r = call_begin(u, method, &call);

	if (r < 0)
		return r;
	message_encode_members(in_table, in, &call.frame);
	r = call_finish(u, &call, &reply);
	return r < 0 || !out ? r : call_decode(u, out_table, &reply.parameters, out);
}

/* ---- any method ---- */

/* The members of PARAMETERS, a JSON object's text, for the frame. */
static int check_parameters(const char *parameters, struct json_value *ret)
{
	if (!parameters)
		parameters = "{}";
	if (json_parse(parameters, strlen(parameters), CLIENT_DEPTH_MAX, ret, NULL) < 0 ||
		ret->type != JSON_OBJECT)
		return -EINVAL;
	return 0;
}

static bool is_ending(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && !strcmp(text + length - end_length, end);
}

/* Create and Attach by name may have put a session on the connection. */
static bool may_give_session(const char *method)
{
	return is_ending(method, ".Create") || is_ending(method, ".Attach");
}

static void add_parameters(struct call *call, const struct json_value *parameters)
{
	json_write_bytes(&call->frame, parameters->text + 1, parameters->length - 2);
}

static int give_text(struct usher *u, const struct json_value *value, char **ret)
{
	char *text;

	if (!ret)
		return 0;
	text = strndup(value->text, value->length);
	if (!text)
		return usher_fail(u, -ENOMEM);
	*ret = text;
	return 0;
}

int usher_call(struct usher *u, const char *method, const char *parameters, char **ret_parameters)
{
	struct json_value value;
	struct varlink_reply reply;
	struct call call;
	int r = call_begin(u, method, &call);

	if (r < 0)
		return r;
	r = check_parameters(parameters, &value);
	if (r < 0)
		return call_abandon(u, &call, r);
	add_parameters(&call, &value);
	r = call_finish(u, &call, &reply);
	if (r < 0)
		return r;
	if (may_give_session(method))
		u->owns_sessions = true;
	return give_text(u, &reply.parameters, ret_parameters);
}

/* ---- streams ---- */

struct stream {
	struct usher *u;
	struct conn conn;
	usher_reply_fn *on_reply;
	void *userdata;
};

/* The program may make other calls from within, so nothing of the handle is at stake here. */
static int hand_out(const struct stream *s, const struct varlink_reply *reply)
{
	char *text = strndup(reply->parameters.text, reply->parameters.length);
	int r;

	if (!text)
		return usher_fail(s->u, -ENOMEM);
	r = s->on_reply(s->userdata, text, reply->continues);
	free(text);
	return r ? usher_fail(s->u, -ECANCELED) : 0;
}

static int receive_stream(struct stream *s)
{
	struct varlink_reply reply;
	const char *frame;
	size_t length;
	int r;

	do {
		r = conn_receive(&s->conn, conn_deadline(s->u->call_timeout_ms), &frame, &length);
		if (r < 0)
			return usher_fail(s->u, r);
		if (varlink_reply_decode(frame, length, CLIENT_DEPTH_MAX, &reply) < 0)
			return usher_fail(s->u, -EBADMSG);
		if (reply.error[0])
			return usher_refused(s->u, &reply);
		r = hand_out(s, &reply);
	} while (r == 0 && reply.continues);
	return r;
}

static int run_stream(struct stream *s, const struct json_writer *frame)
{
	int64_t deadline = conn_deadline(s->u->call_timeout_ms);
	int r = conn_open(&s->conn, s->u->socket_path, deadline);

	if (r == 0)
		r = conn_send(&s->conn, frame->data, frame->length, deadline);
	if (r < 0 && r != -ECONNRESET)
		return usher_fail(s->u, r);
	return receive_stream(s);
}

int usher_call_more(struct usher *u, const char *method, const char *parameters,
	usher_reply_fn *on_reply, void *userdata)
{
	struct stream *stream;
	struct json_value value;
	struct call call;
	int r = call_begin(u, method, &call);

	if (r < 0)
		return r;
	r = check_parameters(parameters, &value);
	stream = r < 0 ? NULL : malloc(sizeof(*stream));
	if (!stream)
		return call_abandon(u, &call, r < 0 ? r : -ENOMEM);
	stream->u = u;
	stream->on_reply = on_reply;
	stream->userdata = userdata;
	conn_init(&stream->conn);
	json_writer_truncate(&call.frame, 0);
	varlink_call_begin(&call.frame, method, VARLINK_MORE);
	add_parameters(&call, &value);
	varlink_call_end(&call.frame);
	r = json_writer_failed(&call.frame) ? usher_fail(u, -ENOMEM)
					    : run_stream(stream, &call.frame);
	json_writer_deinit(&call.frame);
	conn_close(&stream->conn);
	free(stream);
	return r < 0 ? r : usher_begin(u); /* calls from within may have left an error */
}
