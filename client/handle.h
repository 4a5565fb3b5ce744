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

#include "client/backoff.h"
#include "client/channel.h"
#include "client/request_id.h"
#include "client/usher.h"
#include "proto/message.h"
#include "proto/varlink.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CLIENT_DEPTH_MAX 1024  /* of what the program passes in, and of replies */
#define RETURN_MS        30000 /* for a broker to come back, where nothing else sets an end */
#define SENDS_MOST       8     /* of one call: it may be what the broker dies of */
#define SESSION_ID_SIZE  sizeof(((struct usher_session *)NULL)->session_id)

struct held;
struct pending;
struct request;

/* The Monitor call, see watch.c. */
struct watch {
	struct channel channel;
	struct backoff backoff;
	bool is_unreachable; /* the program knows */
};

struct usher {
	pid_t pid; /* who opened it */
	char *socket_path;
	int64_t call_timeout_ms;

	struct channel control;
	struct pending *pending; /* calls sent or to be sent over it, the oldest first */
	struct backoff link;     /* of connecting it anew */
	bool was_reached;  /* the broker, once: who waits for a slot waits for it to come back */
	bool owns_unknown; /* usher_call() may have put a session on it, which is not held */
	bool has_lost_sessions; /* which no event tells, so the next call has to */

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
	bool may_resend; /* doing it twice is the same as once, or the answer tells */
	bool was_resent; /* it was: the first one may have been done, too */
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

/* A call with the members of IN, sent again if its answer is lost: RET_RESENT, which may be NULL,
 * tells whether it was. OUT may be NULL, else as with call_decode(). */
int call_safe(struct usher *u, const char *method, const struct message *in_table, const void *in,
	const struct message *out_table, void *out, bool *ret_resent);

/* The same for one that must not be sent twice. */
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

/* Call without waiting, behind all that was called before. Connects, if need be: -EAGAIN if that
 * fails, or has failed a moment ago, and is to be tried again at u->link.at. On a failure ON_ANSWER
 * is not called. SESSION_ID may be NULL. */
int control_call(struct usher *u, const char *method, const struct message *in_table,
	const void *in, answer_fn *on_answer, const char *session_id, struct request *request);

/* Take the answers that are there. 0, or a negated errno after control_lost(). */
int control_receive(struct usher *u);

/* One answer: to the oldest pending call. 0 or -EBADMSG. */
int control_answer(struct usher *u, const char *frame, size_t length);

/* The connection is of no use any more: close it, have the sessions that it owned attached again,
 * and answer the pending calls with ERROR. */
void control_lost(struct usher *u, int error);

/* A connection that is alive, and the sessions attached to it whose connection was lost. Blocks
 * until DEADLINE. A broker that cannot be reached is waited for, half a minute if there is no
 * deadline, if sessions are at stake or IS_EXPECTED: else it is an error at once. -ETIMEDOUT leaves
 * the connection open, for its closing would end what is about to be attached. */
int control_restore(struct usher *u, int64_t deadline, bool is_expected);

/* The same for what is held, in the middle of something that may take long: if it fails, the next
 * call tries again. */
void control_restore_held(struct usher *u, int64_t deadline);

/* The same, before a call. -ECONNRESET: sessions are lost, and no event has told. */
int control_ensure(struct usher *u, int64_t deadline, bool is_expected);

/* Open it now, without blocking; see control_call(). */
int control_open(struct usher *u);

/* Take over the connection FROM, which gave a session, if there is none: the sessions of the one
 * before are attached to it. */
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

/* Text of at most SIZE - 1 bytes for C. 0 or -EBADMSG. */
int copy_text(const struct message_text *text, char *buf, size_t size);

/* Hand SESSION over to the program's struct, which may be an older, shorter one. */
void grant_give(struct usher_session *session, struct usher_session *ret);

/* ---- wish.c ---- */

/* A Create as the program wants it, checked. The texts are the program's, but a request id that was
 * made. */
struct wish {
	struct usher_create_options options;
	struct create_call call;
	char request_id[REQUEST_ID_SIZE]; /* "": the program has given one */
};

/* 0, -EINVAL or -E2BIG, ... */
int wish_prepare(const struct usher_create_options *options, struct wish *ret);

/* A copy of the call that outlives the program's texts: RET_TEXTS, the caller's, has them. */
int wish_keep(const struct create_call *call, struct create_call *ret, char **ret_texts);

/* Milliseconds of CLOCK_MONOTONIC; -1: never. */
struct wish_clock {
	int64_t until;      /* the end of the wait */
	int64_t answer_at;  /* and the time for calls on top: the answer is too late then */
	int64_t give_up_at; /* the same, or half a minute on top: the broker does not come back */
};

void wish_clock_start(const struct usher *u, int64_t wait_ms, struct wish_clock *ret);

/* For another try: wait for the time that is left, or for a moment, which tells whether the session
 * was granted in time. */
void wish_clock_set(const struct wish_clock *clock, struct create_call *call);

/* The wire's number of an owner; -1 for what is none. */
int owner_index(enum usher_owner owner);

/* The JSON object in TEXT, without blanks around it; absent if TEXT is NULL. 0, or -EINVAL for what
 * is none. */
int find_object(const char *text, struct message_text *ret);

/* ---- create_wait.c ---- */

/* usher_create() with a wait. RET, of this version, is filled. */
int create_waiting(struct usher *u, const struct wish *wish, struct usher_session *ret);

/* ---- request.c ---- */

void request_free_all(struct usher *u);
int64_t request_do_due(struct usher *u, int64_t now);

/* ---- answer.c ---- */

/* Tell the program of one request's progress or result. False if there is nothing to tell. */
bool request_deliver(struct usher *u);
bool request_has_news(const struct usher *u);

/* ---- held.c ---- */

/* What the broker has to be asked about a session. */
enum ask {
	ASK_NOTHING,
	ASK_CHECK,   /* whether it is there still */
	ASK_ATTACH,  /* its connection was lost: that it belongs to the new one */
	ASK_RELEASE, /* nobody wants it */
};

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
	bool is_releasing;     /* the program does, so that it is not to be attached any more */
	bool is_unwanted;      /* the program knows nothing of it, and it is to be released */
	enum ask ask;          /* what to ask the broker about it */
	bool is_asked;         /* it was, and has not answered */
	struct backoff again;  /* of asking */
	int64_t expires_at_us; /* -1: never */
	int64_t renew_at;      /* CLOCK_MONOTONIC, milliseconds; -1: never */
	unsigned due_events;   /* bits 1 << enum usher_event_type */
	int outcome;           /* of the loss; -1: unknown */
	int error;             /* of the loss, or the last failed Renew */
	char *reason;          /* of the revocation; owned */
};

/* Room for one more session of OWNER, before it is asked for; held_free() takes NULL. RET is NULL
 * if the handle does not keep track of such. 0 or -ENOMEM. */
int held_new(const struct usher *u, enum usher_owner owner, struct held **ret);
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

/* The outcome that SessionEnded names; -1 if there is none, or it is of a newer broker. */
int held_outcome_of(const struct json_value *parameters);

/* The control connection is lost: those that belonged to it are to be attached again. */
void held_lose_connection(struct usher *u);
void held_tell(struct usher *u, struct held *h, enum usher_event_type type);

/* Start the Renews that are due. Returns when the next one is. */
int64_t held_do_due(struct usher *u, int64_t now);

/* ---- recover.c ---- */

/* Ask the broker about the session as soon as it can be reached. */
void recover_check(struct usher *u, struct held *h);

/* The program does not want the session any more: release it, now or when the broker is back, and
 * forget it then. */
void recover_release(struct usher *u, struct held *h);

/* The control connection is open: ask what is to be asked over it, without waiting. */
void recover_ask(struct usher *u);

/* Sessions wait for being attached again, as soon as there is a broker. */
bool recover_is_needed(const struct usher *u);

/* The broker was asked to attach sessions, and has not answered for all. */
bool recover_is_asking(const struct usher *u);

int64_t recover_do_due(struct usher *u, int64_t now);

/* ---- told.c ---- */

struct told_session {
	struct message_text session_id;
	int64_t expires_at;
	bool overdue;
	bool revoking;
};

extern const struct message told_session_table;

/* The session is as it is told now. REASON is of the revocation; NULL: not known. */
void told_take(struct usher *u, struct held *h, const struct told_session *session,
	const struct message_text *reason);

/* The same out of the answer to Attach or Get, if it says anything that is understood. */
void told_take_answer(struct usher *u, struct held *h, const struct json_value *parameters);

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

/* Keep ERROR, a negated errno, as the last one. */
void usher_keep_error(struct usher *u, int error);

/* The same, and return it. */
static inline int usher_fail(struct usher *u, int error)
{
	usher_keep_error(u, error);
	return error;
}

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
