/* SPDX-License-Identifier: MIT */
/* A broker for tests of the library: a thread that serves one connection after the other as the
 * test's function says, or a thread for each, on a socket in a directory of its own.
 */
#ifndef USHER_TESTS_FAKE_BROKER_H
#define USHER_TESTS_FAKE_BROKER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "client/usher.h"

#define FAKE_CONNECTIONS 256 /* of a parallel one, at most */
#define FAKE_TEXT_MAX    65536

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
	char log[262144];      /* under lock: all calls, one a line */
	sem_t go;              /* for the test to let the serving function go on */
	bool is_parallel;
	pthread_t threads[FAKE_CONNECTIONS];
	int fds[FAKE_CONNECTIONS];
	atomic_int open;
};

void fake_broker_start(struct fake_broker *broker, fake_serve *serve, const void *data);

/* The same with a thread for each connection; SERVE reads by fake_read_text() only. */
void fake_broker_start_parallel(struct fake_broker *broker, fake_serve *serve, const void *data);
void fake_broker_stop(struct fake_broker *broker);

/* As if it were killed: all connections of a parallel one are closed, and those who come back
 * meanwhile are cut off, too. */
void fake_broker_cut(struct fake_broker *broker);

/* Nobody listens at its path any more: connect(2) fails by ENOENT, or by ECONNREFUSED. */
void fake_broker_hide(struct fake_broker *broker, bool is_refused);
void fake_broker_show(struct fake_broker *broker);

/* A handle for it. */
struct usher *fake_broker_open(const struct fake_broker *broker, int64_t call_timeout_ms);

/* The next call into last_call; 0 at the end of input. */
int fake_read_call(struct fake_broker *broker, int fd);

/* The next call into TEXT, FAKE_TEXT_MAX bytes; 0 at the end of input. */
int fake_read_text(struct fake_broker *broker, int fd, char *text);

/* How many calls with NEEDLE in them came; wait, for seconds, until at least COUNT did. */
int fake_count(struct fake_broker *broker, const char *needle);
bool fake_await(struct fake_broker *broker, const char *needle, int count);

/* The last call, for the test's thread; good until it asks again. */
const char *fake_last_call(struct fake_broker *broker);

/* TEXT as a frame, with its NUL; or LENGTH bytes as they are. */
void fake_reply(int fd, const char *text);
void fake_send(int fd, const void *bytes, size_t length);

/* Answer every call by the text DATA. */
fake_serve fake_serve_text;

/* What to do about calls with NEEDLE in them, of which the first that fits counts: send the
 * replies, and do what begins with '@'. A table ends with an empty row. */
struct fake_step {
	const char *needle;
	const char *replies[6];
};

#define FAKE_WAIT  "@wait"  /* until the test posts broker.go */
#define FAKE_CLOSE "@close" /* the connection */
#define FAKE_HALF  "@half"  /* of the next reply is sent, then the connection is closed */
#define FAKE_ONCE  "@once"  /* as the first: the row is for the first such call only */

/* Answer every call as the table DATA says; what is not in it gets {}. */
fake_serve fake_serve_steps;

/* Poll and dispatch until *COUNT is UNTIL; fails the test after 5 s. */
void fake_pump(struct usher *u, const int *count, int until);

/* The same for MS milliseconds, whatever happens. */
void fake_pump_for(struct usher *u, int ms);

#define FAKE_QUEUED(position, waiting)                                                             \
	"{\"parameters\":{\"queued\":{\"position\":" #position ",\"waiting\":" #waiting            \
	"}},\"continues\":true}"

#define FAKE_ERROR(name, parameters)                                                               \
	"{\"error\":\"io.usher.Broker." name "\",\"parameters\":{" parameters "}}"

#define FAKE_SESSION_ID "session_0123456789ab"

#define FAKE_SESSION_REPLY                                                                         \
	"{\"parameters\":{\"session_id\":\"session_0123456789ab\",\"request_id\":\"req_1\","       \
	"\"pool\":\"default\",\"slots\":[3,4],\"fence\":9007199254740991,"                         \
	"\"expires_at\":1700000000000000,\"metadata_bytes\":7,\"existing\":false}}"

#endif
