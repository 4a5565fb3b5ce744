/* SPDX-License-Identifier: MIT */
/* What the files of the records share: their parts of fixed size and their texts as bytes, read
 * within bounds. Private to them. */
#ifndef USHER_DAEMON_RECORD_BYTES_H
#define USHER_DAEMON_RECORD_BYTES_H

#include "daemon/record.h"

#define TEXT_ABSENT UINT32_MAX /* the length of a text that is not there */

struct record_cursor {
	const char *at;
	size_t left;
	bool is_short; /* more was asked for than there is */
};

/* The fixed part as this version knows it: RET, of KNOWN bytes, is zero where the record is older.
 * The cursor is behind it. */
struct record_cursor record_read_fixed(const void *bytes, size_t size, void *ret, size_t known);

/* The next LENGTH bytes; NULL if there are not so many. */
const char *record_take(struct record_cursor *cursor, size_t length);

/* The next text, whose LENGTH may be TEXT_ABSENT. 0, -EBADMSG or -ENOMEM. */
int record_read_text(struct record_cursor *cursor, uint32_t length, struct text **ret);

/* Write at AT; returns what is behind. TEXT may be NULL. */
char *record_put(char *at, const void *bytes, size_t length);
char *record_put_text(char *at, const struct text *text);
uint32_t record_length_of(const struct text *text);

#endif
