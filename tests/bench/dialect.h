/* SPDX-License-Identifier: MIT */
/* What the load generator says to a server, and what it makes of the replies: rendered requests, in
 * which only a session's id is patched, and two functions. The engine knows no server's language.
 *
 * A dialect is made before the run and constant during it: all threads share it.
 */
#ifndef USHER_TESTS_BENCH_DIALECT_H
#define USHER_TESTS_BENCH_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_LENGTH 20 /* bytes of a session's id: "session_" and 12 hexadecimal digits */

enum call {
	CALL_CREATE,
	CALL_WAIT, /* a Create that waits for ever */
	CALL_RELEASE,
	CALL_RENEW,
	CALL_GET,
	CALL_LIST,
	CALL_METRICS,
	CALLS,
};

struct request {
	char *text; /* NULL: the dialect does not know this call */
	size_t length;
	size_t id_at; /* where the id goes; 0: nowhere */
};

/* What a reply says. Texts point into the reply, or are static. */
struct answer {
	const char *id;    /* ID_LENGTH bytes: the session that was created; NULL: none is told */
	int64_t slot;      /* CALL_WAIT: its first slot; -1: not told */
	const char *error; /* what went wrong, in one word; NULL: nothing */
	size_t error_length;
	bool is_gone;  /* the session of the call has ended, or never was */
	bool is_final; /* no later call will go better */
};

struct dialect {
	const char *name;
	const char *peer; /* what it is spoken to, in a sentence */
	struct request requests[CALLS];
	bool makes_ids; /* the client does, for CALL_CREATE */
	size_t reply_bytes;

	/* The length of the whole reply that INPUT begins with; 0 if it is not whole. */
	size_t (*reply_length)(const char *input, size_t length);

	/* Understand REPLY, of LENGTH bytes, to CALL. RET is all zeroes but slot, which is -1. */
	void (*judge)(const struct dialect *dialect, enum call call, const char *reply,
		size_t length, struct answer *ret);
};

struct dialect_wish {
	const char *pool;
	const char *owner;       /* NULL: not said */
	int64_t timeout_ms;      /* the sessions' deadline; 0: not said */
	uint64_t metadata_bytes; /* of the JSON object's text; 0: none */
	size_t reply_bytes;      /* echo: of every reply, its NUL included */
	uint64_t limit;          /* redis: of the semaphore */
};

/* Initialize DIALECT as WISH says; texts of WISH must outlive it. 0 or -ENOMEM; dialect_deinit() in
 * both cases. */
int dialect_init_usher(struct dialect *dialect, const struct dialect_wish *wish);

/* The requests of usher's dialect to a server that only sends back as many bytes as it should. */
int dialect_init_echo(struct dialect *dialect, const struct dialect_wish *wish);

/* A counting semaphore in Lua: the server at PATH is given the two scripts. Also a negated errno if
 * it cannot be reached, -EPROTO if it refuses them. */
int dialect_init_redis(struct dialect *dialect, const struct dialect_wish *wish, const char *path);

void dialect_deinit(struct dialect *dialect);

/* Stands in a request's bytes where the id goes. */
#define ID_PLACE "session_############"

/* Set REQUEST to a copy of BYTES. 0 or -ENOMEM. */
int request_set(struct request *request, const char *bytes, size_t length);

/* Write REQUEST behind OUT, with ID if it has one. Returns its length. */
size_t request_write(const struct request *request, const char *id, char *out);

/* The longest of all. */
size_t dialect_request_room(const struct dialect *dialect);

/* The length of the frame, its NUL included, that INPUT begins with; 0 if it is not whole. */
size_t frame_length(const char *input, size_t length);

#endif
