/* SPDX-License-Identifier: MIT */
/* What is around the committer in the daemon: the broker without its lock and clock, loops without
 * polling, a timer, a log that nobody reads. */
#include "tests/model/commit_model.h"

#include "daemon/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GRANTS_A_SECTION 1 /* so that some are left to the next one */

/* ---- the broker ---- */

static struct table_time sim_now(void)
{
	return (struct table_time){sim.now_us, INT64_C(1000000000000000) + sim.now_us};
}

void broker_enter(struct broker *broker, struct section *section)
{
	section->broker = broker;
	section->table = sim.table;
	section->now = sim_now();
	table_change_init(&section->change);
	table_begin_section(sim.table);
}

void enter(struct section *section)
{
	broker_enter(NULL, section);
}

static void give_memory(void)
{
	struct table_wants wants;
	struct table_supply supply;

	if (!table_wants(sim.table, &wants))
		return;
	table_supply_init(&supply, &wants);
	table_give(sim.table, &wants, &supply);
	table_supply_deinit(&supply);
}

void broker_leave(struct section *section)
{
	if (table_pump(sim.table, section->now, GRANTS_A_SECTION, &section->change))
		loop_order(&sim.loops[sim.current], ORDER_PUMP);
	sim.sides[sim.current].seen = table_changed(sim.table);
	for (unsigned i = 0; i < N_LOOPS; i++)
		if (section->change.ring >> i & 1)
			loop_order(&sim.loops[i], ORDER_TAKE);
	table_change_deinit(&section->change);
	give_memory();
}

uint64_t broker_seen(void)
{
	return sim.sides[sim.current].seen;
}

int64_t broker_stalled_us(struct broker *broker)
{
	(void)broker;
	return 0;
}

int64_t monotonic_ns(void)
{
	return sim.now_us * 1000;
}

/* ---- around it ---- */

void loop_order(struct loop *loop, unsigned orders)
{
	atomic_fetch_or(&loop->orders, orders);
}

void log_entry(int priority, const struct log_field *fields, size_t n, const char *format, ...)
{
	(void)priority, (void)fields, (void)n, (void)format;
}

int state_mark_fences(struct state *state, uint64_t mark)
{
	if (sim.cannot_mark_fences) {
		met(SIM_FENCES_FAILED);
		return -EIO;
	}
	state->fence_mark = mark;
	return 0;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	(void)loop, (void)timer;
	return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
	(void)timeout;
	EXPECT(repeat > 0, true);
	sim.retry = callback;
	sim.timer = timer;
	return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
	(void)timer;
	sim.retry = NULL;
	return 0;
}

/* ---- the turn of a loop, as in loop.c and conn.c ---- */

static const char *const texts[] = {"created", "updated", "released", "refused"};

void gather(unsigned loop, struct reply reply, struct session *session)
{
	struct sim_loop *side = &sim.sides[loop];
	const char *text = texts[reply.told];
	size_t begin = side->out.length;

	if (side->n_replies == REPLIES_MAX)
		abort();
	json_write_bytes(&side->out, text, strlen(text) + 1);
	side->replies[side->n_replies++] = reply;
	if (session)
		EXPECT(promises_add(&side->promises, begin, side->out.length, session), 0);
}

static void break_promises(struct sim_loop *side)
{
	struct json_writer refusal;
	struct section section;

	if (!side->promises.count)
		return;
	enter(&section);
	for (size_t i = 0; i < side->promises.count; i++)
		side->promises.items[i].is_broken = side->promises.items[i].session->is_undone;
	broker_leave(&section);
	json_writer_init(&refusal);
	json_write_bytes(&refusal, "refused", sizeof("refused"));
	promises_break(&side->promises, &refusal, &side->out);
	json_writer_deinit(&refusal);
}

static void flush(unsigned index)
{
	struct loop *loop = &sim.loops[index];
	struct sim_loop *side = &sim.sides[index];
	uint64_t failures;

	side->is_held_up = !commit_settle(sim.committer, loop);
	if (side->is_held_up) {
		met(SIM_HELD_UP);
		return;
	}
	failures = commit_failures(sim.committer);
	if (failures != loop->failures_seen)
		break_promises(side);
	loop->failures_seen = failures;
	promises_keep(&side->promises);
	hear(side);
	json_writer_truncate(&side->out, 0);
}

static void take_decided(unsigned loop)
{
	struct sim_loop *side = &sim.sides[loop];
	struct section section;
	struct session_view view;
	struct waiter *waiter;

	for (;;) {
		struct reply reply = {.told = TOLD_REFUSED};

		enter(&section);
		waiter = table_take_decided(section.table, &side->inbox, section.now, &view);
		broker_leave(&section);
		if (!waiter)
			return;
		reply.number = (uint32_t)(waiter->session->id - 1);
		if (waiter->status == STATUS_STORE_UNAVAILABLE)
			met(SIM_GRANT_UNDONE);
		if (waiter->status == 0) {
			reply.told = TOLD_CREATED;
			reply.fence = view.fence;
		}
		gather(loop, reply, waiter->status == 0 ? waiter->session : NULL);
		if (waiter->status == 0)
			session_view_deinit(&view);
		waiter->session = session_unref(waiter->session);
	}
}

void turn(unsigned loop)
{
	unsigned before = sim.current;
	unsigned orders = atomic_exchange(&sim.loops[loop].orders, 0);
	struct section section;

	sim.current = loop;
	if (orders & ORDER_PUMP) {
		enter(&section);
		broker_leave(&section);
	}
	if (orders & ORDER_TAKE)
		take_decided(loop);
	if (orders & ORDER_RETRY_STORE)
		committer_retry(sim.committer);
	flush(loop);
	sim.current = before;
}

void fire(void)
{
	sim.current = 0; /* whose timer it is */
	if (sim.retry)
		sim.retry(sim.timer);
}

/* ---- lives ---- */

struct text *make_metadata(uint32_t version)
{
	static const char bytes[VERSION_MAX];

	return text_new(bytes, version);
}

static struct process *make_process(struct identity *identity)
{
	(void)identity;
	abort(); /* all sessions are detached */
}

static void take_process(struct process *process)
{
	(void)process;
	abort();
}

static void make_table(void)
{
	struct table_options options = {
		.hash_seed = {1, 2},
		.first_fence = sim.state.fence_mark ? sim.state.fence_mark : 1,
		.history_limit = 2,
	};
	struct pool_settings settings = pool_settings_builtin;
	struct section section;

	settings.limit = LIMIT;
	sim.table = table_new(&options);
	sim.fence_before = options.first_fence - 1;
	enter(&section);
	table_set_pool(section.table, pool_new("default", 7, &settings, POOL_FILE), section.now,
		&section.change);
	broker_leave(&section);
}

static void init_side(unsigned i)
{
	struct sim_loop *side = &sim.sides[i];

	*side = (struct sim_loop){0};
	owner_init(&side->owner);
	side->owner.peer.uid = 1000;
	inbox_init(&side->inbox, i);
	json_writer_init(&side->out);
	sim.loops[i].server = &sim.server;
	sim.loops[i].index = i;
	sim.loops[i].failures_seen = 0;
	atomic_store(&sim.loops[i].orders, 0);
	atomic_store(&sim.loops[i].is_awaiting_commit, false);
}

void begin_life(void)
{
	const struct list_store_world world = {
		make_process, take_process, take_process, give_memory};

	sim.server.loops = sim.loops;
	sim.server.n_loops = N_LOOPS;
	sim.current = 0;
	sim.is_inside = false;
	for (unsigned i = 0; i < N_LOOPS; i++)
		init_side(i);
	make_table();
	EXPECT(list_store_restore(&sim.durable, sim.table, &world, INT64_MAX, sim_now()), 0);
	look_after_stop();
	sim.has_failed = sim.has_come_up = false;
	sim.retry = NULL;
	sim.committer = committer_new(&sim.server, &sim.state, NULL, 0);
	committer_begin(sim.committer, &sim.loops[0], false);
}

/* As it happens to be, also in the middle of a commit. */
void end_life(void)
{
	for (unsigned i = 0; i < N_LOOPS; i++) {
		json_writer_deinit(&sim.sides[i].out);
		promises_deinit(&sim.sides[i].promises);
	}
	committer_free(sim.committer);
	table_free(sim.table);
	for (uint32_t i = 0; i < sim.n_known; i++)
		sim.known[i].waiter.session = session_unref(sim.known[i].waiter.session);
}

void stop_machine(void)
{
	longjmp(sim.stopped, 1);
}
