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
 *   -EACCES, -ENOENT, -ECONNREFUSED, ...  there is no connection and connect(2) failed, as long as
 *                  the broker was waited for, if it was; see Restarts, and usher_socket_path() for
 *                  where
 *   -ECONNRESET    the connection was lost in mid-call, and it is not known whether the broker
 *                  acted on the call. Or a session was lost since the last call, and there is no
 *                  event handler that is told; nothing was sent then. See Restarts
 *   -ETIMEDOUT     no reply within call_timeout_ms. The connection is closed, which may end the
 *                  sessions that belong to it; the next call, or usher_dispatch(), finds out
 *   -EBADMSG       the broker's reply was not understood; the connection is closed, as above
 *   -EMSGSIZE      the broker's reply was over 64 MiB; the connection is closed, as above
 *   -EINVAL        an argument is wrong: a NULL that must not be (but for the handle, which is
 *                  never NULL), an options' size that is no version's
 *   -E2BIG         options from a newer header set what this library does not know
 *   -ENOMEM, -EMFILE, -ENFILE  this process is short of memory or descriptors
 *   -USHER_E_TOO_MANY_CONNECTIONS, -USHER_E_PERMISSION_DENIED, -USHER_E_INVALID_PARAMETER
 * usher_last_error() explains the last one.
 *
 * Connection. A handle has one control connection, made by the first call that needs it. Sessions
 * with the owner USHER_OWNER_CONNECTION belong to it: they end as abandoned when it closes, by
 * usher_close() or by the end of the process. Each Create that waits has a connection of its own
 * while it does.
 *
 * Restarts. A broker that was killed and started again keeps its sessions, and gives those whose
 * connection went down with it some time, 30 s in most pools, to be taken over. When a connection
 * is found lost, the library connects anew to the same socket and no other, and attaches all
 * sessions of the lost one that it created or attached (but by usher_call(), whose loss the next
 * call tells by -ECONNRESET); each comes out as USHER_EVENT_REATTACHED or USHER_EVENT_LOST, or
 * without a handler as nothing or the next call's -ECONNRESET. Those of other owners need no
 * connection, and are lost only if the broker says so. usher_dispatch() does it by itself; without
 * it the next call does it first, so that a program that makes no call in that time loses them. It
 * is tried again after 10 ms at first, and up to a second later, each time drawn by lot so that not
 * all clients come at once, until the broker has told of every session.
 *   A call waits for that as long as sessions are at stake, or it was sent already: for
 * call_timeout_ms, or 30 s if there is no such limit, and then returns what connect(2) says. A
 * Create that waits for room waits for the broker, too, if the handle has reached it before: as
 * long as for room, and that on top. A broker that is not there is an error at once in all other
 * cases. A call whose reply was lost is sent again where that does no harm, eight times at most:
 * usher_create() and usher_create_async() by their request ids, so that they take one slot;
 * usher_attach(), usher_renew(), usher_update(); usher_start() and usher_release(), which then take
 * the broker's word that the session was started, or has ended so, for their own success;
 * usher_call() of Attach, Get, GetMetrics, History, List, ListPools, Renew, Update, Verify, and of
 * Create with a request_id. All others, usher_cancel_request() and what admins do among them, are
 * not: -ECONNRESET says that they may have been done or not. Creates that wait ask again for the
 * time that is left, at the end of the queue.
 *   Under systemd a broker that is restarted or upgraded keeps its connections, and nothing of this
 * is seen.
 *
 * Event loops. usher_get_fd() gives one descriptor to poll, and usher_dispatch() does what is due
 * whenever it is readable, without ever blocking: it gives the results of usher_create_async(),
 * renews sessions, attaches them again, and tells of those that are revoked, overdue or lost. The
 * other calls may be made meanwhile; they block for as long as the broker takes to answer, which it
 * does at once, or to come back.
 *
 * Sizes. Structs begin with their size, which the caller sets: {.size = sizeof(options)}. Members
 * added by later versions are then unset for older callers. Members that are 0 or NULL are as if
 * not given.
 *
 * Texts are UTF-8; what is not is sent as U+FFFD. Times are milliseconds, or microseconds since
 * 1970-01-01 UTC where the name ends in _at_us.
 *
 * Callbacks are called by usher_dispatch() only (and usher_call_more() for its own), never by
 * another call. They may make any call on the handle but usher_dispatch(), usher_close() included:
 * usher_dispatch() then returns -ECANCELED, and the handle is gone.
 *
 * Threads. A handle may be used by one thread at a time; different handles at once. Signals, their
 * masks, the locale and the environment are left alone; calls go on after a signal handler.
 *
 * Fork. A child may not use its parent's handle: every call answers -ECHILD, and usher_close() only
 * frees what the child has of it, so that nothing of the parent's is released or disturbed. All
 * descriptors are closed on exec.
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
	USHER_E_QUEUE_FULL = 4098,             /* too many wait already */
	USHER_E_WAIT_TIMEOUT = 4099,           /* the wait was over before there was room */
	USHER_E_CANCELLED = 4100,              /* the wait was cancelled */
	USHER_E_QUOTA_EXCEEDED = 4101,         /* of the user, the process or the label */
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
	USHER_E_STORE_UNAVAILABLE = 4112,      /* the broker cannot store new sessions now */
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
	int64_t call_timeout_ms; /* longest time for a call, connecting included; 0 or -1: none, but
				    for a broker that is away, see Restarts */
};

/* A handle, without connecting yet. OPTIONS may be NULL. The handle is the caller's: end it with
 * usher_close(). Also -ENAMETOOLONG: the socket's path is over 107 bytes. RET is untouched then. */
int usher_open(const struct usher_open_options *options, struct usher **ret);

/* Close the connections and free the handle; NULL is allowed. What the control connection owns
 * ends, and so do waits; their functions are not called any more. */
void usher_close(struct usher *u);

/* Connect now, if there is no connection, and attach what is to be attached. What connecting may
 * return, see above. */
int usher_connect(struct usher *u);

/* The path of the broker's socket: the one given, else $USHER_SOCKET, else /run/usher/usher.sock if
 * it exists, else $XDG_RUNTIME_DIR/usher/usher.sock. The choice is made by usher_open() and stays,
 * also if nobody listens there. Lives as long as the handle. */
const char *usher_socket_path(const struct usher *u);

/* The control connection's socket, or -ENOTCONN. Two uses: where usher_dispatch() is not used, poll
 * it for POLLIN | POLLRDHUP between calls, which mean that the connection is lost, so that it is
 * time for usher_connect(), see Restarts; and let a child process inherit a dup() of it, so that
 * the connection's sessions live until the last of both has closed it, but not beyond a restart of
 * the broker, after which it is another one. Nothing else may be done with it. The number is good
 * until the next call on the handle. */
int usher_connection_fd(const struct usher *u);

/* ---- sessions ---- */

enum usher_owner {
	USHER_OWNER_CONNECTION = 0, /* ends when the handle's connection does */
	USHER_OWNER_DETACHED = 1,   /* ends by release or deadline only */
	USHER_OWNER_PROCESS = 2,    /* ends when a process does, whoever has its sockets */
};

/* The first three are for usher_release(); the others tell how a session was lost. */
enum usher_outcome {
	USHER_COMPLETED = 0,
	USHER_ERROR = 1,
	USHER_CANCELLED = 2,
	USHER_TIMEOUT = 3,   /* its deadline passed */
	USHER_ABANDONED = 4, /* its owner was gone */
	USHER_REVOKED = 5,   /* by force */
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
	bool is_existing; /* usher_create(): an earlier session of the request id given; also if it
			     was sent again, and had been granted at first */
};

struct usher_create_options {
	size_t size;
	const char *pool; /* NULL: "default" */
	const char
		*request_id;  /* names this request, 1 to 128 bytes; NULL: the library makes one */
	const char *metadata; /* a JSON object's text, kept byte for byte; NULL: none */
	int64_t timeout_ms;   /* the deadline from the grant on; -1 none; 0 what the pool sets */
	const char *label;    /* 1 to 128 bytes; NULL: none */
	uint32_t units;       /* slots to take at once, 4096 at most; 0 means 1 */
	enum usher_owner owner;
	/* Version 0 ended here. */
	int64_t wait_ms;   /* for how long to wait for room; -1 for ever; 0 not at all */
	uint32_t priority; /* 0 to 9: a head start in the queue, of some seconds each */
	int32_t pid;       /* USHER_OWNER_PROCESS: another process of this user; 0: this process */
	bool no_renewal;   /* usher_dispatch() leaves the deadline alone, see usher_set_renewal() */
};

/* Take a slot, or several. A full pool refuses, or is waited for as long as wait_ms says: the wait
 * cannot be interrupted here, but by usher_cancel_request() on another handle. OPTIONS may be NULL.
 * RET is filled on 0 only; free it with usher_session_clear(). If the connection is lost, the
 * request is sent again under its request id, and takes one slot: see Restarts; a broker that was
 * there is waited for as long as the request itself, and call_timeout_ms (or 30 s) on top. A
 * session that was waited for belongs to the control connection like any other. call_timeout_ms is
 * added to wait_ms.
 * Also -EINVAL for metadata that is no JSON object, a priority over 9, a pid without
 * USHER_OWNER_PROCESS; -USHER_E_CAPACITY_REACHED, _QUOTA_EXCEEDED, _PAUSED (without wait_ms, or if
 * waiting cannot help), _QUEUE_FULL, _WAIT_TIMEOUT, _CANCELLED (with it), _METADATA_TOO_LARGE,
 * _TIMEOUT_OUT_OF_RANGE, _NO_SUCH_POOL, _REQUEST_ID_IN_USE, _SHUTTING_DOWN, _STORE_UNAVAILABLE. */
int usher_create(
	struct usher *u, const struct usher_create_options *options, struct usher_session *ret);

/* End the wait of a Create by its request id, made on this handle or by any process that may act on
 * it: it is refused with -USHER_E_CANCELLED.
 * Also -USHER_E_NO_SUCH_SESSION: no request of this id waits; -USHER_E_INVALID_STATE: it has its
 * session already. */
int usher_cancel_request(struct usher *u, const char *request_id);

/* The work begins: idle becomes processing, and the deadline is set anew; it is returned in
 * RET_EXPIRES_AT_US unless that is NULL (-1: none). Calling it is optional. If its reply is lost,
 * it is sent again, and one that finds the session started has done its work. Also
 * -USHER_E_NO_SUCH_SESSION, _SESSION_ENDED, _INVALID_STATE (started already). */
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
 * be NULL. RET_DURATION_MS, the time since its creation, may be NULL. If its reply is lost, it is
 * sent again, and one that finds the session ended with this OUTCOME, or gone without a trace if
 * the handle kept track of it, has done its work: the duration is -1, not known. On any other error
 * than the two below the session is still there, for all that is known.
 * Also -USHER_E_NO_SUCH_SESSION, _SESSION_ENDED. */
int usher_release(struct usher *u, const char *session_id, enum usher_outcome outcome,
	const char *result, int64_t *ret_duration_ms);

/* Take over a session that lives: from now on it belongs to this handle's connection, to this
 * process, or is detached. RET as with usher_create(), with the metadata. A handle that it belonged
 * to before has to usher_forget() it, or it takes it back after a restart.
 * Also -USHER_E_NO_SUCH_SESSION, _SESSION_ENDED. */
int usher_attach(
	struct usher *u, const char *session_id, enum usher_owner owner, struct usher_session *ret);

/* Somebody else has taken over the session, by usher_attach() or 'usherctl attach': it lives on,
 * and this handle does not keep track of it any more: it is not renewed, nothing is told of it, and
 * it is not attached after a restart. If it belongs to the handle's connection still, it ends with
 * that. The broker is not asked. Also -ESRCH: the handle does not keep track of it. */
int usher_forget(struct usher *u, const char *session_id);

/* Free what the struct owns and empty it; its size stays. */
void usher_session_clear(struct usher_session *session);

/* ---- event loops ---- */

/* The descriptor to poll for POLLIN: readable when usher_dispatch() has something to do. It is the
 * same until usher_close(), may be added to another epoll set, and is not to be used otherwise. The
 * handle keeps track of the sessions that it creates or attaches and that belong to its connection,
 * until they are released or known to have ended; from this call on (or the first of
 * usher_dispatch(), usher_create_async() and usher_set_event_handler()) also of all others.
 * Also -ENOSPC: epoll's limit. */
int usher_get_fd(struct usher *u);

/* Do what is due, and return; it never blocks. Sessions with a deadline are renewed when a third of
 * the time has passed, or right after they were attached again if that was due while the broker was
 * away. Connections that were lost are made again, see Restarts. An error here is not one of the
 * broker's, which callbacks are told of. Also -EBUSY: called by a callback; -ECANCELED: a callback
 * has closed the handle. */
int usher_dispatch(struct usher *u);

/* What comes of usher_create_async(). */
struct usher_create_answer {
	size_t size;
	uint64_t request;
	int result;       /* 0: granted; USHER_WAITING: not yet; negative: refused, it is over */
	int64_t position; /* USHER_WAITING: 1 for the next one; 0: the broker is away, and is asked
			     again when it is back */
	int64_t waiting;  /* USHER_WAITING: how many wait in the pool; 0 as above */
	struct usher_session *session; /* granted: the struct given, filled; else NULL */
};

#define USHER_WAITING 1

/* ANSWER is good until the function returns. usher_last_error() explains a negative result. It is
 * called with USHER_WAITING whenever the place in the queue has changed, which may be for the worse
 * after a restart of the broker, and once with another result. */
typedef void usher_create_fn(void *userdata, const struct usher_create_answer *answer);

/* As usher_create(), without blocking: ON_ANSWER is called by usher_dispatch(), never from within
 * this call. RET must stay until then; it is filled if the session is granted. The options need
 * not. The number of the request goes to RET_REQUEST, which may be NULL.
 * Here only -EINVAL, -E2BIG, -ENOMEM and the like; all else is told to ON_ANSWER: also that the
 * broker has gone, and not come back while the request lasts and call_timeout_ms (or 30 s). */
int usher_create_async(struct usher *u, const struct usher_create_options *options,
	struct usher_session *ret, usher_create_fn *on_answer, void *userdata,
	uint64_t *ret_request);

/* Give up a request of usher_create_async(): its function is not called any more, RET is not
 * touched, and a session that is granted in this moment is given back.
 * Also -ESRCH: its result was told already, or there was none of this number. */
int usher_cancel(struct usher *u, uint64_t request);

/* Whether usher_dispatch() renews the session, which it does unless told otherwise.
 * Also -ESRCH: the handle does not keep track of it. */
int usher_set_renewal(struct usher *u, const char *session_id, bool is_on);

enum usher_event_type {
	/* Release the session soon, somebody else needs it; it is counted until then. */
	USHER_EVENT_REVOKING = 1,
	/* Its deadline has passed, in a pool that then waits for the release: end the work. */
	USHER_EVENT_OVERDUE = 2,
	/* It could not be renewed, see error; this is tried again, and told again only after it
	 * has gone well in between. The session ends at expires_at_us. */
	USHER_EVENT_RENEW_FAILED = 3,
	/* It is not yours any more, without a release by this handle: outcome tells how it ended;
	 * or it is -1, and error tells why no more is known: -USHER_E_NO_SUCH_SESSION, the broker
	 * was restarted and does not know it; -USHER_E_PERMISSION_DENIED, it may not be attached
	 * again. Its slots may be others' by now. */
	USHER_EVENT_LOST = 4,
	/* Not about a session: the broker cannot be reached, see error. No session is lost by that
	 * yet: the library keeps trying, and tells of each. */
	USHER_EVENT_BROKER_LOST = 5,
	/* It is there again; what was missed is told now. */
	USHER_EVENT_BROKER_BACK = 6,
	/* The connection that it belonged to was lost, and it belongs to a new one: it was and is
	 * yours, its slots are the same. What happened to it meanwhile is told after this. */
	USHER_EVENT_REATTACHED = 7,
};

struct usher_event {
	size_t size;
	enum usher_event_type type;
	const char *session_id; /* NULL: not about one */
	int outcome;            /* LOST: enum usher_outcome; -1: unknown */
	int error;              /* negative; 0 if there is none */
	const char *reason;     /* REVOKING: UTF-8 as somebody wrote it, NULL: none given */
	int64_t expires_at_us;  /* the deadline as last heard of; -1: none */
};

/* EVENT is good until the function returns. A type that you do not know is to be ignored. */
typedef void usher_event_fn(void *userdata, const struct usher_event *event);

/* Have ON_EVENT called by usher_dispatch() for what happens to the sessions that the handle keeps
 * track of; NULL: not any more. It is one for the handle; while sessions are held, one more
 * connection to the broker is. Set it before they are created. Without it, and with
 * usher_dispatch() or not, the loss of one that belonged to the connection is told by the next
 * call's -ECONNRESET. */
int usher_set_event_handler(struct usher *u, usher_event_fn *on_event, void *userdata);

/* ---- any method ---- */

/* Call METHOD ("io.usher.Broker.GetMetrics") with PARAMETERS, a JSON object's text or NULL. The
 * reply's parameters, a JSON object's text, go to RET_PARAMETERS unless that is NULL; free() it.
 * Errors of the broker are any of the above; an error of another interface, or a newer one, is
 * -USHER_E_OTHER and usher_last_error() has its name. The handle does not keep track of sessions
 * that are created, attached or released like this. Also -EINVAL for PARAMETERS that are no JSON
 * object. */
int usher_call(struct usher *u, const char *method, const char *parameters, char **ret_parameters);

/* PARAMETERS is good until the function returns. 0 to go on; anything else ends the stream. Other
 * calls on the handle may be made from within. */
typedef int usher_reply_fn(void *userdata, const char *parameters, bool continues);

/* The same with "more": ON_REPLY gets one reply after the other. The stream has a connection of its
 * own, which is closed at its end; it is not begun anew if that is lost, -ECONNRESET.
 * call_timeout_ms counts for each reply. Also -ECANCELED: ON_REPLY ended it, or closed the handle.
 */
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
