/* SPDX-License-Identifier: MIT */
/* Varlink envelopes (https://varlink.org, UAPI.20): calls and replies to and from JSON, and a
 * method table that serves any interface, org.varlink.service included.
 *
 * No I/O: a frame's text comes in, a frame (with its NUL) is appended to a writer. One thread at a
 * time for one writer; tables are constant.
 */
#ifndef USHER_PROTO_VARLINK_H
#define USHER_PROTO_VARLINK_H

#include "proto/json_scan.h"
#include "proto/json_write.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>

#define VARLINK_METHOD_MAX 255 /* bytes of interface and method name together */

/* What was wrong with a message or a parameter: "org.varlink.service.InvalidParameter" carries the
 * first as `parameter`, and beside it, as `expected`, what would have been right. */
struct varlink_fault {
	char parameter[64];
	char expected[128];
};

void varlink_fault_set(struct varlink_fault *fault, const char *parameter, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- server ---- */

/* Not to be copied: it points into itself. */
struct varlink_call {
	const char *method; /* "interface.Method", not NUL-ended */
	size_t method_length;
	struct json_value parameters; /* an object; absent and null are {} */
	struct json_kept kept;        /* of the frame: what parameters point into */
	bool oneway;
	bool more;
	bool upgrade;
	char method_buffer[VARLINK_METHOD_MAX]; /* used if the name came with escapes */
};

/* Take a frame apart. The call points into FRAME. 0, or -EBADMSG and the fault: the peer broke the
 * protocol (bad JSON, no method, a flag that is no boolean, two flags, an unknown or doubled key)
 * and cannot be served further. */
int varlink_call_decode(const char *frame, size_t length, unsigned max_depth,
	struct varlink_call *ret, struct varlink_fault *fault);

struct varlink_method;

/* Answer CALL by appending whole reply frames to OUT (nothing yet, if the answer comes later).
 * What is appended for a oneway call is taken back by varlink_serve(). */
typedef void varlink_handler(void *context, const struct varlink_method *method,
	const struct varlink_call *call, struct json_writer *out);

struct varlink_method {
	const char *name; /* without the interface */
	varlink_handler *handle;
	const void *data; /* the implementation's own */
};

struct varlink_interface {
	const char *name;
	const char *description; /* the interface text */
	const struct varlink_method *methods;
	size_t n_methods;
};

struct varlink_service {
	const char *vendor;
	const char *product;
	const char *version;
	const char *url;
	const struct varlink_interface *const *interfaces; /* without org.varlink.service */
	size_t n_interfaces;
};

/* Answer a call: org.varlink.service itself, unknown interfaces and methods and `upgrade` by the
 * standard errors, all else by the method's handler. */
void varlink_serve(const struct varlink_service *service, void *context,
	const struct varlink_call *call, struct json_writer *out);

/* A reply: begin, members by json_write_key() and friends, end. The frame's NUL is written. */
void varlink_reply_begin(struct json_writer *out);
void varlink_reply_end(struct json_writer *out, bool continues);

/* An error reply, NAME in full ("io.usher.Broker.Paused"). */
void varlink_error_begin(struct json_writer *out, const char *name);
void varlink_error_end(struct json_writer *out);

/* An error reply without parameters. */
void varlink_error(struct json_writer *out, const char *name);

/* org.varlink.service.InvalidParameter for FAULT. */
void varlink_invalid_parameter(struct json_writer *out, const struct varlink_fault *fault);

/* ---- client ---- */

enum varlink_flag { VARLINK_PLAIN, VARLINK_MORE };

/* A call of METHOD ("interface.Method"): begin, the parameters' members, end. */
void varlink_call_begin(struct json_writer *out, const char *method, enum varlink_flag flag);
void varlink_call_end(struct json_writer *out);

/* Not to be copied: it points into itself. */
struct varlink_reply {
	char error[VARLINK_METHOD_MAX + 1]; /* the error's full name; "" for none */
	struct json_value parameters;       /* an object */
	struct json_kept kept;              /* of the frame: what parameters point into */
	bool continues;
};

/* Take a reply frame apart. It points into FRAME. 0 or -EBADMSG. */
int varlink_reply_decode(
	const char *frame, size_t length, unsigned max_depth, struct varlink_reply *ret);

#endif
