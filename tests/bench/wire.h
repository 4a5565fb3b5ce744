/* SPDX-License-Identifier: MIT */
/* A broker to measure, and blocking connections that know no more than frames: so that the broker's
 * time is measured, not a library's. What fails ends the program, and the broker with it.
 */
#ifndef USHER_TESTS_BENCH_WIRE_H
#define USHER_TESTS_BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_ROOM 16384 /* the longest reply, its NUL included */

void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Start USHERD in a temporary directory, with CONFIG as its configuration and a store, and wait
 * until it serves; stop_broker() ends it and removes the directory. */
void start_broker(const char *usherd, const char *config);
void stop_broker(void);

struct wire {
	int fd;
	size_t length;
	char bytes[WIRE_ROOM];
};

void wire_open(struct wire *wire);
void wire_close(struct wire *wire);

/* Send FRAME, a text, and its NUL. */
void wire_send(struct wire *wire, const char *frame);

/* The next frame, which must contain MEMBER; good until the next call. */
const char *wire_expect(struct wire *wire, const char *member);

int64_t now_ns(void);

#endif
