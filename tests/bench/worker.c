/* SPDX-License-Identifier: MIT */
#include "tests/bench/worker.h"

#include "tests/bench/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define EVENTS      64
#define PATIENCE_NS (INT64_C(10) * NS_PER_S) /* for a reply, and for a place in the backlog */
#define LOOK_NS     (NS_PER_S / 10)          /* how often the others' word is looked for */
#define RETRY_NS    (NS_PER_S / 1000)

static struct link *keeper_of(struct worker *w)
{
	return &w->links[w->n_links - 1];
}

static int get_stop(const struct worker *w)
{
	return atomic_load_explicit(&w->shared->stop, memory_order_relaxed);
}

void worker_fail(struct worker *w)
{
	int not_yet = STOP_NOT;

	atomic_compare_exchange_strong(&w->shared->stop, &not_yet, STOP_FAILED);
}

/* ---- memory ---- */

/* The part of N that is this thread's. */
static uint64_t share(const struct worker *w, uint64_t n)
{
	return n / w->load->threads + (w->index < n % w->load->threads);
}

static int init_links(struct worker *w)
{
	size_t room = dialect_request_room(w->load->dialect);
	struct lane *lane = w->lanes;
	int r = 0;

	for (unsigned i = 0; i < w->n_links && r == 0; i++) {
		struct link *link = &w->links[i];
		bool is_keeper = i + 1 == w->n_links;

		r = link_init(link, is_keeper ? KEEPER_DEPTH : w->load->depth, room);
		link->is_keeper = is_keeper;
		for (unsigned j = 0; j < link->depth; j++, lane++)
			*lane = (struct lane){.link = link,
				.number = (uint32_t)(lane - w->lanes) * w->load->threads + w->index,
				.slot = -1};
	}
	return r;
}

int worker_init(struct worker *w, const struct load *load, struct shared *shared, unsigned index)
{
	w->load = load;
	w->shared = shared;
	w->index = index;
	w->n_links = (unsigned)share(w, load->connections) + 1;
	w->n_lanes = (size_t)(w->n_links - 1) * load->depth + KEEPER_DEPTH;
	w->wanted = share(w, load->sessions);
	w->budget = load->count > 0 ? share(w, load->count) : UINT64_MAX;
	w->stock_room = w->wanted + w->n_lanes + (load->operation->is_stocked ? w->budget : 0);
	w->pace.rate = load->rate / load->threads;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->links = calloc(w->n_links, sizeof(*w->links));
	w->lanes = calloc(w->n_lanes, sizeof(*w->lanes));
	w->ready = calloc(w->n_lanes, sizeof(struct lane *));
	w->dirty = calloc(w->n_links, sizeof(struct link *));
	w->stock = calloc(w->stock_room, sizeof(*w->stock));
	if (!w->links || !w->lanes || !w->ready || !w->dirty || !w->stock)
		return -ENOMEM;
	return w->epoll < 0 ? -errno : init_links(w);
}

void worker_deinit(struct worker *w)
{
	for (unsigned i = 0; w->links && i < w->n_links; i++)
		link_deinit(&w->links[i]);
	free(w->links);
	free(w->lanes);
	free(w->ready);
	free(w->dirty);
	free(w->stock);
	if (w->epoll >= 0)
		close(w->epoll);
	outcome_deinit(&w->outcome);
}

/* ---- a turn ---- */

static int control(struct worker *w, struct link *link, int what)
{
	struct epoll_event event = {
		.events = EPOLLIN | (link->is_blocked ? (uint32_t)EPOLLOUT : 0), .data.ptr = link};

	link->is_awaited = link->is_blocked;
	return epoll_ctl(w->epoll, what, link->fd, &event) < 0 ? -errno : 0;
}

int worker_watch(struct worker *w, struct link *link)
{
	return control(w, link, EPOLL_CTL_ADD);
}

static void flush(struct worker *w, struct link *link)
{
	int r = link_flush(link);

	if (r == 0 && link->is_blocked != link->is_awaited)
		r = control(w, link, EPOLL_CTL_MOD);
	if (r < 0)
		lanes_lose(w, link, r);
}

static void flush_dirty(struct worker *w)
{
	for (unsigned i = 0; i < w->n_dirty; i++) {
		w->dirty[i]->is_dirty = false;
		if (w->dirty[i]->fd >= 0)
			flush(w, w->dirty[i]);
	}
	w->n_dirty = 0;
}

static void take_replies(struct worker *w, struct link *link)
{
	size_t at = 0, n;

	while ((n = w->load->dialect->reply_length(link->in + at, link->in_length - at)) > 0) {
		if (!lanes_take_reply(w, link, link->in + at, n))
			return;
		at += n;
	}
	link_consume(link, at);
}

static void on_readable(struct worker *w, struct link *link)
{
	int r = link_receive(link);

	w->now_ns = now_ns();
	if (r > 0) {
		w->heard_ns = w->now_ns;
		take_replies(w, link);
	} else if (r < 0) {
		lanes_lose(w, link, r);
	}
}

static void on_event(struct worker *w, struct link *link, uint32_t events)
{
	if (link->fd >= 0 && events & EPOLLOUT)
		flush(w, link);
	if (link->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_readable(w, link);
	flush_dirty(w);
}

/* Until the next op is due, the time is over, or others may have something to say. */
static int64_t time_to_wait(const struct worker *w)
{
	int64_t wait_ns = LOOK_NS;

	if (w->phase != PHASE_RUN)
		return wait_ns;
	if (w->until_ns - w->now_ns < wait_ns)
		wait_ns = w->until_ns - w->now_ns;
	if (w->n_ready > 0) {
		int64_t next_ns = w->pace.rate > 0 ? pace_due(&w->pace) - w->now_ns : RETRY_NS;

		if (next_ns < wait_ns)
			wait_ns = next_ns;
	}
	return wait_ns > 0 ? wait_ns : 0;
}

static int64_t cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/* What the warm-up could not send is forgotten: the measured time begins with nothing due. */
static void begin_to_measure(struct worker *w)
{
	if (w->cpu_from_ns >= 0 || w->now_ns < w->from_ns)
		return;
	w->cpu_from_ns = cpu_ns();
	w->pace.start_ns = w->from_ns;
	w->pace.taken = 0;
}

static void turn(struct worker *w)
{
	struct epoll_event events[EVENTS];
	int64_t wait_ns = time_to_wait(w);
	struct timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
	int n = epoll_pwait2(w->epoll, events, EVENTS, &wait, NULL);

	w->now_ns = now_ns();
	for (int i = 0; i < n; i++)
		on_event(w, events[i].data.ptr, events[i].events);
	if (w->phase == PHASE_RUN) {
		begin_to_measure(w);
		lanes_serve_ready(w);
	}
	flush_dirty(w);
}

/* ---- phases ---- */

static void enter(struct worker *w, enum phase phase)
{
	w->phase = phase;
	w->now_ns = w->heard_ns = now_ns();
	w->first_ready = w->n_ready = 0;
	for (size_t i = 0; i < w->n_lanes; i++) {
		if (!w->lanes[i].is_calling)
			lane_go(w, &w->lanes[i]);
	}
	flush_dirty(w);
}

/* Nothing has been heard for too long of what is under way. */
static bool is_vain(struct worker *w)
{
	if (w->now_ns - w->heard_ns < PATIENCE_NS)
		return false;
	lanes_note_error(w, "NoReply");
	worker_fail(w);
	return true;
}

static int open_link(struct worker *w, struct link *link)
{
	const struct timespec a_while = {.tv_nsec = RETRY_NS};
	int64_t end_ns = now_ns() + PATIENCE_NS;
	int r;

	while ((r = link_open(link, w->load->path)) == -EAGAIN && now_ns() < end_ns)
		nanosleep(&a_while, NULL);
	return r < 0 ? r : worker_watch(w, link);
}

static void open_links(struct worker *w)
{
	for (unsigned i = 0; i < w->n_links && get_stop(w) == STOP_NOT; i++) {
		int r = 0;

		if (!w->load->operation->reconnects || w->links[i].is_keeper)
			r = open_link(w, &w->links[i]);
		if (r < 0) {
			lanes_lose(w, &w->links[i], r);
			worker_fail(w);
		}
	}
}

static bool is_prepared(struct worker *w)
{
	if (w->wanted > 0 || keeper_of(w)->n_calling > 0)
		return false;
	if (w->load->operation->hands_over)
		return atomic_load(&w->shared->grants) >= w->load->holders;
	return w->n_calling == 0;
}

static void prepare(struct worker *w)
{
	w->phase = PHASE_PREPARE;
	open_links(w);
	enter(w, PHASE_PREPARE);
	while (get_stop(w) == STOP_NOT && !is_prepared(w) && !is_vain(w))
		turn(w);
}

/* All ops that may be begun have been, and those that are awaited here have been answered. */
static bool is_spent(const struct worker *w)
{
	return w->budget == 0 && (w->n_calling == 0 || w->load->operation->hands_over);
}

static void run(struct worker *w)
{
	w->from_ns = w->shared->start_ns + w->load->warmup_ns;
	w->until_ns = w->from_ns + w->load->duration_ns;
	w->pace.start_ns = w->shared->start_ns;
	w->cpu_from_ns = -1;
	enter(w, PHASE_RUN);
	while (get_stop(w) == STOP_NOT && w->now_ns < w->until_ns && !is_spent(w) &&
		w->n_lost + 1 < w->n_links) {
		turn(w);
	}
	if (w->now_ns < w->until_ns)
		w->until_ns = w->now_ns;
	if (w->cpu_from_ns >= 0)
		w->outcome.cpu_ns = cpu_ns() - w->cpu_from_ns;
	if (w->until_ns > w->from_ns)
		w->outcome.duration_s = (double)(w->until_ns - w->from_ns) / NS_PER_S;
	lanes_account_unsent(w);
}

static void clean(struct worker *w)
{
	enter(w, PHASE_CLEAN);
	while ((w->n_calling > 0 || (w->n_stock > 0 && keeper_of(w)->fd >= 0)) && !is_vain(w))
		turn(w);
}

void worker_main(struct worker *w)
{
	prctl(PR_SET_TIMERSLACK, 1);
	prepare(w);
	pthread_barrier_wait(&w->shared->barrier);
	if (w->index == 0)
		w->shared->start_ns = now_ns();
	pthread_barrier_wait(&w->shared->barrier);
	run(w);
	clean(w);
}
