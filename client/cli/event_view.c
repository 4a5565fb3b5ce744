/* SPDX-License-Identifier: MIT */
#include "client/cli/event_view.h"

#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/session_row.h"
#include "client/cli/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WIDE 120 /* a terminal of so many columns has room for columns below each other */

struct line {
	FILE *out;
	bool is_terminal;
	bool is_wide;
	bool is_begun;
};

/* On a wide terminal a column has at least WIDTH columns, so that those of different lines mostly
 * stand below each other; nothing is cut. */
static void put_field(struct line *line, size_t width, const char *text)
{
	char *escaped = escape_text(*text ? text : "-", strlen(*text ? text : "-"));
	size_t own = escaped ? escape_width(escaped) : 0;

	if (line->is_begun)
		fputs(!line->is_terminal ? "\t" : line->is_wide ? "  " : " ", line->out);
	line->is_begun = true;
	fputs(escaped ? escaped : "?", line->out);
	escape_free(escaped);
	if (line->is_wide && own < width)
		fprintf(line->out, "%*s", (int)(width - own), "");
}

static void put_number(struct line *line, size_t width, int64_t number)
{
	char text[FORMAT_MAX] = "";

	if (number >= 0)
		snprintf(text, sizeof(text), "%" PRId64, number);
	put_field(line, width, text);
}

/* A clock's time for people, a date for programs. */
static void format_event_time(const struct line *line, int64_t at_us, char *buf, size_t size)
{
	time_t seconds = (time_t)(at_us / 1000000);
	char date[48], zone[16];
	struct tm local;

	if (at_us < 0 || !localtime_r(&seconds, &local))
		return;
	strftime(date, sizeof(date), line->is_terminal ? "%H:%M:%S" : "%Y-%m-%dT%H:%M:%S", &local);
	strftime(zone, sizeof(zone), "%z", &local);
	if (!line->is_terminal)
		snprintf(buf, size, "%s.%06d%s", date, (int)(at_us % 1000000), zone);
	else if (line->is_wide)
		snprintf(buf, size, "%s.%03d", date, (int)(at_us % 1000000 / 1000));
	else
		snprintf(buf, size, "%s", date);
}

static void put_time(struct line *line, int64_t at_us)
{
	char text[96] = "";

	format_event_time(line, at_us, text, sizeof(text));
	put_field(line, 12, text);
}

/* ---- what else there is to say ---- */

/* "io.usher.Broker.QueueFull" without what they all begin with. */
static const char *short_name(const char *error)
{
	const char *dot = strrchr(error, '.');

	return dot ? dot + 1 : error;
}

static void say_age(FILE *out, const char *intro, int64_t since_us, int64_t at_us)
{
	char age[FORMAT_MAX];

	if (since_us >= 0 && at_us >= since_us)
		fprintf(out, "%s%s", intro, format_span((at_us - since_us) / 1000, age));
}

static void say_end(FILE *out, const cJSON *event, const cJSON *session)
{
	const char *outcome = tree_text(event, "outcome"), *error = tree_text(event, "error");

	if (*outcome)
		fprintf(out, "%s", outcome);
	else
		fprintf(out, "%s", *error ? short_name(error) : "no longer waits");
	say_age(out, " after ", tree_int(session, "created_at", -1), tree_int(event, "at", -1));
}

static void say_pool(FILE *out, const cJSON *pool)
{
	fprintf(out, "%" PRId64 " of %" PRId64 " slots in use", tree_int(pool, "used_units", 0),
		tree_int(pool, "limit", 0));
	if (tree_int(pool, "waiting_sessions", 0) > 0)
		fprintf(out, ", %" PRId64 " waiting", tree_int(pool, "waiting_sessions", 0));
	if (tree_int(pool, "over", 0) > 0)
		fprintf(out, ", %" PRId64 " over the limit", tree_int(pool, "over", 0));
	if (tree_bool(pool, "paused"))
		fprintf(out, ", paused%s%s", *tree_text(pool, "pause_reason") ? ": " : "",
			tree_text(pool, "pause_reason"));
	if (tree_bool(pool, "removed"))
		fprintf(out, ", being removed");
}

static void say_session(FILE *out, const cJSON *event, const cJSON *session)
{
	const char *flags = session_flags(session, ", ");
	char text[FORMAT_MAX];
	int64_t left = tree_int(session, "remaining_ms", -1);

	fprintf(out, "%s%s%s", tree_text(session, "state"), *flags ? ", " : "", flags);
	if (tree_int(session, "units", 1) > 1)
		fprintf(out, ", %" PRId64 " slots", tree_int(session, "units", 1));
	if (left >= 0)
		fprintf(out, ", %s left", format_span(left, text));
	if (*tree_text(event, "reason"))
		fprintf(out, ": %s", tree_text(event, "reason"));
}

static void say_detail(FILE *out, const char *type, const cJSON *event)
{
	const cJSON *session = tree_member(event, "session"), *pool = tree_member(event, "pool");

	if (!strcmp(type, "ready"))
		fprintf(out, "this was there already; now what happens");
	else if (!strcmp(type, "drain"))
		fprintf(out,
			tree_bool(event, "draining") ? "new sessions are refused" : "taken back");
	else if (!strcmp(type, "refused"))
		fprintf(out, "%s", short_name(tree_text(event, "error")));
	else if (!strcmp(type, "ended"))
		say_end(out, event, session);
	else if (cJSON_IsObject(session))
		say_session(out, event, session);
	else if (cJSON_IsObject(pool))
		say_pool(out, pool);
}

static void put_detail(struct line *line, const char *type, const cJSON *event)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	say_detail(out, type, event);
	if (fclose(out) == 0)
		put_field(line, 0, text);
	free(text);
}

/* ---- the fields ---- */

/* A pool is an object where it changed, and a name where a Create was refused. */
static const char *pool_name(const cJSON *event, const cJSON *session)
{
	const cJSON *pool = tree_member(event, "pool");

	if (cJSON_IsObject(session))
		return tree_text(session, "pool");
	return cJSON_IsObject(pool) ? tree_text(pool, "pool") : tree_text(event, "pool_name");
}

static void put_slots(struct line *line, const cJSON *session)
{
	const cJSON *queued = tree_member(session, "queued");
	char place[FORMAT_MAX], *slots = NULL;

	if (cJSON_IsObject(queued)) {
		snprintf(place, sizeof(place), "#%" PRId64, tree_int(queued, "position", -1));
		put_field(line, 5, place);
		return;
	}
	slots = format_slots(tree_member(session, "slots"), false);
	put_field(line, 5, slots ? slots : "");
	free(slots);
}

static void put_fields(struct line *line, const cJSON *event)
{
	const char *type = tree_text(event, "type");
	const cJSON *session = tree_member(event, "session");
	const cJSON *who = cJSON_IsObject(session) ? session : event;

	put_time(line, tree_int(event, "at", -1));
	put_field(line, 8, type);
	put_field(line, 20, tree_text(session, "session_id"));
	put_field(line, 8, pool_name(event, session));
	put_slots(line, session);
	put_field(
		line, 8, tree_int(who, "uid", -1) < 0 ? "" : format_user(tree_int(who, "uid", -1)));
	put_number(line, 7, session_pid(who));
	put_field(line, 12, tree_text(session, "comm"));
	put_detail(line, type, event);
}

char *event_line(const cJSON *event, size_t columns)
{
	char *text = NULL;
	size_t size;
	struct line line = {
		.is_terminal = columns > 0,
		.is_wide = columns >= WIDE,
		.out = open_memstream(&text, &size),
	};

	if (!line.out)
		return NULL;
	put_fields(&line, event);
	fputc('\n', line.out);
	if (fclose(line.out) == 0)
		return text;
	free(text);
	return NULL;
}
