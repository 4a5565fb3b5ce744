/* SPDX-License-Identifier: MIT */
/* Records of tagged fields, as bytes: what one usherd leaves for the next, which may be an older or
 * a newer one.
 *
 * A field is its tag (16 bits), the length of what follows (32 bits), and that; all numbers are
 * little-endian. A record is a sequence of fields, and a field may hold a record. Numbers take as
 * many bytes as they need, and none if they are 0: what is absent reads as 0. Readers skip tags
 * that they do not know. So a new field is a new tag, whose absence has to mean "as before"; a tag
 * is never used for something else.
 *
 * Writing: an allocation that fails, or a length that does not fit, makes the writer fail for good.
 * Reading: nothing is believed; what contradicts itself is -EBADMSG. No I/O; one thread at a time.
 */
#ifndef USHER_DAEMON_PACK_H
#define USHER_DAEMON_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pack_writer {
	unsigned char *data; /* owned */
	size_t length;
	size_t capacity;
	bool failed;
};

void pack_writer_init(struct pack_writer *w);
void pack_writer_deinit(struct pack_writer *w);

static inline bool pack_writer_failed(const struct pack_writer *w)
{
	return w->failed;
}

/* A number; nothing if it is 0. Negative ones as their two's complement. */
void pack_number(struct pack_writer *w, uint16_t tag, uint64_t value);

/* Bytes, perhaps none; nothing at all if BYTES is NULL. */
void pack_bytes(struct pack_writer *w, uint16_t tag, const void *bytes, size_t length);

/* A field whose content is written in between. Pass pack_end() what pack_begin() returned. */
size_t pack_begin(struct pack_writer *w, uint16_t tag);
void pack_raw(struct pack_writer *w, const void *bytes, size_t length);
void pack_end(struct pack_writer *w, size_t begun);

struct pack_reader {
	const unsigned char *data; /* borrowed */
	size_t left;
};

struct pack_field {
	uint16_t tag;
	const unsigned char *bytes; /* lie in what is read */
	size_t length;
};

struct pack_reader pack_reader_of(const void *bytes, size_t length);

/* The record that a field holds. */
struct pack_reader pack_inner(const struct pack_field *field);

/* 1 and the next field; 0 at the end; -EBADMSG. */
int pack_next(struct pack_reader *r, struct pack_field *ret);

/* The field's number; -EBADMSG if it is none. */
int pack_get_number(const struct pack_field *field, uint64_t *ret);

/* ---- structs by tables ---- */

struct pack_span {
	const void *bytes; /* NULL: absent. Borrowed */
	size_t length;
};

enum pack_type { PACK_BOOL, PACK_U8, PACK_U32, PACK_I32, PACK_U64, PACK_I64, PACK_SPAN };

/* A member of a struct; a table ends with tag 0. */
struct pack_item {
	uint16_t tag;
	uint8_t type; /* enum pack_type */
	uint16_t offset;
};
#define PACK_ITEM(struct_type, tag, type, member)                                                  \
	{                                                                                          \
		tag, type, offsetof(struct struct_type, member)                                    \
	}

void pack_struct(struct pack_writer *w, const struct pack_item *items, const void *value);

/* The members of RECORD's fields; RET is zeroed first. Each must be in its type's range:
 * -EBADMSG. */
int unpack_struct(struct pack_reader record, const struct pack_item *items, void *ret, size_t size);

/* ---- arrays of 32-bit numbers ---- */

void pack_u32s(struct pack_writer *w, uint16_t tag, const uint32_t *values, size_t n);
/* -EBADMSG unless SPAN holds exactly N. */
int unpack_u32s(struct pack_span span, uint32_t *ret, size_t n);

#endif
