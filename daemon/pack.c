/* SPDX-License-Identifier: MIT */
#include "daemon/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096
#define HEAD_SIZE      6 /* tag and length */

/* ---- numbers as bytes ---- */

static void put(unsigned char *to, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *from, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

/* ---- writing ---- */

void pack_writer_init(struct pack_writer *w)
{
	*w = (struct pack_writer){0};
}

void pack_writer_deinit(struct pack_writer *w)
{
	free(w->data);
	pack_writer_init(w);
}

static bool grow(struct pack_writer *w, size_t room)
{
	size_t capacity = w->capacity ? w->capacity : FIRST_CAPACITY;
	unsigned char *data;

	if (room > SIZE_MAX / 4 - w->length)
		return false;
	while (capacity < w->length + room)
		capacity *= 2;
	data = realloc(w->data, capacity);
	if (!data)
		return false;
	w->data = data;
	w->capacity = capacity;
	return true;
}

/* Room for LENGTH bytes more, which count as written; NULL if the writer has failed. */
static unsigned char *append(struct pack_writer *w, size_t length)
{
	unsigned char *at;

	if (!w->failed && length > w->capacity - w->length && !grow(w, length))
		w->failed = true;
	if (w->failed)
		return NULL;
	at = w->data + w->length;
	w->length += length;
	return at;
}

void pack_raw(struct pack_writer *w, const void *bytes, size_t length)
{
	unsigned char *at = length > 0 ? append(w, length) : NULL;

	if (at)
		memcpy(at, bytes, length);
}

static void write_head(struct pack_writer *w, uint16_t tag, size_t length)
{
	unsigned char *at = append(w, HEAD_SIZE);

	if (length > UINT32_MAX)
		w->failed = true;
	if (!at)
		return;
	put(at, tag, 2);
	put(at + 2, length, 4);
}

void pack_number(struct pack_writer *w, uint16_t tag, uint64_t value)
{
	unsigned char bytes[8];
	size_t n = 8;

	if (!value)
		return;
	put(bytes, value, 8);
	while (!bytes[n - 1])
		n--;
	pack_bytes(w, tag, bytes, n);
}

void pack_bytes(struct pack_writer *w, uint16_t tag, const void *bytes, size_t length)
{
	if (!bytes)
		return;
	write_head(w, tag, length);
	pack_raw(w, bytes, length);
}

size_t pack_begin(struct pack_writer *w, uint16_t tag)
{
	write_head(w, tag, 0);
	return w->length;
}

void pack_end(struct pack_writer *w, size_t begun)
{
	size_t length;

	if (w->failed)
		return;
	length = w->length - begun;
	if (length > UINT32_MAX)
		w->failed = true;
	else
		put(w->data + begun - 4, length, 4);
}

/* ---- reading ---- */

struct pack_reader pack_reader_of(const void *bytes, size_t length)
{
	return (struct pack_reader){.data = bytes, .left = length};
}

struct pack_reader pack_inner(const struct pack_field *field)
{
	return pack_reader_of(field->bytes, field->length);
}

int pack_next(struct pack_reader *r, struct pack_field *ret)
{
	size_t length;

	if (r->left == 0)
		return 0;
	if (r->left < HEAD_SIZE)
		return -EBADMSG;
	length = get(r->data + 2, 4);
	if (length > r->left - HEAD_SIZE)
		return -EBADMSG;
	*ret = (struct pack_field){
		.tag = (uint16_t)get(r->data, 2), .bytes = r->data + HEAD_SIZE, .length = length};
	r->data += HEAD_SIZE + length;
	r->left -= HEAD_SIZE + length;
	return 1;
}

int pack_get_number(const struct pack_field *field, uint64_t *ret)
{
	if (field->length > 8)
		return -EBADMSG;
	*ret = get(field->bytes, field->length);
	return 0;
}

/* ---- structs by tables ---- */

static uint64_t number_of(const struct pack_item *item, const void *value)
{
	const char *at = (const char *)value + item->offset;

	switch ((enum pack_type)item->type) {
	case PACK_BOOL:
		return *(const bool *)at;
	case PACK_U8:
		return *(const uint8_t *)at;
	case PACK_U32:
		return *(const uint32_t *)at;
	case PACK_I32:
		return (uint64_t)(int64_t) * (const int32_t *)at;
	case PACK_U64:
		return *(const uint64_t *)at;
	case PACK_I64:
		return (uint64_t) * (const int64_t *)at;
	case PACK_SPAN:
		break;
	}
	return 0;
}

void pack_struct(struct pack_writer *w, const struct pack_item *items, const void *value)
{
	for (const struct pack_item *item = items; item->tag; item++) {
		const struct pack_span *span;

		if (item->type != PACK_SPAN) {
			pack_number(w, item->tag, number_of(item, value));
			continue;
		}
		span = (const struct pack_span *)((const char *)value + item->offset);
		pack_bytes(w, item->tag, span->bytes, span->length);
	}
}

static int set_number(const struct pack_item *item, void *value, uint64_t number)
{
	char *at = (char *)value + item->offset;

	switch ((enum pack_type)item->type) {
	case PACK_BOOL:
		*(bool *)at = number == 1;
		return number <= 1 ? 0 : -EBADMSG;
	case PACK_U8:
		*(uint8_t *)at = (uint8_t)number;
		return number <= UINT8_MAX ? 0 : -EBADMSG;
	case PACK_U32:
		*(uint32_t *)at = (uint32_t)number;
		return number <= UINT32_MAX ? 0 : -EBADMSG;
	case PACK_I32:
		*(int32_t *)at = (int32_t)number;
		return (uint64_t)(int64_t)(int32_t)number == number ? 0 : -EBADMSG;
	case PACK_U64:
		*(uint64_t *)at = number;
		return 0;
	case PACK_I64:
		*(int64_t *)at = (int64_t)number;
		return 0;
	case PACK_SPAN:
		break;
	}
	return -EBADMSG;
}

static int set_member(const struct pack_item *item, void *value, const struct pack_field *field)
{
	uint64_t number;
	int r;

	if (item->type == PACK_SPAN) {
		*(struct pack_span *)((char *)value + item->offset) =
			(struct pack_span){field->bytes, field->length};
		return 0;
	}
	r = pack_get_number(field, &number);
	return r < 0 ? r : set_number(item, value, number);
}

int unpack_struct(struct pack_reader record, const struct pack_item *items, void *ret, size_t size)
{
	struct pack_field field;
	int r;

	memset(ret, 0, size);
	while ((r = pack_next(&record, &field)) > 0) {
		const struct pack_item *item = items;

		while (item->tag && item->tag != field.tag)
			item++;
		if (item->tag)
			r = set_member(item, ret, &field);
		if (r < 0)
			break;
	}
	return r;
}

/* ---- arrays ---- */

void pack_u32s(struct pack_writer *w, uint16_t tag, const uint32_t *values, size_t n)
{
	size_t begun = pack_begin(w, tag);
	unsigned char *at = n > 0 ? append(w, n * 4) : NULL;

	for (size_t i = 0; at && i < n; i++)
		put(at + 4 * i, values[i], 4);
	pack_end(w, begun);
}

int unpack_u32s(struct pack_span span, uint32_t *ret, size_t n)
{
	const unsigned char *from = span.bytes;

	if (span.length != n * 4)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		ret[i] = (uint32_t)get(from + 4 * i, 4);
	return 0;
}
