/* SPDX-License-Identifier: MIT */
#include "tests/bench/dialect.h"

#include "proto/varlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define METHOD(name) USHER_INTERFACE "." name
#define DEPTH        32 /* of a reply's JSON */

/* ---- requests ---- */

/* An object whose text has as many bytes as asked for. */
static void write_metadata(struct json_writer *w, uint64_t bytes)
{
	static const char head[] = "{\"bench\":\"", tail[] = "\"}";
	const size_t frame = sizeof(head) - 1 + sizeof(tail) - 1;
	bool has_text = bytes >= frame;
	char *text = malloc(bytes + 1);

	if (!text) {
		w->failed = true;
		return;
	}
	memset(text, has_text ? '.' : ' ', bytes);
	memcpy(text, head, has_text ? sizeof(head) - 1 : 1);
	if (has_text)
		memcpy(text + bytes - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
	text[bytes - 1] = '}';
	json_write_key(w, "metadata");
	json_write_raw(w, text, bytes);
	free(text);
}

static void write_create(struct json_writer *w, const struct dialect_wish *wish)
{
	varlink_call_begin(w, METHOD("Create"), VARLINK_PLAIN);
	json_write_key(w, "pool");
	json_write_cstring(w, wish->pool);
	if (wish->metadata_bytes > 0)
		write_metadata(w, wish->metadata_bytes);
	if (wish->owner) {
		json_write_key(w, "owner");
		json_write_cstring(w, wish->owner);
	}
	if (wish->timeout_ms > 0) {
		json_write_key(w, "timeout_ms");
		json_write_int(w, wish->timeout_ms);
	}
}

static void write_wait(struct json_writer *w, const struct dialect_wish *wish)
{
	write_create(w, wish);
	json_write_key(w, "wait_ms");
	json_write_int(w, -1);
}

static void write_with_id(struct json_writer *w, const char *method)
{
	varlink_call_begin(w, method, VARLINK_PLAIN);
	json_write_key(w, "session_id");
	json_write_cstring(w, ID_PLACE);
}

static void write_request(struct json_writer *w, enum call call, const struct dialect_wish *wish)
{
	switch (call) {
	case CALL_CREATE:
		write_create(w, wish);
		break;
	case CALL_WAIT:
		write_wait(w, wish);
		break;
	case CALL_RELEASE:
		write_with_id(w, METHOD("Release"));
		break;
	case CALL_RENEW:
		write_with_id(w, METHOD("Renew"));
		break;
	case CALL_GET:
		write_with_id(w, METHOD("Get"));
		break;
	case CALL_LIST:
		varlink_call_begin(w, METHOD("List"), VARLINK_PLAIN);
		json_write_key(w, "pool");
		json_write_cstring(w, wish->pool);
		break;
	default:
		varlink_call_begin(w, METHOD("GetMetrics"), VARLINK_PLAIN);
	}
	varlink_call_end(w);
}

static int render(struct request *request, enum call call, const struct dialect_wish *wish)
{
	struct json_writer w;
	int r = -ENOMEM;

	json_writer_init(&w);
	write_request(&w, call, wish);
	if (!json_writer_failed(&w))
		r = request_set(request, w.data, w.length);
	json_writer_deinit(&w);
	return r;
}

/* ---- replies ---- */

/* What the reply to each call begins with, as usherd writes it, and the member by which it is known
 * in any other order. */
static const struct reply {
	const char *member;
	const char *head;
	size_t head_length;
} replies[CALLS] = {
#define REPLY(member, begin)                                                                       \
	{                                                                                          \
		member, "{\"parameters\":{\"" member "\":" begin,                                  \
			sizeof("{\"parameters\":{\"" member "\":" begin) - 1                       \
	}
	[CALL_CREATE] = REPLY("session_id", "\""),
	[CALL_WAIT] = REPLY("session_id", "\""),
	[CALL_RELEASE] = REPLY("duration_ms", ""),
	[CALL_RENEW] = REPLY("expires_at", ""),
	[CALL_GET] = REPLY("session", "{"),
	[CALL_LIST] = REPLY("sessions", "["),
	[CALL_METRICS] = REPLY("metrics", "{"),
#undef REPLY
};

static void fail(struct answer *ret, const char *error, size_t length, bool is_final)
{
	ret->error = error;
	ret->error_length = length;
	ret->is_final = is_final;
}

/* These come to every call that follows. */
static bool is_final(int status)
{
	switch (status) {
	case STATUS_NO_SUCH_POOL:
	case STATUS_METADATA_TOO_LARGE:
	case STATUS_TIMEOUT_OUT_OF_RANGE:
	case STATUS_SHUTTING_DOWN:
	case STATUS_TOO_MANY_CONNECTIONS:
	case STATUS_INTERFACE_NOT_FOUND:
	case STATUS_METHOD_NOT_FOUND:
	case STATUS_METHOD_NOT_IMPLEMENTED:
	case STATUS_INVALID_PARAMETER:
	case STATUS_PERMISSION_DENIED:
		return true;
	default:
		return false;
	}
}

/* The name as it stands in the reply, without its interface. */
static void take_error(const char *text, size_t length, const char *error, struct answer *ret)
{
	const char *dot = strrchr(error, '.'), *name = dot ? dot + 1 : error;
	const char *place = memmem(text, length, name, strlen(name));
	int status = status_from_error_name(error);

	fail(ret, place ? place : "BadReply", place ? strlen(name) : 8, is_final(status));
	ret->is_gone = status == STATUS_NO_SUCH_SESSION || status == STATUS_SESSION_ENDED;
}

static void take_id(const struct json_value *value, struct answer *ret)
{
	if (value->type == JSON_STRING && !value->escaped && value->length == ID_LENGTH)
		ret->id = value->text;
	else
		fail(ret, "BadReply", 8, true);
}

/* Whatever the order of the members is. */
static void judge_carefully(enum call call, const char *text, size_t length, struct answer *ret)
{
	struct varlink_reply reply;
	struct json_value value;

	if (varlink_reply_decode(text, length, DEPTH, &reply) < 0)
		fail(ret, "BadReply", 8, true);
	else if (*reply.error)
		take_error(text, length, reply.error, ret);
	else if (!json_find_member(&reply.parameters, replies[call].member, &value))
		fail(ret, "BadReply", 8, true);
	else if (call == CALL_CREATE || call == CALL_WAIT)
		take_id(&value, ret);
}

static int64_t first_slot(const char *text, size_t length)
{
	static const char key[] = "\"slots\":[";
	const char *at = memmem(text, length, key, sizeof(key) - 1);

	/* The frame ends in a NUL. */
	return at ? strtoll(at + sizeof(key) - 1, NULL, 10) : -1;
}

static void judge(const struct dialect *dialect, enum call call, const char *reply, size_t length,
	struct answer *ret)
{
	const struct reply *expected = &replies[call];
	const char *rest = reply + expected->head_length;

	(void)dialect;
	if (length <= expected->head_length ||
		memcmp(reply, expected->head, expected->head_length) != 0)
		judge_carefully(call, reply, length - 1, ret);
	else if (call == CALL_CREATE || call == CALL_WAIT) {
		if (length > expected->head_length + ID_LENGTH && rest[ID_LENGTH] == '"')
			ret->id = rest;
		else
			fail(ret, "BadReply", 8, true);
	}
	if (call == CALL_WAIT && ret->id)
		ret->slot = first_slot(reply, length);
}

int dialect_init_usher(struct dialect *dialect, const struct dialect_wish *wish)
{
	int r = 0;

	*dialect = (struct dialect){
		.name = "usher", .peer = "usherd", .reply_length = frame_length, .judge = judge};
	for (int i = 0; i < CALLS && r == 0; i++)
		r = render(&dialect->requests[i], (enum call)i, wish);
	return r;
}
