/* SPDX-License-Identifier: MIT */
#include "client/cli/refusal.h"

#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/tree.h"
#include "client/usher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void say_fn(FILE *out, const cJSON *parameters);

/* "is" or "are", "slot" or "slots". */
static const char *one_or(int64_t number, const char *one, const char *many)
{
	return number == 1 ? one : many;
}

/* Slots may be free and yet not to be had: those who wait come first, for more of them. */
static const char *state_of_pool(int64_t used, int64_t wanted, int64_t limit)
{
	if (used + wanted <= limit)
		return "has slots free, but not for newcomers";
	return used < limit ? "has too few free slots" : "is full";
}

static void say_capacity(FILE *out, const cJSON *p)
{
	int64_t limit = tree_int(p, "limit", 0), used = tree_int(p, "used_units", 0);
	int64_t wanted = tree_int(p, "requested_units", 1);
	int64_t waiting = tree_int(p, "waiting_sessions", 0);
	int64_t retry_ms = tree_int(p, "retry_after_ms", -1);
	char text[FORMAT_MAX];

	fprintf(out, "pool \"%s\" %s: %" PRId64 " of %" PRId64 " slots are taken",
		tree_text(p, "pool"), state_of_pool(used, wanted, limit), used, limit);
	if (wanted > 1)
		fprintf(out, ", %" PRId64 " were asked for", wanted);
	if (waiting > 0)
		fprintf(out, ", %" PRId64 " %s already", waiting, one_or(waiting, "waits", "wait"));
	if (retry_ms > 0)
		fprintf(out, "; try again in about %s", format_age(retry_ms, text));
}

static void say_quota(FILE *out, const cJSON *p)
{
	const char *quota = tree_text(p, "quota");
	int64_t limit = tree_int(p, "limit", 0), wanted = tree_int(p, "requested_units", 1);
	const char *whose = !strcmp(quota, "uid")       ? "you hold"
			    : !strcmp(quota, "process") ? "this process holds"
			    : !strcmp(quota, "label")   ? "sessions of this label hold"
							: "you hold";

	fprintf(out, "%s %" PRId64 " of at most %" PRId64 " %s in pool \"%s\"", whose,
		tree_int(p, "used_units", 0), limit, one_or(limit, "slot", "slots"),
		tree_text(p, "pool"));
	if (wanted > limit)
		fprintf(out, ", and %" PRId64 " can never be had", wanted);
	else if (wanted > 1)
		fprintf(out, ", and %" PRId64 " more were asked for", wanted);
	if (wanted <= limit)
		fprintf(out, "; release one, or wait until one ends");
}

static void say_queue_full(FILE *out, const cJSON *p)
{
	bool is_user = !strcmp(tree_text(p, "scope"), "user");
	int64_t waiting = tree_int(p, "waiting", 0);

	fprintf(out,
		"%s%" PRId64 " %s for pool \"%s\" already, and no more than %" PRId64 "%s may;"
		" try again later",
		is_user ? "of your requests " : "", waiting, one_or(waiting, "waits", "wait"),
		tree_text(p, "pool"), tree_int(p, "limit", 0), is_user ? " of one user" : "");
}

static void say_wait_timeout(FILE *out, const cJSON *p)
{
	char text[FORMAT_MAX];

	fprintf(out, "no slot of pool \"%s\" became free for you within %s", tree_text(p, "pool"),
		format_age(tree_int(p, "waited_ms", 0), text));
}

static void say_cancelled(FILE *out, const cJSON *p)
{
	fprintf(out,
		"the wait was ended by 'usherctl cancel', or the same request waits elsewhere"
		" now (request id \"%s\")",
		tree_text(p, "request_id"));
}

static void say_state(FILE *out, const cJSON *p)
{
	if (!strcmp(tree_text(p, "state"), "waiting"))
		fprintf(out,
			"session %s still waits for its slot; 'usherctl cancel' with its request"
			" id ends that",
			tree_text(p, "session_id"));
}

static void say_store(FILE *out, const cJSON *p)
{
	fprintf(out,
		"the broker takes no new sessions while it cannot store them: %s; 'usherctl"
		" status' shows whether it can again",
		tree_text(p, "reason"));
}

/* In the words of usherctl's options, where the interface's would be none of the user's. */
static void say_parameter(FILE *out, const cJSON *p)
{
	const char *name = tree_text(p, "parameter"), *expected = tree_text(p, "expected");

	if (!strcmp(name, "message") && !strncmp(expected, "at most ", 8))
		fprintf(out,
			"the request is too long for the broker, whatever its pools accept as"
			" metadata: its max_message is %.*s bytes",
			(int)strcspn(expected + 8, " "), expected + 8);
	else if (!strcmp(name, "default_timeout_ms"))
		fprintf(out,
			"--default-timeout may not be longer than --max-timeout; what is not given"
			" is as it was, see 'usherctl pools POOL'");
}

static say_fn *sayer_of(int error)
{
	switch (-error) {
	case USHER_E_CAPACITY_REACHED:
		return say_capacity;
	case USHER_E_QUOTA_EXCEEDED:
		return say_quota;
	case USHER_E_QUEUE_FULL:
		return say_queue_full;
	case USHER_E_WAIT_TIMEOUT:
		return say_wait_timeout;
	case USHER_E_CANCELLED:
		return say_cancelled;
	case USHER_E_INVALID_STATE:
		return say_state;
	case USHER_E_STORE_UNAVAILABLE:
		return say_store;
	case USHER_E_INVALID_PARAMETER:
		return say_parameter;
	default:
		return NULL;
	}
}

static char *say(say_fn *sayer, const cJSON *parameters)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	sayer(out, parameters);
	if (fclose(out) == 0 && text && *text)
		return text;
	free(text);
	return NULL;
}

char *refusal_sentence(int error, const cJSON *parameters)
{
	say_fn *sayer = sayer_of(error);

	return sayer && parameters ? say(sayer, parameters) : NULL;
}

/* ---- holders ---- */

/* One line for each of those who hold what was asked for. */
static void say_holder(FILE *out, const cJSON *holder)
{
	char age[FORMAT_MAX], line[512];
	const char *unit = tree_text(holder, "systemd_unit");
	int64_t pid = tree_int(holder, "pid", -1), units = tree_int(holder, "units", 1);
	int n = snprintf(line, sizeof(line), "%.64s of %s", tree_text(holder, "session_id"),
		format_user(tree_int(holder, "uid", -1)));

	if (pid > 0)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ", pid %" PRId64 " (%.32s)", pid,
			tree_text(holder, "comm"));
	if (*unit)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " in %.128s", unit);
	if (units > 1)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ", %" PRId64 " slots", units);
	snprintf(line + n, sizeof(line) - (size_t)n, ", for %s",
		format_age(tree_int(holder, "age_ms", 0), age));
	escape_print(out, "  held by ", line);
}

static void say_holders(FILE *out, const cJSON *p)
{
	int64_t others = tree_int(p, "active_sessions", 0);
	const cJSON *holder;

	cJSON_ArrayForEach(holder, tree_member(p, "holders"))
	{
		say_holder(out, holder);
		others--;
	}
	if (others > 0)
		fprintf(out, "  and %" PRId64 " more: 'usherctl who' shows all\n", others);
}

char *refusal_details(int error, const cJSON *parameters)
{
	return error == -USHER_E_CAPACITY_REACHED ? say(say_holders, parameters) : NULL;
}
