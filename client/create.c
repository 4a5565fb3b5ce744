/* SPDX-License-Identifier: MIT */
#include "client/handle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* ---- what goes in ---- */

int owner_index(enum usher_owner owner)
{
	const char *name = owner == USHER_OWNER_CONNECTION ? "connection"
			   : owner == USHER_OWNER_PROCESS  ? "process"
			   : owner == USHER_OWNER_DETACHED ? "detached"
							   : "";

	for (int i = 0; owner_names[i]; i++) {
		if (!strcmp(owner_names[i], name))
			return i;
	}
	return -1;
}

/* A JSON object goes into the frame as it is, so it must be one, and no more than that: what
 * stands around it, as a file's last line end, does not belong to it. */
int find_object(const char *text, struct message_text *ret)
{
	struct json_value value;

	*ret = message_cstring(NULL);
	if (!text)
		return 0;
	if (json_parse(text, strlen(text), CLIENT_DEPTH_MAX, &value, NULL) < 0 ||
		value.type != JSON_OBJECT)
		return -EINVAL;
	*ret = message_text_of(value.text, value.length);
	return 0;
}

/* The same form as the broker's own: unique on this host, and readable as a time. */
static int make_request_id(char *buf, size_t size)
{
	struct timespec now;
	uint64_t number;
	ssize_t n;

	do
		n = getrandom(&number, sizeof(number), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(number))
		return -EIO;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(buf, size, "req_%016" PRIx64 "_%" PRId64, number,
		(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	return 0;
}

static bool is_sensible(const struct usher_create_options *o)
{
	if (owner_index(o->owner) < 0 || o->wait_ms < -1 || o->priority > 9 || o->pid < 0)
		return false;
	return o->pid == 0 || o->owner == USHER_OWNER_PROCESS;
}

int wish_prepare(const struct usher_create_options *options, struct wish *ret)
{
	struct usher_create_options *o = &ret->options;
	struct message_text metadata;
	int r = copy_sized(options, offsetof(struct usher_create_options, wait_ms), sizeof(*o), o);

	if (r == 0)
		r = is_sensible(o) ? find_object(o->metadata, &metadata) : -EINVAL;
	if (r == 0 && !o->request_id)
		r = make_request_id(ret->request_id, sizeof(ret->request_id));
	if (r < 0)
		return r;
	ret->call = (struct create_call){
		.pool = message_cstring(o->pool),
		.request_id = message_cstring(o->request_id ? o->request_id : ret->request_id),
		.metadata = metadata,
		.timeout_ms = o->timeout_ms ? o->timeout_ms : MESSAGE_ABSENT,
		.wait_ms = o->wait_ms ? o->wait_ms : MESSAGE_ABSENT,
		.priority = o->priority ? o->priority : MESSAGE_ABSENT,
		.label = message_cstring(o->label),
		.units = o->units ? o->units : MESSAGE_ABSENT,
		.owner = owner_index(o->owner),
		.pid = o->pid ? o->pid : MESSAGE_ABSENT,
	};
	return 0;
}

/* ---- without a wait: over the control connection ---- */

static int create_now(struct usher *u, const struct wish *wish, struct usher_session *ret)
{
	struct varlink_reply reply;
	struct call call;
	int r = call_begin(u, USHER_INTERFACE ".Create", &call);

	if (r < 0)
		return r;
	call.may_resend = true; /* by the request id it is one and the same */
	message_encode_members(&create_in, &wish->call, &call.frame);
	r = call_finish(u, &call, &reply);
	if (r < 0)
		return r;
	if (wish->options.owner == USHER_OWNER_CONNECTION)
		u->owns_sessions = true;
	r = grant_decode(&reply.parameters, ret);
	if (r == -EBADMSG)
		return call_misunderstood(u);
	return r < 0 ? usher_fail(u, r) : 0;
}

/* ---- with one: over a connection of its own ---- */

/* For the wait and the answer. */
static int64_t wait_deadline(const struct usher *u, int64_t wait_ms)
{
	int64_t all_ms;

	if (wait_ms < 0 || u->call_timeout_ms <= 0 ||
		__builtin_add_overflow(wait_ms, u->call_timeout_ms, &all_ms))
		return -1;
	return conn_deadline(all_ms);
}

static int receive_grant(
	struct usher *u, struct channel *c, int64_t wait_ms, struct usher_session *ret)
{
	struct varlink_reply reply;
	const char *frame;
	size_t length;
	int r = conn_receive(&c->conn, wait_deadline(u, wait_ms), &frame, &length);

	if (r == 0)
		r = varlink_reply_decode(frame, length, CLIENT_DEPTH_MAX, &reply);
	if (r < 0)
		return usher_fail(u, r);
	if (reply.error[0])
		return usher_refused(u, &reply);
	r = reply.continues ? -EBADMSG : grant_decode(&reply.parameters, ret);
	return r < 0 ? usher_fail(u, r) : 0;
}

static int send_wish(struct usher *u, struct channel *c, const struct wish *wish)
{
	int64_t deadline = conn_deadline(u->call_timeout_ms);
	int r = conn_open(&c->conn, u->socket_path, deadline);

	if (r == 0)
		r = call_encode(
			&c->out, USHER_INTERFACE ".Create", VARLINK_PLAIN, &create_in, &wish->call);
	if (r == 0)
		r = conn_send(&c->conn, c->out.data, c->out.length, deadline);
	json_writer_deinit(&c->out);
	/* A broker that refuses a connection answers and closes: the answer counts. */
	return r < 0 && r != -ECONNRESET ? usher_fail(u, r) : 0;
}

/* The session belongs to the connection that waited. If there is a control connection, move it
 * there; else, or if that turns out to be lost, this one takes its place. */
static int keep_session(struct usher *u, struct channel *c, const char *session_id)
{
	struct attach_call in = {
		message_cstring(session_id), owner_index(USHER_OWNER_CONNECTION), MESSAGE_ABSENT};
	bool is_silent = u->owns_sessions && !u->on_event;
	int r = 0;

	if (channel_is_open(&u->control)) {
		r = call_simple(u, USHER_INTERFACE ".Attach", &attach_in, &in, &attach_out, NULL);
		if (r == -ECONNRESET && is_silent)
			u->has_lost_sessions = true; /* which the next call has to say */
	}
	if (!channel_is_open(&u->control))
		r = control_adopt(u, c) ? 0 : usher_fail(u, -ECONNRESET);
	if (r == 0)
		u->owns_sessions = true;
	return r;
}

static int wait_over(
	struct usher *u, struct channel *c, const struct wish *wish, struct usher_session *ret)
{
	int r = send_wish(u, c, wish);

	if (r == 0)
		r = receive_grant(u, c, wish->options.wait_ms, ret);
	if (r < 0)
		return r;
	if (wish->options.owner == USHER_OWNER_CONNECTION)
		r = keep_session(u, c, ret->session_id);
	else
		control_adopt(u, c);
	if (r < 0)
		usher_session_clear(ret);
	return r < 0 ? r : usher_begin(u);
}

static int create_waiting(struct usher *u, const struct wish *wish, struct usher_session *ret)
{
	struct channel *c;
	int r = usher_begin(u);

	if (r < 0)
		return r;
	c = malloc(sizeof(*c));
	if (!c)
		return usher_fail(u, -ENOMEM);
	channel_init(c, NULL);
	r = wait_over(u, c, wish, ret);
	channel_close(u, c);
	free(c);
	return r;
}

int usher_create(
	struct usher *u, const struct usher_create_options *options, struct usher_session *ret)
{
	struct usher_session session = {.size = sizeof(session)};
	struct held *held = NULL;
	struct wish wish;
	int r = wish_prepare(options, &wish);

	if (r == 0 && (!ret || ret->size < sizeof(*ret)))
		r = -EINVAL;
	if (r == 0)
		r = held_new(u, &held);
	if (r < 0)
		return usher_fail(u, r);
	r = wish.options.wait_ms ? create_waiting(u, &wish, &session)
				 : create_now(u, &wish, &session);
	if (r < 0) {
		held_free(held);
		return r;
	}
	held_add(u, held, &session, wish.options.owner, !wish.options.no_renewal);
	grant_give(&session, ret);
	return 0;
}
