/* SPDX-License-Identifier: MIT */
/* Admission: who gets a session, and what those are told who do not. */
#include "tests/unit/table_fixture.h"

#include <errno.h>
#include <stdio.h>

static struct pool_settings with_limit(uint32_t limit)
{
	struct pool_settings settings = pool_settings_builtin;

	settings.limit = limit;
	return settings;
}

START_TEST(a_session_has_what_was_asked_for)
{
	const struct session *session;

	TAKE(.owner = &bob, .request_id = "mine", .metadata = "{\"a\":1}", .label = "l", .units = 2,
		.timeout_ms = 5000, .fingerprint = 77, .id = 0xabc);
	session = created.session.session;
	ck_assert(!created.is_existing);
	ck_assert_uint_eq(session->id, 0xabc);
	ck_assert_uint_eq(session->fence, FENCE);
	ck_assert_uint_eq(session->fingerprint, 77);
	ck_assert_str_eq(session->request_id, "mine");
	ck_assert_str_eq(session->label->bytes, "l");
	ck_assert_str_eq(session->pool_name->bytes, "default");
	ck_assert_uint_eq(session->slots[0], 0);
	ck_assert_uint_eq(session->slots[1], 1);
	ck_assert_int_eq(session->created_us, now.now_us);
	ck_assert_int_eq(session->created_wall_us, now.wall_us);
	ck_assert_int_eq(created.session.state, SESSION_IDLE);
	ck_assert_int_eq(created.session.owner_kind, OWNER_CONNECTION);
	ck_assert_str_eq(created.session.metadata->bytes, "{\"a\":1}");
	ck_assert_uint_eq(created.session.uid, 1001);
	ck_assert_int_eq(created.session.identity->pid, 200);
	ck_assert_str_eq(created.session.identity->comm, "bob");
	ck_assert_str_eq(created.session.identity->systemd_unit->bytes, "bob");
	ck_assert_int_eq(created.session.remaining_us, 5 * SECOND_US);
	ck_assert_int_eq(created.session.expires_wall_us, now.wall_us + 5 * SECOND_US);
	ck_assert_int_eq(created.session.age_us, 0);
	ck_assert(created.session.is_visible);
}
END_TEST

START_TEST(a_session_without_metadata_and_label_has_none)
{
	TAKE();
	ck_assert_ptr_null(created.session.session->label);
	ck_assert_ptr_null(created.session.metadata);
	ck_assert_int_eq(created.session.remaining_us, -1);
	ck_assert_int_eq(created.session.expires_wall_us, 0);
	ck_assert_uint_eq(metrics().metadata_bytes, 0);
}
END_TEST

START_TEST(the_lowest_free_slots_are_given)
{
	uint64_t ids[6];

	for (int i = 0; i < 6; i++)
		ids[i] = TAKE();
	release(ids[4]);
	release(ids[1]);
	TAKE(.units = 3);
	ck_assert_uint_eq(created.session.session->slots[0], 1);
	ck_assert_uint_eq(created.session.session->slots[1], 4);
	ck_assert_uint_eq(created.session.session->slots[2], 6);
}
END_TEST

START_TEST(release_frees_the_lowest_slot)
{
	uint64_t first = TAKE();

	TAKE();
	release(first);
	TAKE();
	ck_assert_uint_eq(created.session.session->slots[0], 0);
}
END_TEST

START_TEST(fences_grow_over_all_pools_and_ends)
{
	set_limit("other", 2);
	release(TAKE());
	TAKE(.pool = "other");
	ck_assert_uint_eq(created.session.session->fence, FENCE + 1);
	TAKE();
	ck_assert_uint_eq(created.session.session->fence, FENCE + 2);
	ck_assert_uint_eq(table_next_fence(table), FENCE + 3);
}
END_TEST

START_TEST(fences_end_below_two_to_the_53)
{
	struct table_options options = {.first_fence = (UINT64_C(1) << 53) - 1};

	table_free(table);
	table = table_new(&options);
	TAKE();
	ck_assert_uint_eq(created.session.session->fence, (UINT64_C(1) << 53) - 1);
	ck_assert_int_eq(CREATE(), -EOVERFLOW);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_CREATION_ERROR], 1);
}
END_TEST

START_TEST(the_fourth_of_three_is_refused)
{
	set_limit("gpu", 3);
	for (int i = 0; i < 3; i++)
		TAKE(.pool = "gpu");
	ck_assert_int_eq(CREATE(.pool = "gpu"), STATUS_CAPACITY_REACHED);
	ck_assert_uint_eq(n_freed_sessions, 1);
	ck_assert_uint_eq(pool_view("gpu")->counters.rejected[REJECTED_CAPACITY], 1);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_CAPACITY], 1);
}
END_TEST

START_TEST(units_fill_the_pool_exactly)
{
	set_limit("gpu", 10);
	TAKE(.pool = "gpu", .units = 6);
	ck_assert_int_eq(CREATE(.pool = "gpu", .units = 5), STATUS_CAPACITY_REACHED);
	TAKE(.pool = "gpu", .units = 4);
	ck_assert_int_eq(CREATE(.pool = "gpu"), STATUS_CAPACITY_REACHED);
	ck_assert_uint_eq(pool_view("gpu")->used_units, 10);
}
END_TEST

START_TEST(more_units_than_the_limit_can_never_fit)
{
	set_limit("gpu", 10);
	ck_assert_int_eq(CREATE(.pool = "gpu", .units = 11), STATUS_INVALID_PARAMETER);
	ck_assert_uint_eq(pool_view("gpu")->counters.rejected[REJECTED_INVALID], 1);
}
END_TEST

START_TEST(a_full_pool_tells_who_holds_it)
{
	uint64_t ids[7];

	set_limit("gpu", 7);
	for (int i = 0; i < 7; i++) {
		ids[i] = TAKE(.pool = "gpu", .metadata = "{}", .owner = i ? &bob : &alice);
		advance_ms(1000);
	}
	ck_assert_int_eq(CREATE(.pool = "gpu"), STATUS_CAPACITY_REACHED);
	ck_assert_uint_eq(created.refusal.n_holders, CREATE_HOLDERS_MAX);
	for (int i = 0; i < CREATE_HOLDERS_MAX; i++) {
		ck_assert_uint_eq(created.refusal.holders[i].session->id, ids[i]);
		ck_assert_int_eq(created.refusal.holders[i].age_us, (7 - i) * SECOND_US);
		ck_assert_int_eq(created.refusal.holders[i].is_visible, i == 0);
	}
	ck_assert_str_eq(created.refusal.pool.name->bytes, "gpu");
	ck_assert_uint_eq(created.refusal.pool.settings.limit, 7);
	ck_assert_uint_eq(created.refusal.pool.used_units, 7);
}
END_TEST

START_TEST(the_retry_hint_is_what_the_oldest_has_left_of_a_usual_time)
{
	uint64_t first;

	set_limit("gpu", 1);
	first = TAKE(.pool = "gpu");
	ck_assert_int_eq(CREATE(.pool = "gpu"), STATUS_CAPACITY_REACHED);
	ck_assert_int_eq(created.refusal.retry_after_us, -1);
	advance_ms(8000);
	release(first);
	TAKE(.pool = "gpu");
	advance_ms(3000);
	ck_assert_int_eq(CREATE(.pool = "gpu"), STATUS_CAPACITY_REACHED);
	ck_assert_int_eq(created.refusal.retry_after_us, 5 * SECOND_US);
	advance_ms(10000);
	ck_assert_int_eq(CREATE(.pool = "gpu"), STATUS_CAPACITY_REACHED);
	ck_assert_int_eq(created.refusal.retry_after_us, 0);
}
END_TEST

START_TEST(an_unknown_pool_is_refused)
{
	ck_assert_int_eq(CREATE(.pool = "defaul"), STATUS_NO_SUCH_POOL);
	ck_assert_int_eq(CREATE(.pool = "default2"), STATUS_NO_SUCH_POOL);
	ck_assert_int_eq(CREATE(.pool = ""), STATUS_NO_SUCH_POOL);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_INVALID], 3);
	ck_assert_uint_eq(pool_view("default")->counters.rejected[REJECTED_INVALID], 0);
}
END_TEST

START_TEST(metadata_may_be_as_long_as_the_pool_says)
{
	struct pool_settings settings = with_limit(5);

	settings.max_metadata_bytes = 4;
	set_pool("small", &settings);
	TAKE(.pool = "small", .metadata = "{  }");
	ck_assert_int_eq(CREATE(.pool = "small", .metadata = "{   }"), STATUS_METADATA_TOO_LARGE);
	ck_assert_uint_eq(created.refusal.pool.settings.max_metadata_bytes, 4);
	ck_assert_uint_eq(pool_view("small")->counters.rejected[REJECTED_METADATA_SIZE], 1);
	ck_assert_uint_eq(pool_view("small")->metadata_bytes, 4);
}
END_TEST

START_TEST(a_taken_id_leaves_the_fresh_session_to_the_caller)
{
	uint64_t id = TAKE();

	ck_assert_int_eq(CREATE(.id = id), -EEXIST);
	release(id);
	ck_assert_int_eq(CREATE(.id = id), -EEXIST); /* the history has it */
	ck_assert_uint_eq(metrics().totals.created, 1);
	ck_assert_uint_eq(metrics().totals.rejected[REJECTED_INVALID], 0);
}
END_TEST

/* ---- the order of refusals ---- */

START_TEST(refusals_come_in_their_order)
{
	struct pool_settings settings = with_limit(1);
	const struct wish bad = {
		.pool = "p", .metadata = "{}", .timeout_ms = TIMEOUT_ZERO, .units = 2};
	struct wish wish = bad;

	settings.max_metadata_bytes = 1;
	set_pool("p", &settings);
	TAKE(.pool = "p");
	pause_pool("p", INT64_MAX, NULL);
	table_drain(table, now, &change);
	ck_assert_int_eq(create(&wish), STATUS_SHUTTING_DOWN);
	wish.pool = "unknown";
	ck_assert_int_eq(create(&wish), STATUS_SHUTTING_DOWN);
	resume_pool(NULL);
	ck_assert_int_eq(create(&wish), STATUS_NO_SUCH_POOL);
	wish.pool = "p";
	ck_assert_int_eq(create(&wish), STATUS_METADATA_TOO_LARGE);
	wish.metadata = NULL;
	ck_assert_int_eq(create(&wish), STATUS_TIMEOUT_OUT_OF_RANGE);
	wish.timeout_ms = 0;
	ck_assert_int_eq(create(&wish), STATUS_INVALID_PARAMETER);
	wish.units = 1;
	ck_assert_int_eq(create(&wish), STATUS_PAUSED);
	resume_pool("p");
	ck_assert_int_eq(create(&wish), STATUS_CAPACITY_REACHED);
}
END_TEST

START_TEST(each_refusal_counts_once)
{
	const struct counters *counters;

	set_limit("p", 1);
	TAKE(.pool = "p", .request_id = "r");
	CREATE(.pool = "p", .request_id = "r", .fingerprint = 9);
	CREATE(.pool = "p", .timeout_ms = TIMEOUT_ZERO);
	CREATE(.pool = "p", .units = 2);
	CREATE(.pool = "p");
	table_drain(table, now, &change);
	CREATE(.pool = "p");
	counters = &pool_view("p")->counters;
	ck_assert_uint_eq(counters->rejected[REJECTED_INVALID], 3);
	ck_assert_uint_eq(counters->rejected[REJECTED_CAPACITY], 1);
	ck_assert_uint_eq(counters->rejected[REJECTED_SHUTDOWN], 1);
	ck_assert_uint_eq(counters->rejected[REJECTED_METADATA_SIZE], 0);
	ck_assert_int_eq(
		memcmp(counters->rejected, metrics().totals.rejected, sizeof(counters->rejected)),
		0);
}
END_TEST

/* ---- known request ids ---- */

START_TEST(a_known_request_gives_the_same_session)
{
	uint64_t id = TAKE(.request_id = "r", .fingerprint = 5);

	ck_assert_int_eq(CREATE(.request_id = "r", .fingerprint = 5), 0);
	ck_assert(created.is_existing);
	ck_assert_uint_eq(created.session.session->id, id);
	ck_assert_uint_eq(n_freed_sessions, 1);
	ck_assert_uint_eq(metrics().active, 1);
	ck_assert_uint_eq(metrics().totals.created, 1);
}
END_TEST

START_TEST(an_existing_session_moves_to_the_callers_connection)
{
	uint64_t id = TAKE(.request_id = "r");

	ck_assert_int_eq(CREATE(.request_id = "r", .owner = &alice_again), 0);
	ck_assert_str_eq(created.session.identity->comm, "again");
	gone(&alice, 10);
	ck_assert_int_eq(look(id), 0);
	gone(&alice_again, 10);
	ck_assert_int_eq(outcome_of(id), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(a_known_request_is_answered_while_draining_and_paused_and_full)
{
	set_limit("p", 1);
	TAKE(.pool = "p", .request_id = "r");
	pause_pool(NULL, INT64_MAX, NULL);
	table_drain(table, now, &change);
	ck_assert_int_eq(CREATE(.pool = "p", .request_id = "r"), 0);
	ck_assert(created.is_existing);
}
END_TEST

START_TEST(a_known_request_with_other_parameters_is_refused)
{
	uint64_t id = TAKE(.request_id = "r", .fingerprint = 5);

	ck_assert_int_eq(CREATE(.request_id = "r", .fingerprint = 6), STATUS_REQUEST_ID_IN_USE);
	ck_assert_uint_eq(created.refusal.other_id, id);
	ck_assert_uint_eq(n_freed_sessions, 1);
}
END_TEST

START_TEST(a_known_request_of_another_process_is_refused)
{
	TAKE(.request_id = "r");
	ck_assert_int_eq(
		CREATE(.request_id = "r", .owner = &alice_other), STATUS_REQUEST_ID_IN_USE);
}
END_TEST

START_TEST(unknown_processes_are_not_the_same)
{
	TAKE(.request_id = "r", .owner = &foreign);
	ck_assert_int_eq(CREATE(.request_id = "r", .owner = &foreign), STATUS_REQUEST_ID_IN_USE);
}
END_TEST

START_TEST(a_detached_session_is_known_to_all_processes_of_its_user)
{
	uint64_t id = TAKE(.request_id = "r", .kind = OWNER_DETACHED);

	ck_assert_int_eq(
		CREATE(.request_id = "r", .kind = OWNER_DETACHED, .owner = &alice_other), 0);
	ck_assert(created.is_existing);
	ck_assert_uint_eq(created.session.session->id, id);
	ck_assert_int_eq(created.session.owner_kind, OWNER_DETACHED);
	gone(&alice_other, 10);
	ck_assert_int_eq(look(id), 0);
}
END_TEST

START_TEST(request_ids_of_users_do_not_meet)
{
	TAKE(.request_id = "r");
	TAKE(.request_id = "r", .owner = &bob);
	ck_assert(!created.is_existing);
	ck_assert_uint_eq(metrics().active, 2);
}
END_TEST

START_TEST(users_without_a_mapping_do_not_share_detached_sessions)
{
	TAKE(.request_id = "r", .kind = OWNER_DETACHED, .owner = &nobody);
	ck_assert_int_eq(CREATE(.request_id = "r", .kind = OWNER_DETACHED, .owner = &nobody_else),
		STATUS_REQUEST_ID_IN_USE);
}
END_TEST

START_TEST(a_request_id_is_free_again_after_the_end)
{
	uint64_t id = TAKE(.request_id = "r");

	release(id);
	TAKE(.request_id = "r", .fingerprint = 1);
	ck_assert(!created.is_existing);
	ck_assert_uint_ne(created.session.session->id, id);
}
END_TEST

/* ---- many ---- */

START_TEST(the_containers_grow_with_the_sessions)
{
	uint64_t ids[1000];

	set_limit("many", 1000);
	for (int i = 0; i < 1000; i++)
		ids[i] = TAKE(.pool = "many", .timeout_ms = 1000 + i * 37 % 1000);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(look(ids[i]), 0);
	advance_ms(1500);
	ck_assert_uint_eq(expire(), 501);
}
END_TEST

START_TEST(a_full_deadline_heap_asks_for_room_and_changes_nothing)
{
	struct create_request request = {
		.pool = "default", .pool_length = 7, .caller = &alice, .timeout_ms = 1000};
	int status = 0;
	int n = 0;

	while (!status) {
		char request_id[16];
		struct session_params params = {.id = (uint64_t)n + 1, .units = 1};

		params.request_id_length =
			(size_t)snprintf(request_id, sizeof(request_id), "%d", n);
		params.request_id = request_id;
		request.fresh = session_new(&params);
		session_view_deinit(&created.session);
		status = table_create(table, &request, now, &created, &change);
		n += !status;
	}
	ck_assert_int_eq(status, -ENOBUFS);
	ck_assert_int_eq(n, 64);
	ck_assert_uint_eq(metrics().totals.created, 64);
	operate(0); /* gives what is wanted */
	ck_assert_int_eq(table_create(table, &request, now, &created, &change), 0);
	operate(0);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_session_has_what_was_asked_for);
	tcase_add_test(tcase, a_session_without_metadata_and_label_has_none);
	tcase_add_test(tcase, the_lowest_free_slots_are_given);
	tcase_add_test(tcase, release_frees_the_lowest_slot);
	tcase_add_test(tcase, fences_grow_over_all_pools_and_ends);
	tcase_add_test(tcase, fences_end_below_two_to_the_53);
	tcase_add_test(tcase, the_fourth_of_three_is_refused);
	tcase_add_test(tcase, units_fill_the_pool_exactly);
	tcase_add_test(tcase, more_units_than_the_limit_can_never_fit);
	tcase_add_test(tcase, a_full_pool_tells_who_holds_it);
	tcase_add_test(tcase, the_retry_hint_is_what_the_oldest_has_left_of_a_usual_time);
	tcase_add_test(tcase, an_unknown_pool_is_refused);
	tcase_add_test(tcase, metadata_may_be_as_long_as_the_pool_says);
	tcase_add_test(tcase, a_taken_id_leaves_the_fresh_session_to_the_caller);
	tcase_add_test(tcase, refusals_come_in_their_order);
	tcase_add_test(tcase, each_refusal_counts_once);
	tcase_add_test(tcase, a_known_request_gives_the_same_session);
	tcase_add_test(tcase, an_existing_session_moves_to_the_callers_connection);
	tcase_add_test(tcase, a_known_request_is_answered_while_draining_and_paused_and_full);
	tcase_add_test(tcase, a_known_request_with_other_parameters_is_refused);
	tcase_add_test(tcase, a_known_request_of_another_process_is_refused);
	tcase_add_test(tcase, unknown_processes_are_not_the_same);
	tcase_add_test(tcase, a_detached_session_is_known_to_all_processes_of_its_user);
	tcase_add_test(tcase, request_ids_of_users_do_not_meet);
	tcase_add_test(tcase, users_without_a_mapping_do_not_share_detached_sessions);
	tcase_add_test(tcase, a_request_id_is_free_again_after_the_end);
	tcase_add_test(tcase, the_containers_grow_with_the_sessions);
	tcase_add_test(tcase, a_full_deadline_heap_asks_for_room_and_changes_nothing);
}

int main(void)
{
	return run_tests("table_create", add);
}
