/* SPDX-License-Identifier: MIT */
/* The numbers of GetMetrics for people: in which group each stands, and how it is written. Pure.
 * One thread.
 */
#ifndef USHER_CLI_METRICS_NAMES_H
#define USHER_CLI_METRICS_NAMES_H

#include "proto/json_scan.h"

#include <stddef.h>

enum metrics_group { METRICS_NOW, METRICS_SINCE_RESET, METRICS_OF_BROKER };
enum metrics_kind {
	METRICS_PLAIN,
	METRICS_BYTES,
	METRICS_MS,
	METRICS_SECONDS,
	METRICS_RATE,
	METRICS_TIME
};

struct metrics_name {
	const char *name;
	enum metrics_group group;
	enum metrics_kind kind;
};

/* In the order to be shown, first those that users of earlier managers know; an empty one ends. */
extern const struct metrics_name metrics_names[];

/* NULL for one that is not known: a newer broker's. */
const struct metrics_name *metrics_find_name(const char *name, size_t length);

#define METRICS_VALUE_MAX 96

/* VALUE, neither an object nor an array, as a person reads it. KIND_OF may be NULL. Returns BUF, of
 * METRICS_VALUE_MAX bytes. */
char *metrics_format(const struct metrics_name *kind_of, const struct json_value *value, char *buf);

#endif
