/* SPDX-License-Identifier: MIT */
#include "client/handle.h"
#include "proto/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* An error's parameters, decoded as its table says. One in which anything is amiss is explained by
 * its number alone. */
union refusal {
	struct capacity_error capacity;
	struct queue_error queue;
	struct wait_error wait;
	struct cancelled_error cancelled;
	struct quota_error quota;
	struct metadata_error metadata;
	struct timeout_error timeout;
	struct pool_error pool;
	struct session_error session;
	struct ended_error ended;
	struct state_error state;
	struct request_error request;
	struct paused_error paused;
	struct connections_error connections;
	struct config_error config;
	struct store_error store;
};

struct sentence {
	char *buf;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static void say(
	const struct sentence *s, const char *format, ...)
{
	size_t used = strlen(s->buf);
	va_list args;

	va_start(args, format);
	vsnprintf(s->buf + used, s->size - used, format, args);
	va_end(args);
}

/* "%.*s" */
#define TEXT(t) (int)((t).length > 160 ? 160 : (t).length), (t).text

static const struct message_field holder_fields[] = {
	{MESSAGE_NAME("uid"), .kind = FIELD_INT, .is_required = true,
		.offset = offsetof(struct holder_message, uid), .max = INT64_MAX},
	{MESSAGE_NAME("pid"), .kind = FIELD_INT, .offset = offsetof(struct holder_message, pid),
		.max = INT64_MAX},
	{MESSAGE_NAME("comm"), .kind = FIELD_STRING,
		.offset = offsetof(struct holder_message, comm)},
	{MESSAGE_NAME("age_ms"), .kind = FIELD_INT, .is_required = true,
		.offset = offsetof(struct holder_message, age_ms), .max = INT64_MAX},
};
static const struct message holder_table = {"Holder", sizeof(struct holder_message), holder_fields,
	sizeof(holder_fields) / sizeof(holder_fields[0])};

/* The oldest one comes first: the one to ask. */
static void say_holder(const struct sentence *s, const struct json_value *parameters)
{
	char room[256], text[DURATION_TEXT_MAX];
	struct message_scratch scratch = {room, sizeof(room)};
	struct json_value holders, first;
	struct varlink_fault fault;
	struct holder_message h;
	struct json_iter iter;

	if (!json_find_member(parameters, "holders", &holders) || holders.type != JSON_ARRAY)
		return;
	json_iter_init(&iter, &holders);
	if (!json_next_element(&iter, &first) || first.type != JSON_OBJECT ||
		message_decode(
			&holder_table, &first, MESSAGE_IGNORE_UNKNOWN, &scratch, &h, &fault) != 0)
		return;
	say(s, "; the oldest session is that of user %" PRId64, h.uid);
	if (h.pid != MESSAGE_ABSENT)
		say(s, ", pid %" PRId64, h.pid);
	if (h.comm.text)
		say(s, " (%.*s)", TEXT(h.comm));
	/* Not more precise than it is worth. */
	duration_format(h.age_ms < 10000 ? h.age_ms : h.age_ms / 1000 * 1000, text, sizeof(text));
	say(s, ", since %s", text);
}

static void say_capacity(const struct sentence *s, const struct capacity_error *e,
	const struct json_value *parameters)
{
	char text[DURATION_TEXT_MAX];

	if (e->waiting_sessions > 0 && e->used_units + e->requested_units <= e->limit)
		say(s, "pool \"%.*s\" has slots free, but %" PRId64 " wait for more of them",
			TEXT(e->pool), e->waiting_sessions);
	else
		say(s, "pool \"%.*s\" is full: %" PRId64 " of %" PRId64 " slots are taken",
			TEXT(e->pool), e->used_units, e->limit);
	if (e->requested_units > 1)
		say(s, ", and %" PRId64 " were asked for", e->requested_units);
	say_holder(s, parameters);
	if (e->waiting_sessions > 0 && e->used_units + e->requested_units > e->limit)
		say(s, "; %" PRId64 " wait already", e->waiting_sessions);
	if (e->retry_after_ms > 0)
		say(s, "; try again in about %s",
			duration_format(e->retry_after_ms, text, sizeof(text)));
}

static void say_queue(const struct sentence *s, const struct queue_error *e)
{
	if (!strcmp(queue_scope_names[e->scope], "user"))
		say(s,
			"you have %" PRId64
			" waiting for pool \"%.*s\", and may have no more than %" PRId64,
			e->waiting, TEXT(e->pool), e->limit);
	else
		say(s,
			"%" PRId64 " wait for pool \"%.*s\", which lets no more than %" PRId64
			" wait",
			e->waiting, TEXT(e->pool), e->limit);
}

static void say_wait(const struct sentence *s, const struct wait_error *e)
{
	char text[DURATION_TEXT_MAX];

	say(s, "there was no room in pool \"%.*s\" within %s", TEXT(e->pool),
		duration_format(e->waited_ms, text, sizeof(text)));
}

static void say_quota(const struct sentence *s, const struct quota_error *e)
{
	const char *quota = quota_names[e->quota];
	const char *whose = !strcmp(quota, "uid")       ? "a user"
			    : !strcmp(quota, "process") ? "a process"
							: "a label";

	say(s, "%s may hold %" PRId64 " slots of pool \"%.*s\": this one holds %" PRId64, whose,
		e->limit, TEXT(e->pool), e->used_units);
	say(s, ", and %" PRId64 " more %s asked for", e->requested_units,
		e->requested_units == 1 ? "was" : "were");
}

static void say_state(const struct sentence *s, const struct state_error *e)
{
	if (!strcmp(state_names[e->state], "waiting"))
		say(s, "session %.*s waits for its slots still", TEXT(e->session_id));
	else
		say(s, "session %.*s is %s already", TEXT(e->session_id), state_names[e->state]);
}

static void say_timeout(const struct sentence *s, const struct timeout_error *e)
{
	char asked[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];

	duration_format(e->timeout_ms, asked, sizeof(asked));
	duration_format(e->max_timeout_ms, most, sizeof(most));
	if (e->timeout_ms == 0 || e->timeout_ms < -1)
		say(s, "a timeout must be more than 0");
	else if (e->timeout_ms < 0 && e->max_timeout_ms < 0)
		say(s, "a detached session must have a deadline: the timeout cannot be infinity");
	else
		say(s, "a timeout of %s is refused: the pool accepts up to %s", asked, most);
}

static void say_paused(const struct sentence *s, const struct paused_error *e)
{
	char text[DURATION_TEXT_MAX];
	struct timespec now;
	int64_t left;

	say(s, "pool \"%.*s\" is paused", TEXT(e->pool));
	clock_gettime(CLOCK_REALTIME, &now);
	left = e->paused_until / 1000000 - now.tv_sec;
	if (e->paused_until != MESSAGE_ABSENT && left > 0)
		say(s, " for another %s", duration_format(left * 1000, text, sizeof(text)));
	if (e->reason.text)
		say(s, ": %.*s", TEXT(e->reason));
}

static void say_connections(const struct sentence *s, const struct connections_error *e)
{
	if (!strcmp(scope_names[e->scope], "user"))
		say(s, "you have %" PRId64 " connections to the broker, and may have no more",
			e->limit);
	else
		say(s, "the broker has %" PRId64 " connections and takes no more", e->limit);
}

static void say_refusal(const struct sentence *s, int status, const union refusal *e,
	const struct json_value *parameters)
{
	switch (status) {
	case STATUS_CAPACITY_REACHED:
		say_capacity(s, &e->capacity, parameters);
		break;
	case STATUS_QUEUE_FULL:
		say_queue(s, &e->queue);
		break;
	case STATUS_WAIT_TIMEOUT:
		say_wait(s, &e->wait);
		break;
	case STATUS_CANCELLED:
		say(s, "the wait of request \"%.*s\" was cancelled", TEXT(e->cancelled.request_id));
		break;
	case STATUS_QUOTA_EXCEEDED:
		say_quota(s, &e->quota);
		break;
	case STATUS_METADATA_TOO_LARGE:
		say(s, "the metadata has %" PRId64 " bytes, the pool accepts %" PRId64,
			e->metadata.size, e->metadata.limit);
		break;
	case STATUS_TIMEOUT_OUT_OF_RANGE:
		say_timeout(s, &e->timeout);
		break;
	case STATUS_NO_SUCH_POOL:
		say(s, "there is no pool \"%.*s\"", TEXT(e->pool.pool));
		break;
	case STATUS_NO_SUCH_SESSION:
		say(s, "there is no session \"%.*s\"", TEXT(e->session.session_id));
		break;
	case STATUS_SESSION_ENDED:
		say(s, "session %.*s has ended (%s)", TEXT(e->ended.session_id),
			outcome_names[e->ended.outcome]);
		break;
	case STATUS_INVALID_STATE:
		say_state(s, &e->state);
		break;
	case STATUS_REQUEST_ID_IN_USE:
		say(s, "request id \"%.*s\" belongs to another session, %.*s",
			TEXT(e->request.request_id), TEXT(e->request.session_id));
		break;
	case STATUS_PAUSED:
		say_paused(s, &e->paused);
		break;
	case STATUS_TOO_MANY_CONNECTIONS:
		say_connections(s, &e->connections);
		break;
	case STATUS_STORE_UNAVAILABLE:
		say(s, "the broker cannot store new sessions: %.*s", TEXT(e->store.reason));
		break;
	case STATUS_INVALID_CONFIG:
		say(s, "%.*s", TEXT(e->config.message));
		break;
	}
}

static const struct message *error_table(int status)
{
	const char *name = status_error_name(status);

	if (!name)
		return NULL;
	name = strrchr(name, '.') + 1;
	for (size_t i = 0; i < n_message_tables; i++) {
		if (!strcmp(message_tables[i]->name, name))
			return message_tables[i];
	}
	return NULL;
}

/* Which parameter it is about, as far as the standard errors tell. */
static void say_parameter(const struct sentence *s, const struct json_value *parameters)
{
	struct json_value name, expected;

	if (json_find_member(parameters, "expected", &expected) && expected.type == JSON_STRING &&
		json_find_member(parameters, "parameter", &name) && name.type == JSON_STRING)
		say(s, "parameter \"%.*s\" is wrong: expected %.*s", TEXT(name), TEXT(expected));
	else if (json_find_member(parameters, "parameter", &name) && name.type == JSON_STRING)
		say(s, "parameter \"%.*s\" is wrong", TEXT(name));
	else if (json_find_member(parameters, "method", &name) && name.type == JSON_STRING)
		say(s, "the broker has no method \"%.*s\"", TEXT(name));
	else if (json_find_member(parameters, "interface", &name) && name.type == JSON_STRING)
		say(s, "the broker has no interface \"%.*s\"", TEXT(name));
}

/* Names and reasons come from other programs; the message may be printed as it is. */
static void neutralise(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

void explain_refusal(
	int status, const char *name, const struct json_value *parameters, char *buf, size_t size)
{
	const struct sentence s = {buf, size};
	const struct message *table = status > 0 ? error_table(status) : NULL;
	struct message_scratch scratch = {malloc(parameters->length), parameters->length};
	char *decoded = scratch.next;
	struct varlink_fault fault;
	union refusal e;

	buf[0] = '\0';
	if (table && table->size <= sizeof(e) && decoded &&
		message_decode(table, parameters, MESSAGE_IGNORE_UNKNOWN, &scratch, &e, &fault) ==
			0)
		say_refusal(&s, status, &e, parameters);
	free(decoded);
	if (!buf[0])
		say_parameter(&s, parameters);
	if (!buf[0] && status > 0)
		say(&s, "%s", status_text(status));
	if (!buf[0])
		say(&s, "the broker refused with %s", name);
	neutralise(buf);
}

void explain_errno(int error, const char *path, char *buf, size_t size)
{
	const char *text = usher_strerror(error);

	switch (error) {
	case -ECONNRESET:
		snprintf(buf, size, "the connection to the broker at %s was lost", path);
		break;
	case -ETIMEDOUT:
		snprintf(buf, size, "the broker at %s did not answer in time", path);
		break;
	case -EBADMSG:
		snprintf(buf, size, "what answered at %s is no usher, or a broken one", path);
		break;
	case -EMSGSIZE:
		snprintf(buf, size, "the answer of the broker at %s is too long", path);
		break;
	case -ESRCH:
		snprintf(buf, size, "the handle knows nothing of that name or number");
		break;
	case -ECHILD:
		snprintf(buf, size, "this process was forked off the one that opened the handle");
		break;
	case -EINVAL:
	case -E2BIG:
	case -ENOMEM:
	case -ECANCELED:
	case -EBUSY:
	case -ENOSPC:
		snprintf(buf, size, "%s", text);
		break;
	default:
		snprintf(buf, size, "cannot connect to %s: %s", path, text);
	}
	neutralise(buf);
}
