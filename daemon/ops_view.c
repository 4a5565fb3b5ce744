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

struct process_message process_of(const struct identity *identity)
{
	struct process_message message = {.pid = MESSAGE_ABSENT};

	if (!identity || identity->pid == IDENTITY_PID_UNKNOWN)
		return message;
	message.pid = identity->pid;
	message.comm = message_cstring(identity->comm[0] ? identity->comm : NULL);
	message.systemd_unit = message_from_text(identity->systemd_unit);
	return message;
}

/* Those of one that waits are not its own yet: another thread may be writing them. */
static struct message_numbers slots_of(const struct session_view *view)
{
	return (struct message_numbers){
		.values = view->session->slots,
		.count = view->has_slots ? view->session->units : 0,
		.is_present = true,
	};
}

static struct message_text label_of(const struct session_view *view)
{
	return message_from_text(view->is_visible ? view->session->label : NULL);
}

static const struct queued_message *queued_of(
	const struct session_view *view, struct view_texts *texts)
{
	texts->queued = (struct queued_message){(int64_t)view->position, (int64_t)view->waiting};
	return view->position ? &texts->queued : NULL;
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
	struct process_message process = process_of(view->identity);

	id_format_session(session->id, texts->session_id);
	*ret = (struct session_message){
		.session_id = message_cstring(texts->session_id),
		.request_id = message_cstring(session->request_id),
		.pool = message_from_text(session->pool_name),
		.state = (int)view->state,
		.slots = slots_of(view),
		.units = session->units,
		.fence = view->has_slots ? (int64_t)view->fence : MESSAGE_ABSENT,
		.priority = session->priority,
		.queued = queued_of(view, texts),
		.label = label_of(view),
		.owner = (int)view->owner_kind,
		.uid = view->uid,
		.pid = process.pid,
		.comm = process.comm,
		.systemd_unit = process.systemd_unit,
		.created_at = view->created_wall_us,
		.started_at = message_wall(view->started_wall_us),
		.expires_at = message_wall(view->expires_wall_us),
		.remaining_ms =
			view->remaining_us < 0 ? MESSAGE_ABSENT : up_to_ms(view->remaining_us),
		.timeout_ms = view->timeout_ms,
		.overdue = view->is_overdue,
		.orphaned = view->is_orphaned,
		.revoking = view->is_revoking,
		.metadata = message_from_text(view->is_visible ? view->metadata : NULL),
		.metadata_bytes = view->metadata ? view->metadata->length : 0,
	};
}

void ended_to_message(
	const struct session_view *view, struct view_texts *texts, struct ended_message *ret)
{
	const struct session *session = view->session;
	struct process_message process = process_of(view->identity);

	id_format_session(session->id, texts->session_id);
	*ret = (struct ended_message){
		.session_id = message_cstring(texts->session_id),
		.request_id = message_cstring(session->request_id),
		.pool = message_from_text(session->pool_name),
		.outcome = (int)view->outcome,
		.slots = slots_of(view),
		.units = session->units,
		.fence = (int64_t)view->fence,
		.label = label_of(view),
		.uid = view->uid,
		.pid = process.pid,
		.comm = process.comm,
		.systemd_unit = process.systemd_unit,
		.created_at = view->created_wall_us,
		.started_at = message_wall(view->started_wall_us),
		.ended_at = view->ended_wall_us,
		.duration_ms = view->age_us / 1000,
		.result = message_from_text(view->is_visible ? view->result : NULL),
	};
}

void holder_to_message(
	const struct session_view *view, struct view_texts *texts, struct holder_message *ret)
{
	struct process_message process = process_of(view->identity);

	id_format_session(view->session->id, texts->session_id);
	*ret = (struct holder_message){
		.session_id = message_cstring(texts->session_id),
		.uid = view->uid,
		.pid = process.pid,
		.comm = process.comm,
		.systemd_unit = process.systemd_unit,
		.units = view->session->units,
		.age_ms = view->age_us / 1000,
	};
}

static struct message_list allow_of(const struct pool_settings *settings, struct pool_texts *texts)
{
	const struct allow_list *list = settings->allow;

	for (size_t i = 0; list && i < list->count; i++)
		texts->allow[i] = message_from_text(list->entries[i].name);
	return (struct message_list){texts->allow, list ? list->count : 0, list != NULL};
}

void pool_to_message(
	const struct pool_view *view, struct pool_texts *texts, struct pool_message *ret)
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
		.max_waiters = settings->max_waiters,
		.per_uid_waiters = settings->per_uid_waiters,
		.per_uid_limit = settings->quotas[BY_UID],
		.per_process_limit = settings->quotas[BY_PROCESS],
		.per_label_limit = settings->quotas[BY_LABEL],
		.fair_by = (int)settings->fair_by,
		.age_step_ms = settings->age_step_ms,
		.starve_after_ms = settings->starve_after_ms,
		.allow = allow_of(settings, texts),
		.enforce = settings->enforce,
		.active_sessions = (int64_t)view->active,
		.waiting_sessions = (int64_t)view->waiting,
		.oldest_wait_ms =
			view->oldest_wait_us < 0 ? MESSAGE_ABSENT : view->oldest_wait_us / 1000,
		.used_units = (int64_t)view->used_units,
		.over = (int64_t)view->over,
		.overdue = (int64_t)view->overdue,
		.orphaned = (int64_t)view->orphaned,
		.paused = view->is_paused,
		.paused_until = message_wall(view->paused_until_wall_us),
		.pause_reason = message_from_text(view->pause_reason),
		.removed = view->is_removed,
	};
}
