/* SPDX-License-Identifier: MIT */
/* Calls of any method, by name. */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static bool is_one_of(const char *const *names, const char *name)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

/* Whether doing it twice is the same as once. */
static bool is_repeatable(const char *method, const struct json_value *parameters)
{
	static const char *const repeatable[] = {"io.usher.Broker.Attach", "io.usher.Broker.Get",
		"io.usher.Broker.GetMetrics", "io.usher.Broker.History", "io.usher.Broker.List",
		"io.usher.Broker.ListPools", "io.usher.Broker.Renew", "io.usher.Broker.Update",
		"io.usher.Broker.Verify", "org.varlink.service.GetInfo",
		"org.varlink.service.GetInterfaceDescription", NULL};
	struct json_value value;

	return is_one_of(repeatable, method) ||
	       (!strcmp(method, "io.usher.Broker.Create") &&
		       json_find_member(parameters, "request_id", &value));
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
	text = copy_text_of(value->text, value->length);
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
	call.may_resend = is_repeatable(method, &value);
	r = call_finish(u, &call, &reply);
	if (r < 0)
		return r;
	if (may_give_session(method))
		u->owns_unknown = true;
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
	char *text = copy_text_of(reply->parameters.text, reply->parameters.length);
	int r;

	if (!text)
		return usher_fail(s->u, -ENOMEM);
	r = s->on_reply(s->userdata, text, reply->continues);
	free(text);
	if (s->u->is_closed)
		return -ECANCELED;
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
	r = on_reply ? check_parameters(parameters, &value) : -EINVAL;
	stream = r < 0 ? NULL : malloc(sizeof(*stream));
	if (!stream)
		return call_abandon(u, &call, r < 0 ? r : -ENOMEM);
	stream->u = u;
	stream->on_reply = on_reply;
	stream->userdata = userdata;
	conn_init(&stream->conn);
	usher_enter(u);
	json_writer_truncate(&call.frame, 0);
	varlink_call_begin(&call.frame, method, VARLINK_MORE);
	add_parameters(&call, &value);
	varlink_call_end(&call.frame);
	r = json_writer_failed(&call.frame) ? usher_fail(u, -ENOMEM)
					    : run_stream(stream, &call.frame);
	json_writer_deinit(&call.frame);
	conn_close(&stream->conn);
	free(stream);
	if (!usher_leave(u))
		return -ECANCELED;
	return r < 0 ? r : usher_begin(u); /* calls from within may have left an error */
}
