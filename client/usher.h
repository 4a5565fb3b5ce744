/* SPDX-License-Identifier: MIT */
/* libusher: ask the host's usher for a slot in a bounded pool, and give it back.
 *
 *   #include <usher.h>
 *
 *   struct usher *u;
 *   struct usher_create_options wish = {.size = sizeof(wish), .pool = "gpu"};
 *   struct usher_session session = {.size = sizeof(session)};
 *   int r = usher_open(NULL, &u);
 *
 *   if (r < 0)
 *           return r;
 *   r = usher_create(u, &wish, &session);
 *   if (r == -USHER_E_CAPACITY_REACHED)
 *           fprintf(stderr, "come back later: %s\n", usher_last_error(u)->message);
 *   if (r == 0) {
 *           use_gpu(session.slots[0]);
 *           usher_release(u, session.session_id, USHER_COMPLETED, NULL, NULL);
 *           usher_session_clear(&session);
 *   }
 *   usher_close(u);
 *
 * Results. Every function that returns int returns 0, or a negative value: a negated errno, or
 * -USHER_E_..., the broker's refusals. Each of them may return, besides what is said at it:
 *   -ECHILD        the handle was opened by the parent of this process (see Fork)
 *   -EACCES, -ENOENT, -ECONNREFUSED, ...  there was no connection yet and connect(2) failed; see
 *                  usher_socket_path() for where
 *   -ECONNRESET    the connection was lost: the sessions it owned have ended, or end, as abandoned.
 *                  Whether the broker acted on this call is not known. The next call connects anew
 *   -ETIMEDOUT     no reply within call_timeout_ms; the connection is closed, as above
 *   -EBADMSG       the broker's reply was not understood; the connection is closed, as above
 *   -EMSGSIZE      the broker's reply was over 64 MiB; the connection is closed, as above
 *   -EINVAL, -E2BIG  an argument is wrong: a NULL that must not be, an options' size that is no
 *                  version's; options from a newer header that set what this library does not know
 *   -ENOMEM, -EMFILE, -ENFILE  this process is short of memory or descriptors
 *   -USHER_E_TOO_MANY_CONNECTIONS, -USHER_E_PERMISSION_DENIED, -USHER_E_INVALID_PARAMETER
 * usher_last_error() explains the last one.
 *
 * Connection. A handle has one control connection, made by the first call that needs it. Sessions
 * with the owner USHER_OWNER_CONNECTION belong to it: they end as abandoned when it closes, by
 * usher_close(), by the end of the process, or by the broker's end. If the connection is found lost
 * and owned no session, the call goes over a new one and the loss is not reported. A call that the
 * broker may have acted on is never sent twice, but for Create, where the request id makes that
 * safe.
 *
 * Sizes. Structs begin with their size, which the caller sets: {.size = sizeof(options)}. Members
 * added by later versions are then unset for older callers. Members that are 0 or NULL are as if
 * not given.
 *
 * Texts are UTF-8; what is not is sent as U+FFFD. Times are milliseconds, or microseconds since
 * 1970-01-01 UTC where the name ends in _at_us.
 *
 * Threads. A handle may be used by one thread at a time; different handles at once. Signals, their
 * masks, the locale and the environment are left alone; calls go on after a signal handler.
 *
 * Fork. A child may not use its parent's handle: every call answers -ECHILD, and usher_close() only
 * frees what the child has of it, so that nothing of the parent's is released.
 */
#ifndef USHER_H
#define USHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* Refusals, returned negated. The numbers are stable. */
enum {
	USHER_E_OTHER = 4096,                  /* one that this version has no number for */
	USHER_E_CAPACITY_REACHED = 4097,       /* the pool is full */
	USHER_E_METADATA_TOO_LARGE = 4102,     /* more bytes than the pool accepts */
	USHER_E_TIMEOUT_OUT_OF_RANGE = 4103,   /* 0, or more than the pool accepts */
	USHER_E_NO_SUCH_POOL = 4104,           /* or it is being removed */
	USHER_E_NO_SUCH_SESSION = 4105,        /* not live, and not in the history */
	USHER_E_SESSION_ENDED = 4106,          /* released, timed out, revoked or abandoned */
	USHER_E_INVALID_STATE = 4107,          /* such as a second Start */
	USHER_E_REQUEST_ID_IN_USE = 4108,      /* by a session with other parameters */
	USHER_E_SHUTTING_DOWN = 4109,          /* the broker is draining */
	USHER_E_PAUSED = 4110,                 /* the pool takes no sessions for now */
	USHER_E_TOO_MANY_CONNECTIONS = 4111,   /* of this user, or altogether */
	USHER_E_INVALID_CONFIG = 4113,         /* Reload: the configuration files are wrong */
	USHER_E_INTERFACE_NOT_FOUND = 4128,    /* usher_call(): the broker has no such interface */
	USHER_E_METHOD_NOT_FOUND = 4129,       /* usher_call(): the interface has no such method */
	USHER_E_METHOD_NOT_IMPLEMENTED = 4130, /* usher_call(): the method is not offered */
	USHER_E_INVALID_PARAMETER = 4131, /* one is missing, unknown, mistyped or out of range */
	USHER_E_PERMISSION_DENIED = 4132, /* another user's session, or an admin's method */
	USHER_E_EXPECTED_MORE = 4133,     /* the method wants usher_call_more() */
	USHER_E_EXPECTED_UPGRADE = 4134,  /* the method cannot be called by this library */
};

struct usher;

/* ---- handles ---- */

struct usher_open_options {
	size_t size;
	const char *socket; /* path of the broker's socket; NULL: as usher_socket_path() says */
	int64_t call_timeout_ms; /* longest time for a call, connecting included; 0 or -1: none */
};

/* A handle, without connecting yet. OPTIONS may be NULL. The handle is the caller's: end it with
 * usher_close(). Also -ENAMETOOLONG: the socket's path is over 107 bytes. RET is untouched then. */
int usher_open(const struct usher_open_options *options, struct usher **ret);

/* Close the connection and free the handle; NULL is allowed. What the connection owns ends. */
void usher_close(struct usher *u);

/* Connect now, if there is no connection. What connecting may return, see above. */
int usher_connect(struct usher *u);

/* The path of the broker's socket: the one given, else $USHER_SOCKET, else /run/usher/usher.sock if
 * it exists, else $XDG_RUNTIME_DIR/usher/usher.sock. The choice is made by usher_open() and stays,
 * also if nobody listens there. Lives as long as the handle. */
const char *usher_socket_path(const struct usher *u);

/* The control connection's socket, or -ENOTCONN. Two uses: poll it for POLLIN | POLLRDHUP between
 * calls, which mean that the connection is lost; and let a child process inherit a dup() of it, so
 * that the connection's sessions live until the last of both has closed it. Nothing else may be
 * done with it. The number is good until the next call on the handle. */
int usher_connection_fd(const struct usher *u);

/* ---- sessions ---- */

enum usher_owner {
	USHER_OWNER_CONNECTION = 0, /* ends when the handle's connection does */
	USHER_OWNER_DETACHED = 1,   /* ends by release or deadline only */
};

enum usher_outcome {
	USHER_COMPLETED = 0,
	USHER_ERROR = 1,
	USHER_CANCELLED = 2,
};

struct usher_session {
	size_t size; /* set it before the call */
	char session_id[64];
	char request_id[136]; /* the one given, or the one the library made */
	char pool[136];
	uint32_t *slots; /* slot numbers, ascending; owned, see usher_session_clear() */
	size_t n_slots;
	int64_t fence;         /* larger for every later session of the broker; below 2^53 */
	int64_t expires_at_us; /* the deadline; -1 for none */
	int64_t metadata_bytes;
	char *metadata;   /* usher_attach() only: JSON text, owned; NULL without */
	bool is_existing; /* usher_create(): an earlier session of this request id */
};

struct usher_create_options {
	size_t size;
	const char *pool; /* NULL: "default" */
	const char *
		request_id; /* names this request, at most 128 bytes; NULL: the library makes one */
	const char *metadata; /* a JSON object's text, kept byte for byte; NULL: none */
	int64_t timeout_ms;   /* the deadline from now; -1 none; 0 what the pool sets */
	const char *label;    /* at most 128 bytes; NULL: none */
	uint32_t units;       /* slots to take at once, 4096 at most; 0 means 1 */
	enum usher_owner owner;
};

/* Take a slot, or several. Does not wait: a full pool refuses. OPTIONS may be NULL. RET is filled
 * on 0 only; free it with usher_session_clear(). If the connection is lost in mid-call and owned no
 * session, the request is sent once more under its request id. Also -EINVAL for metadata that is no
 * JSON object; -USHER_E_CAPACITY_REACHED, _METADATA_TOO_LARGE, _TIMEOUT_OUT_OF_RANGE,
 * _NO_SUCH_POOL, _REQUEST_ID_IN_USE, _SHUTTING_DOWN, _PAUSED. */
int usher_create(
	struct usher *u, const struct usher_create_options *options, struct usher_session *ret);

/* The work begins: idle becomes processing, and the deadline is set anew; it is returned in
 * RET_EXPIRES_AT_US unless that is NULL (-1: none). Calling it is optional.
 * Also -USHER_E_NO_SUCH_SESSION, _SESSION_ENDED, _INVALID_STATE (started already). */
int usher_start(struct usher *u, const char *session_id, int64_t *ret_expires_at_us);

/* Set the deadline to TIMEOUT_MS from now (-1: none; 0: what it was set to last).
 * Also -USHER_E_NO_SUCH_SESSION, _SESSION_ENDED, _TIMEOUT_OUT_OF_RANGE. */
int usher_renew(
	struct usher *u, const char *session_id, int64_t timeout_ms, int64_t *ret_expires_at_us);

/* Replace the metadata by METADATA, a JSON object's text. RET_METADATA_BYTES may be NULL.
 * Also -EINVAL for what is no JSON object; -USHER_E_NO_SUCH_SESSION, _SESSION_ENDED,
 * _METADATA_TOO_LARGE. */
int usher_update(
	struct usher *u, const char *session_id, const char *metadata, int64_t *ret_metadata_bytes);

/* End the session; its slots are free. RESULT, at most 1024 bytes, is kept in the history; it may
 * be NULL. RET_DURATION_MS, the time since its creation, may be NULL.
 * Also -USHER_E_NO_SUCH_SESSION, _SESSION_ENDED. */
int usher_release(struct usher *u, const char *session_id, enum usher_outcome outcome,
	const char *result, int64_t *ret_duration_ms);

/* Take over a session that lives: from now on it belongs to this handle's connection, or is
 * detached. RET as with usher_create(), with the metadata.
 * Also -USHER_E_NO_SUCH_SESSION, _SESSION_ENDED. */
int usher_attach(
	struct usher *u, const char *session_id, enum usher_owner owner, struct usher_session *ret);

/* Free what the struct owns and empty it; its size stays. */
void usher_session_clear(struct usher_session *session);

/* ---- any method ---- */

/* Call METHOD ("io.usher.Broker.GetMetrics") with PARAMETERS, a JSON object's text or NULL. The
 * reply's parameters, a JSON object's text, go to RET_PARAMETERS unless that is NULL; free() it.
 * Errors of the broker are any of the above; an error of another interface, or a newer one, is
 * -USHER_E_OTHER and usher_last_error() has its name. Also -EINVAL for PARAMETERS that are no JSON
 * object. */
int usher_call(struct usher *u, const char *method, const char *parameters, char **ret_parameters);

/* PARAMETERS is good until the function returns. 0 to go on; anything else ends the stream. Other
 * calls on the handle may be made from within, but not usher_close(). */
typedef int usher_reply_fn(void *userdata, const char *parameters, bool continues);

/* The same with "more": ON_REPLY gets one reply after the other. The stream has a connection of its
 * own, which is closed at its end. call_timeout_ms counts for each reply. Also -ECANCELED: ON_REPLY
 * ended it. */
int usher_call_more(struct usher *u, const char *method, const char *parameters,
	usher_reply_fn *on_reply, void *userdata);

/* ---- errors ---- */

struct usher_error {
	int error;           /* what the last call on the handle returned; 0 if it went well */
	const char *name;    /* "io.usher.Broker.CapacityReached", "ECONNREFUSED"; "" for none */
	const char *message; /* a sentence part for people, without control characters */
	const char
		*parameters; /* the broker's error parameters, a JSON object's text; "{}" if none */
};

/* What the last call on the handle came to. Good until the next one. */
const struct usher_error *usher_last_error(const struct usher *u);

/* A short English text for a value that a function here returned. Static. */
const char *usher_strerror(int error);

/* Its name: "io.usher.Broker.CapacityReached", or "ECONNREFUSED" of an errno. Static; NULL for what
 * is none. */
const char *usher_error_name(int error);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
