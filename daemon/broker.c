/* SPDX-License-Identifier: MIT */
#include "daemon/broker.h"

#include "daemon/core/persist.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

struct broker {
	pthread_mutex_t lock;
	struct table *table;
	struct broker_stats stats;
	struct drain drain;
	bool is_drain_told; /* hooks.drain_changed was called at its end */
	int64_t armed_us;   /* what the owner of the deadlines waits for */
	pthread_mutex_t stall_lock;
	_Atomic int64_t stalled_us;
	_Atomic int64_t beat_ns; /* 0: no sign of life is due */
	uint64_t seed[2];
	struct broker_hooks hooks;
	void *context;
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#define STALL_NS INT64_C(1500000000)

void broker_beat(struct broker *broker, bool is_beating)
{
	/* Through the clock, which first takes note of a stall that the new sign would hide. */
	broker_time(broker);
	atomic_store(&broker->beat_ns, is_beating ? monotonic_ns() : 0);
}

void broker_keep_beating(struct broker *broker)
{
	if (atomic_load(&broker->beat_ns))
		broker_beat(broker, true);
}

static bool is_stale(struct broker *broker, int64_t now_ns)
{
	int64_t beat_ns = atomic_load(&broker->beat_ns);

	return beat_ns && now_ns - beat_ns > STALL_NS;
}

/* All threads wake from a stall together: none may read the clock before the stall is taken out,
 * or the table, whose time never goes back, would run ahead by it. */
static void take_out_stall(struct broker *broker)
{
	int64_t now_ns;

	pthread_mutex_lock(&broker->stall_lock);
	now_ns = monotonic_ns();
	if (is_stale(broker, now_ns)) {
		atomic_fetch_add(
			&broker->stalled_us, (now_ns - atomic_load(&broker->beat_ns)) / 1000);
		atomic_store(&broker->beat_ns, now_ns);
	}
	pthread_mutex_unlock(&broker->stall_lock);
}

/* How far the time of day is ahead of the monotonic clock, as each thread has seen it last. One
 * look at a clock is a twentieth of a call, so a set clock is noticed a little later. */
#define WALL_KEPT_NS   INT64_C(1000000)
#define WALL_LOOK_NS   20000 /* one that took longer was interrupted */
#define WALL_LOOKS_MAX 5

static _Thread_local struct {
	int64_t seen_ns;
	int64_t ahead_us;
} wall;

static void look_at_wall(void)
{
	int64_t begin_ns, wall_ns, end_ns;
	int looks = 0;

	do {
		begin_ns = clock_ns(CLOCK_MONOTONIC);
		wall_ns = clock_ns(CLOCK_REALTIME);
		end_ns = clock_ns(CLOCK_MONOTONIC);
	} while (end_ns - begin_ns > WALL_LOOK_NS && ++looks < WALL_LOOKS_MAX);
	wall.seen_ns = end_ns;
	wall.ahead_us = (wall_ns - begin_ns / 2 - end_ns / 2) / 1000;
}

int64_t broker_wall_us(int64_t monotonic_ns)
{
	if (!wall.seen_ns || monotonic_ns - wall.seen_ns >= WALL_KEPT_NS)
		look_at_wall();
	return monotonic_ns / 1000 + wall.ahead_us;
}

static struct table_time time_at(struct broker *broker, int64_t *now_ns)
{
	if (is_stale(broker, *now_ns)) {
		take_out_stall(broker);
		*now_ns = monotonic_ns();
	}
	return (struct table_time){
		.now_us = *now_ns / 1000 - atomic_load(&broker->stalled_us),
		.wall_us = broker_wall_us(*now_ns),
	};
}

struct table_time broker_time(struct broker *broker)
{
	int64_t now_ns = monotonic_ns();

	return time_at(broker, &now_ns);
}

const uint64_t *broker_seed(const struct broker *broker)
{
	return broker->seed;
}

const struct broker_stats *broker_stats(const struct broker *broker)
{
	return &broker->stats;
}

/* The kernel never gives less than 256 bytes at once. */
int broker_make_seed(uint64_t ret[2])
{
	size_t size = 2 * sizeof(ret[0]);

	return getrandom(ret, size, 0) == (ssize_t)size ? 0 : -EIO;
}

/* A section is shorter than going to sleep and being woken: who finds the lock held looks at it a
 * few times more before that. */
static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

struct broker *broker_new(
	const struct broker_options *from, const struct broker_hooks *hooks, void *context)
{
	struct broker *broker = calloc(1, sizeof(*broker));
	struct table_options options = {
		.hash_seed = {from->seed[0], from->seed[1]},
		.first_fence = from->first_fence,
		.history_limit = from->history_limit,
	};

	if (!broker)
		return NULL;
	broker->seed[0] = from->seed[0];
	broker->seed[1] = from->seed[1];
	broker->table = table_new(&options);
	if (!broker->table) {
		free(broker);
		return NULL;
	}
	broker->armed_us = INT64_MAX;
	broker->hooks = *hooks;
	broker->context = context;
	init_lock(&broker->lock);
	pthread_mutex_init(&broker->stall_lock, NULL);
	return broker;
}

void broker_free(struct broker *broker)
{
	if (!broker)
		return;
	table_free(broker->table);
	pthread_mutex_destroy(&broker->stall_lock);
	pthread_mutex_destroy(&broker->lock);
	free(broker);
}

int64_t broker_stalled_us(struct broker *broker)
{
	return atomic_load(&broker->stalled_us);
}

void broker_set_stalled(struct broker *broker, int64_t stalled_us)
{
	atomic_store(&broker->stalled_us, stalled_us);
}

/* Each loop is a thread. */
static _Thread_local uint64_t seen;

uint64_t broker_seen(void)
{
	return seen;
}

#define GRANTS_A_SECTION 64
#define HOLDS_A_SAMPLE   17 /* odd: calls may well come in pairs */

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, load(counter) + 1, memory_order_relaxed);
}

/* Try first, so that only an acquisition that found the lock held costs a look at the clock for
 * that, and counts as contended. */
static void lock(struct broker *broker)
{
	int64_t wait_ns = 0;

	if (pthread_mutex_trylock(&broker->lock) != 0) {
		int64_t began_ns = monotonic_ns();

		pthread_mutex_lock(&broker->lock);
		wait_ns = monotonic_ns() - began_ns;
		count(&broker->stats.contended);
	}
	count(&broker->stats.acquisitions);
	histogram_add(&broker->stats.wait_ns, wait_ns, 1);
}

/* Two looks at the clock are a twentieth of a call. Under the lock. */
static bool is_sampled(const struct broker *broker)
{
	return load(&broker->stats.acquisitions) % HOLDS_A_SAMPLE == 1;
}

static _Thread_local struct {
	bool is_on;
	int64_t now_ns; /* 0: no section yet */
} turn;

void broker_begin_turn(void)
{
	turn.is_on = true;
	turn.now_ns = 0;
}

void broker_end_turn(void)
{
	turn.is_on = false;
}

/* Of the turn, if it is on: earlier than now, so never ahead of a stall, and the table goes on from
 * the latest time that it knows. */
static int64_t section_ns(void)
{
	if (!turn.is_on)
		return monotonic_ns();
	if (!turn.now_ns)
		turn.now_ns = monotonic_ns();
	return turn.now_ns;
}

void broker_enter(struct broker *broker, struct section *section)
{
	int64_t now_ns = section_ns();

	section->broker = broker;
	section->table = broker->table;
	section->now = time_at(broker, &now_ns);
	table_change_init(&section->change);
	lock(broker);
	section->entered_ns = is_sampled(broker) ? monotonic_ns() : 0;
	table_begin_section(broker->table);
}

/* Sizes first, then memory outside the lock, then the gift: without memory the table stays small
 * and right, and asks again. */
static void supply(struct broker *broker, const struct table_wants *wants)
{
	struct table_supply supply;

	table_supply_init(&supply, wants);
	lock(broker);
	table_give(broker->table, wants, &supply);
	pthread_mutex_unlock(&broker->lock);
	table_supply_deinit(&supply);
}

void broker_expect(struct broker *broker, size_t n_sessions)
{
	struct table_wants wants;

	lock(broker);
	table_wants_for(broker->table, n_sessions, &wants);
	pthread_mutex_unlock(&broker->lock);
	supply(broker, &wants);
}

/* The processes are the daemon's, all else of the change is freed. */
static void settle_change(struct broker *broker, struct table_change *change)
{
	const struct broker_hooks *hooks = &broker->hooks;

	for (struct session *s = change->ended; s; s = s->next_ended)
		hooks->ended(broker->context, s);
	while (change->processes) {
		struct process *process = change->processes;

		change->processes = process->next_idle;
		hooks->process_idle(broker->context, process);
	}
	if (change->ring)
		hooks->ring(broker->context, change->ring);
	table_change_deinit(change);
}

/* True once when the last session of a drain has ended, and once when a Resume took it back. */
static bool has_drain_changed(struct broker *broker)
{
	if (!broker->drain.is_on)
		return false;
	if (!table_is_draining(broker->table)) {
		broker->drain.is_on = false;
		return true;
	}
	if (table_active(broker->table) > 0 || broker->is_drain_told)
		return false;
	broker->is_drain_told = true;
	return true;
}

/* From here on a stall counts, even one before the owner of the deadlines gets to know. */
static void expect_deadline(struct broker *broker)
{
	int64_t none = 0;

	broker->armed_us = table_next_deadline(broker->table);
	atomic_compare_exchange_strong(&broker->beat_ns, &none, monotonic_ns());
}

void broker_leave(struct section *section)
{
	struct broker *broker = section->broker;
	struct table_wants wants;
	bool has_more = table_pump(broker->table, section->now, GRANTS_A_SECTION, &section->change);
	bool has_wants = table_wants(broker->table, &wants);
	bool is_earlier = table_next_deadline(broker->table) < broker->armed_us;
	bool is_drain_news = has_drain_changed(broker);

	seen = table_changed(broker->table);
	if (is_earlier) /* told once: the owner of the deadlines arms it anew */
		expect_deadline(broker);
	if (section->entered_ns)
		histogram_add(&broker->stats.hold_ns, monotonic_ns() - section->entered_ns, 1);
	pthread_mutex_unlock(&broker->lock);
	settle_change(broker, &section->change);
	if (has_wants)
		supply(broker, &wants);
	if (is_earlier)
		broker->hooks.deadline_moved(broker->context);
	if (is_drain_news)
		broker->hooks.drain_changed(broker->context);
	if (has_more)
		broker->hooks.pump(broker->context);
}

void broker_report_ends(struct broker *broker, bool is_wanted)
{
	struct section section;

	broker_enter(broker, &section);
	table_report_ends(section.table, is_wanted);
	broker_leave(&section);
}

void broker_arm(struct broker *broker, int64_t deadline_us)
{
	broker->armed_us = deadline_us;
}

struct drain broker_begin_drain(struct section *section)
{
	struct broker *broker = section->broker;
	struct table_metrics metrics;

	if (!table_is_draining(section->table)) {
		table_metrics(section->table, section->now, &metrics);
		broker->drain = (struct drain){
			.is_on = true,
			.began_us = section->now.now_us,
			.initial_active = metrics.active,
			.total_created = metrics.totals.created,
		};
		broker->is_drain_told = false;
		table_drain(section->table, section->now, &section->change);
	}
	return broker->drain;
}

/* ---- from one daemon to the next ---- */

const struct table *broker_stopped_table(const struct broker *broker)
{
	return broker->table;
}

struct drain broker_drain(const struct broker *broker)
{
	return broker->drain;
}

void broker_set_drain(struct broker *broker, const struct drain *drain)
{
	broker->drain = *drain;
	broker->is_drain_told = false;
}
