/* SPDX-License-Identifier: MIT */
/* What is carried over from another table and does not fit in this one, or not together. */
#include "daemon/core/carry.h"
#include "daemon/core/table_internal.h"
#include "tests/unit/table_fixture.h"

#include <errno.h>
#include <stdio.h>

#define HEAP 64 /* at first */

/* ---- carrying ---- */

static void begin(void)
{
	struct saved_table saved = {.next_sequence = 1000, .next_fence = FENCE + 1000};
	struct carried_state state = {.orphans_until_us = INT64_MAX};

	table_restore_globals(table, &saved, &change);
	table_carry_state(table, &state);
}

static struct session *forge_labelled(uint64_t id, enum owner_kind kind, const char *name)
{
	struct text *label = name ? text_new(name, strlen(name)) : NULL;
	char request_id[16];
	struct session_params params = {.id = id, .units = 1, .label = label};
	struct session *session;

	params.request_id_length = (size_t)snprintf(request_id, sizeof(request_id), "r%d", (int)id);
	params.request_id = request_id;
	session = session_new(&params);
	text_unref(label);
	session->sequence = id;
	session->created_us = now.now_us;
	session->uid = session->creator_uid = 1000;
	session->owner_kind = kind;
	session->timeout_ms = kind == OWNER_DETACHED ? 1000 : SESSION_TIMEOUT_NONE;
	return session;
}

static struct session *forge(uint64_t id, enum owner_kind kind)
{
	return forge_labelled(id, kind, NULL);
}

static struct session *put_live(
	uint64_t id, enum owner_kind kind, struct process *process, const struct carried_live *live)
{
	struct session *session = forge(id, kind);
	struct pool *pool = table_find_pool(table, "default", 7);
	bool is_new;

	session->state = SESSION_IDLE;
	session->fence = FENCE + id;
	session->slots[0] = 0;
	ck_assert_int_eq(
		table_restore_session(table, session, pool, process, now, &is_new, &change), 0);
	table->totals.created++;
	pool->counters.created++;
	table_carry_live(table, session, live, &change);
	return session;
}

static struct waiter *waiter_since(int64_t since_us)
{
	struct waiter *waiter = make_waiter();

	waiter->inbox = &inbox;
	waiter->caller = &alice;
	waiter->since_us = since_us;
	waiter->deadline_us = WAIT_FOR_EVER;
	return waiter;
}

static int put_in_pool(struct session *session, const char *name, struct owner *connection,
	struct process *process, struct waiter *waiter)
{
	struct pool *pool = table_find_pool(table, name, strlen(name));
	bool is_new;
	int r = table_carry_waiting(
		table, session, pool, connection, process, waiter, now, &is_new, &change);

	table->totals.queued += r == 0;
	pool->counters.queued += r == 0;
	return r;
}

static int put_waiting(struct session *session, struct owner *connection, struct waiter *waiter)
{
	return put_in_pool(session, "default", connection, NULL, waiter);
}

static void end(void)
{
	table_carry_end(table, now, &change);
	operate(0);
}

/* ---- live ones ---- */

START_TEST(one_without_a_deadline_is_not_overdue)
{
	struct carried_live live = {
		.deadline_us = SESSION_NO_DEADLINE, .is_overdue = true, .connection = &alice};

	begin();
	put_live(1, OWNER_CONNECTION, NULL, &live);
	end();
	ck_assert(!view(&alice, 1)->is_overdue);
	ck_assert_uint_eq(metrics().overdue, 0);
}
END_TEST

START_TEST(a_detached_one_is_due_again_instead_of_overdue)
{
	struct carried_live live = {.deadline_us = now.now_us + 5, .is_overdue = true};

	begin();
	put_live(1, OWNER_DETACHED, NULL, &live);
	end();
	ck_assert(!view(&alice, 1)->is_overdue);
	ck_assert_int_eq(view(&alice, 1)->remaining_us, 5);
}
END_TEST

START_TEST(a_connection_does_not_take_a_process_session)
{
	struct carried_live live = {.deadline_us = SESSION_NO_DEADLINE, .connection = &alice};

	begin();
	put_live(1, OWNER_PROCESS, make_process(&bob), &live);
	end();
	ck_assert_uint_eq(metrics().processes, 1);
	ck_assert(!gone(&alice, 10));
	ck_assert_int_eq(look(1), 0);
	gone(process_of(1), 10);
	ck_assert_int_eq(outcome_of(1), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(the_peak_is_not_less_than_what_lives)
{
	struct carried_live live = {.deadline_us = SESSION_NO_DEADLINE, .connection = &alice};

	begin();
	put_live(1, OWNER_CONNECTION, NULL, &live);
	end();
	ck_assert_uint_eq(metrics().peak, 1);
}
END_TEST

/* ---- those who wait ---- */

START_TEST(who_arrived_earlier_than_the_last_one_is_refused)
{
	struct session *late = forge(2, OWNER_CONNECTION);

	begin();
	ck_assert_int_eq(
		put_waiting(forge(1, OWNER_CONNECTION), &alice, waiter_since(now.now_us)), 0);
	ck_assert_int_eq(put_waiting(late, &alice, waiter_since(now.now_us - 1)), -EINVAL);
	session_unref(late);
	end();
}
END_TEST

/* By kind: whether with the connection, with the process, with both or alone. */
START_TEST(who_waits_has_the_owner_of_its_kind)
{
	struct process *process = make_process(&bob);

	begin();
	for (int i = 0; i < 3 * 4; i++) {
		enum owner_kind kind = (enum owner_kind)(i / 4);
		struct owner *connection = i & 1 ? &alice : NULL;
		struct session *session = forge((uint64_t)i + 1, kind);
		int r = put_in_pool(session, "default", connection, i & 2 ? process : NULL,
			waiter_since(now.now_us));
		bool fits = (kind == OWNER_CONNECTION) == !!(i & 1) &&
			    (kind == OWNER_PROCESS) == !!(i & 2);

		ck_assert_int_eq(r, fits ? 0 : -EINVAL);
		if (r)
			session_unref(session);
	}
	ck_assert_uint_eq(metrics().waiting, 3);
	end();
	ck_assert_uint_eq(metrics().active, 3);
}
END_TEST

START_TEST(without_room_for_its_end_a_wait_stays_the_callers)
{
	struct session *session;
	struct waiter *waiter;
	uint64_t id = 1;
	int r = 0;

	begin();
	for (; r == 0; id++) {
		session = forge(id, OWNER_CONNECTION);
		waiter = waiter_since(now.now_us);
		waiter->deadline_us = now.now_us + 1000;
		r = put_waiting(session, &alice, waiter);
	}
	ck_assert_int_eq(r, -ENOBUFS);
	ck_assert_uint_eq(metrics().waiting, HEAP);
	give_wanted();
	ck_assert_int_eq(put_waiting(session, &alice, waiter), 0);
	end();
}
END_TEST

START_TEST(without_tallies_a_wait_stays_the_callers)
{
	struct session *session;
	struct waiter *waiter;
	char label[16];
	uint64_t id = 1;
	int r = 0;

	begin();
	for (; r == 0; id++) {
		snprintf(label, sizeof(label), "label%d", (int)id);
		session = forge_labelled(id, OWNER_CONNECTION, label);
		waiter = waiter_since(now.now_us);
		r = put_waiting(session, &alice, waiter);
	}
	ck_assert_int_eq(r, -ENOBUFS);
	ck_assert_uint_gt(id, 100);
	ck_assert_uint_eq(metrics().waiting, id - 2);
	give_wanted();
	ck_assert_int_eq(put_waiting(session, &alice, waiter), 0);
	end();
}
END_TEST

START_TEST(nobody_is_granted_until_all_are_there)
{
	struct waiter *waiter = waiter_since(now.now_us);

	begin();
	ck_assert_int_eq(put_waiting(forge(1, OWNER_CONNECTION), &alice, waiter), 0);
	table_mark_all_for_pump(table);
	ck_assert(!table_pump(table, now, 10, &change));
	ck_assert(!waiter->is_decided);
	end();
	expect_decided(waiter, 0);
}
END_TEST

/* Refused, it was the last one there: the pool has left already when it is asked for. */
START_TEST(a_removed_pool_goes_with_its_last_waiter_that_does_not_fit)
{
	struct waiter *waiter = waiter_since(now.now_us);
	struct pool_settings settings = pool_settings_builtin;
	const char *keep = "default";

	settings.allow = allow_list_new(0); /* nobody */
	set_pool("p", &settings);
	allow_list_unref(settings.allow);
	begin();
	ck_assert_int_eq(put_in_pool(forge(1, OWNER_CONNECTION), "p", &alice, NULL, waiter), 0);
	table_remove_pools(table, &keep, 1,
		pool_new("default", 7, &pool_settings_builtin, POOL_BUILTIN), now, &change);
	ck_assert_ptr_nonnull(table_find_pool(table, "p", 1));
	end();
	expect_decided(waiter, STATUS_PERMISSION_DENIED);
	ck_assert_ptr_null(table_find_pool(table, "p", 1));
	ck_assert_uint_eq(n_freed_pools, 2);
}
END_TEST

/* ---- ended ones ---- */

static struct session *forge_ended(uint64_t id)
{
	struct session *session = forge(id, OWNER_CONNECTION);

	session->state = SESSION_ENDED;
	session->pool_name = text_new("default", 7);
	session->result = NULL;
	return session;
}

START_TEST(an_ended_one_whose_id_is_known_is_refused)
{
	struct session *again = forge_ended(1);

	begin();
	ck_assert_int_eq(table_carry_ended(table, forge_ended(1), &change), 0);
	ck_assert_int_eq(table_carry_ended(table, again, &change), -EINVAL);
	session_unref(again);
	ck_assert_int_eq(look(1), STATUS_SESSION_ENDED);
	end();
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, one_without_a_deadline_is_not_overdue);
	tcase_add_test(tcase, a_detached_one_is_due_again_instead_of_overdue);
	tcase_add_test(tcase, a_connection_does_not_take_a_process_session);
	tcase_add_test(tcase, the_peak_is_not_less_than_what_lives);
	tcase_add_test(tcase, who_arrived_earlier_than_the_last_one_is_refused);
	tcase_add_test(tcase, who_waits_has_the_owner_of_its_kind);
	tcase_add_test(tcase, without_room_for_its_end_a_wait_stays_the_callers);
	tcase_add_test(tcase, without_tallies_a_wait_stays_the_callers);
	tcase_add_test(tcase, nobody_is_granted_until_all_are_there);
	tcase_add_test(tcase, a_removed_pool_goes_with_its_last_waiter_that_does_not_fit);
	tcase_add_test(tcase, an_ended_one_whose_id_is_known_is_refused);
}

int main(void)
{
	return run_tests("table_carry_misfits", add);
}
