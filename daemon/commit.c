/* SPDX-License-Identifier: MIT */
#include "daemon/commit.h"

#include "daemon/batch.h"
#include "daemon/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_RETRY_MS 20 /* what was lacking may be there again at once */
#define RETRY_MS       500

struct committer {
	struct server *server;
	struct state *state;
	pthread_mutex_t lock; /* the store, and all but the atomics */
	struct store *store;

	struct batch batch;

	bool is_full;  /* the table knows */
	bool is_empty; /* the store was begun anew: everything has to go into it */
	uv_timer_t retry;

	_Atomic uint64_t settled; /* sections up to here may be told of */
	_Atomic uint64_t failures;
	_Atomic bool is_down;    /* nothing is granted, so all may be told of */
	_Atomic int error;       /* of the last failure, while it is down */
	_Atomic int fence_error; /* why no more fences could be reserved */
};

/* ---- fences ---- */

static uint64_t next_fence(struct committer *c)
{
	struct section section;
	uint64_t next;

	broker_enter(c->server->broker, &section);
	next = table_next_fence(section.table);
	broker_leave(&section);
	return next;
}

static void set_fence_limit(struct committer *c)
{
	struct section section;

	broker_enter(c->server->broker, &section);
	table_set_fence_limit(section.table, c->state->fence_mark);
	broker_leave(&section);
}

/* Long before the reserved ones are used up; when they are, the table gives no more. */
static void reserve_fences(struct committer *c, uint64_t next)
{
	int r;

	if (next + FENCES_A_BLOCK / 2 <= c->state->fence_mark)
		return;
	r = state_mark_fences(c->state, next + FENCES_A_BLOCK);
	if (r == 0)
		set_fence_limit(c);
	else if (!atomic_load(&c->fence_error))
		log_error("%s: %s", c->state->fence_path, strerror(-r));
	atomic_store(&c->fence_error, r);
	if (r < 0)
		loop_order(&c->server->loops[0], ORDER_RETRY_STORE);
}

/* ---- failure ---- */

static void set_storing(struct committer *c, bool is_possible)
{
	struct section section;

	broker_enter(c->server->broker, &section);
	table_set_storing(section.table, is_possible);
	broker_leave(&section);
}

static void say_down(struct committer *c, int error)
{
	struct log_field fields[] = {{LOG_MESSAGE_ID, LOG_ID_STORE_FAILED}};

	log_entry(LOG_ERR, fields, 1,
		"the state in %s cannot be stored: %s; new sessions are refused until it can",
		c->state->directory, store_error(error));
}

static void say_up(struct committer *c)
{
	struct log_field fields[] = {{LOG_MESSAGE_ID, LOG_ID_STORE_WORKS}};

	log_entry(
		LOG_NOTICE, fields, 1, "the state in %s can be stored again", c->state->directory);
}

/* From the first section on, no creation comes after those that are taken back; so when all are,
 * everything that was said is true without the store, or is put right before it leaves. */
static void go_down(struct committer *c, int error)
{
	struct broker *broker = c->server->broker;
	bool is_news = !atomic_load(&c->is_down);

	set_storing(c, false);
	while (batch_take(&c->batch, broker) < 0) {
		c->is_empty = true; /* no memory for what is to be stored: all of it, then */
		batch_put_back(&c->batch, broker, is_news, false);
	}
	batch_put_back(&c->batch, broker, is_news, !c->is_empty);
	atomic_store(&c->error, error);
	atomic_fetch_add(&c->failures, 1);
	atomic_store(&c->is_down, true);
	if (is_news) {
		say_down(c, error);
		loop_order(&c->server->loops[0], ORDER_RETRY_STORE);
	}
}

/* ---- the commit ---- */

static void say_full(struct committer *c)
{
	struct store_room room = store_room(c->store);

	log_warning("the state in %s takes %llu of %llu bytes: new sessions are refused until it "
		    "takes less",
		c->state->directory, (unsigned long long)room.used_bytes,
		(unsigned long long)room.size_bytes);
}

static void watch_room(struct committer *c)
{
	bool is_full = store_room(c->store).is_full && !store_grow(c->store);

	if (is_full == c->is_full)
		return;
	c->is_full = is_full;
	set_storing(c, !is_full);
	if (!is_full) {
		say_up(c);
		return;
	}
	say_full(c);
	loop_order(&c->server->loops[0], ORDER_RETRY_STORE);
}

/* True if it was down. */
static bool come_up(struct committer *c)
{
	if (!atomic_load(&c->is_down))
		return false;
	atomic_store(&c->error, 0);
	atomic_store(&c->is_down, false);
	c->is_full = store_room(c->store).is_full;
	set_storing(c, !c->is_full);
	say_up(c);
	return true;
}

/* With the lock. While it was down loops have waited for nothing: what they told after the batch
 * had been taken goes into another one, or it would be durable with the next change only. */
static void commit(struct committer *c, struct loop *loop)
{
	int64_t begin_ns = monotonic_ns();
	struct broker *broker = c->server->broker;
	int r = batch_take(&c->batch, broker);

	if (r == 0)
		r = batch_store(&c->batch, c->store, broker);
	if (r < 0) {
		go_down(c, r);
		return;
	}
	atomic_store(&c->settled, c->batch.section);
	reserve_fences(c, c->batch.table.next_fence);
	batch_forget(&c->batch);
	if (come_up(c)) {
		commit(c, loop);
		return;
	}
	watch_room(c);
	histogram_add(&loop->stats.commit_ns, monotonic_ns() - begin_ns, 1);
}

static bool is_settled(struct committer *c)
{
	return atomic_load(&c->settled) >= broker_seen() || atomic_load(&c->is_down);
}

/* Loops that came meanwhile said so before they found the lock taken. */
static void wake_others(struct committer *c)
{
	for (unsigned i = 0; i < c->server->n_loops; i++)
		if (atomic_exchange(&c->server->loops[i].is_awaiting_commit, false))
			loop_order(&c->server->loops[i], ORDER_COMMITTED);
}

static void unlock(struct committer *c)
{
	pthread_mutex_unlock(&c->lock);
	wake_others(c);
}

/* To be woken by whoever has the lock now; by itself, for nothing, if it is free by then: another
 * call of the same loop's may be waiting. */
static bool lock_or_wait(struct committer *c, struct loop *loop)
{
	if (pthread_mutex_trylock(&c->lock) == 0)
		return true;
	atomic_store(&loop->is_awaiting_commit, true);
	return pthread_mutex_trylock(&c->lock) == 0;
}

bool commit_settle(struct committer *c, struct loop *loop)
{
	while (c && !is_settled(c)) {
		if (!lock_or_wait(c, loop))
			return false;
		if (!is_settled(c))
			commit(c, loop);
		unlock(c);
	}
	return true;
}

void commit_finish(struct committer *c, struct loop *loop)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	if (!is_settled(c))
		commit(c, loop);
	unlock(c);
}

uint64_t commit_failures(const struct committer *c)
{
	return c ? atomic_load(&c->failures) : 0;
}

/* ---- trying again ---- */

static int begin_anew(struct committer *c)
{
	struct section section;
	int r = store_begin_anew(c->store);

	if (r < 0)
		return r;
	broker_enter(c->server->broker, &section);
	table_mark_everything(section.table);
	broker_leave(&section);
	c->is_empty = false;
	return 0;
}

static void try_again(struct committer *c, struct loop *loop)
{
	int r = 0;

	if (store_is_lost(atomic_load(&c->error)))
		c->is_empty = true;
	if (c->is_empty)
		r = begin_anew(c);
	if (r < 0)
		atomic_store(&c->error, r);
	else
		commit(c, loop);
}

static void on_retry(uv_timer_t *timer)
{
	struct committer *c = timer->data;

	pthread_mutex_lock(&c->lock);
	if (atomic_load(&c->is_down))
		try_again(c, &c->server->loops[0]);
	else if (c->is_full)
		watch_room(c);
	if (atomic_load(&c->fence_error))
		reserve_fences(c, next_fence(c));
	if (!atomic_load(&c->is_down) && !c->is_full && !atomic_load(&c->fence_error))
		uv_timer_stop(timer);
	unlock(c);
}

void committer_retry(struct committer *c)
{
	uv_timer_start(&c->retry, on_retry, FIRST_RETRY_MS, RETRY_MS);
}

/* ---- life ---- */

struct committer *committer_new(
	struct server *server, struct state *state, struct store *store, int open_error)
{
	struct committer *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->server = server;
	c->state = state;
	c->store = store;
	c->is_empty = open_error < 0;
	atomic_store(&c->error, open_error);
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void committer_begin(struct committer *c, struct loop *first, bool has_none)
{
	struct section section;

	uv_timer_init(&first->uv, &c->retry);
	c->retry.data = c;
	broker_enter(c->server->broker, &section);
	table_keep_changes(section.table);
	if (has_none)
		table_mark_everything(section.table);
	table_set_fence_limit(section.table, c->state->fence_mark);
	broker_leave(&section);
	pthread_mutex_lock(&c->lock);
	reserve_fences(c, next_fence(c));
	if (c->is_empty)
		go_down(c, atomic_load(&c->error));
	else
		commit(c, first);
	unlock(c);
}

void committer_free(struct committer *c)
{
	if (!c)
		return;
	batch_deinit(&c->batch);
	store_close(c->store);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- what others see ---- */

void committer_status(struct committer *c, struct store_status *ret)
{
	struct store_room room;
	int error;

	*ret = (struct store_status){.state = STORE_NONE};
	if (!c)
		return;
	room = store_room(c->store);
	error = atomic_load(&c->error);
	ret->used_bytes = room.used_bytes;
	ret->size_bytes = room.size_bytes;
	if (!error)
		error = atomic_load(&c->fence_error);
	ret->state = error ? STORE_FAILED : room.is_full ? STORE_FULL : STORE_OK;
	if (error)
		snprintf(ret->reason, sizeof(ret->reason), "%s", store_error(error));
	else if (room.is_full)
		snprintf(ret->reason, sizeof(ret->reason), "its file is full");
}

static struct store *hold(struct committer *c, struct loop *loop)
{
	if (!is_settled(c))
		commit(c, loop);
	return atomic_load(&c->is_down) ? NULL : c->store;
}

struct store *committer_hold(struct committer *c, struct loop *loop)
{
	pthread_mutex_lock(&c->lock);
	return hold(c, loop);
}

bool committer_hold_or_wait(struct committer *c, struct loop *loop, struct store **ret)
{
	if (!lock_or_wait(c, loop))
		return false;
	*ret = hold(c, loop);
	return true;
}

void committer_let_go(struct committer *c)
{
	unlock(c);
}
