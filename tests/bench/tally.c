/* SPDX-License-Identifier: MIT */
#include "tests/bench/tally.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void copy_name(char *to, const char *name, size_t length)
{
	if (length >= TALLY_NAME_LENGTH)
		length = TALLY_NAME_LENGTH - 1;
	memcpy(to, name, length);
	to[length] = '\0';
}

static size_t row_of(struct tally *tally, const char *name)
{
	for (size_t i = 0; i < tally->n; i++) {
		if (strcmp(tally->rows[i].name, name) == 0)
			return i;
	}
	if (tally->n == TALLY_NAMES)
		return TALLY_NAMES - 1;
	strcpy(tally->rows[tally->n].name, name);
	return tally->n++;
}

static void count(struct tally *tally, const char *name, uint64_t times)
{
	tally->rows[row_of(tally, name)].count += times;
	tally->sum += times;
}

void tally_add(struct tally *tally, const char *name, size_t name_length, int64_t now_ns,
	const char *reply, size_t length)
{
	char copy[TALLY_NAME_LENGTH];

	copy_name(copy, name, name_length);
	if (tally->sum == 0 || (!tally->first_reply && length > 0)) {
		tally->first_ns = now_ns;
		strcpy(tally->first_name, copy);
		tally->first_reply = length > 0 ? strndup(reply, length) : NULL;
	}
	count(tally, copy, 1);
}

static bool is_preferred(const struct tally *from, const struct tally *tally)
{
	if (!from->first_reply != !tally->first_reply)
		return from->first_reply;
	return from->first_ns < tally->first_ns;
}

static void take_first(struct tally *tally, struct tally *from)
{
	if (tally->sum > 0 && !is_preferred(from, tally))
		return;
	free(tally->first_reply);
	tally->first_ns = from->first_ns;
	memcpy(tally->first_name, from->first_name, sizeof(tally->first_name));
	tally->first_reply = from->first_reply;
	from->first_reply = NULL;
}

void tally_merge(struct tally *tally, struct tally *from)
{
	if (from->sum == 0)
		return;
	take_first(tally, from);
	for (size_t i = 0; i < from->n; i++)
		count(tally, from->rows[i].name, from->rows[i].count);
}

void tally_deinit(struct tally *tally)
{
	free(tally->first_reply);
	tally->first_reply = NULL;
}
