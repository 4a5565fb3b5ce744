/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <errno.h>
#include <string.h>

void table_set_owner(struct session *session, struct owner *caller, enum owner_kind kind,
	struct table_change *change)
{
	list_remove(&session->owner_link);
	session->owner_kind = (uint8_t)kind;
	session->owner = kind == OWNER_CONNECTION ? caller : NULL;
	if (session->owner)
		list_append(&caller->sessions, &session->owner_link);
	if (!session->owner && session->uid != caller->peer.uid)
		return;
	session->pid = caller->peer.pid;
	memcpy(session->comm, caller->peer.comm, sizeof(session->comm));
	if (session->systemd_unit == caller->peer.systemd_unit)
		return;
	change_add_text(change, session->systemd_unit);
	session->systemd_unit = text_ref(caller->peer.systemd_unit);
}

static int find_live(
	const struct table *table, struct session_ref *ref, struct session **ret_session)
{
	struct session *session = table_find_session(table, ref->id);

	if (!session)
		return STATUS_NO_SUCH_SESSION;
	if (session->state == SESSION_ENDED) {
		ref->outcome = session->outcome;
		return STATUS_SESSION_ENDED;
	}
	*ret_session = session;
	return 0;
}

static int find_own(
	const struct table *table, struct session_ref *ref, struct session **ret_session)
{
	struct session *session;
	int status = find_live(table, ref, &session);

	if (status)
		return status;
	if (!table_may_act(session, ref->caller))
		return STATUS_PERMISSION_DENIED;
	*ret_session = session;
	return 0;
}

/* -ENOBUFS, or 0 with the new deadline set. */
static int renew_deadline(
	struct table *table, struct session *session, int64_t timeout_ms, struct table_time now)
{
	int64_t deadline_us =
		deadline_from(&session->pool->settings, session->created_us, timeout_ms, now);

	if (!table_has_room(table, session, deadline_us))
		return -ENOBUFS;
	session->timeout_ms = timeout_ms;
	table_set_deadline(table, session, deadline_us);
	return 0;
}

int table_start(struct table *table, struct session_ref *ref, struct table_time now,
	int64_t *ret_expires_wall_us)
{
	struct session *session;
	int r = find_own(table, ref, &session);

	now = table_clamp(table, now);
	if (r)
		return r;
	if (session->state != SESSION_IDLE) {
		ref->state = session->state;
		return STATUS_INVALID_STATE;
	}
	r = renew_deadline(table, session, session->timeout_ms, now);
	if (r)
		return r;
	session->state = SESSION_PROCESSING;
	session->started_wall_us = now.wall_us;
	*ret_expires_wall_us = deadline_to_wall(session->deadline_us, now);
	return 0;
}

int table_renew(struct table *table, struct session_ref *ref, int64_t timeout_ms,
	struct table_time now, int64_t *ret_expires_wall_us)
{
	struct session *session;
	int r = find_own(table, ref, &session);

	now = table_clamp(table, now);
	if (r)
		return r;
	if (timeout_ms == CREATE_TIMEOUT_ABSENT)
		timeout_ms = session->timeout_ms;
	else
		r = timeout_resolve(
			&session->pool->settings, session->owner_kind, timeout_ms, &timeout_ms);
	if (r) {
		ref->max_timeout_ms = session->pool->settings.max_timeout_ms;
		return r;
	}
	r = renew_deadline(table, session, timeout_ms, now);
	if (r)
		return r;
	*ret_expires_wall_us = deadline_to_wall(session->deadline_us, now);
	return 0;
}

int table_update(struct table *table, struct session_ref *ref, struct text *metadata,
	uint32_t *ret_limit, struct table_change *change)
{
	struct session *session;
	struct pool *pool;
	int status = find_own(table, ref, &session);
	uint64_t growth;

	if (status)
		return status;
	pool = session->pool;
	if (text_length(metadata) > pool->settings.max_metadata_bytes) {
		*ret_limit = pool->settings.max_metadata_bytes;
		return STATUS_METADATA_TOO_LARGE;
	}
	growth = (uint64_t)text_length(metadata) - text_length(session->metadata);
	pool->metadata_bytes += growth;
	table->metadata_bytes += growth;
	audits_uncount(table, session);
	text_ref(metadata);
	change_add_text(change, session->metadata);
	session->metadata = metadata;
	audits_count(table, session);
	return 0;
}

int table_release(struct table *table, struct session_ref *ref, enum outcome outcome,
	struct text *result, struct table_time now, int64_t *ret_duration_us,
	struct table_change *change)
{
	struct session *session;
	int status = find_own(table, ref, &session);

	now = table_clamp(table, now);
	if (status)
		return status;
	*ret_duration_us = now.now_us - session->created_us;
	table_end_session(table, session, outcome, result, now, change);
	return 0;
}

/* A detached session always has a timeout, and is never overdue. */
static int give_detached_deadline(
	struct table *table, struct session *session, struct table_time now)
{
	int64_t timeout_ms = session->timeout_ms;

	if (timeout_ms != SESSION_TIMEOUT_NONE && !session->is_overdue)
		return 0;
	if (timeout_ms == SESSION_TIMEOUT_NONE)
		timeout_ms = timeout_for_detached(&session->pool->settings);
	return renew_deadline(table, session, timeout_ms, now);
}

int table_attach(struct table *table, struct session_ref *ref, enum owner_kind kind,
	struct table_time now, struct session_view *ret, struct table_change *change)
{
	struct session *session;
	int r = find_own(table, ref, &session);

	now = table_clamp(table, now);
	if (r)
		return r;
	if (kind == OWNER_DETACHED)
		r = give_detached_deadline(table, session, now);
	if (r)
		return r;
	table_set_owner(session, ref->caller, kind, change);
	table_fill_view(session, ref->caller, now, ret);
	return 0;
}

int table_revoke(struct table *table, struct session_ref *ref, bool force, struct table_time now,
	struct table_change *change)
{
	struct session *session;
	int status = find_own(table, ref, &session);

	now = table_clamp(table, now);
	if (status)
		return status;
	if (force)
		table_end_session(table, session, OUTCOME_REVOKED, NULL, now, change);
	else
		session->is_revoking = true;
	return 0;
}

int table_get(struct table *table, struct session_ref *ref, struct table_time now,
	struct session_view *ret)
{
	struct session *session;
	int status = find_live(table, ref, &session);

	now = table_clamp(table, now);
	if (status)
		return status;
	table_fill_view(session, ref->caller, now, ret);
	return 0;
}

int table_find_request(const struct table *table, uint32_t uid, const char *request_id,
	size_t length, uint64_t *ret_id)
{
	const struct session *session = table_find_by_request(table, uid, request_id, length);

	if (!session)
		return STATUS_NO_SUCH_SESSION;
	*ret_id = session->id;
	return 0;
}
