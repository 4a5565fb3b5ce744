/* SPDX-License-Identifier: MIT */
#include "daemon/barrier.h"

#include "daemon/conn.h"

#define PATIENCE_MS 100

static void raise_for(struct loop *loop, unsigned turns)
{
	loop->barrier.is_up = true;
	loop->barrier.turns_wanted = turns;
	loop_spin(loop);
}

void barrier_raise(struct loop *loop)
{
	raise_for(loop, 2); /* this one may have polled before it was asked */
}

void barrier_raise_before_poll(struct loop *loop)
{
	raise_for(loop, 1);
}

static void on_out_of_patience(uv_timer_t *timer)
{
	struct loop *loop = timer->data;

	loop->barrier.is_out_of_patience = true; /* at the end of a turn, for the last time */
	loop_spin(loop);
}

/* Whether it is for the broker to serve what is left: the client takes its replies so far. */
static bool is_served(const struct conn *conn)
{
	return !conn->is_waited_out && !conn->is_sending;
}

static void begin_to_wait(struct loop *loop)
{
	struct barrier *barrier = &loop->barrier;

	list_for_each(link, &barrier->behind) {
		struct conn *conn = container_of(link, struct conn, behind_link);
		size_t unread;

		if (!is_served(conn))
			continue;
		unread = conn_unread(conn);
		if (!unread && !frame_is_whole(&conn->frames))
			continue;
		conn->awaited_bytes = conn->served_bytes + frame_bytes(&conn->frames) + unread;
		list_append(&barrier->awaited, &conn->awaited_link);
	}
	if (list_is_empty(&barrier->awaited))
		return;
	uv_update_time(&loop->uv); /* the turn may have been long */
	uv_timer_start(&barrier->patience, on_out_of_patience, PATIENCE_MS, 0);
}

static void let_through(struct barrier *barrier)
{
	list_for_each_safe(link, &barrier->awaited) {
		struct conn *conn = container_of(link, struct conn, awaited_link);

		if (conn->served_bytes >= conn->awaited_bytes || !is_served(conn))
			list_remove(link);
	}
}

static void wait_no_longer(struct barrier *barrier)
{
	list_for_each_safe(link, &barrier->awaited) {
		container_of(link, struct conn, awaited_link)->is_waited_out = true;
		list_remove(link);
	}
}

static void lower(struct loop *loop)
{
	struct server *server = loop->server;

	uv_timer_stop(&loop->barrier.patience);
	loop->barrier.is_out_of_patience = false;
	loop->barrier.is_up = false;
	if (atomic_fetch_sub(&server->barriers_up, 1) > 1)
		return;
	if (loop == &server->loops[0])
		loop_spin(loop); /* it looks by itself before it polls */
	else
		loop_order(&server->loops[0], ORDER_DEADLINES);
}

void barrier_end_turn(struct loop *loop)
{
	struct barrier *barrier = &loop->barrier;

	if (!barrier->is_up)
		return;
	if (barrier->turns_wanted > 0) {
		if (--barrier->turns_wanted > 0)
			return;
		begin_to_wait(loop);
	}
	let_through(barrier);
	if (barrier->is_out_of_patience)
		wait_no_longer(barrier);
	if (list_is_empty(&barrier->awaited))
		lower(loop);
}

bool barrier_wants_turn(const struct loop *loop)
{
	return loop->barrier.turns_wanted > 0;
}

void barrier_note(struct conn *conn, bool is_behind, bool has_caught_up)
{
	if (has_caught_up)
		conn->is_waited_out = false;
	if (!is_behind)
		barrier_forget(conn);
	else if (list_is_empty(&conn->behind_link))
		list_append(&conn->loop->barrier.behind, &conn->behind_link);
}

void barrier_forget(struct conn *conn)
{
	list_remove(&conn->behind_link);
	list_remove(&conn->awaited_link);
}

void barrier_init(struct loop *loop)
{
	list_init(&loop->barrier.behind);
	list_init(&loop->barrier.awaited);
	loop->barrier.patience.data = loop;
	uv_timer_init(&loop->uv, &loop->barrier.patience);
}
