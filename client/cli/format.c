/* SPDX-License-Identifier: MIT */
#include "client/cli/format.h"

#include "proto/duration.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

char *format_age(int64_t ms, char *buf)
{
	char *second;

	if (ms < 0) {
		strcpy(buf, "-");
		return buf;
	}
	if (ms >= 10000)
		ms -= ms % 1000;
	duration_format(ms, buf, FORMAT_MAX);
	second = strchr(buf, ' ');
	if (second && strchr(second + 1, ' '))
		*strchr(second + 1, ' ') = '\0';
	return buf;
}

char *format_span(int64_t ms, char *buf)
{
	int64_t s = ms / 1000;

	if (ms < 0)
		strcpy(buf, "-");
	else if (ms < 1000)
		snprintf(buf, FORMAT_MAX, "%" PRId64 "ms", ms);
	else if (s < 60)
		snprintf(buf, FORMAT_MAX, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(buf, FORMAT_MAX, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, FORMAT_MAX, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, FORMAT_MAX, "%" PRId64 "d%" PRId64 "h", s / 86400, s / 3600 % 24);
	return buf;
}

static char *format_local(int64_t us, bool is_word, char *buf)
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm local;

	if (us < 0 || !localtime_r(&seconds, &local) ||
		!strftime(buf, FORMAT_MAX, is_word ? "%Y-%m-%dT%H:%M:%S%z" : "%Y-%m-%d %H:%M:%S",
			&local))
		strcpy(buf, "-");
	return buf;
}

char *format_time(int64_t us, char *buf)
{
	return format_local(us, false, buf);
}

char *format_time_word(int64_t us, char *buf)
{
	return format_local(us, true, buf);
}

char *format_ordinal(int64_t number, char *buf)
{
	static const char *const suffixes[] = {"th", "st", "nd", "rd"};
	int64_t last = number % 10;
	bool is_teen = number / 10 % 10 == 1;

	snprintf(buf, FORMAT_MAX, "%" PRId64 "%s", number,
		suffixes[last >= 1 && last <= 3 && !is_teen ? last : 0]);
	return buf;
}

char *format_brief(int64_t ns, char *buf)
{
	static const struct {
		double ns;
		const char *name;
	} units[] = {
		{1e3, "us"}, {1e6, "ms"}, {1e9, "s"}, {60e9, "min"}, {3600e9, "h"}, {86400e9, "d"}};
	size_t i = 0, last = sizeof(units) / sizeof(units[0]) - 1;
	double value;

	if (ns < 0) {
		strcpy(buf, "-");
		return buf;
	}
	/* What would be shown as 1000us is 1ms. */
	while (i < last && (double)ns >= units[i + 1].ns * 0.9995)
		i++;
	value = (double)ns / units[i].ns;
	snprintf(buf, FORMAT_MAX, "%.*f%s",
		value < 9.995   ? 2
		: value < 99.95 ? 1
				: 0,
		value, units[i].name);
	return buf;
}

/* The last name is kept: lists have long runs of one user, and a directory service may be slow. */
const char *format_user(int64_t uid)
{
	static char name[FORMAT_MAX];
	static int64_t known = -1;
	const struct passwd *user;

	if (uid < 0)
		return "-";
	if (uid == known)
		return name;
	known = uid;
	user = getpwuid((uid_t)uid);
	if (user)
		snprintf(name, sizeof(name), "%s", user->pw_name);
	else
		snprintf(name, sizeof(name), "%" PRId64, uid);
	return name;
}

static int64_t number_of(const cJSON *item)
{
	double value = cJSON_GetNumberValue(item);

	return value >= 0 && value < 4294967296.0 ? (int64_t)value : 0;
}

/* The last of a run of neighbours that begins with FIRST. */
static const cJSON *run_end(const cJSON *first)
{
	while (first->next && number_of(first->next) == number_of(first) + 1)
		first = first->next;
	return first;
}

char *format_slots(const cJSON *slots, bool is_long)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const cJSON *item = slots ? slots->child : NULL;

	if (!out)
		return NULL;
	for (const char *comma = ""; item; item = item->next, comma = ",") {
		const cJSON *end = is_long ? item : run_end(item);

		fprintf(out, "%s%" PRId64, comma, number_of(item));
		if (end != item)
			fprintf(out, "-%" PRId64, number_of(end));
		item = end;
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int64_t format_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
