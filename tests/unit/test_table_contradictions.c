/* SPDX-License-Identifier: MIT */
/* What was stored and cannot be: it is left out, and leaves the table as it is. */
#include "tests/unit/stored_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- contradictions ---- */

/* As recovery makes it; of the default pool. */
static struct session *forge(uint64_t id, const char *request_id, uint32_t slot)
{
	struct session_params params = {.id = id,
		.request_id = request_id,
		.request_id_length = strlen(request_id),
		.units = 1};
	struct session *session = session_new(&params);

	session->sequence = 5;
	session->fence = FENCE;
	session->created_us = now.now_us;
	session->uid = session->creator_uid = 1000;
	session->owner_kind = OWNER_DETACHED;
	session->timeout_ms = 1000;
	session->slots[0] = slot;
	return session;
}

/* One session is there: id 1, request id "r", slot 0; numbers up to 10 have been given. */
static void restore_one(void)
{
	struct saved_table saved = {.next_sequence = 10,
		.next_fence = FENCE + 10,
		.active = 1,
		.totals = {.created = 1}};

	TAKE(.request_id = "r", .kind = OWNER_DETACHED);
	commit();
	fixture_crash();
	table_restore_globals(table, &saved, &change);
	table_change_deinit(&change);
	store.table.size = 0;
	free(store.table.bytes);
	store.table.bytes = NULL;
	fill();
	ck_assert_uint_eq(metrics().active, 1);
}

static int try_with_process(struct session *session, struct process *process)
{
	struct pool *pool = table_find_pool(table, "default", 7);
	bool is_new;
	int r = table_restore_session(table, session, pool, process, now, &is_new, &change);

	if (r < 0)
		session_unref(session);
	return r;
}

static int try_session(struct session *session)
{
	return try_with_process(session, NULL);
}

/* It is refused, and nothing has changed. */
static void expect_contradiction(struct session *session)
{
	ck_assert_int_eq(try_session(session), -EINVAL);
	operate(0);
	ck_assert_uint_eq(metrics().active, 1);
	ck_assert_uint_eq(metrics().used_units, 1);
	ck_assert_uint_eq(pool_view("default")->used_units, 1);
}

START_TEST(a_second_session_of_an_id_is_a_contradiction)
{
	restore_one();
	expect_contradiction(forge(1, "other", 1));
}
END_TEST

START_TEST(a_second_session_of_a_users_request_id_is_a_contradiction)
{
	struct session *session;

	restore_one();
	expect_contradiction(forge(2, "r", 1));
	session = forge(2, "r", 1);
	session->creator_uid = 1001;
	ck_assert_int_eq(try_session(session), 0);
}
END_TEST

START_TEST(a_slot_that_is_taken_is_a_contradiction)
{
	restore_one();
	expect_contradiction(forge(2, "other", 0));
}
END_TEST

START_TEST(a_slot_beyond_the_pools_is_a_contradiction)
{
	restore_one();
	expect_contradiction(forge(2, "other", 200));
	expect_contradiction(forge(2, "other", UINT32_MAX));
	ck_assert_int_eq(try_session(forge(2, "other", 199)), 0);
}
END_TEST

START_TEST(slots_that_do_not_ascend_are_a_contradiction)
{
	const uint32_t wrong[][2] = {{3, 3}, {4, 3}, {3, 0}};

	restore_one();
	for (int i = 0; i < 3; i++) {
		struct session_params params = {
			.id = 2, .request_id = "two", .request_id_length = 3, .units = 2};
		struct session *session = session_new(&params);

		session->sequence = 5;
		session->fence = FENCE;
		memcpy(session->slots, wrong[i], sizeof(wrong[i]));
		expect_contradiction(session);
	}
}
END_TEST

START_TEST(a_sequence_from_the_future_is_a_contradiction)
{
	struct session *session;

	restore_one();
	session = forge(2, "other", 1);
	session->sequence = 10;
	expect_contradiction(session);
}
END_TEST

START_TEST(a_fence_from_the_future_is_a_contradiction)
{
	struct session *session;

	restore_one();
	session = forge(2, "other", 1);
	session->fence = FENCE + 10;
	expect_contradiction(session);
}
END_TEST

START_TEST(a_session_of_a_pool_that_is_not_there_is_left_out)
{
	set_limit("p", 1);
	TAKE(.pool = "p");
	commit();
	free(store.pools.items[--store.pools.count].bytes); /* the last one by name */
	fixture_crash();
	fill();
	ck_assert_uint_eq(n_contradictions, 1);
	ck_assert_uint_eq(metrics().totals.ended[OUTCOME_ABANDONED], 1);
}
END_TEST

START_TEST(a_process_session_without_a_process_is_a_contradiction)
{
	struct session *session = forge(2, "other", 1);

	restore_one();
	session->owner_kind = OWNER_PROCESS;
	expect_contradiction(session);
}
END_TEST

START_TEST(a_detached_session_with_a_process_is_a_contradiction)
{
	restore_one();
	ck_assert_int_eq(try_with_process(forge(2, "other", 1), make_process(&bob)), -EINVAL);
	operate(0);
	ck_assert_uint_eq(metrics().processes, 0);
	ck_assert_uint_eq(metrics().active, 1);
}
END_TEST

/* The N-th of many; each of a user and with a label of its own, if that. */
static struct session *forge_one_of_many(uint32_t n, bool is_alone)
{
	struct session *session;
	char name[16];

	snprintf(name, sizeof(name), "r%d", (int)n);
	session = forge(100 + n, name, n);
	session->sequence = n + 1;
	session->fence = FENCE + n;
	if (is_alone) {
		session->uid = 2000 + n;
		session->label = text_new(name, strlen(name));
	}
	return session;
}

static void restore_until_there_is_no_memory(bool are_alone)
{
	struct saved_table saved = {.next_sequence = 1000, .next_fence = FENCE + 1000};
	struct session *session = NULL;
	uint32_t restored = 0;
	bool is_new;
	int r = 0;

	set_limit("default", 1000);
	saved.totals.created = 800;
	table_restore_globals(table, &saved, &change);
	while (r == 0 && restored < 800) {
		struct pool *pool = table_find_pool(table, "default", 7);

		session = forge_one_of_many(restored, are_alone);
		r = table_restore_session(table, session, pool, NULL, now, &is_new, &change);
		restored += r == 0;
	}
	ck_assert_int_eq(r, -ENOBUFS);
	give_wanted();
	ck_assert_int_eq(try_session(session), 0);
	table_end_restoring(table, INT64_MAX, now, &change);
	operate(0);
	ck_assert_uint_eq(metrics().active, restored + 1);
}

START_TEST(without_room_for_its_deadline_a_session_stays_the_callers)
{
	restore_until_there_is_no_memory(false);
}
END_TEST

/* There is room for their deadlines. */
START_TEST(without_tallies_a_session_stays_the_callers)
{
	struct table_wants wants;
	struct table_supply supply;

	table_wants_for(table, 1000, &wants);
	table_supply_init(&supply, &wants);
	table_give(table, &wants, &supply);
	table_supply_deinit(&supply);
	restore_until_there_is_no_memory(true);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, stored_setup, stored_teardown);
	tcase_add_test(tcase, a_second_session_of_an_id_is_a_contradiction);
	tcase_add_test(tcase, a_second_session_of_a_users_request_id_is_a_contradiction);
	tcase_add_test(tcase, a_slot_that_is_taken_is_a_contradiction);
	tcase_add_test(tcase, a_slot_beyond_the_pools_is_a_contradiction);
	tcase_add_test(tcase, slots_that_do_not_ascend_are_a_contradiction);
	tcase_add_test(tcase, a_sequence_from_the_future_is_a_contradiction);
	tcase_add_test(tcase, a_fence_from_the_future_is_a_contradiction);
	tcase_add_test(tcase, a_process_session_without_a_process_is_a_contradiction);
	tcase_add_test(tcase, a_detached_session_with_a_process_is_a_contradiction);
	tcase_add_test(tcase, a_session_of_a_pool_that_is_not_there_is_left_out);
	tcase_add_test(tcase, without_room_for_its_deadline_a_session_stays_the_callers);
	tcase_add_test(tcase, without_tallies_a_session_stays_the_callers);
}

int main(void)
{
	return run_tests("table_contradictions", add);
}
