/* SPDX-License-Identifier: MIT */
/* From the core's views to the interface's messages. A message points into its view and into the
 * texts given with it, and lives as long as both. */
#ifndef USHER_DAEMON_OPS_VIEW_H
#define USHER_DAEMON_OPS_VIEW_H

#include "daemon/core/pool.h"
#include "daemon/core/session.h"
#include "daemon/ids.h"
#include "proto/message.h"

struct view_texts {
	char session_id[SESSION_ID_SIZE];
	struct queued_message queued;
};

struct pool_texts {
	struct message_text allow[POOL_ALLOW_MAX];
};

struct message_text message_from_text(const struct text *text); /* NULL is absent */

/* Microseconds of the time of day; 0 is absent. */
int64_t message_wall(int64_t wall_us);

void session_to_message(
	const struct session_view *view, struct view_texts *texts, struct session_message *ret);
void ended_to_message(
	const struct session_view *view, struct view_texts *texts, struct ended_message *ret);
void holder_to_message(
	const struct session_view *view, struct view_texts *texts, struct holder_message *ret);
void pool_to_message(
	const struct pool_view *view, struct pool_texts *texts, struct pool_message *ret);

/* What is given as pid, comm and unit; all absent without an identity. */
struct process_message {
	int64_t pid;
	struct message_text comm;
	struct message_text systemd_unit;
};
struct process_message process_of(const struct identity *identity);

#endif
