/* SPDX-License-Identifier: MIT */
/* One row a key: name, kind, place, range. Parsing, printing and the tests go by these tables. */
#ifndef USHER_DAEMON_CONFIG_KEYS_H
#define USHER_DAEMON_CONFIG_KEYS_H

#include "daemon/config.h"

enum key_kind {
	KEY_INTEGER,
	KEY_AUTO, /* an integer, or "auto" for 0 */
	KEY_OCTAL,
	KEY_SIZE,     /* bytes, with K and M */
	KEY_DURATION, /* milliseconds; "infinity" is -1 if min is */
	KEY_BOOL,
	KEY_TEXT,
	KEY_CHOICE,
};

struct config_key {
	const char *name;
	enum key_kind kind;
	size_t offset;
	size_t width; /* of the integer at offset: 4 or 8 */
	int64_t min;
	int64_t max;
	const char *const *choices; /* KEY_CHOICE, NULL-ended; the value is the index plus min */
};

extern const struct config_key broker_keys[];
extern const size_t n_broker_keys;
extern const struct config_key pool_keys[]; /* offsets in struct pool_settings */
extern const size_t n_pool_keys;

const struct config_key *config_find_key(
	const struct config_key *keys, size_t n_keys, const char *name);

/* Store VALUE at BASE + offset. 0; -EINVAL with what was expected in EXPECTED, of SIZE bytes;
 * -ENOMEM. */
int config_key_parse(
	const struct config_key *key, const char *value, void *base, char *expected, size_t size);

/* "name = value", or "# name =" where a text is not set. */
void config_key_print(const struct config_key *key, const void *base, FILE *to);

#endif
