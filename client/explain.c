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

static void say_capacity(const struct sentence *s, const struct capacity_error *e)
{
	char text[DURATION_TEXT_MAX];

	say(s, "pool \"%.*s\" is full: %" PRId64 " of %" PRId64 " slots are taken", TEXT(e->pool),
		e->used_units, e->limit);
	if (e->requested_units > 1)
		say(s, ", and %" PRId64 " were asked for", e->requested_units);
	if (e->retry_after_ms > 0)
		say(s, "; try again in about %s",
			duration_format(e->retry_after_ms, text, sizeof(text)));
}

static void say_timeout(const struct sentence *s, const struct timeout_error *e)
{
	char asked[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];

	duration_format(e->timeout_ms, asked, sizeof(asked));
	duration_format(e->max_timeout_ms, most, sizeof(most));
	if (e->timeout_ms == 0 || e->timeout_ms < -1)
		say(s, "a timeout must be more than 0");
	else if (e->timeout_ms < 0 && e->max_timeout_ms < 0)
		say(s, "a timeout is needed here, infinity is none");
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

static void say_refusal(const struct sentence *s, int status, const union refusal *e)
{
	switch (status) {
	case STATUS_CAPACITY_REACHED:
		say_capacity(s, &e->capacity);
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
		say(s, "session %.*s is %s already", TEXT(e->state.session_id),
			state_names[e->state.state]);
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
		say_refusal(&s, status, &e);
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
	case -ECHILD:
		snprintf(buf, size, "this process was forked off the one that opened the handle");
		break;
	case -EINVAL:
	case -E2BIG:
	case -ENOMEM:
	case -ECANCELED:
		snprintf(buf, size, "%s", text);
		break;
	default:
		snprintf(buf, size, "cannot connect to %s: %s", path, text);
	}
	neutralise(buf);
}
