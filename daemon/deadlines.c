/* SPDX-License-Identifier: MIT */
#include "daemon/deadlines.h"

#define EXPIRED_A_LOCK  64
#define SECTIONS_A_TURN 64                /* then others have their turn */
#define BEAT_MS         1000              /* broker_beat() wants a sign of life this often */
#define ACCEPTS_NS      INT64_C(50000000) /* who connects on and on holds deadlines back no longer */

/* ---- what has arrived ---- */

static void begin_to_accept(struct deadlines *deadlines, int64_t now_us)
{
	deadlines->phase = ACCEPTING;
	deadlines->asked_us = now_us;
	deadlines->accepts_until_ns = monotonic_ns() + ACCEPTS_NS;
	loop_spin(deadlines->loop);
}

static void begin_to_serve(struct deadlines *deadlines)
{
	struct server *server = deadlines->loop->server;

	deadlines->phase = SERVING;
	atomic_store(&server->barriers_up, server->n_loops);
	for (unsigned i = 1; i < server->n_loops; i++)
		loop_order(&server->loops[i], ORDER_BARRIER);
	barrier_raise_before_poll(deadlines->loop);
}

static bool are_all_through(const struct deadlines *deadlines)
{
	return deadlines->phase == SERVING &&
	       atomic_load(&deadlines->loop->server->barriers_up) == 0;
}

void deadlines_begin_turn(struct deadlines *deadlines)
{
	if (are_all_through(deadlines))
		deadlines_check(deadlines);
	if (deadlines->phase == ACCEPTING && (!listeners_accept(deadlines->listeners) ||
						     monotonic_ns() >= deadlines->accepts_until_ns))
		begin_to_serve(deadlines);
}

bool deadlines_want_turn(const struct deadlines *deadlines)
{
	return deadlines->phase == ACCEPTING || are_all_through(deadlines);
}

static void note_served(struct deadlines *deadlines, int64_t now_us)
{
	if (are_all_through(deadlines)) {
		deadlines->phase = NOTHING_DUE;
		deadlines->served_us = deadlines->asked_us;
	}
	if (deadlines->served_us > now_us) /* a stall was taken out of the clock */
		deadlines->served_us = 0;
}

/* ---- what is due ---- */

/* End what passed up to LIMIT_US, as much as fits in a turn; returns the next deadline. */
static int64_t expire(struct broker *broker, int64_t limit_us)
{
	struct section section;
	int64_t next_us;
	int n;

	for (int sections = 0; sections < SECTIONS_A_TURN; sections++) {
		broker_enter(broker, &section);
		for (n = 0; n < EXPIRED_A_LOCK && table_next_deadline(section.table) <= limit_us;
			n++)
			if (!table_expire(section.table, section.now, 1, &section.change))
				break; /* the clock was set back by a stall: later */
		next_us = table_next_deadline(section.table);
		broker_arm(broker, next_us);
		broker_leave(&section);
		if (n < EXPIRED_A_LOCK)
			break;
	}
	return next_us;
}

static void on_timer(uv_timer_t *timer)
{
	deadlines_check(timer->data);
}

/* While nothing is due or what is due waits: the next one, and the beat. */
static void arm(struct deadlines *deadlines, int64_t wait_ms)
{
	uv_update_time(&deadlines->loop->uv);
	uv_timer_start(
		&deadlines->timer, on_timer, (uint64_t)(wait_ms < BEAT_MS ? wait_ms : BEAT_MS), 0);
}

void deadlines_check(struct deadlines *deadlines)
{
	struct broker *broker = deadlines->loop->server->broker;
	int64_t next_us, now_us;

	note_served(deadlines, broker_time(broker).now_us);
	next_us = expire(broker, deadlines->served_us);
	broker_beat(broker, next_us != INT64_MAX);
	if (next_us <= deadlines->served_us) {
		loop_order(deadlines->loop, ORDER_DEADLINES);
		return;
	}
	now_us = broker_time(broker).now_us;
	if (next_us <= now_us && deadlines->phase == NOTHING_DUE)
		begin_to_accept(deadlines, now_us);
	if (next_us == INT64_MAX)
		uv_timer_stop(&deadlines->timer);
	else
		arm(deadlines, next_us > now_us ? (next_us - now_us) / 1000 + 1 : BEAT_MS);
}

int deadlines_init(struct deadlines *deadlines, struct loop *first, struct listeners *listeners)
{
	*deadlines =
		(struct deadlines){.loop = first, .listeners = listeners, .timer.data = deadlines};
	return uv_timer_init(&first->uv, &deadlines->timer);
}
