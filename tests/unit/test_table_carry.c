/* SPDX-License-Identifier: MIT */
/* A table that is carried over to another one, which then has all of it, and goes on with it. */
#include "daemon/core/carry.h"
#include "tests/unit/table_fixture.h"

#include <errno.h>
#include <stdlib.h>

#define SESSIONS_MAX 64

/* What is copied of a session while the old table is there. */
struct carried {
	struct session *copy; /* of what table_restore_session() wants */
	struct carried_live live;
	bool is_waiting;
	bool is_orphaned;
	struct owner *connection;
	struct identity *process; /* of whose process it is; or NULL */
	struct waiter *waiter;    /* fresh */
};

static struct carried live[SESSIONS_MAX], ended[SESSIONS_MAX];
static size_t n_live, n_ended;
static struct saved_table saved;
static struct saved_pool pools[SESSIONS_MAX];
static size_t n_pools;
static struct carried_state state;

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

	ck_assert_ptr_nonnull(copy);
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
	copy->identity = identity_ref(from->identity);
	copy->creator = identity_ref(from->creator);
	if (from->fence)
		memcpy(copy->slots, from->slots, from->units * sizeof(from->slots[0]));
	return copy;
}

static struct waiter *copy_waiter(const struct waiter *from)
{
	struct waiter *waiter = make_waiter();

	waiter->inbox = from->inbox;
	waiter->caller = from->caller;
	waiter->since_us = from->since_us;
	waiter->since_wall_us = from->since_wall_us;
	waiter->deadline_us = from->deadline_us;
	return waiter;
}

static struct carried carry_session(const struct session *session)
{
	bool is_process = session->owner_kind == OWNER_PROCESS || session->is_orphaned;
	struct carried carried = {
		.copy = copy_session(session),
		.live =
			{
				.deadline_us = session->deadline_us,
				.is_overdue = session->is_overdue,
				.connection = is_process ? NULL : session->owner,
			},
		.is_waiting = session->state == SESSION_WAITING,
		.is_orphaned = session->is_orphaned,
		.connection = is_process ? NULL : session->owner,
	};

	if (is_process && session->owner)
		carried.process = identity_ref(session->owner->peer.identity);
	if (!carried.is_waiting)
		carried.copy->state = session->state;
	return carried;
}

static void carry_ended(const struct session *session)
{
	struct carried carried = {.copy = copy_session(session)};

	carried.copy->state = SESSION_ENDED;
	carried.copy->pool_name = text_ref(session->pool_name);
	carried.copy->outcome = session->outcome;
	carried.copy->result = text_ref(session->result);
	carried.copy->ended_us = session->ended_us;
	carried.copy->ended_wall_us = session->ended_wall_us;
	ended[n_ended++] = carried;
}

static void carry_pool(const struct pool *pool)
{
	pools[n_pools] = (struct saved_pool){
		.name = text_ref(pool->name),
		.settings = pool->settings,
		.source = pool->source,
		.is_removed = pool->is_removed,
		.pause = pool->pause,
		.slots = slotmap_capacity(pool->slots),
		.counters = pool->counters,
	};
	allow_list_ref(pools[n_pools].settings.allow);
	text_ref(pools[n_pools].pause.reason);
	n_pools++;
}

/* New waiters are the fixture's; the old ones are let go by fixture_crash(). */
static struct waiter old_waiters[SESSIONS_MAX];

static void take_out(void)
{
	const struct session *session, *before = NULL;
	const struct pool *pool = NULL;
	uint64_t after = 0;

	n_live = n_ended = n_pools = 0;
	table_save_globals(table, &saved);
	table_carry_state_out(table, &state);
	while ((pool = table_carry_pool_after(table, pool)))
		carry_pool(pool);
	for (; (session = table_carry_session_after(table, after)); after = session->sequence) {
		if (session->state == SESSION_WAITING)
			old_waiters[n_live] = *session->waiter;
		live[n_live++] = carry_session(session);
	}
	while ((before = table_carry_ended_after(table, before)))
		carry_ended(before);
}

/* ---- in ---- */

static void put_pools(void)
{
	for (size_t i = 0; i < n_pools; i++) {
		const struct saved_pool *p = &pools[i];
		struct pool *fresh = pool_new_sized(
			p->name->bytes, p->name->length, &p->settings, p->source, p->slots);

		table_restore_pool(table, fresh, p, now, &change);
		saved_pool_deinit(&pools[i]);
	}
}

static struct process *find_process(const struct identity *identity)
{
	struct owner of = {.peer = {.identity = (struct identity *)identity}};
	struct process *known = identity ? table_find_process(table, identity) : NULL;

	return known || !identity ? known : make_process(&of);
}

static int put_waiting(struct carried *c, struct pool *pool, struct process *process, bool *is_new)
{
	return table_carry_waiting(
		table, c->copy, pool, c->connection, process, c->waiter, now, is_new, &change);
}

static int put_session(struct carried *c, const struct text *pool_name)
{
	struct pool *pool = table_find_pool(table, pool_name->bytes, pool_name->length);
	struct process *process = find_process(c->process);
	bool is_new;
	int r;

	give_wanted();
	if (c->is_waiting)
		return put_waiting(c, pool, process, &is_new);
	r = table_restore_session(table, c->copy, pool, process, now, &is_new, &change);
	if (r == 0)
		table_carry_live(table, c->copy, &c->live, &change);
	return r;
}

/* Which pool each of the live ones is in: by their place. */
static struct text *pool_names[SESSIONS_MAX];

static void note_pools(void)
{
	const struct session *session;
	uint64_t after = 0;

	for (size_t i = 0; (session = table_carry_session_after(table, after));
		after = session->sequence)
		pool_names[i++] = text_ref(session->pool_name);
}

static void put_in(void)
{
	table_restore_globals(table, &saved, &change);
	saved_table_deinit(&saved);
	table_carry_state(table, &state);
	put_pools();
	for (size_t i = 0; i < n_live; i++) {
		if (live[i].is_waiting)
			live[i].waiter = copy_waiter(&old_waiters[i]);
		ck_assert_int_eq(put_session(&live[i], pool_names[i]), 0);
		text_unref(pool_names[i]);
		identity_unref(live[i].process);
	}
	for (size_t i = 0; i < n_ended; i++)
		ck_assert_int_eq(table_carry_ended(table, ended[i].copy, &change), 0);
	table_carry_end(table, now, &change);
	operate(0);
}

/* From one table to the next. */
static void carry_over(void)
{
	note_pools();
	take_out();
	fixture_crash();
	put_in();
}

static struct waiter *waiter_of(uint64_t id)
{
	for (size_t i = 0; i < n_live; i++)
		if (live[i].is_waiting && live[i].copy->id == id)
			return live[i].waiter;
	ck_abort_msg("nobody waits for it");
	return NULL;
}

static void set_hold(const char *name)
{
	struct pool_settings settings = pool_settings_builtin;

	settings.on_timeout = ON_TIMEOUT_HOLD;
	set_pool(name, &settings);
}

/* ---- live sessions ---- */

START_TEST(an_empty_table_is_carried)
{
	uint64_t fence = table_next_fence(table);

	carry_over();
	ck_assert_uint_eq(table_next_fence(table), fence);
	TAKE();
}
END_TEST

START_TEST(a_session_keeps_what_it_has)
{
	uint64_t id = TAKE(.metadata = "{\"a\":1}", .label = "l", .units = 3, .priority = 2,
		.timeout_ms = 5000, .request_id = "r", .fingerprint = 7);
	const struct session_view *after;

	start(&alice, id);
	revoke(&alice, id, false);
	advance_ms(1000);
	carry_over();
	after = view(&alice, id);
	ck_assert_str_eq(after->session->request_id, "r");
	ck_assert_int_eq(after->state, SESSION_PROCESSING);
	ck_assert(after->is_revoking);
	ck_assert(!after->is_orphaned);
	ck_assert(after->owner == &alice);
	ck_assert_str_eq(after->metadata->bytes, "{\"a\":1}");
	ck_assert_uint_eq(after->session->units, 3);
	ck_assert_uint_eq(after->session->slots[2], 2);
	ck_assert_int_eq(after->remaining_us, 4000000);
	ck_assert_int_eq(after->age_us, 1000000);
	ck_assert_int_eq(CREATE(.request_id = "r", .metadata = "{\"a\":1}", .label = "l",
				 .units = 3, .priority = 2, .timeout_ms = 5000, .fingerprint = 7),
		0);
	ck_assert(created.is_existing);
}
END_TEST

START_TEST(its_connection_still_owns_it)
{
	uint64_t mine = TAKE(), other = TAKE(.owner = &bob);

	carry_over();
	gone(&alice, 10);
	ck_assert_int_eq(outcome_of(mine), OUTCOME_ABANDONED);
	ck_assert_int_eq(look(other), 0);
	ck_assert_int_eq(release_as(&bob, other, OUTCOME_COMPLETED, NULL), 0);
}
END_TEST

START_TEST(a_deadline_is_as_exact_as_before)
{
	uint64_t id = TAKE(.timeout_ms = 1000);

	advance_ms(400);
	carry_over();
	now.now_us += 599999;
	ck_assert_uint_eq(expire(), 0);
	now.now_us += 1;
	ck_assert_uint_eq(expire(), 1);
	ck_assert_int_eq(outcome_of(id), OUTCOME_TIMEOUT);
}
END_TEST

START_TEST(one_without_a_deadline_has_none)
{
	uint64_t id = TAKE(.timeout_ms = -1);

	carry_over();
	ck_assert_int_eq(view(&alice, id)->remaining_us, -1);
	ck_assert_int_eq(table_next_deadline(table), INT64_MAX);
}
END_TEST

START_TEST(what_is_overdue_stays_so)
{
	uint64_t id;

	set_hold("h");
	id = TAKE(.pool = "h", .timeout_ms = 10);
	advance_ms(20);
	expire();
	carry_over();
	ck_assert(view(&alice, id)->is_overdue);
	ck_assert_uint_eq(metrics().overdue, 1);
	renew(&alice, id, 500);
	ck_assert(!view(&alice, id)->is_overdue);
}
END_TEST

START_TEST(a_process_still_owns_its_sessions)
{
	uint64_t one = TAKE(.process = &bob, .owner = &bob),
		 other = TAKE(.process = &bob, .owner = &bob);

	carry_over();
	ck_assert_ptr_eq(process_of(one), process_of(other));
	ck_assert_uint_eq(metrics().processes, 1);
	gone(process_of(one), 10);
	ck_assert_int_eq(outcome_of(other), OUTCOME_ABANDONED);
	ck_assert_uint_eq(metrics().processes, 0);
}
END_TEST

START_TEST(an_orphan_stays_one)
{
	uint64_t id = TAKE();

	table_orphan(table, &alice, 10);
	operate(0);
	carry_over();
	ck_assert(view(&alice, id)->is_orphaned);
	ck_assert_int_eq(attach(&alice_again, id, OWNER_CONNECTION), 0);
	ck_assert(!view(&alice, id)->is_orphaned);
}
END_TEST

/* The next daemon's files say so, and the time of orphans was over before. */
START_TEST(a_pool_that_holds_no_more_gives_its_orphans_up)
{
	uint64_t id;

	set_hold("h");
	id = TAKE(.pool = "h");
	table_orphan(table, &alice, 10);
	table_end_restoring(table, now.now_us, now, &change);
	expire();
	ck_assert(view(&alice, id)->is_orphaned);
	note_pools();
	take_out();
	pools[1].source = POOL_FILE; /* whose settings are in the files */
	fixture_crash();
	set_limit("h", 4);
	put_in();
	expire();
	ck_assert_int_eq(outcome_of(id), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(slots_are_taken_by_those_who_had_them)
{
	uint64_t ids[4];

	set_limit("default", 4);
	for (int i = 0; i < 4; i++)
		ids[i] = TAKE();
	release(ids[1]);
	carry_over();
	ck_assert_uint_eq(view(&alice, TAKE())->session->slots[0], 1);
	ck_assert_int_eq(CREATE(), STATUS_CAPACITY_REACHED);
}
END_TEST

/* ---- those who wait ---- */

START_TEST(waiters_keep_their_order_and_places)
{
	uint64_t held, ids[4];

	set_limit("default", 1);
	held = TAKE();
	for (int i = 0; i < 4; i++) {
		advance_ms(10);
		WAIT(.owner = &alice, .priority = i == 3);
		ids[i] = created.session.session->id;
	}
	carry_over();
	ck_assert_uint_eq(position_of(waiter_of(ids[3])), 1);
	ck_assert_uint_eq(position_of(waiter_of(ids[0])), 2);
	ck_assert_uint_eq(position_of(waiter_of(ids[2])), 4);
	release(held);
	expect_decided(waiter_of(ids[3]), 0);
	expect_nobody_decided();
	release(ids[3]);
	expect_decided(waiter_of(ids[0]), 0);
}
END_TEST

START_TEST(keys_have_their_turns_as_before)
{
	uint64_t held, alices, bobs;

	set_limit("default", 2);
	TAKE(.owner = &alice);
	held = TAKE(.owner = &alice);
	WAIT(.owner = &alice);
	alices = created.session.session->id;
	WAIT(.owner = &bob);
	bobs = created.session.session->id;
	carry_over();
	release(held);
	expect_decided(waiter_of(bobs), 0);
	expect_nobody_decided();
	ck_assert_uint_eq(position_of(waiter_of(alices)), 1);
}
END_TEST

START_TEST(a_wait_ends_when_it_would_have)
{
	uint64_t id;

	set_limit("default", 1);
	TAKE();
	WAIT(.wait_ms = 100);
	id = created.session.session->id;
	advance_ms(60);
	carry_over();
	advance_ms(39);
	expire();
	expect_nobody_decided();
	advance_ms(1);
	expire();
	expect_decided(waiter_of(id), STATUS_WAIT_TIMEOUT);
}
END_TEST

START_TEST(a_wait_for_a_process_ends_with_it)
{
	uint64_t id;

	set_limit("default", 1);
	TAKE();
	WAIT(.process = &bob, .owner = &bob);
	id = created.session.session->id;
	carry_over();
	gone(process_of(id), 10);
	expect_decided(waiter_of(id), STATUS_CANCELLED);
}
END_TEST

/* One that comes early in the order of sequence waits while the holder of its slot comes later. */
START_TEST(nobody_is_granted_before_all_are_there)
{
	uint64_t first, second, id;

	set_limit("default", 1);
	first = TAKE();
	WAIT(.owner = &bob);
	id = created.session.session->id;
	WAIT(.owner = &alice, .priority = 9);
	second = created.session.session->id;
	release(first);
	take_decided(); /* alice's, who has a later sequence number now */
	carry_over();
	ck_assert_int_eq(look(second), 0);
	ck_assert_uint_eq(position_of(waiter_of(id)), 1);
	expect_nobody_decided();
	ck_assert_uint_eq(metrics().active, 1);
}
END_TEST

START_TEST(who_does_not_fit_any_more_is_refused)
{
	struct pool_settings settings = pool_settings_builtin;
	struct pool *fresh;
	uint64_t id;

	set_limit("default", 4);
	TAKE();
	WAIT(.units = 4);
	id = created.session.session->id;
	note_pools();
	take_out();
	pools[0].source = POOL_FILE; /* whose settings are in the files */
	fixture_crash();
	settings.limit = 2;
	fresh = pool_new("default", 7, &settings, POOL_FILE);
	table_set_pool(table, fresh, now, &change);
	put_in();
	expect_decided(waiter_of(id), STATUS_INVALID_PARAMETER);
}
END_TEST

/* ---- the rest ---- */

START_TEST(the_history_is_carried_the_oldest_first)
{
	uint64_t ids[HISTORY];

	for (int i = 0; i < HISTORY; i++) {
		ids[i] = TAKE();
		advance_ms(10);
		release_as(&alice, ids[i], OUTCOME_ERROR, "why");
	}
	carry_over();
	ck_assert_int_eq(outcome_of(ids[0]), OUTCOME_ERROR);
	release(TAKE());
	ck_assert_int_eq(look(ids[0]), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(outcome_of(ids[1]), OUTCOME_ERROR);
}
END_TEST

START_TEST(a_shorter_history_keeps_the_newest)
{
	uint64_t first, last = 0;

	first = TAKE();
	release(first);
	for (int i = 1; i < HISTORY; i++)
		release(last = TAKE());
	note_pools();
	take_out();
	fixture_crash();
	fixture_without_history();
	put_in();
	ck_assert_int_eq(look(first), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(look(last), STATUS_NO_SUCH_SESSION);
	TAKE();
}
END_TEST

START_TEST(counters_pauses_and_the_section_go_on)
{
	struct table_metrics before, after;

	set_limit("p", 3);
	release(TAKE(.pool = "p"));
	TAKE(.pool = "p");
	CREATE(.pool = "none");
	pause_pool("p", 50000, "repairs");
	table_reset_metrics(table);
	for (int i = 0; i < 5; i++)
		table_begin_section(table);
	before = metrics();
	carry_over();
	after = metrics();
	ck_assert_uint_eq(table_section(table), state.section);
	ck_assert_mem_eq(&after.totals, &before.totals, sizeof(after.totals));
	ck_assert_mem_eq(&after.counted, &before.counted, sizeof(after.counted));
	ck_assert_uint_eq(after.peak, before.peak);
	ck_assert_int_eq(CREATE(.pool = "p"), STATUS_PAUSED);
	advance_ms(50);
	expire();
	TAKE(.pool = "p");
}
END_TEST

START_TEST(what_contradicts_is_refused)
{
	uint64_t id;

	set_limit("default", 1);
	TAKE();
	WAIT();
	id = created.session.session->id;
	carry_over();
	note_pools();
	for (size_t i = 0; i < n_live; i++) {
		struct carried again = live[i];

		again.copy = copy_session(live[i].copy);
		again.process = NULL;
		if (again.is_waiting)
			again.waiter = copy_waiter(waiter_of(id));
		ck_assert_int_eq(put_session(&again, pool_names[i]), -EINVAL);
		again.copy->id += 1000; /* then its request id is known */
		ck_assert_int_eq(put_session(&again, pool_names[i]), -EINVAL);
		session_unref(again.copy);
		text_unref(pool_names[i]);
	}
	check_invariants();
}
END_TEST

/* It would be granted before it came. */
START_TEST(who_waits_since_a_time_to_come_is_refused)
{
	struct carried again;
	struct text *name;

	set_limit("default", 1);
	TAKE();
	WAIT(.request_id = "w");
	carry_over();
	again = live[1];
	ck_assert(again.is_waiting);
	again.copy = copy_session(live[1].copy);
	again.copy->id += 1000;
	again.waiter = copy_waiter(live[1].waiter);
	ck_assert_int_eq(cancel(&root, "w"), 0);
	name = text_new("default", 7);
	again.waiter->since_us = now.now_us + 1;
	ck_assert_int_eq(put_session(&again, name), -EINVAL);
	session_unref(again.copy);
	text_unref(name);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, an_empty_table_is_carried);
	tcase_add_test(tcase, a_session_keeps_what_it_has);
	tcase_add_test(tcase, its_connection_still_owns_it);
	tcase_add_test(tcase, a_deadline_is_as_exact_as_before);
	tcase_add_test(tcase, one_without_a_deadline_has_none);
	tcase_add_test(tcase, what_is_overdue_stays_so);
	tcase_add_test(tcase, a_process_still_owns_its_sessions);
	tcase_add_test(tcase, an_orphan_stays_one);
	tcase_add_test(tcase, a_pool_that_holds_no_more_gives_its_orphans_up);
	tcase_add_test(tcase, slots_are_taken_by_those_who_had_them);
	tcase_add_test(tcase, waiters_keep_their_order_and_places);
	tcase_add_test(tcase, keys_have_their_turns_as_before);
	tcase_add_test(tcase, a_wait_ends_when_it_would_have);
	tcase_add_test(tcase, a_wait_for_a_process_ends_with_it);
	tcase_add_test(tcase, nobody_is_granted_before_all_are_there);
	tcase_add_test(tcase, who_does_not_fit_any_more_is_refused);
	tcase_add_test(tcase, the_history_is_carried_the_oldest_first);
	tcase_add_test(tcase, a_shorter_history_keeps_the_newest);
	tcase_add_test(tcase, counters_pauses_and_the_section_go_on);
	tcase_add_test(tcase, what_contradicts_is_refused);
	tcase_add_test(tcase, who_waits_since_a_time_to_come_is_refused);
}

int main(void)
{
	return run_tests("table_carry", add);
}
