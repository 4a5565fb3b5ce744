/* SPDX-License-Identifier: MIT */
#include "daemon/ops_view.h"

#include <string.h>

struct message_text message_from_text(const struct text *text)
{
	return text ? message_text_of(text->bytes, text->length) : message_cstring(NULL);
}

int64_t message_wall(int64_t wall_us)
{
	return wall_us ? wall_us : MESSAGE_ABSENT;
}

static int64_t pid_or_absent(int32_t pid)
{
	return pid == SESSION_PID_UNKNOWN ? MESSAGE_ABSENT : pid;
}

static struct message_text comm_or_absent(const char *comm)
{
	return message_cstring(comm[0] ? comm : NULL);
}

static struct message_numbers slots_of(const struct session *session)
{
	return (struct message_numbers){
		.values = session->slots, .count = session->units, .is_present = true};
}

/* Rounded up: what is left is never said to be nothing while there is some. */
static int64_t up_to_ms(int64_t us)
{
	return (us + 999) / 1000;
}

void session_to_message(
	const struct session_view *view, struct view_texts *texts, struct session_message *ret)
{
	const struct session *session = view->session;

	id_format_session(session->id, texts->session_id);
	*ret = (struct session_message){
		.session_id = message_cstring(texts->session_id),
		.request_id = message_cstring(session->request_id),
		.pool = message_from_text(session->pool_name),
		.state = (int)view->state,
		.slots = slots_of(session),
		.units = session->units,
		.fence = (int64_t)session->fence,
		.label = message_cstring(view->is_visible ? session->label : NULL),
		.owner = (int)view->owner_kind,
		.uid = view->uid,
		.pid = pid_or_absent(view->pid),
		.comm = comm_or_absent(view->comm),
		.systemd_unit = message_from_text(view->systemd_unit),
		.created_at = session->created_wall_us,
		.started_at = message_wall(view->started_wall_us),
		.expires_at = message_wall(view->expires_wall_us),
		.remaining_ms =
			view->remaining_us < 0 ? MESSAGE_ABSENT : up_to_ms(view->remaining_us),
		.timeout_ms = view->timeout_ms,
		.overdue = view->is_overdue,
		.revoking = view->is_revoking,
		.metadata = message_from_text(view->is_visible ? view->metadata : NULL),
		.metadata_bytes = view->metadata ? view->metadata->length : 0,
	};
}

void ended_to_message(
	const struct session_view *view, struct view_texts *texts, struct ended_message *ret)
{
	const struct session *session = view->session;

	id_format_session(session->id, texts->session_id);
	*ret = (struct ended_message){
		.session_id = message_cstring(texts->session_id),
		.request_id = message_cstring(session->request_id),
		.pool = message_from_text(session->pool_name),
		.outcome = (int)view->outcome,
		.slots = slots_of(session),
		.units = session->units,
		.fence = (int64_t)session->fence,
		.label = message_cstring(view->is_visible ? session->label : NULL),
		.uid = view->uid,
		.pid = pid_or_absent(view->pid),
		.comm = comm_or_absent(view->comm),
		.systemd_unit = message_from_text(view->systemd_unit),
		.created_at = session->created_wall_us,
		.started_at = message_wall(view->started_wall_us),
		.ended_at = view->ended_wall_us,
		.duration_ms = view->age_us / 1000,
		.result = message_from_text(view->is_visible ? view->result : NULL),
	};
}

void holder_to_message(
	const struct session_view *view, struct view_texts *texts, struct holder_message *ret)
{
	id_format_session(view->session->id, texts->session_id);
	*ret = (struct holder_message){
		.session_id = message_cstring(texts->session_id),
		.uid = view->uid,
		.pid = pid_or_absent(view->pid),
		.comm = comm_or_absent(view->comm),
		.systemd_unit = message_from_text(view->systemd_unit),
		.units = view->session->units,
		.age_ms = view->age_us / 1000,
	};
}

void pool_to_message(const struct pool_view *view, struct pool_message *ret)
{
	const struct pool_settings *settings = &view->settings;

	*ret = (struct pool_message){
		.pool = message_from_text(view->name),
		.source = (int)view->source,
		.limit = settings->limit,
		.max_metadata_bytes = settings->max_metadata_bytes,
		.default_timeout_ms = settings->default_timeout_ms,
		.max_timeout_ms = settings->max_timeout_ms,
		.max_duration_ms = settings->max_duration_ms,
		.on_timeout = (int)settings->on_timeout,
		.active_sessions = (int64_t)view->active,
		.used_units = (int64_t)view->used_units,
		.over = (int64_t)view->over,
		.overdue = (int64_t)view->overdue,
		.paused = view->is_paused,
		.paused_until = message_wall(view->paused_until_wall_us),
		.pause_reason = message_from_text(view->pause_reason),
		.removed = view->is_removed,
	};
}
