/* SPDX-License-Identifier: MIT */
/* A Create that does not block: what request.c, cancel.c and answer.c know of it. Private. */
#ifndef USHER_CLIENT_REQUEST_H
#define USHER_CLIENT_REQUEST_H

#include "client/handle.h"

enum request_state {
	REQUEST_CONNECTING,
	REQUEST_WAITING,   /* the Create is on its way, or answered by a place in the queue */
	REQUEST_ATTACHING, /* granted; the session moves to the control connection */
	REQUEST_DONE,      /* the program is to be told */
	REQUEST_RELEASING, /* granted although cancelled: it is given back over this connection */
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
	char *request_id; /* owned */
	int64_t wait_ms;
	int64_t retry_at; /* to connect; -1: not */
	int64_t deadline; /* of the connecting or the answer; -1: none */
	int64_t position;
	int64_t waiting;
	bool has_progress;
	int result;
	char *refusal; /* owned: the frame that said so */
	size_t refusal_length;
};

/* Take it out of the handle's list, and free it. */
void request_drop(struct usher *u, struct request *q);

/* Its session is not wanted: give it back over the connection that waited, and drop the request
 * when that is done; or over the control connection, now. */
void request_give_back(struct usher *u, struct request *q);
void request_give_back_over_control(struct usher *u, struct request *q);

#endif
