/* SPDX-License-Identifier: MIT */
/* The value of one key, read from and written as text. Groups and users are looked up, so reading
 * may block. Any thread. */
#ifndef USHER_DAEMON_CONFIG_VALUE_H
#define USHER_DAEMON_CONFIG_VALUE_H

#include "daemon/config_keys.h"

/* Store VALUE at BASE + KEY->offset, in place of what is there. 0; -EINVAL with "expected ..., not
 * ..." in MESSAGE, of SIZE bytes; -ENOMEM. */
int config_value_parse(
	const struct config_key *key, const char *value, void *base, char *message, size_t size);

/* "name = value", which reads back as the same, or "# name =" where nothing is set. */
void config_value_print(const struct config_key *key, const void *base, FILE *to);

/* Free what is stored for KEY. */
void config_value_deinit(const struct config_key *key, void *base);

#endif
