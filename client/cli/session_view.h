/* SPDX-License-Identifier: MIT */
/* What commands on one session print. One thread. */
#ifndef USHER_CLI_SESSION_VIEW_H
#define USHER_CLI_SESSION_VIEW_H

#include "client/cli/reply.h"

/* The member "session" of the reply, one field a line, or as JSON. Exit code. */
int session_view(struct cli *cli, const struct reply *reply);

/* Call METHOD (Start or Renew), whose reply is the new deadline, and say it. Exit code. */
int session_call_expiry(
	struct cli *cli, const char *method, const char *session, struct json_writer *parameters);

/* A state with what else matters: "processing,overdue". Static. */
const char *session_state(const cJSON *session);

#endif
