/* SPDX-License-Identifier: MIT */
#include "daemon/core/persist.h"
#include "daemon/core/table_internal.h"

#include <errno.h>
#include <string.h>

/* ---- owners ---- */

static uint64_t hash_process(const struct table *table, const struct identity *identity)
{
	return map_hash(table->hash_seed, &identity->pid, sizeof(identity->pid));
}

struct process *table_find_process(const struct table *table, const struct identity *identity)
{
	struct map_node *node = map_first(&table->processes, hash_process(table, identity));

	for (; node; node = map_next(node)) {
		struct process *known = container_of(node, struct process, node);

		if (identity_is_same(known->owner.peer.identity, identity))
			return known;
	}
	return NULL;
}

struct process *table_adopt_process(
	struct table *table, struct process *process, bool *ret_is_new, struct table_change *change)
{
	const struct identity *identity = process->owner.peer.identity;
	struct process *known = table_find_process(table, identity);

	if (known) {
		if (known != process)
			change_add_process(change, process);
		return known;
	}
	map_insert(&table->processes, &process->node, hash_process(table, identity));
	*ret_is_new = true;
	return process;
}

/* An orphan is in the list of the process that it was lost from, whose connection had owned it. */
static bool is_process_owned(const struct session *session)
{
	return session->owner_kind == OWNER_PROCESS || session->is_orphaned;
}

void table_leave_owner(struct table *table, struct session *session, struct table_change *change)
{
	struct owner *owner = session->owner;

	list_remove(&session->owner_link);
	session->owner = NULL;
	if (!owner || !is_process_owned(session) || !list_is_empty(&owner->sessions))
		return;
	map_remove(&table->processes, &container_of(owner, struct process, owner)->node);
	change_add_process(change, container_of(owner, struct process, owner));
}

struct identity *table_maker(const struct process *process)
{
	list_for_each(link, &process->owner.sessions) {
		const struct session *session = container_of(link, struct session, owner_link);

		if (session->creator &&
			!identity_is_same(session->creator, process->owner.peer.identity))
			return session->creator;
	}
	return NULL;
}

static void show_process(struct table *table, struct session *session, struct identity *identity,
	struct table_change *change)
{
	struct identity *old = session->identity;

	if (!identity || identity == old)
		return;
	session->identity = identity_ref(identity);
	if (!identity_is_same(old, identity)) {
		table_move_process_tally(table, session, change);
		table_mark_for_pump(table, session->pool);
	}
	change_add_identity(change, old);
}

static void claim(struct table *table, struct session *session)
{
	audits_uncount(table, session);
	session->pool->orphaned -= session->is_orphaned;
	table->orphaned -= session->is_orphaned;
	session->is_orphaned = false;
	audits_count(table, session);
}

void table_set_creator(
	struct session *session, struct identity *creator, struct table_change *change)
{
	struct identity *old = session->creator;

	session->creator = identity_ref(creator);
	change_add_identity(change, old);
}

void table_set_owner(struct table *table, struct session *session, enum owner_kind kind,
	struct owner *owner, struct identity *identity, struct table_change *change)
{
	if (session->owner == owner) /* an orphan may become its own process' */
		owner = NULL;        /* it is there already */
	else
		table_leave_owner(table, session, change);
	claim(table, session);
	session->owner_kind = (uint8_t)kind;
	if (owner) {
		session->owner = owner;
		list_append(&owner->sessions, &session->owner_link);
	}
	show_process(table, session, identity, change);
	if (session->state != SESSION_WAITING)
		table_mark_session(table, session);
}

/* ---- finding ---- */

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
	ref->is_anothers = !table_is_own(session, ref->caller);
	ref->uid = session->uid;
	*ret_session = session;
	return 0;
}

/* One that has its slots. */
static int find_granted(
	const struct table *table, struct session_ref *ref, struct session **ret_session)
{
	struct session *session;
	int status = find_own(table, ref, &session);

	if (status)
		return status;
	ref->state = session->state;
	if (session->state == SESSION_WAITING)
		return STATUS_INVALID_STATE;
	*ret_session = session;
	return 0;
}

/* ---- the operations ---- */

/* -ENOBUFS, or 0 with the new deadline set. */
static int renew_deadline(
	struct table *table, struct session *session, int64_t timeout_ms, struct table_time now)
{
	int64_t deadline_us =
		deadline_from(&session->pool->settings, session->created_us, timeout_ms, now);

	if (!table_has_room(table, session, deadline_us))
		return -ENOBUFS;
	if (session->timeout_ms != timeout_ms)
		table_mark_session(table, session);
	session->timeout_ms = timeout_ms;
	table_set_deadline(table, session, deadline_us);
	return 0;
}

int table_start(struct table *table, struct session_ref *ref, struct table_time now,
	int64_t *ret_expires_wall_us, struct table_change *change)
{
	struct session *session;
	int r = find_granted(table, ref, &session);

	now = table_clamp(table, now);
	if (r)
		return r;
	if (session->state != SESSION_IDLE)
		return STATUS_INVALID_STATE;
	r = renew_deadline(table, session, session->timeout_ms, now);
	if (r)
		return r;
	session->state = SESSION_PROCESSING;
	session->started_wall_us = now.wall_us;
	table_mark_session(table, session);
	*ret_expires_wall_us = deadline_to_wall(session->deadline_us, now);
	emit_session(table, EVENT_STARTED, session, now, change);
	return 0;
}

int table_renew(struct table *table, struct session_ref *ref, int64_t timeout_ms,
	struct table_time now, int64_t *ret_expires_wall_us, struct table_change *change)
{
	struct session *session;
	int r = find_granted(table, ref, &session);

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
	emit_session(table, EVENT_RENEWED, session, now, change);
	return 0;
}

int table_update(struct table *table, struct session_ref *ref, struct text *metadata,
	struct table_time now, uint32_t *ret_limit, struct table_change *change)
{
	struct session *session;
	struct pool *pool;
	int status = find_granted(table, ref, &session);
	uint64_t growth;

	now = table_clamp(table, now);
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
	table_mark_session(table, session);
	audits_count(table, session);
	emit_session(table, EVENT_RENEWED, session, now, change);
	return 0;
}

int table_release(struct table *table, struct session_ref *ref, enum outcome outcome,
	struct text *result, struct table_time now, int64_t *ret_duration_us,
	struct table_change *change)
{
	struct session *session;
	int status = find_granted(table, ref, &session);

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

/* Who owns it from now on, and whose process is shown. */
static void attach(struct table *table, struct session *session, enum owner_kind kind,
	struct owner *caller, struct process *process, bool *ret_is_process_new,
	struct table_change *change)
{
	struct identity *shown = caller->peer.identity;
	struct owner *owner = kind == OWNER_CONNECTION ? caller : NULL;

	if (process) {
		owner = &table_adopt_process(table, process, ret_is_process_new, change)->owner;
		shown = owner->peer.identity;
	}
	if (kind == OWNER_DETACHED && session->uid != caller->peer.uid)
		shown = NULL;
	table_set_owner(table, session, kind, owner, shown, change);
	table_set_creator(session, caller->peer.identity, change);
}

int table_attach(struct table *table, struct session_ref *ref, enum owner_kind kind,
	struct process *process, struct table_time now, struct session_view *ret,
	bool *ret_is_process_new, struct table_change *change)
{
	struct session *session;
	int r = table_lacks_tallies(table) ? -ENOBUFS : find_granted(table, ref, &session);

	now = table_clamp(table, now);
	*ret_is_process_new = false;
	if (r == 0 && kind == OWNER_DETACHED)
		r = give_detached_deadline(table, session, now);
	if (r) {
		if (r != -ENOBUFS && process)
			change_add_process(change, process);
		return r;
	}
	attach(table, session, kind, ref->caller, process, ret_is_process_new, change);
	emit_session(table, EVENT_RENEWED, session, now, change);
	table_fill_view(session, ref->caller, now, ret);
	return 0;
}

int table_revoke(struct table *table, struct session_ref *ref, bool force, struct text *reason,
	struct table_time now, struct table_change *change)
{
	struct session *session;
	int status = find_own(table, ref, &session);

	now = table_clamp(table, now);
	if (status)
		return status;
	if (session->state == SESSION_WAITING) {
		table_refuse_waiter(table, session->waiter, STATUS_CANCELLED, now, change);
	} else if (force) {
		table_end_session(table, session, OUTCOME_REVOKED, NULL, now, change);
	} else {
		session->is_revoking = true;
		table_mark_session(table, session);
		emit_revoking(table, session, reason, now, change);
	}
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
	table_fill_view_with_place(table, session, ref->caller, now, ret);
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
