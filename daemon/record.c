/* SPDX-License-Identifier: MIT */
#include "daemon/record_bytes.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

/* ---- the head ---- */

/* Not a secret: it tells damage, not forgery. */
static const uint64_t sum_key = 0x7573686572207265;

/* Of the key and all but the sum itself: a head that was damaged is not to be believed either. What
 * is long goes without a seed, for which XXH3 would first derive a secret. */
static uint32_t sum_of(const struct record_head *head, const void *bytes, size_t size,
	const void *key, size_t key_size)
{
	const char *rest = (const char *)bytes + sizeof(*head);
	uint64_t sum = XXH3_64bits(rest, size - sizeof(*head)) ^
		       XXH3_64bits_withSeed(key, key_size, sum_key) ^
		       ((uint64_t)head->version << 16 | head->fixed_size);

	sum ^= sum >> 32;
	return (uint32_t)sum ? (uint32_t)sum : 1;
}

uint32_t record_seal(void *bytes, size_t size, size_t fixed_size, const void *key, size_t key_size)
{
	struct record_head head = {
		.version = RECORD_VERSION,
		.fixed_size = (uint16_t)fixed_size,
	};

	head.sum = sum_of(&head, bytes, size, key, key_size);
	memcpy(bytes, &head, sizeof(head));
	return head.sum;
}

int record_check(
	const void *bytes, size_t size, const void *key, size_t key_size, uint32_t *ret_sum)
{
	struct record_head head;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, bytes, sizeof(head));
	if (head.fixed_size > size - sizeof(head) ||
		head.sum != sum_of(&head, bytes, size, key, key_size))
		return -EBADMSG;
	if (head.version > RECORD_VERSION)
		return -EPROTONOSUPPORT;
	if (ret_sum)
		*ret_sum = head.sum;
	return 0;
}

uint32_t record_sum(const void *bytes)
{
	struct record_head head;

	memcpy(&head, bytes, sizeof(head));
	return head.sum;
}

/* ---- reading with bounds ---- */

struct record_cursor record_read_fixed(const void *bytes, size_t size, void *ret, size_t known)
{
	struct record_head head;
	struct record_cursor cursor = {.is_short = size < sizeof(head)};

	memset(ret, 0, known);
	if (cursor.is_short)
		return cursor;
	memcpy(&head, bytes, sizeof(head));
	cursor.is_short = head.fixed_size > size - sizeof(head);
	if (cursor.is_short)
		return cursor;
	memcpy(ret, (const char *)bytes + sizeof(head),
		head.fixed_size < known ? head.fixed_size : known);
	cursor.at = (const char *)bytes + sizeof(head) + head.fixed_size;
	cursor.left = size - sizeof(head) - head.fixed_size;
	return cursor;
}

const char *record_take(struct record_cursor *cursor, size_t length)
{
	const char *at = cursor->at;

	if (cursor->is_short || length > cursor->left) {
		cursor->is_short = true;
		return NULL;
	}
	cursor->at += length;
	cursor->left -= length;
	return at;
}

char *record_put(char *at, const void *bytes, size_t length)
{
	if (length)
		memcpy(at, bytes, length);
	return at + length;
}

char *record_put_text(char *at, const struct text *text)
{
	return text ? record_put(at, text->bytes, text->length) : at;
}

uint32_t record_length_of(const struct text *text)
{
	return text ? text->length : TEXT_ABSENT;
}

int record_read_text(struct record_cursor *cursor, uint32_t length, struct text **ret)
{
	const char *bytes;

	*ret = NULL;
	if (length == TEXT_ABSENT)
		return 0;
	bytes = record_take(cursor, length);
	if (!bytes)
		return -EBADMSG;
	*ret = text_new(bytes, length);
	return *ret ? 0 : -ENOMEM;
}
