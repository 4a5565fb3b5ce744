/* SPDX-License-Identifier: MIT */
#include "proto/frame.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The bytes not handed out yet are those left in kept, then those left of the piece. */

#define LEAST_CAPACITY 64

void frame_reader_init(struct frame_reader *f, size_t limit)
{
	*f = (struct frame_reader){.piece = "", .limit = limit};
}

void frame_reader_deinit(struct frame_reader *f)
{
	free(f->kept);
	frame_reader_init(f, 0);
}

void frame_set_limit(struct frame_reader *f, size_t limit)
{
	f->limit = limit;
}

void frame_feed(struct frame_reader *f, const char *piece, size_t length)
{
	f->piece = piece;
	f->piece_length = length;
}

static size_t kept_rest(const struct frame_reader *f)
{
	return f->kept_length - f->kept_start;
}

static void drop_piece(struct frame_reader *f, size_t length)
{
	f->piece += length;
	f->piece_length -= length;
}

static void release_kept(struct frame_reader *f)
{
	free(f->kept);
	f->kept = NULL;
	f->kept_start = f->kept_length = f->kept_capacity = 0;
}

/* Move what is kept to a buffer that has ROOM bytes more. */
static int move_kept(struct frame_reader *f, size_t room)
{
	size_t rest = kept_rest(f);
	size_t capacity;
	char *kept;

	if (room > SIZE_MAX / 4 - rest)
		return -ENOMEM;
	/* Half as much again, so that a byte is moved a bounded number of times on average. */
	capacity = rest + room + (rest + room) / 2;
	if (capacity < LEAST_CAPACITY)
		capacity = LEAST_CAPACITY;
	kept = malloc(capacity);
	if (kept == NULL)
		return -ENOMEM;
	if (rest > 0)
		memcpy(kept, f->kept + f->kept_start, rest);
	release_kept(f);
	f->kept = kept;
	f->kept_length = rest;
	f->kept_capacity = capacity;
	return 0;
}

/* Move the first LENGTH bytes of the piece to kept. */
static int keep(struct frame_reader *f, size_t length)
{
	size_t needed = kept_rest(f) + length;
	int r;

	/* A buffer much larger than its content would be held for as long as a slow peer likes. */
	if (length > f->kept_capacity - f->kept_length ||
		f->kept_capacity / 4 > needed + LEAST_CAPACITY) {
		r = move_kept(f, length);
		if (r < 0)
			return r;
	}
	memcpy(f->kept + f->kept_length, f->piece, length);
	f->kept_length += length;
	drop_piece(f, length);
	return 0;
}

/* Look for the NUL among the bytes not scanned yet. True if it is there; SCANNED is the frame's
 * length then, and the number of bytes at hand otherwise. */
static bool find_end(struct frame_reader *f)
{
	size_t rest = kept_rest(f), from;

	if (f->scanned < rest) {
		from = f->kept_start + f->scanned;
		f->scanned += strnlen(f->kept + from, f->kept_length - from);
		if (f->scanned < rest)
			return true;
	}
	from = f->scanned - rest;
	f->scanned += strnlen(f->piece + from, f->piece_length - from);
	return f->scanned < rest + f->piece_length;
}

/* Hand out the first LENGTH bytes at hand, and pass the NUL after them. */
static int take_frame(struct frame_reader *f, size_t length, const char **ret)
{
	size_t rest = kept_rest(f);
	int r;

	if (rest == 0) {
		*ret = f->piece;
		drop_piece(f, length + 1);
	} else {
		if (length >= rest) {
			r = keep(f, length + 1 - rest);
			if (r < 0)
				return r;
		}
		*ret = f->kept + f->kept_start;
		f->kept_start += length + 1;
	}
	f->scanned = 0;
	return 1;
}

int frame_next(struct frame_reader *f, const char **ret, size_t *ret_length)
{
	bool is_whole;
	size_t length;
	int r;

	if (kept_rest(f) == 0)
		release_kept(f);
	is_whole = find_end(f);
	length = f->scanned;
	if (length > f->limit)
		return -EMSGSIZE;
	if (!is_whole)
		return 0;
	r = take_frame(f, length, ret);
	if (r > 0)
		*ret_length = length;
	return r;
}

int frame_keep(struct frame_reader *f)
{
	int r = 0;

	if (frame_is_begun(f))
		r = keep(f, f->piece_length);
	else
		release_kept(f);
	if (r == 0)
		frame_feed(f, "", 0);
	return r;
}

const char *frame_rest(const struct frame_reader *f)
{
	return f->kept ? f->kept + f->kept_start : "";
}

size_t frame_bytes(const struct frame_reader *f)
{
	return kept_rest(f) + f->piece_length;
}

bool frame_is_begun(const struct frame_reader *f)
{
	return frame_bytes(f) > 0;
}

bool frame_is_whole(struct frame_reader *f)
{
	return find_end(f);
}

static size_t count_ends(const char *text, size_t length, size_t max)
{
	size_t count = 0;
	const char *end;

	while (count < max && length > 0 && (end = memchr(text, '\0', length)) != NULL) {
		length -= (size_t)(end + 1 - text);
		text = end + 1;
		count++;
	}
	return count;
}

size_t frame_count(const struct frame_reader *f, size_t max)
{
	size_t count = 0;

	if (kept_rest(f) > 0)
		count = count_ends(f->kept + f->kept_start, kept_rest(f), max);
	return count + count_ends(f->piece, f->piece_length, max - count);
}
