/* SPDX-License-Identifier: MIT */
/* One list of every refusal: enum, number, Varlink error, exit code of usherctl, text.
 *
 * Inside the project a function returns 0, a value > 0 of enum usher_status, or a negated errno.
 * The public library returns -(USHER_STATUS_BASE + number), so that a status can be told from a
 * negated errno. Numbers and exit codes are stable: they are never reused or renumbered; gaps are
 * kept for errors of features to come. No I/O, no state: any thread may call.
 */
#ifndef USHER_PROTO_STATUS_H
#define USHER_PROTO_STATUS_H

#define USHER_STATUS_BASE 4096

#define USHER_INTERFACE   "io.usher.Broker"
#define VARLINK_INTERFACE "org.varlink.service"

/* X(NAME, number, interface, "VarlinkName", exit code, "text for people") */
#define USHER_STATUS_LIST(X)                                                                       \
	X(CAPACITY_REACHED, 1, USHER_INTERFACE, "CapacityReached", 10, "the pool is full")         \
	X(QUEUE_FULL, 2, USHER_INTERFACE, "QueueFull", 11, "too many wait already")                \
	X(WAIT_TIMEOUT, 3, USHER_INTERFACE, "WaitTimeout", 12, "the wait was over")                \
	X(CANCELLED, 4, USHER_INTERFACE, "Cancelled", 13, "the wait was cancelled")                \
	X(QUOTA_EXCEEDED, 5, USHER_INTERFACE, "QuotaExceeded", 14, "the quota is used up")         \
	X(METADATA_TOO_LARGE, 6, USHER_INTERFACE, "MetadataTooLarge", 15, "metadata is too large") \
	X(TIMEOUT_OUT_OF_RANGE, 7, USHER_INTERFACE, "TimeoutOutOfRange", 16,                       \
		"the timeout is out of the pool's range")                                          \
	X(NO_SUCH_POOL, 8, USHER_INTERFACE, "NoSuchPool", 17, "no such pool")                      \
	X(NO_SUCH_SESSION, 9, USHER_INTERFACE, "NoSuchSession", 18, "no such session")             \
	X(SESSION_ENDED, 10, USHER_INTERFACE, "SessionEnded", 19, "the session has ended")         \
	X(INVALID_STATE, 11, USHER_INTERFACE, "InvalidState", 20,                                  \
		"the session's state does not allow this")                                         \
	X(REQUEST_ID_IN_USE, 12, USHER_INTERFACE, "RequestIdInUse", 21,                            \
		"the request id belongs to another session")                                       \
	X(SHUTTING_DOWN, 13, USHER_INTERFACE, "ShuttingDown", 22, "the broker is draining")        \
	X(PAUSED, 14, USHER_INTERFACE, "Paused", 23, "the pool is paused")                         \
	X(TOO_MANY_CONNECTIONS, 15, USHER_INTERFACE, "TooManyConnections", 24,                     \
		"too many connections")                                                            \
	X(STORE_UNAVAILABLE, 16, USHER_INTERFACE, "StoreUnavailable", 25,                          \
		"the broker cannot store its state")                                               \
	X(INVALID_CONFIG, 17, USHER_INTERFACE, "InvalidConfig", 26,                                \
		"the configuration is wrong; the old settings stay")                               \
	X(INTERFACE_NOT_FOUND, 32, VARLINK_INTERFACE, "InterfaceNotFound", 40,                     \
		"the broker does not know this interface")                                         \
	X(METHOD_NOT_FOUND, 33, VARLINK_INTERFACE, "MethodNotFound", 41,                           \
		"the broker does not know this method")                                            \
	X(METHOD_NOT_IMPLEMENTED, 34, VARLINK_INTERFACE, "MethodNotImplemented", 42,               \
		"the broker does not offer this method")                                           \
	X(INVALID_PARAMETER, 35, VARLINK_INTERFACE, "InvalidParameter", 43,                        \
		"a parameter is missing, unknown or wrong")                                        \
	X(PERMISSION_DENIED, 36, VARLINK_INTERFACE, "PermissionDenied", 44, "permission denied")   \
	X(EXPECTED_MORE, 37, VARLINK_INTERFACE, "ExpectedMore", 45,                                \
		"this method must be called with \"more\"")                                        \
	X(EXPECTED_UPGRADE, 38, VARLINK_INTERFACE, "ExpectedUpgrade", 46,                          \
		"this method must be called with \"upgrade\"")

enum usher_status {
	STATUS_OK = 0,
#define X(name, number, interface, error, code, text) STATUS_##name = number,
	USHER_STATUS_LIST(X)
#undef X
};

/* Exit codes of usherctl that stand for no status. `run` uses 125 to 127 as env(1) does. */
enum usher_exit {
	EXIT_OK = 0,
	EXIT_FAILED = 1,      /* anything without a code of its own */
	EXIT_USAGE = 2,       /* wrong command line */
	EXIT_UNREACHABLE = 3, /* no broker answered on the socket */
};

/* The full Varlink error name ("io.usher.Broker.CapacityReached"); NULL for a number not listed. */
const char *status_error_name(int status);

/* A short English sentence part without a full stop; "unknown status" for a number not listed. */
const char *status_text(int status);

/* usherctl's exit code; EXIT_FAILED for a number not listed. */
int status_exit_code(int status);

/* The status of a full Varlink error name; -ENOENT for a name not listed. */
int status_from_error_name(const char *name);

#endif
