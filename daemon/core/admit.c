/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* ---- a known request id ---- */

/* The process is the same if both are known: an unknown one equals nothing. */
static bool is_same_request(const struct session *known, const struct create_request *request)
{
	const struct owner *caller = request->caller;

	if (known->fingerprint != request->fresh->fingerprint || !table_may_act(known, caller))
		return false;
	return (known->owner_kind == OWNER_DETACHED && known->state != SESSION_WAITING) ||
	       known->is_orphaned || identity_is_same(known->creator, caller->peer.identity);
}

static void answer_known(struct table *table, struct session *known,
	const struct create_request *request, struct table_time now, struct create_result *ret,
	struct table_change *change)
{
	struct owner *caller = request->caller;

	if (known->owner_kind == OWNER_CONNECTION && known->owner != caller) {
		if (known->is_orphaned)
			table_set_creator(known, caller->peer.identity, change);
		table_set_owner(
			table, known, OWNER_CONNECTION, caller, caller->peer.identity, change);
		emit_session(table, EVENT_RENEWED, known, now, change);
	}
	ret->is_existing = true;
	table_fill_view(known, caller, now, &ret->session);
}

static bool has_room_to_wait(const struct table *table, const struct waiter *waiter)
{
	return waiter->deadline_us == WAIT_FOR_EVER || table->waits.count < table->waits.capacity;
}

static int64_t end_of_wait(const struct create_request *request, struct table_time now)
{
	if (request->wait_us >= WAIT_FOR_EVER - now.now_us)
		return WAIT_FOR_EVER;
	return now.now_us + request->wait_us;
}

static void begin_wait(
	struct waiter *waiter, const struct create_request *request, struct table_time now)
{
	*waiter = (struct waiter){
		.inbox = request->inbox,
		.caller = request->caller,
		.since_us = now.now_us,
		.since_wall_us = now.wall_us,
		.deadline_us = end_of_wait(request, now),
	};
	list_init(&waiter->link);
}

/* The waiter that was there is told that its wait is over; the new one has its place. */
static int take_over(struct table *table, struct session *known,
	const struct create_request *request, struct table_time now, struct create_result *ret,
	struct table_change *change)
{
	struct waiter *old = known->waiter;
	struct owner *caller = request->caller;

	begin_wait(request->waiter, request, now);
	if (!has_room_to_wait(table, request->waiter))
		return -ENOBUFS;
	queue_replace(table, old, request->waiter);
	if (known->owner_kind == OWNER_CONNECTION)
		table_set_owner(table, known, OWNER_CONNECTION, caller, NULL, change);
	table_decide(old, STATUS_CANCELLED, now, change);
	table->totals.cancelled_waits++;
	known->pool->counters.cancelled_waits++;
	table->totals.queued++;
	known->pool->counters.queued++;
	ret->is_existing = true;
	ret->is_waiting = true;
	table_fill_view_with_place(table, known, caller, now, &ret->session);
	return 0;
}

/* ---- admission ---- */

static bool is_over_quota_alone(const struct pool_settings *settings, const struct session *fresh)
{
	const uint64_t nothing[DIMENSIONS] = {0};

	return quota_exceeded(settings, fresh->label != NULL, nothing, fresh->units) != DIMENSIONS;
}

static void find_quota(
	const struct table *table, const struct create_request *request, struct admission *a)
{
	const struct session *fresh = request->fresh;
	uint64_t held[DIMENSIONS];

	table_find_tallies(
		table, a->pool, fresh, a->identity, request->caller->peer.uid, a->places);
	for (int i = 0; i < DIMENSIONS; i++)
		held[i] = tally_held(&a->places[i]);
	a->quota = quota_exceeded(&a->pool->settings, fresh->label != NULL, held, fresh->units);
}

/* What no waiting can cure. */
static int check_request(
	const struct table *table, const struct create_request *request, struct admission *a)
{
	const struct session *fresh = request->fresh;
	const struct pool_settings *settings;
	int status;

	if (table->is_draining)
		return STATUS_SHUTTING_DOWN;
	if (!a->pool || a->pool->is_removed)
		return STATUS_NO_SUCH_POOL;
	settings = &a->pool->settings;
	if (!pool_allows(settings, &request->caller->peer))
		return STATUS_PERMISSION_DENIED;
	if (text_length(fresh->metadata) > settings->max_metadata_bytes)
		return STATUS_METADATA_TOO_LARGE;
	status =
		timeout_resolve(settings, request->owner_kind, request->timeout_ms, &a->timeout_ms);
	if (status)
		return status;
	find_quota(table, request, a);
	if (settings->enforce && fresh->units > settings->limit)
		return STATUS_INVALID_PARAMETER;
	if (settings->enforce && is_over_quota_alone(settings, fresh))
		return STATUS_QUOTA_EXCEEDED;
	if (table->next_fence >= FENCE_END)
		return -EOVERFLOW;
	return table_may_grant(table) ? 0 : STATUS_STORE_UNAVAILABLE;
}

/* What time can cure. */
static int check_room(const struct table *table, const struct session *fresh,
	const struct admission *a, struct table_time now)
{
	const struct pool *pool = a->pool;

	if (table_pause_of(table, pool, now))
		return STATUS_PAUSED;
	if (pool->settings.enforce && a->quota != DIMENSIONS)
		return STATUS_QUOTA_EXCEEDED;
	if (!pool_admits(pool, fresh->units) || queue_next(pool, now))
		return STATUS_CAPACITY_REACHED;
	return 0;
}

static int check_waiting_room(const struct table *table, const struct create_request *request,
	const struct admission *a, struct create_refusal *ret)
{
	const struct pool_settings *settings = &a->pool->settings;
	uint64_t user_waiting = table_user_waiting(table, a->pool, request->caller->peer.uid);

	ret->user_waiting = user_waiting;
	ret->is_user_queue = settings->per_uid_waiters != POOL_NO_QUOTA &&
			     user_waiting >= (uint64_t)settings->per_uid_waiters;
	if (ret->is_user_queue || a->pool->waiting >= settings->max_waiters)
		return STATUS_QUEUE_FULL;
	return 0;
}

/* FRESH becomes the table's: idle, or waiting. */
static void link_fresh(struct table *table, const struct create_request *request,
	const struct admission *a, enum session_state state, struct table_time now,
	struct create_result *ret, struct table_change *change)
{
	struct session *fresh = request->fresh;
	struct peer *peer = &request->caller->peer;
	struct owner *owner = request->owner_kind == OWNER_CONNECTION ? request->caller : NULL;
	struct identity *identity = peer->identity;

	fresh->pool = a->pool;
	fresh->pool_name = text_ref(a->pool->name);
	fresh->sequence = table->next_sequence++;
	fresh->creator_uid = peer->uid;
	fresh->uid = peer->uid;
	fresh->creator = identity_ref(peer->identity);
	fresh->created_us = now.now_us;
	fresh->created_wall_us = now.wall_us;
	fresh->timeout_ms = a->timeout_ms;
	fresh->state = (uint8_t)state;
	if (request->owner_kind == OWNER_PROCESS) {
		owner = &table_adopt_process(table, request->process, &ret->is_process_new, change)
				 ->owner;
		identity = owner->peer.identity;
	}
	fresh->identity = identity_ref(identity);
	fresh->owner_kind = (uint8_t)request->owner_kind;
	fresh->owner = owner;
	if (owner)
		list_append(&owner->sessions, &fresh->owner_link);
	table_link_fresh(table, fresh, a->request_hash);
}

static int create_now(struct table *table, const struct create_request *request,
	const struct admission *a, struct table_time now, struct create_result *ret,
	struct table_change *change)
{
	struct session *fresh = request->fresh;

	fresh->pool = a->pool;
	fresh->timeout_ms = a->timeout_ms;
	if (!table_can_grant(table, fresh))
		return -ENOBUFS;
	link_fresh(table, request, a, SESSION_IDLE, now, ret, change);
	table_join_found_tallies(table, fresh, a->places);
	table_grant(table, fresh, now);
	emit_session(table, EVENT_CREATED, fresh, now, change);
	table_fill_view(fresh, request->caller, now, &ret->session);
	return 0;
}

static int create_waiting(struct table *table, const struct create_request *request,
	const struct admission *a, struct table_time now, struct create_result *ret,
	struct table_change *change)
{
	struct session *fresh = request->fresh;

	begin_wait(request->waiter, request, now);
	if (!has_room_to_wait(table, request->waiter))
		return -ENOBUFS;
	link_fresh(table, request, a, SESSION_WAITING, now, ret, change);
	table_join_found_tallies(table, fresh, a->places);
	queue_add(table, fresh, request->waiter);
	table->totals.queued++;
	a->pool->counters.queued++;
	table_mark_for_pump(table, a->pool); /* whose turn is first may have changed */
	ret->is_waiting = true;
	emit_session(table, EVENT_QUEUED, fresh, now, change);
	table_fill_view_with_place(table, fresh, request->caller, now, &ret->session);
	return 0;
}

/* ---- create ---- */

static int create_known(struct table *table, const struct create_request *request,
	struct session *known, const struct admission *a, struct table_time now,
	struct create_result *ret, struct table_change *change)
{
	int status;

	if (!is_same_request(known, request)) {
		ret->refusal.other_id = known->id;
		return table_refuse(table, request, STATUS_REQUEST_ID_IN_USE, a, now, ret, change);
	}
	if (known->state != SESSION_WAITING) {
		answer_known(table, known, request, now, ret, change);
	} else if (request->wait_us == 0) {
		return table_refuse(table, request, STATUS_CAPACITY_REACHED,
			&(struct admission){.pool = known->pool}, now, ret, change);
	} else {
		status = take_over(table, known, request, now, ret, change);
		if (status)
			return status;
	}
	create_give_back(request, change);
	return 0;
}

static const struct identity *owner_identity(const struct create_request *request)
{
	return request->process ? request->process->owner.peer.identity
				: request->caller->peer.identity;
}

int table_create(struct table *table, const struct create_request *request, struct table_time now,
	struct create_result *ret, struct table_change *change)
{
	struct session *fresh = request->fresh;
	uint32_t uid = request->caller->peer.uid;
	struct admission a = {.quota = DIMENSIONS, .identity = owner_identity(request)};
	struct session *known;
	int status, room;

	a.request_hash =
		table_hash_request(table, uid, fresh->request_id, fresh->request_id_length);
	known = table_find_by_request_hash(
		table, a.request_hash, uid, fresh->request_id, fresh->request_id_length);
	now = table_clamp(table, now);
	/* The holders are most of it, and a call that succeeds need not pay for them. */
	memset(ret, 0, offsetof(struct create_result, refusal.holders));
	a.pool = table_find_pool(table, request->pool, request->pool_length);
	if (table_lacks_tallies(table))
		return -ENOBUFS;
	if (known)
		return create_known(table, request, known, &a, now, ret, change);
	if (table_find_session(table, fresh->id))
		return -EEXIST;
	status = check_request(table, request, &a);
	if (status)
		return table_refuse(table, request, status, &a, now, ret, change);
	room = check_room(table, fresh, &a, now);
	if (!room)
		return create_now(table, request, &a, now, ret, change);
	if (request->wait_us != 0) {
		room = check_waiting_room(table, request, &a, &ret->refusal);
		if (!room)
			return create_waiting(table, request, &a, now, ret, change);
	}
	return table_refuse(table, request, room, &a, now, ret, change);
}
