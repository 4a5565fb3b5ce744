/* SPDX-License-Identifier: MIT */
#include "daemon/deadlines.h"

#define EXPIRED_A_LOCK  64
#define SECTIONS_A_TURN 64   /* then others have their turn */
#define BEAT_MS         1000 /* broker_beat() wants a sign of life this often */

static int64_t read_up_to(const struct server *server)
{
	int64_t least = INT64_MAX;

	for (unsigned i = 0; i < server->n_loops; i++) {
		int64_t drained = atomic_load(&server->loops[i].drained_us);

		if (drained < least)
			least = drained;
	}
	return least;
}

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

static void ask_for_turns(struct deadlines *deadlines, int64_t now_us)
{
	struct server *server = deadlines->loop->server;

	deadlines->is_asking = true;
	deadlines->asked_us = now_us;
	for (unsigned i = 0; i < server->n_loops; i++)
		loop_order(&server->loops[i], ORDER_TURN);
}

static void on_timer(uv_timer_t *timer)
{
	deadlines_check(timer->data);
}

static void arm(struct deadlines *deadlines, int64_t next_us, int64_t now_us)
{
	int64_t wait_ms = (next_us - now_us) / 1000 + 1;

	uv_update_time(&deadlines->loop->uv);
	uv_timer_start(
		&deadlines->timer, on_timer, (uint64_t)(wait_ms < BEAT_MS ? wait_ms : BEAT_MS), 0);
}

void deadlines_check(struct deadlines *deadlines)
{
	struct server *server = deadlines->loop->server;
	int64_t limit_us = read_up_to(server);
	int64_t next_us = expire(server->broker, limit_us);
	int64_t now_us;

	broker_beat(server->broker, next_us != INT64_MAX);
	if (next_us <= limit_us) {
		loop_order(deadlines->loop, ORDER_DEADLINES);
		return;
	}
	now_us = broker_time(server->broker).now_us;
	if (deadlines->is_asking && limit_us >= deadlines->asked_us)
		deadlines->is_asking = false;
	if (next_us == INT64_MAX)
		uv_timer_stop(&deadlines->timer);
	else if (next_us > now_us)
		arm(deadlines, next_us, now_us);
	else if (!deadlines->is_asking)
		ask_for_turns(deadlines, now_us);
}

int deadlines_init(struct deadlines *deadlines, struct loop *first)
{
	deadlines->loop = first;
	deadlines->timer.data = deadlines;
	return uv_timer_init(&first->uv, &deadlines->timer);
}
