/* SPDX-License-Identifier: MIT */
/* Events as the replies of Monitor. Any thread. */
#ifndef USHER_DAEMON_EVENT_REPLY_H
#define USHER_DAEMON_EVENT_REPLY_H

#include "daemon/core/events.h"
#include "daemon/ops_view.h"

/* An event without what is of its type. */
struct event_message new_event_message(enum event_type type, uint64_t sequence, int64_t wall_us);

/* One reply; CONTINUES unless it is the call's last. */
void write_event_message(
	struct json_writer *out, const struct event_message *message, bool continues);

/* The same, about a session; IS_VISIBLE: with what only those see who may act on it. */
void write_session_event(const struct session_view *view, bool is_visible,
	const struct event_message *message, bool continues, struct json_writer *out);

/* An event of the table's log. */
void write_event(
	const struct event *event, bool is_visible, bool continues, struct json_writer *out);

#endif
