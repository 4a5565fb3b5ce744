/* SPDX-License-Identifier: MIT */
/* A byte stream cut into NUL-ended frames, whatever pieces it arrives in.
 *
 * The reader borrows the piece just received and hands out frames that lie in it whole without
 * copying; only the rest at the end of a piece is copied, by frame_keep(). An idle reader holds no
 * memory. No I/O; one thread at a time.
 *
 *   frame_feed(f, piece, n);
 *   while ((r = frame_next(f, &text, &length)) > 0)
 *           handle(text, length);      // may stop early, e.g. after a budget of frames
 *   if (r == 0) r = frame_keep(f);     // before the piece's buffer is used again
 */
#ifndef USHER_PROTO_FRAME_H
#define USHER_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>

struct frame_reader {
	char *kept;         /* owned: bytes of earlier pieces */
	size_t kept_start;  /* first byte not handed out yet */
	size_t kept_length; /* end of the bytes in kept */
	size_t kept_capacity;
	size_t scanned;    /* bytes from kept_start known to have no NUL */
	const char *piece; /* borrowed */
	size_t piece_length;
	size_t limit; /* longest frame, without its NUL */
};

void frame_reader_init(struct frame_reader *f, size_t limit);
void frame_reader_deinit(struct frame_reader *f);

/* Frames that end from now on may be at most LIMIT bytes. */
void frame_set_limit(struct frame_reader *f, size_t limit);

/* Borrow PIECE, LENGTH bytes, until frame_keep(). At most one piece is borrowed at a time. */
void frame_feed(struct frame_reader *f, const char *piece, size_t length);

/* The next whole frame, without its NUL. 1 and the frame, which lives until the next call on F;
 * 0 if no whole frame is there; -EMSGSIZE as soon as the bytes at hand show that the frame is
 * over the limit, with or without its end; -ENOMEM (nothing is lost: call again). */
int frame_next(struct frame_reader *f, const char **ret, size_t *ret_length);

/* Copy what is left of the borrowed piece. 0, or -ENOMEM (the piece stays borrowed). */
int frame_keep(struct frame_reader *f);

/* The bytes that have not been handed out, after frame_keep(): they lie in the reader. */
const char *frame_rest(const struct frame_reader *f);

/* True if at least one byte of a frame has arrived that has not been handed out. */
bool frame_is_begun(const struct frame_reader *f);

/* How many bytes have arrived that have not been handed out. */
size_t frame_bytes(const struct frame_reader *f);

/* Whether a whole frame lies in the reader; bytes that were looked at before are not again. */
bool frame_is_whole(struct frame_reader *f);

/* How many whole frames lie in the reader, counted up to MAX. */
size_t frame_count(const struct frame_reader *f, size_t max);

#endif
