/* SPDX-License-Identifier: MIT */
/* A broker for tests of the library: a thread that serves one connection after the other as the
 * test's function says, on a socket in a directory of its own.
 */
#ifndef USHER_TESTS_FAKE_BROKER_H
#define USHER_TESTS_FAKE_BROKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "client/usher.h"

struct fake_broker;

/* Serve connection number INDEX (from 0) on FD, which is closed afterwards. */
typedef void fake_serve(struct fake_broker *broker, int fd, int index);

struct fake_broker {
	char directory[64];
	char path[80];
	int listener;
	pthread_t thread;
	fake_serve *serve;
	const void *data; /* the test's own */
	size_t length;
	atomic_int connections;
	atomic_int calls;
	pthread_mutex_t lock;
	char last_call[65536]; /* under lock; the serving thread, which alone writes, reads freely
				*/
};

void fake_broker_start(struct fake_broker *broker, fake_serve *serve, const void *data);
void fake_broker_stop(struct fake_broker *broker);

/* A handle for it. */
struct usher *fake_broker_open(const struct fake_broker *broker, int64_t call_timeout_ms);

/* The next call into last_call; 0 at the end of input. */
int fake_read_call(struct fake_broker *broker, int fd);

/* The last call, for the test's thread; good until it asks again. */
const char *fake_last_call(struct fake_broker *broker);

/* TEXT as a frame, with its NUL; or LENGTH bytes as they are. */
void fake_reply(int fd, const char *text);
void fake_send(int fd, const void *bytes, size_t length);

/* Answer every call by the text DATA. */
fake_serve fake_serve_text;

#define FAKE_SESSION_REPLY                                                                         \
	"{\"parameters\":{\"session_id\":\"session_0123456789ab\",\"request_id\":\"req_1\","       \
	"\"pool\":\"default\",\"slots\":[3,4],\"fence\":9007199254740991,"                         \
	"\"expires_at\":1700000000000000,\"metadata_bytes\":7,\"existing\":false}}"

#endif
