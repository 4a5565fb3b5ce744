/* SPDX-License-Identifier: MIT */
#include "daemon/config_keys.h"

#include "proto/duration.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const level_choices[] = {"err", "warning", "notice", "info", "debug", NULL};
static const char *const log_sessions_choices[] = {"none", "refused", "all", NULL};
static const char *const policy_choices[] = {"release", "hold", NULL};

#define HOURS_MS INT64_C(3600000)

#define KEY(S, n, field, k, ...)                                                                   \
	{                                                                                          \
		.name = n, .kind = k, .offset = offsetof(struct S, field),                         \
		.width = sizeof(((struct S *)0)->field), __VA_ARGS__                               \
	}
#define BROKER(n, field, k, ...) KEY(config, n, field, k, __VA_ARGS__)
#define POOL(n, field, k, ...)   KEY(pool_settings, n, field, k, __VA_ARGS__)

const struct config_key broker_keys[] = {
	BROKER("socket", socket, KEY_TEXT, .min = 1),
	BROKER("socket_mode", socket_mode, KEY_OCTAL, .min = 0, .max = 0777),
	BROKER("socket_group", socket_group, KEY_TEXT, .min = 1),
	BROKER("workers", workers, KEY_AUTO, .min = 1, .max = 64),
	BROKER("admin_group", admin_group, KEY_TEXT, .min = 1),
	BROKER("runtime_changes", runtime_changes, KEY_BOOL, .min = 0),
	BROKER("log_level", log_level, KEY_CHOICE, .min = 3, .choices = level_choices),
	BROKER("log_sessions", log_sessions, KEY_CHOICE, .choices = log_sessions_choices),
	BROKER("history", history, KEY_INTEGER, .min = 0, .max = 1000000),
	BROKER("max_message", max_message_bytes, KEY_SIZE, .min = 4096, .max = 64 << 20),
	BROKER("max_depth", max_depth, KEY_INTEGER, .min = 4, .max = 512),
	BROKER("max_connections", max_connections, KEY_INTEGER, .min = 1, .max = 1000000),
	BROKER("max_connections_per_uid", max_connections_per_uid, KEY_INTEGER, .min = 1,
		.max = 1000000),
	BROKER("reserved_connections", reserved_connections, KEY_INTEGER, .min = 0, .max = 1000),
	BROKER("max_pipelined", max_pipelined, KEY_INTEGER, .min = 1, .max = 1024),
	BROKER("max_output", max_output_bytes, KEY_SIZE, .min = 65536, .max = 64 << 20),
	BROKER("io_timeout", io_timeout_ms, KEY_DURATION, .min = 100, .max = 24 * HOURS_MS),
	BROKER("frame_timeout", frame_timeout_ms, KEY_DURATION, .min = 100, .max = 24 * HOURS_MS),
};
const size_t n_broker_keys = sizeof(broker_keys) / sizeof(broker_keys[0]);

#define CENTURY_MS (INT64_C(36525) * 24 * HOURS_MS)

const struct config_key pool_keys[] = {
	POOL("limit", limit, KEY_INTEGER, .min = 1, .max = POOL_LIMIT_MAX),
	POOL("max_metadata_bytes", max_metadata_bytes, KEY_SIZE, .min = 0,
		.max = POOL_METADATA_MAX),
	POOL("default_timeout", default_timeout_ms, KEY_DURATION, .min = -1, .max = CENTURY_MS),
	POOL("max_timeout", max_timeout_ms, KEY_DURATION, .min = -1, .max = CENTURY_MS),
	POOL("max_duration", max_duration_ms, KEY_DURATION, .min = -1, .max = CENTURY_MS),
	POOL("on_timeout", on_timeout, KEY_CHOICE, .choices = policy_choices),
};
const size_t n_pool_keys = sizeof(pool_keys) / sizeof(pool_keys[0]);

const struct config_key *config_find_key(
	const struct config_key *keys, size_t n_keys, const char *name)
{
	for (size_t i = 0; i < n_keys; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static void store(const struct config_key *key, void *base, int64_t value)
{
	char *at = (char *)base + key->offset;

	if (key->width == 8)
		*(int64_t *)at = value;
	else if (key->width == 4)
		*(uint32_t *)at = (uint32_t)value;
	else
		*(bool *)at = value != 0;
}

static int64_t fetch(const struct config_key *key, const void *base)
{
	const char *at = (const char *)base + key->offset;

	if (key->width == 8)
		return *(const int64_t *)at;
	if (key->width == 4)
		return *(const uint32_t *)at;
	return *(const bool *)at;
}

static int parse_integer(const char *text, int base, int64_t *ret)
{
	char *end;
	long long value;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, base);
	if (errno || *end)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int parse_size(const char *text, int64_t *ret)
{
	uint64_t bytes;
	int r = size_parse(text, &bytes);

	if (r < 0)
		return r;
	*ret = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
	return 0;
}

/* 0 is no duration of use for any key, so only infinity may be below 1. */
static int parse_duration(const struct config_key *key, const char *text, int64_t *ret)
{
	int r = duration_parse_ms(text, ret);

	if (r == 0 && *ret < (key->min < 0 ? 1 : key->min) && !(key->min < 0 && *ret == -1))
		return -ERANGE;
	return r;
}

static int parse_bool(const char *text, int64_t *ret)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};

	for (size_t i = 0; i < 4; i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*ret = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_choice(const struct config_key *key, const char *text, int64_t *ret)
{
	for (int i = 0; key->choices[i]; i++)
		if (strcmp(text, key->choices[i]) == 0) {
			*ret = i + key->min;
			return 0;
		}
	return -EINVAL;
}

static int parse_number(const struct config_key *key, const char *text, int64_t *ret)
{
	switch (key->kind) {
	case KEY_AUTO:
		if (strcmp(text, "auto") == 0) {
			*ret = key->min; /* in range; the caller stores 0 */
			return 0;
		}
		return parse_integer(text, 10, ret);
	case KEY_INTEGER:
		return parse_integer(text, 10, ret);
	case KEY_OCTAL:
		return parse_integer(text, 8, ret);
	case KEY_SIZE:
		return parse_size(text, ret);
	case KEY_DURATION:
		return parse_duration(key, text, ret);
	case KEY_BOOL:
		return parse_bool(text, ret);
	case KEY_CHOICE:
		return parse_choice(key, text, ret);
	case KEY_TEXT:
		break;
	}
	return -EINVAL;
}

static void say_choices(const struct config_key *key, char *expected, size_t size)
{
	size_t used = (size_t)snprintf(expected, size, "one of");

	for (int i = 0; key->choices[i] && used < size; i++)
		used += (size_t)snprintf(
			expected + used, size - used, "%s %s", i ? "," : "", key->choices[i]);
}

static void say_expected(const struct config_key *key, char *expected, size_t size)
{
	char least[32], most[32];

	switch (key->kind) {
	case KEY_INTEGER:
		snprintf(expected, size, "an integer from %" PRId64 " to %" PRId64, key->min,
			key->max);
		break;
	case KEY_AUTO:
		snprintf(expected, size, "auto or an integer from %" PRId64 " to %" PRId64,
			key->min, key->max);
		break;
	case KEY_OCTAL:
		snprintf(expected, size, "an octal mode from 0 to %" PRIo64, (uint64_t)key->max);
		break;
	case KEY_SIZE:
		snprintf(expected, size,
			"a size from %" PRId64 " to %" PRId64 " bytes, as 64K or 1M", key->min,
			key->max);
		break;
	case KEY_DURATION:
		duration_format(key->min < 1 ? 1 : key->min, least, sizeof(least));
		duration_format(key->max, most, sizeof(most));
		snprintf(expected, size, "a duration from %s to %s, as 300ms, 30s or 5min%s", least,
			most, key->min < 0 ? ", or infinity" : "");
		break;
	case KEY_BOOL:
		snprintf(expected, size, "yes or no");
		break;
	case KEY_TEXT:
		snprintf(expected, size, "a value");
		break;
	case KEY_CHOICE:
		say_choices(key, expected, size);
		break;
	}
}

static int parse_text(const struct config_key *key, const char *value, void *base)
{
	char **at = (char **)((char *)base + key->offset);
	char *copy;

	if (!value[0])
		return -EINVAL;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

int config_key_parse(
	const struct config_key *key, const char *value, void *base, char *expected, size_t size)
{
	int64_t number = 0;
	bool has_max = key->kind != KEY_BOOL && key->kind != KEY_CHOICE;
	int r = key->kind == KEY_TEXT ? parse_text(key, value, base)
				      : parse_number(key, value, &number);

	if (r == -ENOMEM)
		return r;
	if (r == 0 && key->kind == KEY_TEXT)
		return 0;
	if (r < 0 || number < key->min || (has_max && number > key->max)) {
		say_expected(key, expected, size);
		return -EINVAL;
	}
	store(key, base, key->kind == KEY_AUTO && !isdigit((unsigned char)value[0]) ? 0 : number);
	return 0;
}

void config_key_print(const struct config_key *key, const void *base, FILE *to)
{
	const char *text =
		key->kind == KEY_TEXT ? *(char *const *)((const char *)base + key->offset) : NULL;
	int64_t number = key->kind == KEY_TEXT ? 0 : fetch(key, base);
	char duration[64];

	if (key->kind == KEY_TEXT && !text) {
		fprintf(to, "# %s =\n", key->name);
		return;
	}
	fprintf(to, "%s = ", key->name);
	if (key->kind == KEY_TEXT)
		fprintf(to, "%s\n", text);
	else if (key->kind == KEY_AUTO && number == 0)
		fprintf(to, "auto\n");
	else if (key->kind == KEY_OCTAL)
		fprintf(to, "%04" PRIo64 "\n", (uint64_t)number);
	else if (key->kind == KEY_BOOL)
		fprintf(to, "%s\n", number ? "yes" : "no");
	else if (key->kind == KEY_CHOICE)
		fprintf(to, "%s\n", key->choices[number - key->min]);
	else if (key->kind == KEY_DURATION)
		fprintf(to, "%s\n",
			(duration_format(number, duration, sizeof(duration)), duration));
	else
		fprintf(to, "%" PRId64 "\n", number);
}
