/* SPDX-License-Identifier: MIT */
#include "daemon/event_reply.h"

#include "daemon/ops_view.h"

void write_event_message(
	struct json_writer *out, const struct event_message *message, bool continues)
{
	struct monitor_reply reply = {message};

	varlink_reply_begin(out);
	message_encode_members(&monitor_out, &reply, out);
	varlink_reply_end(out, continues);
}

struct event_message new_event_message(enum event_type type, uint64_t sequence, int64_t wall_us)
{
	struct event_message message = {
		.type = (int)type,
		.sequence = (int64_t)sequence,
		.at = wall_us,
		.outcome = -1,
		.draining = -1,
		.uid = MESSAGE_ABSENT,
		.pid = MESSAGE_ABSENT,
	};

	return message;
}

void write_session_event(const struct session_view *view, bool is_visible,
	const struct event_message *message, bool continues, struct json_writer *out)
{
	struct session_view visible = *view; /* no references of its own */
	struct event_message whole = *message;
	struct session_message session;
	struct view_texts texts;

	visible.is_visible = is_visible;
	session_to_message(&visible, &texts, &session);
	whole.session = &session;
	write_event_message(out, &whole, continues);
}

static void fill_end(const struct event *event, bool is_visible, struct event_message *message)
{
	if (event->has_outcome)
		message->outcome = (int)event->outcome;
	if (event->status)
		message->error = message_cstring(status_error_name(event->status));
	if (event->type == EVENT_REVOKING && is_visible)
		message->reason = message_from_text(event->reason);
}

void write_event(
	const struct event *event, bool is_visible, bool continues, struct json_writer *out)
{
	struct event_message message =
		new_event_message(event->type, event->section, event->wall_us);
	struct pool_message pool;
	struct pool_texts texts;

	switch (event->type) {
	case EVENT_REFUSED:
		message.error = message_cstring(status_error_name(event->status));
		message.pool_name = message_cstring(event->pool_name[0] ? event->pool_name : NULL);
		message.uid = event->uid;
		if (event->pid != IDENTITY_PID_UNKNOWN)
			message.pid = event->pid;
		write_event_message(out, &message, continues);
		break;
	case EVENT_POOL:
		pool_to_message(&event->pool, &texts, &pool);
		message.pool = &pool;
		write_event_message(out, &message, continues);
		break;
	case EVENT_DRAIN:
		message.draining = event->is_draining;
		write_event_message(out, &message, continues);
		break;
	default:
		fill_end(event, is_visible, &message);
		write_session_event(&event->session, is_visible, &message, continues, out);
		break;
	}
}
