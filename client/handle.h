/* SPDX-License-Identifier: MIT */
/* What libusher's files share: the handle, one call over it, the last error.
 *
 * Private. One thread a handle at a time.
 */
#ifndef USHER_CLIENT_HANDLE_H
#define USHER_CLIENT_HANDLE_H

#include "client/conn.h"
#include "client/usher.h"
#include "proto/message.h"
#include "proto/varlink.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CLIENT_DEPTH_MAX 1024 /* of what the program passes in, and of replies */

struct usher {
	pid_t pid; /* who opened it */
	char *socket_path;
	int64_t call_timeout_ms;
	struct conn conn;
	bool owns_sessions; /* the connection was given a session that ends with it */
	char error_name[VARLINK_METHOD_MAX + 1];
	char error_message[512];
	char *error_parameters; /* owned, NULL: none */
	char *scratch;          /* owned: decoded texts of the last reply */
	struct usher_error error;
};

/* ---- handle.c ---- */

/* Take a caller's struct, which begins with its size, into one of this version: KNOWN bytes at RET,
 * of which the first LEAST bytes were in the first version. A NULL STRUCT is one with nothing set.
 * 0, -EINVAL for a size below LEAST, -E2BIG if bytes beyond KNOWN are set. */
int copy_sized(const void *given, size_t least, size_t known, void *ret);

/* ---- call.c ---- */

struct call {
	const char *method;
	struct json_writer frame;
	bool may_resend; /* doing it twice is the same as once */
};

/* Begin a call of METHOD on U: checks the process, forgets the last error, and begins the frame, to
 * which the caller adds the members of the parameters. On a failure there is nothing to undo. */
int call_begin(struct usher *u, const char *method, struct call *ret);

/* End the frame, send it, and take the final reply, which is good until the next call. The call is
 * gone either way. */
int call_finish(struct usher *u, struct call *call, struct varlink_reply *ret);

/* Give up a call that was begun. Returns usher_fail(). */
int call_abandon(struct usher *u, struct call *call, int error);

/* VALUE, an object of a reply, into OUT, whose texts are good until the next call. On a failure the
 * connection is closed, for what follows cannot be trusted either. */
int call_decode(
	struct usher *u, const struct message *table, const struct json_value *value, void *out);

/* A call with the members of IN. OUT may be NULL, else as with call_decode(). */
int call_simple(struct usher *u, const char *method, const struct message *in_table, const void *in,
	const struct message *out_table, void *out);

/* The reply was not understood: close the connection. Returns usher_fail(). */
int call_misunderstood(struct usher *u);

/* ---- error.c ---- */

/* -ECHILD in a child of the process that opened the handle; else 0, and the last error is
 * forgotten. */
int usher_begin(struct usher *u);

/* Keep ERROR, a negated errno, as the last one, and return it. */
int usher_fail(struct usher *u, int error);

/* Keep the broker's error reply as the last one, and return its negative number. */
int usher_refused(struct usher *u, const struct varlink_reply *reply);

/* ---- explain.c ---- */

/* A sentence part for the refusal STATUS with PARAMETERS; NAME is the error's full name. */
void explain_refusal(
	int status, const char *name, const struct json_value *parameters, char *buf, size_t size);

/* The same for a negated errno of a call to the socket at PATH. */
void explain_errno(int error, const char *path, char *buf, size_t size);

#endif
