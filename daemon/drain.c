/* SPDX-License-Identifier: MIT */
#include "daemon/drain.h"

#include "daemon/log.h"
#include "proto/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct drain_wait {
	struct pending pending; /* first: freed through it */
	struct list link;       /* loop.drains */
	struct conn *conn;
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
	struct conn *conn = wait->conn;
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

int drain_wait(struct conn *conn, int64_t timeout_ms, bool exit_after, bool is_oneway)
{
	struct drain_wait *wait = calloc(1, sizeof(*wait));
	struct section section;

	if (!wait)
		return -ENOMEM;
	wait->pending.free = free_wait;
	wait->conn = conn;
	wait->exit_after = exit_after;
	wait->is_oneway = is_oneway;
	broker_enter(conn->loop->server->broker, &section);
	wait->drain = broker_begin_drain(&section);
	broker_leave(&section);
	wait->deadline_us = timeout_ms < 0 ? INT64_MAX : section.now.now_us + timeout_ms * 1000;
	list_append(&conn->loop->drains, &wait->link);
	conn->pending = &wait->pending;
	/* Looked at from the loop, not from here: the call's handler has to return first. */
	loop_order(conn->loop, ORDER_DRAIN);
	return 0;
}
