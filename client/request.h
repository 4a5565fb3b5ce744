/* SPDX-License-Identifier: MIT */
/* A Create that does not block: what request.c, cancel.c and answer.c know of it. Private. */
#ifndef USHER_CLIENT_REQUEST_H
#define USHER_CLIENT_REQUEST_H

#include "client/handle.h"

#define LOOK_MS 30000 /* after usher_cancel(), to see to it that no session is left */

enum request_state {
	REQUEST_CONNECTING, /* for the first time, or anew */
	REQUEST_WAITING,    /* the Create is on its way, or answered by a place in the queue */
	REQUEST_LOOKING,    /* cancelled: whether it has got a session is asked for */
	REQUEST_ATTACHING,  /* granted; the session moves to the control connection */
	REQUEST_DONE,       /* the program is to be told */
	REQUEST_RELEASING,  /* granted although cancelled: it is given back over this connection */
};

struct request {
	struct channel channel; /* the first member: on_ready is given this */
	struct request *next;
	uint64_t number;
	enum request_state state;
	bool is_cancelled; /* the program knows nothing of it any more */
	usher_create_fn *on_answer;
	void *userdata;
	struct usher_session *ret; /* the program's */
	struct usher_session session;
	struct held *held; /* owned until it is granted */
	enum usher_owner owner;
	bool is_renewed;
	struct create_call call;
	char *texts; /* of the call; owned */
	struct wish_clock clock;
	struct backoff backoff; /* of connecting anew */
	unsigned sends;         /* in vain, without a sign of life */
	bool was_sent;          /* the broker may know of it */
	int looks;              /* answers still to come, of REQUEST_LOOKING */
	int error;              /* of connecting, or of the connection that was lost */
	bool is_away;           /* the broker, as the program knows */
	bool is_id_made;        /* by the library, so that no earlier session has it */
	int64_t retry_at;       /* to connect; -1: not */
	int64_t deadline;       /* of the connecting or the answer; -1: none */
	int64_t position;
	int64_t waiting;
	bool has_progress;
	int result;
	char *refusal; /* owned: the frame that said so */
	size_t refusal_length;
};

/* Take it out of the handle's list, and free it. */
void request_drop(struct usher *u, struct request *q);

/* Its connection is of no use any more: ask again over another, soon, for what has not been
 * answered. Gives up with ERROR if that is no way out. */
void request_start_again(struct usher *u, struct request *q, int error);

/* ---- cancel.c ---- */

/* Its session is not wanted: give it back over the connection that waited, and drop the request
 * when that is done; or over the control connection, when there is one. */
void request_give_back(struct usher *u, struct request *q);
void request_give_back_over_control(struct usher *u, struct request *q);

/* It is connected anew, and cancelled: end its wait, and look whether it has a session. 0 or
 * -ENOMEM. */
int request_look(struct request *q);

/* One of the answers to that. True while more may be taken from the connection. */
bool request_take_look(struct usher *u, struct request *q, const struct varlink_reply *reply);

#endif
