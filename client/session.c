/* SPDX-License-Identifier: MIT */
#include "client/handle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define UNITS_MAX 4096 /* of one session, by the interface */

/* ---- what goes in ---- */

static int owner_index(enum usher_owner owner)
{
	const char *name = owner == USHER_OWNER_CONNECTION ? "connection"
			   : owner == USHER_OWNER_DETACHED ? "detached"
							   : "";

	for (int i = 0; owner_names[i]; i++) {
		if (!strcmp(owner_names[i], name))
			return i;
	}
	return -1;
}

/* A JSON object goes into the frame as it is, so it must be one. */
static int check_metadata(const char *metadata)
{
	struct json_value value;

	if (!metadata)
		return 0;
	if (json_parse(metadata, strlen(metadata), CLIENT_DEPTH_MAX, &value, NULL) < 0 ||
		value.type != JSON_OBJECT)
		return -EINVAL;
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

/* ---- what comes out ---- */

static int copy_text(const struct message_text *text, char *buf, size_t size)
{
	if (text->length >= size || memchr(text->text, '\0', text->length))
		return -EBADMSG;
	memcpy(buf, text->text, text->length);
	buf[text->length] = '\0';
	return 0;
}

static int copy_slots(const struct message_numbers *slots, struct usher_session *ret)
{
	if (slots->count == 0 || slots->count > slots->capacity)
		return -EBADMSG;
	ret->slots = malloc(slots->count * sizeof(*ret->slots));
	if (!ret->slots)
		return -ENOMEM;
	memcpy(ret->slots, slots->values, slots->count * sizeof(*ret->slots));
	ret->n_slots = slots->count;
	return 0;
}

static int64_t or_none(int64_t value)
{
	return value == MESSAGE_ABSENT ? -1 : value;
}

static int fill_session(const struct create_reply *reply, const struct message_text *metadata,
	struct usher_session *ret)
{
	int r = copy_text(&reply->session_id, ret->session_id, sizeof(ret->session_id));

	if (r == 0)
		r = copy_text(&reply->request_id, ret->request_id, sizeof(ret->request_id));
	if (r == 0)
		r = copy_text(&reply->pool, ret->pool, sizeof(ret->pool));
	if (r == 0)
		r = copy_slots(&reply->slots, ret);
	if (r < 0)
		return r;
	ret->fence = reply->fence;
	ret->expires_at_us = or_none(reply->expires_at);
	ret->metadata_bytes = reply->metadata_bytes;
	ret->is_existing = reply->existing;
	if (metadata->text) {
		ret->metadata = strndup(metadata->text, metadata->length);
		if (!ret->metadata)
			return -ENOMEM;
	}
	return 0;
}

/* Hand the session to the caller, whose struct may be an older, shorter one. */
static int give_session(struct usher *u, const struct create_reply *reply,
	const struct message_text *metadata, struct usher_session *ret)
{
	struct usher_session session = {0};
	size_t size = ret->size < sizeof(session) ? ret->size : sizeof(session);
	int r = fill_session(reply, metadata, &session);

	if (r < 0) {
		usher_session_clear(&session);
		return r == -EBADMSG ? call_misunderstood(u) : usher_fail(u, r);
	}
	session.size = ret->size;
	memcpy(ret, &session, size);
	return 0;
}

void usher_session_clear(struct usher_session *session)
{
	size_t size = session->size;

	free(session->slots);
	free(session->metadata);
	memset(session, 0, sizeof(*session));
	session->size = size;
}

/* ---- Create ---- */

static int prepare_create(const struct usher_create_options *o, struct create_call *ret,
	char *request_id, size_t size)
{
	int r = check_metadata(o->metadata);

	if (r == 0 && !o->request_id)
		r = make_request_id(request_id, size);
	if (r < 0)
		return r;
	*ret = (struct create_call){
		.pool = message_cstring(o->pool),
		.request_id = message_cstring(o->request_id ? o->request_id : request_id),
		.metadata = message_cstring(o->metadata),
		.timeout_ms = o->timeout_ms ? o->timeout_ms : MESSAGE_ABSENT,
		.label = message_cstring(o->label),
		.units = o->units ? o->units : MESSAGE_ABSENT,
		.owner = owner_index(o->owner),
	};
	return ret->owner < 0 ? -EINVAL : 0;
}

static int send_create(struct usher *u, const struct create_call *in, struct usher_session *ret)
{
	uint32_t slots[UNITS_MAX];
	struct create_reply out = {.slots = {.values = slots, .capacity = UNITS_MAX}};
	struct message_text none = {NULL, 0};
	struct varlink_reply reply;
	struct call call;
	int r = call_begin(u, USHER_INTERFACE ".Create", &call);

	if (r < 0)
		return r;
	call.may_resend = true; /* by the request id it is one and the same */
	message_encode_members(&create_in, in, &call.frame);
	r = call_finish(u, &call, &reply);
	if (r < 0)
		return r;
	if (in->owner == owner_index(USHER_OWNER_CONNECTION))
		u->owns_sessions = true;
	r = call_decode(u, &create_out, &reply.parameters, &out);
	return r < 0 ? r : give_session(u, &out, &none, ret);
}

int usher_create(
	struct usher *u, const struct usher_create_options *options, struct usher_session *ret)
{
	struct usher_create_options o;
	struct create_call in;
	char request_id[64];
	int r = copy_sized(options, sizeof(o), sizeof(o), &o);

	if (r == 0 && ret->size < sizeof(*ret))
		r = -EINVAL;
	if (r == 0)
		r = prepare_create(&o, &in, request_id, sizeof(request_id));
	return r < 0 ? usher_fail(u, r) : send_create(u, &in, ret);
}

/* ---- Attach ---- */

/* Of a Session only what is wanted here, so that a newer broker may have new states and owners. */
struct attached {
	struct create_reply grant;
	struct message_text metadata;
};

#define ATTACHED(field, k, required)                                                               \
	{                                                                                          \
		.name = #field, .kind = k, .is_required = required,                                \
		.offset = offsetof(struct attached, grant.field), .min = 0, .max = INT64_MAX       \
	}

static const struct message_field attached_fields[] = {
	ATTACHED(session_id, FIELD_STRING, true),
	ATTACHED(request_id, FIELD_STRING, true),
	ATTACHED(pool, FIELD_STRING, true),
	ATTACHED(slots, FIELD_NUMBERS, true),
	ATTACHED(fence, FIELD_INT, true),
	ATTACHED(expires_at, FIELD_INT, false),
	ATTACHED(metadata_bytes, FIELD_INT, true),
	{.name = "metadata", .kind = FIELD_OBJECT, .offset = offsetof(struct attached, metadata)},
};
static const struct message attached_table = {"Session", sizeof(struct attached), attached_fields,
	sizeof(attached_fields) / sizeof(attached_fields[0])};

static int take_session(
	struct usher *u, const struct json_value *parameters, struct usher_session *ret)
{
	uint32_t slots[UNITS_MAX];
	struct attached s = {.grant.slots = {.values = slots, .capacity = UNITS_MAX}};
	struct json_value value;
	int r;

	if (!json_find_member(parameters, "session", &value) || value.type != JSON_OBJECT)
		return call_misunderstood(u);
	r = call_decode(u, &attached_table, &value, &s);
	if (r < 0)
		return r;
	s.grant.existing = true;
	return give_session(u, &s.grant, &s.metadata, ret);
}

int usher_attach(
	struct usher *u, const char *session_id, enum usher_owner owner, struct usher_session *ret)
{
	struct attach_call in = {message_cstring(session_id), owner_index(owner)};
	struct varlink_reply reply;
	struct call call;
	int r;

	if (!session_id || in.owner < 0 || ret->size < sizeof(*ret))
		return usher_fail(u, -EINVAL);
	r = call_begin(u, USHER_INTERFACE ".Attach", &call);
	if (r < 0)
		return r;
	message_encode_members(&attach_in, &in, &call.frame);
	r = call_finish(u, &call, &reply);
	if (r < 0)
		return r;
	if (owner == USHER_OWNER_CONNECTION)
		u->owns_sessions = true;
	return take_session(u, &reply.parameters, ret);
}

/* ---- the others ---- */

int usher_start(struct usher *u, const char *session_id, int64_t *ret_expires_at_us)
{
	struct session_call in = {message_cstring(session_id)};
	struct expires_reply out;
	int r = session_id
			? call_simple(u, USHER_INTERFACE ".Start", &start_in, &in, &start_out, &out)
			: usher_fail(u, -EINVAL);

	if (r == 0 && ret_expires_at_us)
		*ret_expires_at_us = or_none(out.expires_at);
	return r;
}

int usher_renew(
	struct usher *u, const char *session_id, int64_t timeout_ms, int64_t *ret_expires_at_us)
{
	struct renew_call in = {
		message_cstring(session_id), timeout_ms ? timeout_ms : MESSAGE_ABSENT};
	struct expires_reply out;
	int r = session_id
			? call_simple(u, USHER_INTERFACE ".Renew", &renew_in, &in, &renew_out, &out)
			: usher_fail(u, -EINVAL);

	if (r == 0 && ret_expires_at_us)
		*ret_expires_at_us = or_none(out.expires_at);
	return r;
}

int usher_update(
	struct usher *u, const char *session_id, const char *metadata, int64_t *ret_metadata_bytes)
{
	struct update_call in = {message_cstring(session_id), message_cstring(metadata)};
	struct update_reply out;
	int r;

	if (!session_id || !metadata || check_metadata(metadata) < 0)
		return usher_fail(u, -EINVAL);
	r = call_simple(u, USHER_INTERFACE ".Update", &update_in, &in, &update_out, &out);
	if (r == 0 && ret_metadata_bytes)
		*ret_metadata_bytes = out.metadata_bytes;
	return r;
}

int usher_release(struct usher *u, const char *session_id, enum usher_outcome outcome,
	const char *result, int64_t *ret_duration_ms)
{
	static const int outcomes[] = {
		[USHER_COMPLETED] = 0, [USHER_ERROR] = 1, [USHER_CANCELLED] = 2};
	struct release_call in = {
		.session_id = message_cstring(session_id), .result = message_cstring(result)};
	struct release_reply out;
	int r;

	if (!session_id || (unsigned)outcome > USHER_CANCELLED)
		return usher_fail(u, -EINVAL);
	in.outcome = outcomes[outcome];
	r = call_simple(u, USHER_INTERFACE ".Release", &release_in, &in, &release_out, &out);
	if (r == 0 && ret_duration_ms)
		*ret_duration_ms = out.duration_ms;
	return r;
}
