/* SPDX-License-Identifier: MIT */
/* What both echo servers have in common. One thread. */
#ifndef USHER_TESTS_BENCH_ECHO_H
#define USHER_TESTS_BENCH_ECHO_H

#include <stdbool.h>
#include <stddef.h>

#define ECHO_READ ((size_t)64 << 10)

/* Of a reply, its NUL included. */
extern size_t echo_reply_bytes;

/* A reply is written for each frame, not for all that came together. */
extern bool echo_is_per_frame;

/* Read the command line, --socket PATH [--reply-bytes N] [--per-frame], and listen at PATH, without
 * blocking. Ends the program if that cannot be. */
int echo_listen(int argc, char **argv);

/* How many frames end in INPUT. */
size_t echo_count(const char *input, size_t length);

/* Where the last UNSENT bytes of a row of replies are; as many of them as lie together, in RET. */
const char *echo_replies(size_t unsent, size_t *ret);

void echo_fail(const char *what) __attribute__((noreturn));

#endif
