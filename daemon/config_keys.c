/* SPDX-License-Identifier: MIT */
#include "daemon/config_keys.h"

#include <string.h>

static const char *const level_choices[] = {"err", "warning", "notice", "info", "debug", NULL};
static const char *const log_sessions_choices[] = {"none", "refused", "all", NULL};
static const char *const policy_choices[] = {"release", "hold", NULL};
static const char *const dimension_choices[] = {"uid", "process", "label", "none", NULL};

#define HOURS_MS   INT64_C(3600000)
#define CENTURY_MS (INT64_C(36525) * 24 * HOURS_MS)
#define SOCKET_MAX 107 /* bytes of a path that fit struct sockaddr_un */

#define KEY(S, n, field, k, ...)                                                                   \
	{                                                                                          \
		.name = n, .kind = k, .offset = offsetof(struct S, field),                         \
		.width = sizeof(((struct S *)0)->field), __VA_ARGS__                               \
	}
#define BROKER(n, field, k, ...) KEY(config, n, field, k, __VA_ARGS__)
#define POOL(n, field, k, ...)   KEY(pool_settings, n, field, k, __VA_ARGS__)
#define OR_NONE                  .word = "none", .word_value = POOL_NO_QUOTA

const struct config_key broker_keys[] = {
	BROKER("socket", socket, KEY_PATH, .max = SOCKET_MAX),
	BROKER("socket_mode", socket_mode, KEY_OCTAL, .min = 0, .max = 0777),
	BROKER("socket_group", socket_group, KEY_GROUP,
		.id_offset = offsetof(struct config, socket_gid)),
	BROKER("workers", workers, KEY_INTEGER, .min = 1, .max = 64, .word = "auto"),
	BROKER("admin_group", admin_group, KEY_GROUP,
		.id_offset = offsetof(struct config, admin_gid)),
	BROKER("runtime_changes", runtime_changes, KEY_BOOL, .max = 1),
	BROKER("log_level", log_level, KEY_CHOICE, .min = 3, .choices = level_choices),
	BROKER("log_sessions", log_sessions, KEY_CHOICE, .choices = log_sessions_choices),
	BROKER("history", history, KEY_INTEGER, .min = 0, .max = 1000000),
	BROKER("reattach_grace", reattach_grace_ms, KEY_DURATION, .min = 0, .max = 24 * HOURS_MS),
	BROKER("max_state", max_state_bytes, KEY_SIZE, .min = 16 << 20, .max = INT64_C(64) << 30),
	BROKER("max_message", max_message_bytes, KEY_SIZE, .min = 4096, .max = 64 << 20),
	BROKER("max_depth", max_depth, KEY_INTEGER, .min = 4, .max = 512),
	BROKER("max_connections", max_connections, KEY_INTEGER, .min = 1, .max = 1000000,
		.is_bound = true),
	BROKER("max_connections_per_uid", max_connections_per_uid, KEY_INTEGER, .min = 1,
		.max = 1000000),
	BROKER("reserved_connections", reserved_connections, KEY_INTEGER, .min = 0, .max = 1000,
		.is_bound = true),
	BROKER("max_pipelined", max_pipelined, KEY_INTEGER, .min = 1, .max = 1024),
	BROKER("max_output", max_output_bytes, KEY_SIZE, .min = 65536, .max = 64 << 20),
	BROKER("io_timeout", io_timeout_ms, KEY_DURATION, .min = 100, .max = 24 * HOURS_MS),
	BROKER("frame_timeout", frame_timeout_ms, KEY_DURATION, .min = 100, .max = 24 * HOURS_MS),
};
const size_t n_broker_keys = sizeof(broker_keys) / sizeof(broker_keys[0]);

const struct config_key pool_keys[] = {
	POOL("limit", limit, KEY_INTEGER, .min = 1, .max = POOL_LIMIT_MAX),
	POOL("enforce", enforce, KEY_BOOL, .max = 1),
	POOL("allow", allow, KEY_ALLOW, .min = 0),
	POOL("max_metadata_bytes", max_metadata_bytes, KEY_SIZE, .min = 0,
		.max = POOL_METADATA_MAX),
	POOL("default_timeout", default_timeout_ms, KEY_DURATION, .min = -1, .max = CENTURY_MS,
		.is_bound = true),
	POOL("max_timeout", max_timeout_ms, KEY_DURATION, .min = -1, .max = CENTURY_MS,
		.is_bound = true),
	POOL("max_duration", max_duration_ms, KEY_DURATION, .min = -1, .max = CENTURY_MS),
	POOL("on_timeout", on_timeout, KEY_CHOICE, .choices = policy_choices),
	POOL("per_uid_limit", quotas[BY_UID], KEY_INTEGER, .min = 1, .max = POOL_LIMIT_MAX,
		OR_NONE),
	POOL("per_process_limit", quotas[BY_PROCESS], KEY_INTEGER, .min = 1, .max = POOL_LIMIT_MAX,
		OR_NONE),
	POOL("per_label_limit", quotas[BY_LABEL], KEY_INTEGER, .min = 1, .max = POOL_LIMIT_MAX,
		OR_NONE),
	POOL("max_waiters", max_waiters, KEY_INTEGER, .min = 0, .max = POOL_LIMIT_MAX),
	POOL("per_uid_waiters", per_uid_waiters, KEY_INTEGER, .min = 0, .max = POOL_LIMIT_MAX,
		OR_NONE),
	POOL("fair_by", fair_by, KEY_CHOICE, .choices = dimension_choices),
	POOL("age_step", age_step_ms, KEY_DURATION, .min = 0, .max = CENTURY_MS),
	POOL("starve_after", starve_after_ms, KEY_DURATION, .min = -1, .max = CENTURY_MS),
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

/* ---- what an unknown one could have been ---- */

#define SPELLING_MAX 40 /* bytes; no key is as long */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many letters have to be changed, added or taken away (Levenshtein). */
static size_t spelling_distance(const char *a, const char *b)
{
	size_t row[SPELLING_MAX + 1];
	size_t length = strlen(b);

	if (length > SPELLING_MAX || strlen(a) > SPELLING_MAX)
		return SPELLING_MAX;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t same = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = min3(same, row[j] + 1, row[j - 1] + 1);
		}
	}
	return row[length];
}

static const struct config_key *nearest_key(
	const struct config_key *keys, size_t n_keys, const char *name)
{
	const struct config_key *nearest = NULL;
	size_t least = strlen(name) / 3 + 1; /* farther is another word */

	for (size_t i = 0; i < n_keys; i++) {
		size_t distance = spelling_distance(name, keys[i].name);

		if (distance < least || (distance == least && !nearest)) {
			least = distance;
			nearest = &keys[i];
		}
	}
	return nearest;
}

void config_suggest_key(
	const struct config_key *keys, size_t n_keys, const char *name, char *expected, size_t size)
{
	const struct config_key *nearest = nearest_key(keys, n_keys, name);
	size_t used;

	if (nearest) {
		snprintf(expected, size, "%s perhaps", nearest->name);
		return;
	}
	used = (size_t)snprintf(expected, size, "one of");
	for (size_t i = 0; i < n_keys && used < size; i++)
		used += (size_t)snprintf(
			expected + used, size - used, "%s %s", i ? "," : "", keys[i].name);
}
