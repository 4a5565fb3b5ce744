/* SPDX-License-Identifier: MIT */
/* One table is taken apart, and another one put together from the parts, as when a daemon hands
 * over to the next one: what that writes into its description is copied here. */
#include "daemon/core/carry.h"
#include "tests/model/model.h"

#include <stdlib.h>
#include <string.h>

struct carried {
	struct session *copy;
	struct text *pool;
	struct carried_live live;
	bool is_waiting;
	struct identity *process; /* that owns it; or NULL */
	int waiter;               /* its number */
	struct waiter wait;
};

struct parcel {
	struct saved_table table;
	struct carried_state state;
	struct histogram_copy durations, queue_wait;
	size_t n_pools, n_sessions, n_ended;
	struct saved_pool pools[N_POOLS];
	struct histogram_copy pool_durations[N_POOLS], pool_queue_wait[N_POOLS];
	struct carried sessions[2 * NAIVE_LIVE];
	struct session *ended[NAIVE_HISTORY];
};

/* ---- out ---- */

static struct session *copy_session(const struct session *from)
{
	struct session_params params = {
		.id = from->id,
		.fingerprint = from->fingerprint,
		.request_id = from->request_id,
		.request_id_length = strlen(from->request_id),
		.units = from->units,
		.priority = from->priority,
		.label = from->label,
		.metadata = from->metadata,
	};
	struct session *copy = session_new(&params);

	copy->sequence = from->sequence;
	copy->fence = from->fence;
	copy->created_us = from->created_us;
	copy->created_wall_us = from->created_wall_us;
	copy->creator_uid = from->creator_uid;
	copy->uid = from->uid;
	copy->owner_kind = from->owner_kind;
	copy->is_revoking = from->is_revoking;
	copy->timeout_ms = from->timeout_ms;
	copy->started_wall_us = from->started_wall_us;
	copy->stored_sum = from->stored_sum;
	copy->identity = identity_ref(from->identity);
	copy->creator = identity_ref(from->creator);
	if (from->fence)
		memcpy(copy->slots, from->slots, from->units * sizeof(from->slots[0]));
	return copy;
}

static void take_session(struct parcel *parcel, const struct session *session)
{
	struct carried *carried = &parcel->sessions[parcel->n_sessions++];
	bool is_of_process = session->owner_kind == OWNER_PROCESS || session->is_orphaned;

	*carried = (struct carried){
		.copy = copy_session(session),
		.pool = text_ref(session->pool_name),
		.is_waiting = session->state == SESSION_WAITING,
	};
	if (is_of_process && session->owner)
		carried->process = identity_ref(session->owner->peer.identity);
	carried->live.deadline_us = session->deadline_us;
	carried->live.is_overdue = session->is_overdue;
	carried->live.connection = is_of_process ? NULL : session->owner;
	if (!carried->is_waiting) {
		carried->copy->state = session->state;
		return;
	}
	carried->wait = *session->waiter;
	carried->waiter = (int)(session->waiter - model.waiters);
}

static void take_ended(struct parcel *parcel, const struct session *session)
{
	struct session *copy = copy_session(session);

	copy->state = SESSION_ENDED;
	copy->outcome = session->outcome;
	copy->result = text_ref(session->result);
	copy->ended_us = session->ended_us;
	copy->ended_wall_us = session->ended_wall_us;
	copy->pool_name = text_ref(session->pool_name);
	parcel->ended[parcel->n_ended++] = copy;
}

static void take_pool(struct parcel *parcel, const struct pool *pool)
{
	size_t i = parcel->n_pools++;

	parcel->pools[i] = (struct saved_pool){
		.name = text_ref(pool->name),
		.settings = pool->settings,
		.source = pool->source,
		.is_removed = pool->is_removed,
		.pause = pool->pause,
		.slots = slotmap_capacity(pool->slots),
		.counters = pool->counters,
	};
	allow_list_ref(pool->settings.allow);
	text_ref(pool->pause.reason);
	histogram_copy_add(&parcel->pool_durations[i], &pool->durations);
	histogram_copy_add(&parcel->pool_queue_wait[i], &pool->queue_wait);
}

static void take_out(struct parcel *parcel)
{
	const struct session *session, *ended = NULL;
	const struct pool *pool = NULL;
	uint64_t after = 0;

	table_save_globals(model.table, &parcel->table);
	table_carry_state_out(model.table, &parcel->state);
	histogram_copy_add(&parcel->durations, table_durations(model.table));
	histogram_copy_add(&parcel->queue_wait, table_queue_waits(model.table));
	while ((pool = table_carry_pool_after(model.table, pool)))
		take_pool(parcel, pool);
	for (; (session = table_carry_session_after(model.table, after)); after = session->sequence)
		take_session(parcel, session);
	while ((ended = table_carry_ended_after(model.table, ended)))
		take_ended(parcel, ended);
}

/* ---- in ---- */

static void put_pools(struct parcel *parcel)
{
	for (size_t i = 0; i < parcel->n_pools; i++) {
		struct saved_pool *saved = &parcel->pools[i];
		const char *name = saved->name->bytes;
		size_t length = saved->name->length;
		struct pool *fresh =
			pool_new_sized(name, length, &saved->settings, saved->source, saved->slots);

		table_restore_pool(model.table, fresh, saved, model_now(), &model.change);
		table_carry_histograms(model.table, table_find_pool(model.table, name, length),
			&parcel->pool_durations[i], &parcel->pool_queue_wait[i]);
		saved_pool_deinit(saved);
	}
}

static int put_waiting(struct carried *c, struct pool *pool, struct process *process, bool *is_new)
{
	struct waiter *waiter = &model.waiters[c->waiter];

	*waiter = (struct waiter){
		.inbox = c->wait.inbox,
		.caller = c->wait.caller,
		.since_us = c->wait.since_us,
		.since_wall_us = c->wait.since_wall_us,
		.deadline_us = c->wait.deadline_us,
	};
	model.is_waiter_used[c->waiter] = true;
	return table_carry_waiting(model.table, c->copy, pool, c->live.connection, process, waiter,
		model_now(), is_new, &model.change);
}

static int put_live(struct carried *c, struct pool *pool, struct process *process, bool *is_new)
{
	int r = table_restore_session(
		model.table, c->copy, pool, process, model_now(), is_new, &model.change);

	if (r == 0)
		table_carry_live(model.table, c->copy, &c->live, &model.change);
	return r;
}

static void put_session(struct carried *c)
{
	struct pool *pool = table_find_pool(model.table, c->pool->bytes, c->pool->length);
	struct process *process = c->process ? table_find_process(model.table, c->process) : NULL;
	bool is_new = false;

	give_memory();
	if (c->process && !process)
		process = make_process_of(c->process);
	table_prefetch(model.table, c->copy);
	EXPECT(c->is_waiting ? put_waiting(c, pool, process, &is_new)
			     : put_live(c, pool, process, &is_new),
		0);
	if (is_new)
		take_process(process);
	text_unref(c->pool);
	identity_unref(c->process);
}

static void put_in(struct parcel *parcel, bool is_draining)
{
	table_restore_globals(model.table, &parcel->table, &model.change);
	saved_table_deinit(&parcel->table);
	parcel->state.is_draining = is_draining;
	table_carry_state(model.table, &parcel->state);
	table_carry_histograms(model.table, NULL, &parcel->durations, &parcel->queue_wait);
	put_pools(parcel);
	for (size_t i = 0; i < parcel->n_sessions; i++)
		put_session(&parcel->sessions[i]);
	for (size_t i = 0; i < parcel->n_ended; i++)
		EXPECT(table_carry_ended(model.table, parcel->ended[i], &model.change), 0);
	EXPECT(table_section(model.table), parcel->state.section);
	table_change_deinit(&model.change);
}

/* ---- all of it ---- */

static void note(bool is_stored)
{
	met(CASE_HANDED_OVER);
	if (naive_waiting(NO_POOL))
		met(CASE_HANDED_OVER_WAITERS);
	if (!is_stored)
		met(CASE_HANDED_OVER_UNSTORED);
}

/* What the old one could not store the new one stores anew. */
static void store_again(bool was_kept, bool is_stored)
{
	if (!was_kept)
		return;
	begin_keeping();
	if (!is_stored) {
		list_store_deinit(&model.store);
		table_mark_everything(model.table);
		naive.n_stored_ends = 0;
	}
	commit();
}

static void begin_again(void)
{
	size_t n_before = naive_waiting(NO_POOL);

	naive_begin_again();
	table_begin_section(model.table);
	table_carry_end(model.table, model_now(), &model.change);
	if (naive_waiting(NO_POOL) < n_before)
		met(CASE_MISFIT_AT_HANDOVER);
}

/* What was decided has been told, and what was done is stored, if it can be. */
void run_hand_over(void)
{
	struct parcel *parcel = calloc(1, sizeof(*parcel));
	struct naive_file files[N_POOLS];
	bool is_draining = DECIDE("drains", false, chance(50)) && naive.is_draining;
	bool was_kept = naive.keeps_changes;
	bool is_stored = was_kept && DECIDE("is_stored", true, chance(80));

	collect_all();
	if (is_stored)
		commit();
	note(is_stored);
	take_out(parcel);
	model.now_us = naive.now_us; /* the new table has seen no time yet */
	model.wall_us = naive.wall_us;
	lose_world();
	make_world(1);
	decide_files(files, naive.pools);
	naive_hand_over(files);
	naive.is_draining = is_draining;
	put_in(parcel, is_draining);
	for (int p = 0; p < N_POOLS; p++)
		if (find_pool(p))
			naive.pools[p].capacity = slotmap_capacity(find_pool(p)->slots);
	store_again(was_kept, is_stored);
	begin_again();
	begin_readers();
	free(parcel);
	came(STATUS_OK);
}
