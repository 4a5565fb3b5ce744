/* SPDX-License-Identifier: MIT */
/* The refusals of a Create, with all that explains them. */
#ifndef USHER_DAEMON_OPS_REFUSE_H
#define USHER_DAEMON_OPS_REFUSE_H

#include "daemon/ops.h"

struct message_text create_pool(const struct create_call *call);

/* The reply for a Create that cannot be stored. */
void write_store_refusal(struct server *server, struct json_writer *out);

/* The error reply for STATUS, and its line in the log if sessions are logged. */
void refuse_create(struct request *request, const struct create_call *call, int status,
	const struct create_refusal *why);

#endif
