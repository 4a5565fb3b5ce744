/* SPDX-License-Identifier: MIT */
#include "daemon/drain.h"

#include "daemon/handoff_records.h"
#include "daemon/log.h"
#include "proto/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct drain_wait {
	struct pending pending; /* first: freed through it */
	struct list link;       /* loop.drains */
	struct drain drain;
	int64_t deadline_us; /* table clock; INT64_MAX: for ever */
	bool exit_after;
	bool is_oneway;
};

static void free_wait(struct pending *pending)
{
	struct drain_wait *wait = container_of(pending, struct drain_wait, pending);

	list_remove(&wait->link);
	free(wait);
}

static void answer(struct drain_wait *wait, struct table_time now, uint64_t active, bool timeout)
{
	struct conn *conn = wait->pending.conn;
	int64_t initial = (int64_t)wait->drain.initial_active;
	struct drain_reply reply = {
		.shutdown_duration = (double)(now.now_us - wait->drain.began_us) / 1e6,
		.initial_active_sessions = initial,
		.final_active_sessions = (int64_t)active,
		.sessions_completed_during_shutdown = initial - (int64_t)active,
		.timeout_reached = timeout,
		.total_sessions_at_shutdown = (int64_t)wait->drain.total_created,
	};

	if (!wait->is_oneway) {
		varlink_reply_begin(&conn->out);
		message_encode_members(&drain_out, &reply, &conn->out);
		varlink_reply_end(&conn->out, false);
	}
	conn_finish_pending(conn);
}

static void on_drain_timer(uv_timer_t *timer)
{
	drain_check(timer->data);
}

static void arm_timer(struct loop *loop, int64_t now_us)
{
	int64_t next_us = INT64_MAX;

	list_for_each(link, &loop->drains) {
		struct drain_wait *wait = container_of(link, struct drain_wait, link);

		if (wait->deadline_us < next_us)
			next_us = wait->deadline_us;
	}
	if (next_us == INT64_MAX) {
		uv_timer_stop(&loop->drain_timer);
		return;
	}
	uv_update_time(&loop->uv);
	uv_timer_start(&loop->drain_timer, on_drain_timer,
		next_us > now_us ? (uint64_t)(next_us - now_us) / 1000 + 1 : 0, 0);
}

void drain_check(struct loop *loop)
{
	struct section section;
	uint64_t active;
	bool is_draining, exit_after = false;

	broker_enter(loop->server->broker, &section);
	active = table_active(section.table);
	is_draining = table_is_draining(section.table);
	broker_leave(&section);
	list_for_each_safe(link, &loop->drains) {
		struct drain_wait *wait = container_of(link, struct drain_wait, link);
		bool is_late = wait->deadline_us <= section.now.now_us;

		if (is_draining && active > 0 && !is_late)
			continue;
		exit_after = exit_after || (wait->exit_after && is_draining);
		answer(wait, section.now, active, is_draining && active > 0);
	}
	arm_timer(loop, section.now.now_us);
	if (exit_after) {
		log_notice(
			"drained: %" PRIu64 " sessions are active; ending as Drain asked", active);
		server_stop(loop->server);
	}
}

static void pack_wait(const struct pending *pending, struct pack_writer *out);

static struct drain_wait *new_wait(struct conn *conn)
{
	struct drain_wait *wait = calloc(1, sizeof(*wait));

	if (!wait)
		return NULL;
	wait->pending = (struct pending){
		.free = free_wait, .pack = pack_wait, .pack_tag = HANDOFF_PENDING_DRAIN};
	wait->pending.conn = conn;
	list_init(&wait->link);
	return wait;
}

static void begin(struct drain_wait *wait)
{
	struct conn *conn = wait->pending.conn;

	list_append(&conn->loop->drains, &wait->link);
	conn_begin_pending(conn, &wait->pending);
	/* Looked at from the loop, not from here: the call's handler has to return first. */
	loop_order(conn->loop, ORDER_DRAIN);
}

int drain_wait(struct conn *conn, int64_t timeout_ms, bool exit_after, bool is_oneway)
{
	struct drain_wait *wait = new_wait(conn);
	struct section section;

	if (!wait)
		return -ENOMEM;
	wait->exit_after = exit_after;
	wait->is_oneway = is_oneway;
	broker_enter(conn->loop->server->broker, &section);
	wait->drain = broker_begin_drain(&section);
	broker_leave(&section);
	wait->deadline_us = timeout_ms < 0 ? INT64_MAX : section.now.now_us + timeout_ms * 1000;
	begin(wait);
	return 0;
}

/* ---- from one daemon to the next ---- */

static const struct pack_item wait_items[] = {
	PACK_ITEM(drain_wait, 1, PACK_I64, deadline_us),
	PACK_ITEM(drain_wait, 2, PACK_BOOL, exit_after),
	PACK_ITEM(drain_wait, 3, PACK_BOOL, is_oneway),
	PACK_ITEM(drain_wait, 4, PACK_I64, drain.began_us),
	PACK_ITEM(drain_wait, 5, PACK_U64, drain.initial_active),
	PACK_ITEM(drain_wait, 6, PACK_U64, drain.total_created),
	{0},
};

static void pack_wait(const struct pending *pending, struct pack_writer *out)
{
	pack_struct(out, wait_items, container_of(pending, const struct drain_wait, pending));
}

int drain_restore(struct conn *conn, struct pack_reader record)
{
	struct drain_wait *wait = new_wait(conn);
	struct drain_wait packed;

	if (!wait)
		return -ENOMEM;
	if (unpack_struct(record, wait_items, &packed, sizeof(packed)) < 0) {
		free(wait);
		return -EBADMSG;
	}
	wait->deadline_us = packed.deadline_us;
	wait->exit_after = packed.exit_after;
	wait->is_oneway = packed.is_oneway;
	wait->drain = packed.drain;
	begin(wait);
	return 0;
}
