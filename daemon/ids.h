/* SPDX-License-Identifier: MIT */
/* The ids the broker makes, and their texts. Random numbers come from the kernel in blocks; a
 * source belongs to one thread. */
#ifndef USHER_DAEMON_IDS_H
#define USHER_DAEMON_IDS_H

#include <stddef.h>
#include <stdint.h>

#define SESSION_ID_SIZE 21 /* "session_", 12 hexadecimal digits, NUL */
#define REQUEST_ID_SIZE 48 /* "req_", 16 hexadecimal digits, "_", epoch milliseconds, NUL */

struct id_source {
	uint64_t block[512]; /* a system call for some 250 sessions */
	size_t left;
};

/* 64 random bits. */
uint64_t id_random(struct id_source *source);

/* 48 random bits: a session's id. */
uint64_t id_new_session(struct id_source *source);

void id_format_session(uint64_t id, char text[SESSION_ID_SIZE]);

/* 0, or -EINVAL if TEXT is no session id as id_format_session() writes it. */
int id_parse_session(const char *text, size_t length, uint64_t *ret);

/* Returns the length. */
size_t id_new_request(struct id_source *source, int64_t wall_us, char text[REQUEST_ID_SIZE]);

#endif
