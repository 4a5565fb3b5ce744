/* SPDX-License-Identifier: MIT */
/* What libusher's files share: the handle and its parts, one call over it, the last error.
 *
 * The handle owns the control connection, over which blocking calls and pipelined ones go in one
 * order; a connection for each Create that waits; one for the events. The program's functions are
 * called by deliver.c only, from usher_dispatch(), where nothing is half done: what is to be told
 * is kept in the request or session that it is about until then.
 *
 * Private. One thread a handle at a time.
 */
#ifndef USHER_CLIENT_HANDLE_H
#define USHER_CLIENT_HANDLE_H

#include "client/channel.h"
#include "client/usher.h"
#include "proto/message.h"
#include "proto/varlink.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CLIENT_DEPTH_MAX 1024 /* of what the program passes in, and of replies */
#define SESSION_ID_SIZE  sizeof(((struct usher_session *)NULL)->session_id)

struct held;
struct pending;
struct request;

/* The Monitor call, see watch.c. */
struct watch {
	struct channel channel;
	int64_t retry_at; /* not before */
	int64_t backoff_ms;
	bool is_unreachable; /* the program knows */
};

struct usher {
	pid_t pid; /* who opened it */
	char *socket_path;
	int64_t call_timeout_ms;

	struct channel control;
	struct pending *pending; /* calls sent or to be sent over it, the oldest first */
	bool owns_sessions;      /* the connection was given a session that ends with it */
	bool has_lost_sessions;  /* such a connection was lost, which the next call has to say */

	char error_name[VARLINK_METHOD_MAX + 1];
	char error_message[512];
	char *error_parameters; /* owned, NULL: none */
	char *scratch;          /* owned: decoded texts of the last reply */
	struct usher_error error;

	struct loop loop;
	unsigned entered;    /* the program's functions that are running */
	bool is_dispatching; /* usher_dispatch() is */
	bool is_closed;      /* by one of those functions: freed when the last has returned */
	bool is_foreign;     /* used by a forked child: epoll and timers are the parent's, too */

	struct request *requests; /* the newest first */
	uint64_t last_request;
	struct held *held; /* sessions, the newest first */
	struct watch watch;
	usher_event_fn *on_event;
	void *event_userdata;
	unsigned due_events; /* bits 1 << enum usher_event_type, of the handle itself */
	int due_error;       /* the reason of the last of them */
};

/* ---- handle.c ---- */

/* Take a caller's struct, which begins with its size, into one of this version: KNOWN bytes at RET,
 * of which the first LEAST bytes were in the first version. A NULL STRUCT is one with nothing set.
 * 0, -EINVAL for a size below LEAST, -E2BIG if bytes beyond KNOWN are set. */
int copy_sized(const void *given, size_t least, size_t known, void *ret);

/* LENGTH bytes, which no NUL need follow, as a string of the caller's; NULL without memory. */
char *copy_text_of(const char *text, size_t length);

/* Around everything after which U must still be there although the program's function that was
 * called in between may have closed it. usher_leave() returns false if it has, and U may be gone
 * then. */
void usher_enter(struct usher *u);
bool usher_leave(struct usher *u);

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

/* A frame for the method, in OUT. 0 or -ENOMEM. */
int call_encode(struct json_writer *out, const char *method, enum varlink_flag flag,
	const struct message *in_table, const void *in);

/* ---- control.c ---- */

/* What came of a pipelined call: the reply, which may be the broker's refusal, or an ERROR of the
 * connection and no reply. Must not call the program. */
typedef void answer_fn(
	struct usher *u, const struct pending *call, int error, const struct varlink_reply *reply);

struct pending {
	struct pending *next;
	answer_fn *on_answer;
	int64_t deadline;
	char session_id[SESSION_ID_SIZE];
	struct request *request; /* NULL: about none, or it is gone */
};

/* Call without waiting, behind all that was called before. Connects, if need be: -EAGAIN if the
 * broker's backlog is full. On a failure ON_ANSWER is not called. SESSION_ID may be NULL. */
int control_call(struct usher *u, const char *method, const struct message *in_table,
	const void *in, answer_fn *on_answer, const char *session_id, struct request *request);

/* Take the answers that are there. 0, or a negated errno after control_lost(). */
int control_receive(struct usher *u);

/* One answer: to the oldest pending call. 0 or -EBADMSG. */
int control_answer(struct usher *u, const char *frame, size_t length);

/* The connection is of no use any more: close it, answer the pending calls with ERROR, and mark the
 * sessions it owned as lost. */
void control_lost(struct usher *u, int error);

/* Before a call: a connection that is alive. One that was lost in the meantime is replaced, unless
 * sessions went with it: -ECONNRESET. Blocks until DEADLINE. */
int control_ensure(struct usher *u, int64_t deadline);

/* Take over the connection FROM, which gave a session, if there is none. */
bool control_adopt(struct usher *u, struct channel *from);

/* What is due: answers that came too late. Returns when to come again, -1 for never. */
int64_t control_do_due(struct usher *u, int64_t now);

void control_on_ready(struct usher *u, struct channel *c);
void control_deinit(struct usher *u);

/* ---- grant.c ---- */

/* A session out of a reply: VALUE is what Create or Attach said. RET, of this version, is filled,
 * and the caller's. 0, -EBADMSG or -ENOMEM. */
int grant_decode(const struct json_value *value, struct usher_session *ret);

/* The place in the queue, if VALUE is a Create's reply with one. */
bool grant_decode_queued(
	const struct json_value *value, int64_t *ret_position, int64_t *ret_waiting);

/* Hand SESSION over to the program's struct, which may be an older, shorter one. */
void grant_give(struct usher_session *session, struct usher_session *ret);

/* ---- create.c ---- */

/* A Create as the program wants it, checked. The texts are the program's, but a request id that was
 * made. */
struct wish {
	struct usher_create_options options;
	struct create_call call;
	char request_id[64];
};

/* 0, -EINVAL or -E2BIG, ... */
int wish_prepare(const struct usher_create_options *options, struct wish *ret);

/* The wire's number of an owner; -1 for what is none. */
int owner_index(enum usher_owner owner);

/* The JSON object in TEXT, without blanks around it; absent if TEXT is NULL. 0, or -EINVAL for what
 * is none. */
int find_object(const char *text, struct message_text *ret);

/* Text of at most SIZE - 1 bytes for C. 0 or -EBADMSG. */
int copy_text(const struct message_text *text, char *buf, size_t size);

/* ---- request.c ---- */

void request_free_all(struct usher *u);
int64_t request_do_due(struct usher *u, int64_t now);

/* ---- answer.c ---- */

/* Tell the program of one request's progress or result. False if there is nothing to tell. */
bool request_deliver(struct usher *u);
bool request_has_news(const struct usher *u);

/* ---- held.c ---- */

struct held {
	struct held *next;
	char session_id[SESSION_ID_SIZE];
	enum usher_owner owner;
	bool is_renewed;  /* by usher_dispatch() */
	bool is_renewing; /* a Renew is on its way */
	bool is_overdue;  /* the program knows, as of the next ones */
	bool is_revoking;
	bool is_failing;
	bool is_seen;          /* in the snapshot that is coming in */
	bool is_lost;          /* gone once the program knows */
	int64_t expires_at_us; /* -1: never */
	int64_t renew_at;      /* CLOCK_MONOTONIC, milliseconds; -1: never */
	unsigned due_events;   /* bits 1 << enum usher_event_type */
	int outcome;           /* of the loss; -1: unknown */
	int error;             /* of the loss, or the last failed Renew */
	char *reason;          /* of the revocation; owned */
};

/* Room for one more session, before it is asked for; held_free() takes NULL. RET is NULL if the
 * handle does not keep track. 0 or -ENOMEM. */
int held_new(const struct usher *u, struct held **ret);
void held_free(struct held *h);

/* The handle holds SESSION from now on; H may be NULL. One held already is replaced. */
void held_add(struct usher *u, struct held *h, const struct usher_session *session,
	enum usher_owner owner, bool is_renewed);
struct held *held_find(struct usher *u, const char *session_id);

/* It was released, or moved elsewhere, by the program: nothing is to be told. */
void held_forget(struct usher *u, const char *session_id);
void held_remove(struct usher *u, struct held *h);

void held_set_deadline(struct usher *u, const char *session_id, int64_t expires_at_us);

/* The broker's REPLY, a refusal, to a call about a session: it may be that there is none. */
void held_note_refusal(struct usher *u, const char *session_id, const struct varlink_reply *reply);

void held_lose(struct usher *u, struct held *h, int outcome, int error);
void held_lose_connection(struct usher *u, int error);
void held_tell(struct usher *u, struct held *h, enum usher_event_type type);

/* Ask the broker whether the session is there still. */
void held_check(struct usher *u, struct held *h);

/* Start the Renews that are due. Returns when the next one is. */
int64_t held_do_due(struct usher *u, int64_t now);

/* ---- watch.c ---- */

void watch_init(struct usher *u);
void watch_deinit(struct usher *u);
int64_t watch_do_due(struct usher *u, int64_t now);

/* ---- deliver.c ---- */

/* Call one function of the program, if there is something to tell. */
bool deliver_one(struct usher *u);
bool deliver_has_more(const struct usher *u);

/* ---- dispatch.c ---- */

/* The epoll descriptor and the timer, if they are not there yet. 0 or a negated errno. */
int dispatch_prepare(struct usher *u);

/* ---- error.c ---- */

/* -ECHILD in a child of the process that opened the handle; else 0, and the last error is
 * forgotten. */
int usher_begin(struct usher *u);

/* Keep ERROR, a negated errno, as the last one, and return it. */
int usher_fail(struct usher *u, int error);

/* Keep the broker's error reply as the last one, and return its negative number. */
int usher_refused(struct usher *u, const struct varlink_reply *reply);

/* The negative number alone. */
int refusal_number(const struct varlink_reply *reply);

/* ---- explain.c ---- */

/* A sentence part for the refusal STATUS with PARAMETERS; NAME is the error's full name. */
void explain_refusal(
	int status, const char *name, const struct json_value *parameters, char *buf, size_t size);

/* The same for a negated errno of a call to the socket at PATH. */
void explain_errno(int error, const char *path, char *buf, size_t size);

#endif
