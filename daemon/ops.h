/* SPDX-License-Identifier: MIT */
/* The operations of io.usher.Broker: one table row and one handler each.
 *
 * A handler gets the decoded parameters and appends its reply, or an error, to the request's
 * writer; it enters the broker for as little as it can. It runs on the connection's loop. */
#ifndef USHER_DAEMON_OPS_H
#define USHER_DAEMON_OPS_H

#include "daemon/conn.h"
#include "proto/message.h"
#include "proto/varlink.h"

struct request {
	struct conn *conn;
	struct broker *broker;
	const struct varlink_call *call;
	struct json_writer *out;
};

struct operation {
	const struct message *in;
	void (*handle)(struct request *request, const void *in);
	bool is_admin;
};

/* Serve one call. */
void ops_serve(struct conn *conn, const struct varlink_call *call);

/* The interface as it is served. */
extern const struct varlink_interface *const ops_interface;

/* ---- for handlers ---- */

/* For who answers after the handler has returned; it has no call. */
static inline struct request request_of(struct conn *conn)
{
	return (struct request){
		.conn = conn, .broker = conn->loop->server->broker, .out = &conn->out};
}

/* The reply of TABLE's fields in VALUE; VALUE may be NULL for a table without fields. */
void reply(struct request *request, const struct message *table, const void *value);

/* An error reply: STATUS, with TABLE's fields in VALUE (both NULL: none). */
void refuse(struct request *request, int status, const struct message *table, const void *value);

/* InvalidParameter. */
void refuse_parameter(struct request *request, const char *parameter, const char *expected);

/* TooManyConnections: there are no descriptors for what the call needs. */
void refuse_files(struct request *request);

/* The memory for an answer is missing: the connection ends. */
void fail_request(struct request *request);

/* Log an admin call: who did what, and REASON (not NUL-ended, may be absent). */
void log_admin(struct request *request, const char *pool, struct message_text reason,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ops_create.c */
void handle_create(struct request *request, const void *in);
/* ops_session.c */
void handle_start(struct request *request, const void *in);
void handle_renew(struct request *request, const void *in);
void handle_update(struct request *request, const void *in);
void handle_release(struct request *request, const void *in);
void handle_attach(struct request *request, const void *in);
void handle_cancel(struct request *request, const void *in);
void handle_revoke(struct request *request, const void *in);
/* ops_query.c */
void handle_get(struct request *request, const void *in);
void handle_history(struct request *request, const void *in);
/* ops_list.c */
void handle_list(struct request *request, const void *in);
/* monitor.c */
void handle_monitor(struct request *request, const void *in);
/* ops_metrics.c */
void handle_get_metrics(struct request *request, const void *in);
void handle_reset_metrics(struct request *request, const void *in);
/* ops_verify.c */
void handle_verify(struct request *request, const void *in);
/* ops_admin.c */
void handle_list_pools(struct request *request, const void *in);
void handle_set_pool(struct request *request, const void *in);
void handle_pause(struct request *request, const void *in);
void handle_resume(struct request *request, const void *in);
void handle_drain(struct request *request, const void *in);
void handle_reload(struct request *request, const void *in);

#endif
