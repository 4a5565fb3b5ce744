/* SPDX-License-Identifier: MIT */
#include "daemon/loop.h"

#include "daemon/commit.h"
#include "daemon/conn.h"
#include "daemon/deadlines.h"
#include "daemon/drain.h"
#include "daemon/failpoint.h"
#include "daemon/log.h"
#include "daemon/monitor.h"
#include "daemon/owners.h"
#include "daemon/recount.h"
#include "daemon/wait.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct adoption {
	struct list link; /* loop.mailbox */
	int fd;
	struct peer peer;
	enum admission admission;
};

/* ---- from other threads ---- */

void loop_order(struct loop *loop, unsigned orders)
{
	atomic_fetch_or(&loop->orders, orders);
	uv_async_send(&loop->wake);
}

static _Thread_local struct loop *own; /* that this thread runs */

void loop_ring(struct loop *loop)
{
	if (loop != own) {
		loop_order(loop, ORDER_TAKE);
		return;
	}
	loop->is_rung = true;
	loop_spin(loop);
}

static void reject(struct loop *loop, int fd, struct peer *peer, enum admission admission)
{
	close(fd);
	server_leave(loop->server, peer->uid, admission);
	peer_deinit(peer);
}

static void adopt(struct loop *loop, int fd, struct peer *peer, enum admission admission)
{
	if (loop->is_stopping)
		reject(loop, fd, peer, admission);
	else if (!conn_new(loop, fd, peer, admission))
		server_leave(loop->server, peer->uid, admission);
}

/* What is the first loop's own is read from in the very turn, if that has not polled yet. */
void loop_adopt(struct loop *loop, int fd, struct peer *peer, enum admission admission)
{
	struct adoption *adoption;

	if (loop == &loop->server->loops[0]) {
		adopt(loop, fd, peer, admission);
		return;
	}
	adoption = malloc(sizeof(*adoption));
	if (!adoption) {
		reject(loop, fd, peer, admission);
		return;
	}
	*adoption = (struct adoption){.fd = fd, .peer = *peer, .admission = admission};
	pthread_mutex_lock(&loop->mailbox_lock);
	list_append(&loop->mailbox, &adoption->link);
	pthread_mutex_unlock(&loop->mailbox_lock);
	uv_async_send(&loop->wake);
}

void loop_leave_watch(struct loop *loop, struct list *link)
{
	pthread_mutex_lock(&loop->mailbox_lock);
	list_append(&loop->idle_watches, link);
	pthread_mutex_unlock(&loop->mailbox_lock);
	uv_async_send(&loop->wake);
}

struct list *loop_take_watch(struct loop *loop)
{
	struct list *link = NULL;

	pthread_mutex_lock(&loop->mailbox_lock);
	if (!list_is_empty(&loop->idle_watches)) {
		link = loop->idle_watches.next;
		list_remove(link);
	}
	pthread_mutex_unlock(&loop->mailbox_lock);
	return link;
}

static struct adoption *take_adoption(struct loop *loop)
{
	struct adoption *adoption = NULL;

	pthread_mutex_lock(&loop->mailbox_lock);
	if (!list_is_empty(&loop->mailbox)) {
		adoption = container_of(loop->mailbox.next, struct adoption, link);
		list_remove(&adoption->link);
	}
	pthread_mutex_unlock(&loop->mailbox_lock);
	return adoption;
}

/* The first thing that comes of a poll looks at the clock, for all of its turn. */
int64_t loop_polled_ns(struct loop *loop)
{
	if (!loop->polled_ns)
		loop->polled_ns = monotonic_ns();
	return loop->polled_ns;
}

/* ---- output ---- */

static void break_promises(struct loop *loop)
{
	list_for_each_safe(link, &loop->dirty) /* one that there is no memory for is closed */
		conn_break_promises(container_of(link, struct conn, dirty_link));
}

bool loop_may_write(struct loop *loop)
{
	struct committer *committer = loop->server->committer;

	return commit_settle(committer, loop) && commit_failures(committer) == loop->failures_seen;
}

/* Nothing leaves before what it tells of is durable. */
static void flush_dirty(struct loop *loop)
{
	struct committer *committer = loop->server->committer;
	uint64_t failures;

	if (!commit_settle(committer, loop))
		return;
	failures = commit_failures(committer);
	if (failures != loop->failures_seen)
		break_promises(loop);
	loop->failures_seen = failures;
	while (!list_is_empty(&loop->dirty)) {
		struct conn *conn = container_of(loop->dirty.next, struct conn, dirty_link);

		list_remove(&conn->dirty_link);
		conn_flush(conn);
	}
}

/* ---- orders ---- */

static void stop(struct loop *loop)
{
	loop->is_stopping = true;
	commit_finish(loop->server->committer, loop);
	flush_dirty(loop);
	list_for_each_safe(link, &loop->conns)
		conn_close(container_of(link, struct conn, link), NULL);
}

static void take_config(struct loop *loop)
{
	config_unref(loop->config);
	loop->config = server_config(loop->server);
}

static void adopt_all(struct loop *loop)
{
	struct adoption *adoption;

	while ((adoption = take_adoption(loop))) {
		FAILPOINT("loop.adopt");
		adopt(loop, adoption->fd, &adoption->peer, adoption->admission);
		free(adoption);
	}
}

/* Leaving a lock section grants to those who wait. */
static void pump(struct broker *broker)
{
	struct section section;

	broker_enter(broker, &section);
	broker_leave(&section);
}

/* Who has waited is told before who is told of what is done already. */
static void take(struct loop *loop)
{
	struct list others;

	list_init(&others);
	list_move_all(&others, &loop->dirty);
	loop->is_rung = false;
	waits_take_decided(loop);
	list_move_all(&loop->dirty, &others);
	monitors_take_events(loop);
}

/* uv_async coalesces: one call may stand for many sends, so everything is looked at. */
static void obey(struct loop *loop, unsigned orders)
{
	if (orders & ORDER_CONFIG)
		take_config(loop);
	if (orders & ORDER_DRAIN)
		drain_check(loop);
	if (orders & ORDER_STOP)
		stop(loop);
	if (orders & ORDER_PUMP)
		pump(loop->server->broker);
	if (orders & ORDER_TAKE)
		take(loop);
	if (orders & ORDER_RETRY_STORE)
		committer_retry(loop->server->committer);
	if ((orders & ORDER_DEADLINES) && loop->deadlines)
		deadlines_check(loop->deadlines);
	if (orders & ORDER_BARRIER)
		barrier_raise(loop);
	if (orders & ORDER_SIGN)
		atomic_store(&loop->has_given_sign, true);
	owners_reap(loop);
	adopt_all(loop);
	if (orders & ORDER_HALT)
		uv_stop(&loop->uv);
}

static void on_wake(uv_async_t *async)
{
	struct loop *loop = async->data;

	obey(loop, atomic_exchange(&loop->orders, 0));
}

/* ---- the turn ---- */

static void on_spin(uv_idle_t *idle)
{
	(void)idle;
}

void loop_spin(struct loop *loop)
{
	uv_idle_start(&loop->spin, on_spin);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;

	if (loop->polled_ns)
		histogram_add(&loop->stats.lag_ns, monotonic_ns() - loop->polled_ns, 1);
	loop->polled_ns = 0;
	loop->turn++;
	recounts_begin_turn(loop);
	if (loop->deadlines)
		deadlines_begin_turn(loop->deadlines);
}

/* Those that are in the list now: who is put back waits for the next turn. */
static void work_on_backlog(struct loop *loop)
{
	struct list now;

	if (list_is_empty(&loop->backlog))
		return;
	list_init(&now);
	list_move_all(&now, &loop->backlog);
	while (!list_is_empty(&now)) {
		struct conn *conn = container_of(now.next, struct conn, backlog_link);

		list_remove(&conn->backlog_link);
		conn_work(conn);
	}
}

static void let_leave(struct loop *loop)
{
	list_for_each_safe(link, &loop->leaving)
		conn_leave(container_of(link, struct conn, link));
}

static bool has_work_left(const struct loop *loop)
{
	return !list_is_empty(&loop->backlog) || recounts_may_go_on(loop) ||
	       !list_is_empty(&loop->leaving) || loop->is_rung || barrier_wants_turn(loop) ||
	       (loop->deadlines && deadlines_want_turn(loop->deadlines));
}

static void on_check(uv_check_t *check)
{
	struct loop *loop = check->data;

	loop_polled_ns(loop);
	if (loop->is_rung)
		take(loop);
	work_on_backlog(loop);
	recounts_go_on(loop);
	flush_dirty(loop);
	let_leave(loop);
	barrier_end_turn(loop);
	if (!has_work_left(loop))
		uv_idle_stop(&loop->spin);
	if (loop->is_stopping && list_is_empty(&loop->conns) && list_is_empty(&loop->leaving))
		uv_stop(&loop->uv);
}

/* Looked at often enough for the shortest time-out that may be set. */
#define SWEEP_MS      50
#define SWEPT_MOST_NS INT64_C(100000000) /* what the time between two looks counts for at most */

int64_t loop_peers_ns(const struct loop *loop)
{
	int64_t since_ns = monotonic_ns() - loop->swept_ns;

	return loop->peers_ns + (since_ns < SWEPT_MOST_NS ? since_ns : SWEPT_MOST_NS);
}

static void note_sweep(struct loop *loop)
{
	loop->peers_ns = loop_peers_ns(loop);
	loop->swept_ns = monotonic_ns();
}

static void on_sweep(uv_timer_t *timer)
{
	struct loop *loop = timer->data;

	note_sweep(loop);
	list_for_each_safe(link, &loop->watched)
		conn_check_progress(container_of(link, struct conn, watch_link), loop->peers_ns);
	if (list_is_empty(&loop->watched))
		uv_timer_stop(timer);
}

void loop_watch(struct loop *loop, struct list *link)
{
	if (!list_is_empty(link))
		return;
	list_append(&loop->watched, link);
	if (uv_is_active((uv_handle_t *)&loop->sweep))
		return;
	note_sweep(loop);
	uv_timer_start(&loop->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

/* ---- begin and end ---- */

char *loop_scratch(struct loop *loop, size_t size)
{
	char *larger;

	if (size <= loop->scratch_size)
		return loop->scratch;
	larger = realloc(loop->scratch, size);
	if (!larger)
		return NULL;
	loop->scratch = larger;
	loop->scratch_size = size;
	return larger;
}

static void init_lists(struct loop *loop)
{
	struct list *const lists[] = {&loop->mailbox, &loop->conns, &loop->dirty, &loop->backlog,
		&loop->leaving, &loop->watched, &loop->drains, &loop->idle_watches, &loop->watches,
		&loop->waits, &loop->monitors, &loop->recounts};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		list_init(lists[i]);
}

int loop_init(struct loop *loop, struct server *server, unsigned index)
{
	uv_handle_t *const handles[] = {(uv_handle_t *)&loop->wake, (uv_handle_t *)&loop->prepare,
		(uv_handle_t *)&loop->check, (uv_handle_t *)&loop->spin,
		(uv_handle_t *)&loop->sweep, (uv_handle_t *)&loop->drain_timer,
		(uv_handle_t *)&loop->progress};
	int r = uv_loop_init(&loop->uv);

	if (r < 0)
		return r;
	r = uv_async_init(&loop->uv, &loop->wake, on_wake);
	if (r < 0) {
		uv_loop_close(&loop->uv);
		return r;
	}
	loop->server = server;
	loop->index = index;
	loop->config = server_config(server);
	init_lists(loop);
	pthread_mutex_init(&loop->mailbox_lock, NULL);
	uv_prepare_init(&loop->uv, &loop->prepare);
	uv_check_init(&loop->uv, &loop->check);
	uv_idle_init(&loop->uv, &loop->spin);
	uv_timer_init(&loop->uv, &loop->sweep);
	uv_timer_init(&loop->uv, &loop->drain_timer);
	uv_timer_init(&loop->uv, &loop->progress);
	barrier_init(loop);
	inbox_init(&loop->inbox, index);
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
		handles[i]->data = loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	uv_check_start(&loop->check, on_check);
	return 0;
}

static void close_handle(uv_handle_t *handle, void *context)
{
	(void)context;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void loop_deinit(struct loop *loop)
{
	owners_reap_all(loop);
	uv_walk(&loop->uv, close_handle, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	uv_loop_close(&loop->uv);
	adopt_all(loop);
	pthread_mutex_destroy(&loop->mailbox_lock);
	config_unref(loop->config);
	free(loop->scratch);
}

void loop_run(struct loop *loop)
{
	own = loop;
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

/* Deadlines are left to the next daemon: some input may not have been read. */
bool loop_settle(struct loop *loop)
{
	unsigned orders = atomic_exchange(&loop->orders, 0) &
			  ~(unsigned)(ORDER_BARRIER | ORDER_DEADLINES | ORDER_HALT);

	if (loop->is_rung)
		orders |= ORDER_TAKE;
	obey(loop, orders);
	flush_dirty(loop);
	let_leave(loop);
	return orders || loop->is_rung || !list_is_empty(&loop->leaving) ||
	       !list_is_empty(&loop->dirty);
}

void loop_clear(struct loop *loop)
{
	list_for_each_safe(link, &loop->conns)
		conn_close(container_of(link, struct conn, link), NULL);
	while (!list_is_empty(&loop->leaving))
		let_leave(loop);
}

static void *run_thread(void *data)
{
	struct loop *loop = data;

	while (sem_wait(&loop->may_run) < 0)
		;
	if (!loop->is_called_off)
		loop_run(loop);
	return NULL;
}

/* Signals are the first loop's. */
int loop_make_thread(struct loop *loop)
{
	sigset_t all, old;
	int r;

	sem_init(&loop->may_run, 0, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&loop->thread, NULL, run_thread, loop);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

void loop_run_thread(struct loop *loop)
{
	sem_post(&loop->may_run);
}

void loop_call_off_thread(struct loop *loop)
{
	loop->is_called_off = true;
	sem_post(&loop->may_run);
	pthread_join(loop->thread, NULL);
}
