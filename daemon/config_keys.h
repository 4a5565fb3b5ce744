/* SPDX-License-Identifier: MIT */
/* One row a key: name, kind, place, range. Parsing, printing and the tests go by these tables. */
#ifndef USHER_DAEMON_CONFIG_KEYS_H
#define USHER_DAEMON_CONFIG_KEYS_H

#include "daemon/config.h"

#define CONFIG_LINE_MAX 198 /* bytes: what fits inih's buffer, without the newline */

enum key_kind {
	KEY_INTEGER, /* or the key's word */
	KEY_OCTAL,
	KEY_SIZE,     /* bytes, with K, M and G */
	KEY_DURATION, /* milliseconds; "infinity" is -1 if min is, and 0 only if min is */
	KEY_BOOL,
	KEY_CHOICE,
	KEY_PATH,  /* char *: absolute, of at most max bytes */
	KEY_GROUP, /* char *, and its gid_t at id_offset */
	KEY_ALLOW, /* struct allow_list * */
};

struct config_key {
	const char *name;
	enum key_kind kind;
	size_t offset;
	size_t width; /* of the integer at offset: 8, 4 or 1 */
	int64_t min;
	int64_t max;
	const char *word; /* KEY_INTEGER: stands for word_value; or NULL */
	int64_t word_value;
	const char *const *choices; /* KEY_CHOICE, NULL-ended; the value is the index plus min */
	size_t id_offset;           /* KEY_GROUP */
	bool is_bound; /* a rule binds it to another key: where it was set is remembered */
};

extern const struct config_key broker_keys[];
extern const size_t n_broker_keys;
extern const struct config_key pool_keys[]; /* offsets in struct pool_settings */
extern const size_t n_pool_keys;

const struct config_key *config_find_key(
	const struct config_key *keys, size_t n_keys, const char *name);

/* What could have been meant by the unknown NAME: the one key that is spelt nearly so, else all. */
void config_suggest_key(const struct config_key *keys, size_t n_keys, const char *name,
	char *expected, size_t size);

#endif
