/* SPDX-License-Identifier: MIT */
#include "daemon/wait.h"

#include "daemon/config.h"
#include "daemon/ops_create.h"
#include "daemon/ops_view.h"
#include "daemon/session_log.h"

#include <stdlib.h>

#define DECIDED_A_LOCK  32
#define PROGRESS_MS     500
#define PROGRESS_A_LOCK 16
#define PROGRESS_A_TURN 256
#define STEPS_A_LOCK    POSITION_MAX /* of looking for places in queues */

struct create_wait {
	struct pending pending; /* first: freed through it */
	struct waiter waiter;
	struct list link; /* loop.waits, if it wants to know its place */
	bool is_oneway;
	bool is_table_s;   /* the waiter is */
	uint64_t position; /* last told */
	uint64_t waiting;
};

static void free_wait(struct pending *pending)
{
	create_wait_free(container_of(pending, struct create_wait, pending));
}

struct create_wait *create_wait_new(struct conn *conn)
{
	struct create_wait *wait = calloc(1, sizeof(*wait));

	if (!wait)
		return NULL;
	wait->pending.free = free_wait;
	wait->pending.conn = conn;
	list_init(&wait->link);
	return wait;
}

struct waiter *create_wait_waiter(struct create_wait *wait)
{
	return &wait->waiter;
}

void create_wait_free(struct create_wait *wait)
{
	struct section section;

	if (!wait)
		return;
	if (wait->is_table_s) {
		broker_enter(wait->pending.conn->loop->server->broker, &section);
		table_abandon_wait(section.table, &wait->waiter, section.now, &section.change);
		broker_leave(&section);
	}
	list_remove(&wait->link);
	session_unref(wait->waiter.session);
	free(wait);
}

/* ---- the end ---- */

static void refuse_wait(struct request *request, const struct create_wait *wait)
{
	const struct waiter *waiter = &wait->waiter;
	const struct session *session = waiter->session;
	struct message_text pool = message_from_text(session->pool_name);
	struct wait_error timeout = {pool, (waiter->decided_us - waiter->since_us) / 1000};
	struct cancelled_error cancelled = {message_cstring(session->request_id)};

	switch (waiter->status) {
	case STATUS_WAIT_TIMEOUT:
		refuse(request, waiter->status, &wait_timeout_error, &timeout);
		break;
	case STATUS_CANCELLED:
		refuse(request, waiter->status, &cancelled_error_table, &cancelled);
		break;
	case STATUS_NO_SUCH_POOL:
		refuse(request, waiter->status, &no_such_pool_error, &(struct pool_error){pool});
		break;
	case STATUS_INVALID_PARAMETER:
		refuse_units(request, waiter->limit);
		break;
	case STATUS_QUOTA_EXCEEDED:
		refuse_quota(request, pool, waiter->quota, waiter->limit, 0, session->units);
		break;
	case STATUS_STORE_UNAVAILABLE:
		refuse_store(request);
		break;
	default:
		refuse(request, waiter->status, NULL, NULL);
		break;
	}
}

static void log_end(const struct create_wait *wait, const struct session_view *view)
{
	const struct text *pool = wait->waiter.session->pool_name;
	const struct peer *peer = &wait->pending.conn->owner.peer;
	int64_t log_sessions = wait->pending.conn->loop->config->log_sessions;

	if (wait->waiter.status == 0 && log_sessions == LOG_SESSIONS_ALL)
		log_session_created(view, peer);
	if (wait->waiter.status != 0 && log_sessions != LOG_SESSIONS_NONE)
		log_session_refused(pool->bytes, pool->length, peer, wait->waiter.status);
}

static void answer(struct create_wait *wait, struct session_view *view)
{
	struct conn *conn = wait->pending.conn;
	struct request request = request_of(conn);

	wait->is_table_s = false;
	log_end(wait, view);
	if (!wait->is_oneway) {
		if (wait->waiter.status == 0)
			reply_created(&request, view, false);
		else
			refuse_wait(&request, wait);
	}
	if (wait->waiter.status == 0)
		session_view_deinit(view);
	conn_finish_pending(conn);
}

static size_t take(struct loop *loop, struct waiter **waiters, struct session_view *views)
{
	struct section section;
	size_t n = 0;

	broker_enter(loop->server->broker, &section);
	for (; n < DECIDED_A_LOCK; n++) {
		waiters[n] =
			table_take_decided(section.table, &loop->inbox, section.now, &views[n]);
		if (!waiters[n])
			break;
	}
	broker_leave(&section);
	return n;
}

/* The answers are only gathered here: no connection closes before all that were taken are told. */
void waits_take_decided(struct loop *loop)
{
	struct waiter *waiters[DECIDED_A_LOCK];
	struct session_view views[DECIDED_A_LOCK];
	size_t n;

	do {
		n = take(loop, waiters, views);
		for (size_t i = 0; i < n; i++)
			answer(container_of(waiters[i], struct create_wait, waiter), &views[i]);
	} while (n == DECIDED_A_LOCK);
}

/* ---- progress ---- */

/* A client that does not read is told its place when it does. */
static bool can_be_told(const struct create_wait *wait)
{
	return !wait->pending.conn->is_sending && wait->pending.conn->out.length == 0;
}

static void tell_place(struct create_wait *wait, uint64_t position, uint64_t waiting)
{
	struct conn *conn = wait->pending.conn;
	struct request request = request_of(conn);

	if (position == 0 || (position == wait->position && waiting == wait->waiting) ||
		!can_be_told(wait))
		return;
	wait->position = position;
	wait->waiting = waiting;
	reply_queued(&request, position, waiting);
	conn_touch(conn);
}

struct place {
	struct create_wait *wait;
	uint64_t position; /* 0: decided meanwhile */
	uint64_t waiting;
};

/* The places of the first ones in the list, which go to its end. Returns how many. */
static size_t look_up_places(struct loop *loop, struct place *places, size_t max)
{
	struct section section;
	uint64_t steps = 0;
	size_t n = 0;

	broker_enter(loop->server->broker, &section);
	for (; n < max && steps < STEPS_A_LOCK && !list_is_empty(&loop->waits); n++) {
		struct create_wait *wait = container_of(loop->waits.next, struct create_wait, link);

		list_remove(&wait->link);
		list_append(&loop->waits, &wait->link);
		places[n] = (struct place){.wait = wait};
		if (!wait->waiter.is_decided)
			places[n].position =
				table_position(section.table, &wait->waiter, &places[n].waiting);
		steps += 1 + places[n].position;
	}
	broker_leave(&section);
	return n;
}

static size_t count_waits(const struct loop *loop)
{
	size_t n = 0;

	list_for_each(link, &loop->waits)
		n++;
	return n;
}

/* In portions, and in a long queue only so many each time: who is far behind is told less often. */
static void on_progress(uv_timer_t *timer)
{
	struct loop *loop = timer->data;
	struct place places[PROGRESS_A_LOCK];
	size_t left = count_waits(loop);

	if (left == 0)
		uv_timer_stop(timer);
	if (left > PROGRESS_A_TURN)
		left = PROGRESS_A_TURN;
	while (left > 0) {
		size_t n = look_up_places(
			loop, places, left < PROGRESS_A_LOCK ? left : PROGRESS_A_LOCK);

		for (size_t i = 0; i < n; i++)
			tell_place(places[i].wait, places[i].position, places[i].waiting);
		left -= n;
	}
}

void create_wait_begin(
	struct create_wait *wait, struct request *request, uint64_t position, uint64_t waiting)
{
	create_wait_carry_in(wait, &(struct carried_wait){
					   .is_oneway = request->call->oneway,
					   .wants_progress = request->call->more,
					   .position = position,
					   .waiting = waiting,
				   });
}

/* ---- from one daemon to the next ---- */

void create_wait_carry_out(const struct waiter *waiter, struct carried_wait *ret)
{
	const struct create_wait *wait = container_of(waiter, const struct create_wait, waiter);

	*ret = (struct carried_wait){
		.is_oneway = wait->is_oneway,
		.wants_progress = !list_is_empty(&wait->link),
		.position = wait->position,
		.waiting = wait->waiting,
	};
}

void create_wait_carry_in(struct create_wait *wait, const struct carried_wait *carried)
{
	struct loop *loop = wait->pending.conn->loop;

	wait->is_table_s = true;
	wait->is_oneway = carried->is_oneway;
	wait->position = carried->position;
	wait->waiting = carried->waiting;
	conn_begin_pending(wait->pending.conn, &wait->pending);
	if (!carried->wants_progress)
		return;
	list_append(&loop->waits, &wait->link);
	if (!uv_is_active((uv_handle_t *)&loop->progress))
		uv_timer_start(&loop->progress, on_progress, PROGRESS_MS, PROGRESS_MS);
}
