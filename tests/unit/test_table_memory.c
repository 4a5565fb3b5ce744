/* SPDX-License-Identifier: MIT */
/* What the table does while the memory that it wants is late: it asks, and changes nothing. */
#include "tests/unit/table_fixture.h"

#include <errno.h>
#include <stdio.h>

#define HEAP 64 /* at first */

/* A Create of alice's without what operate() does: no pumping, no memory. */
static struct create_request bare_request(struct session *fresh)
{
	return (struct create_request){
		.pool = "default",
		.pool_length = 7,
		.caller = &alice,
		.timeout_ms = CREATE_TIMEOUT_ABSENT,
		.inbox = &inbox,
		.fresh = fresh,
	};
}

static struct session *bare_session_of(int number, const char *label, uint32_t units)
{
	char request_id[16];
	struct text *text = label ? text_new(label, strlen(label)) : NULL;
	struct session_params params = {
		.id = 1000000 + (uint64_t)number, .units = units, .label = text};
	struct session *fresh;

	params.request_id_length = (size_t)snprintf(request_id, sizeof(request_id), "%d", number);
	params.request_id = request_id;
	fresh = session_new(&params);
	text_unref(text);
	return fresh;
}

static struct session *bare_session(int number, const char *label)
{
	return bare_session_of(number, label, 1);
}

static int bare_create(struct create_request *request)
{
	session_view_deinit(&created.session);
	return table_create(table, request, now, &created, &change);
}

START_TEST(a_create_without_spare_tallies_asks_for_them_and_changes_nothing)
{
	struct create_request request;
	char label[32];
	int status = 0, n = 0;

	set_limit("default", 10000);
	for (; !status && n < 1000; n++) {
		snprintf(label, sizeof(label), "label%d", n);
		request = bare_request(bare_session(n, label));
		status = bare_create(&request);
	}
	ck_assert_int_eq(status, -ENOBUFS);
	ck_assert_uint_eq(metrics().totals.created, (uint64_t)n - 1);
	check_invariants();
	give_wanted();
	ck_assert_int_eq(bare_create(&request), 0);
	operate(0);
}
END_TEST

START_TEST(an_attach_without_spare_tallies_asks_for_them)
{
	struct create_request request;
	struct session_ref attached = {.caller = &alice_other};
	struct session_view shown;
	char label[32];
	bool is_new;

	set_limit("default", 10000);
	attached.id = TAKE();
	for (int i = 0, status = 0; !status; i++) {
		snprintf(label, sizeof(label), "label%d", i);
		request = bare_request(bare_session(i, label));
		status = bare_create(&request);
	}
	session_unref(request.fresh);
	ck_assert_int_eq(table_attach(table, &attached, OWNER_CONNECTION, NULL, now, &shown,
				 &is_new, &change),
		-ENOBUFS);
	check_invariants();
	operate(0);
	ck_assert_int_eq(attach(&alice_other, attached.id, OWNER_CONNECTION), 0);
}
END_TEST

START_TEST(a_wait_without_room_for_its_end_asks_for_it_and_changes_nothing)
{
	struct create_request request;
	int status = 0, n = 0;

	set_limit("default", 1);
	TAKE();
	for (; !status; n++) {
		request = bare_request(bare_session(n, NULL));
		request.wait_us = SECOND_US;
		request.waiter = make_waiter();
		status = bare_create(&request);
	}
	ck_assert_int_eq(status, -ENOBUFS);
	ck_assert_int_eq(n, HEAP + 1);
	ck_assert_uint_eq(metrics().waiting, HEAP);
	check_invariants();
	request.wait_us = WAIT_FOR_EVER; /* needs no room */
	ck_assert_int_eq(bare_create(&request), 0);
	operate(0);
}
END_TEST

START_TEST(a_retry_without_room_for_its_end_leaves_the_first_one_waiting)
{
	struct create_request request;
	struct waiter *first;

	set_limit("default", 1);
	TAKE();
	first = WAIT(.request_id = "5000");
	for (int i = 0; i < HEAP; i++) {
		request = bare_request(bare_session(i, NULL));
		request.wait_us = SECOND_US;
		request.waiter = make_waiter();
		ck_assert_int_eq(bare_create(&request), 0);
	}
	request = bare_request(bare_session(5000, NULL));
	request.wait_us = SECOND_US;
	request.waiter = make_waiter();
	ck_assert_int_eq(bare_create(&request), -ENOBUFS);
	ck_assert(!first->is_decided);
	check_invariants();
	give_wanted();
	ck_assert_int_eq(bare_create(&request), 0);
	operate(0);
	expect_decided(first, STATUS_CANCELLED);
}
END_TEST

/* Deadlines of sessions up to the brim. */
static void fill_heap(const char *pool)
{
	for (int i = 0, status = 0; !status; i++) {
		struct create_request request = bare_request(bare_session(i, NULL));

		request.pool = pool;
		request.pool_length = strlen(pool);
		request.timeout_ms = 1000;
		status = bare_create(&request);
		if (status)
			session_unref(request.fresh);
	}
}

START_TEST(a_pool_without_memory_does_not_keep_others_waiting)
{
	struct waiter *due, *plain;

	set_limit("default", 10000);
	set_limit("p", 1);
	pause_pool(NULL, INT64_MAX, NULL);
	due = WAIT(.timeout_ms = 1000);
	plain = WAIT(.pool = "p");
	pause_pool("default", INT64_MAX, NULL);
	pause_pool("p", INT64_MAX, NULL);
	resume_pool(NULL);
	set_limit("full", 10000);
	fill_heap("full");
	table_resume(table, "default", 7, now, &change);
	table_resume(table, "p", 1, now, &change);
	ck_assert(table_pump(table, now, 10, &change));
	ck_assert(table_pump(table, now, 10, &change));
	ck_assert(plain->is_decided);
	ck_assert(!due->is_decided);
	check_invariants();
	operate(0);
	ck_assert(due->is_decided);
}
END_TEST

START_TEST(start_and_renew_of_what_is_due_need_no_room)
{
	struct session_ref due = {.caller = &alice, .id = 1000000};
	struct session_ref plain = {.caller = &alice, .id = TAKE()};

	fill_heap("default");
	ck_assert_int_eq(table_start(table, &due, now, &expires_wall_us, &change), 0);
	ck_assert_int_eq(table_renew(table, &due, 5000, now, &expires_wall_us, &change), 0);
	ck_assert_int_eq(
		table_renew(table, &plain, 5000, now, &expires_wall_us, &change), -ENOBUFS);
	check_invariants();
	give_wanted();
	ck_assert_int_eq(table_renew(table, &plain, 5000, now, &expires_wall_us, &change), 0);
	operate(0);
}
END_TEST

START_TEST(an_overdue_session_is_renewed_though_the_heap_is_full)
{
	struct pool_settings settings = pool_settings_builtin;
	struct session_ref held = {.caller = &alice};

	settings.on_timeout = ON_TIMEOUT_HOLD;
	set_pool("hold", &settings);
	held.id = TAKE(.pool = "hold", .timeout_ms = 10);
	advance_ms(10);
	expire();
	fill_heap("default");
	ck_assert_int_eq(table_renew(table, &held, 1000, now, &expires_wall_us, &change), 0);
	operate(0);
}
END_TEST

START_TEST(a_shadow_pool_without_numbers_asks_for_them)
{
	struct pool_settings settings = pool_settings_builtin;
	struct create_request request;

	settings.limit = 1;
	settings.enforce = false;
	table_set_pool(table, pool_new("default", 7, &settings, POOL_RUNTIME), now, &change);
	request = bare_request(bare_session(1, NULL));
	ck_assert_int_eq(bare_create(&request), 0);
	for (int i = 2; i <= 200; i++) { /* the numbers of the old limit */
		request = bare_request(bare_session(i, NULL));
		ck_assert_int_eq(bare_create(&request), 0);
	}
	request = bare_request(bare_session(201, NULL));
	ck_assert_int_eq(bare_create(&request), -ENOBUFS);
	check_invariants();
	give_wanted();
	ck_assert_int_eq(bare_create(&request), 0);
	operate(0);
}
END_TEST

START_TEST(a_shadow_pool_ends_where_slot_numbers_end)
{
	struct pool_settings settings = pool_settings_builtin;
	struct create_request request;
	int n = 0;

	settings.enforce = false;
	set_pool("default", &settings);
	for (; n < (int)(SLOTMAP_MAX / SESSION_UNITS_MAX); n++) {
		request = bare_request(bare_session_of(n, NULL, SESSION_UNITS_MAX));
		ck_assert_int_eq(bare_create(&request), 0);
		give_wanted();
	}
	request = bare_request(bare_session(n, NULL));
	request.wait_us = WAIT_FOR_EVER;
	request.waiter = make_waiter();
	ck_assert_int_eq(bare_create(&request), 0);
	ck_assert(created.is_waiting);
	operate(0); /* does not pump for ever */
	ck_assert(!request.waiter->is_decided);
	ck_assert_int_eq(
		table_release(table, &(struct session_ref){.id = 1000000, .caller = &alice},
			OUTCOME_COMPLETED, NULL, now, &duration_us, &change),
		0);
	operate(0);
	ck_assert(request.waiter->is_decided);
}
END_TEST

START_TEST(what_is_given_and_not_needed_comes_back)
{
	struct table_wants wants = {.slots_pool = 77, .slots = 100};
	struct table_supply supply = {.slots = slotmap_new(100)};

	table_give(table, &wants, &supply);
	ck_assert_ptr_nonnull(supply.slots);
	table_supply_deinit(&supply);
	ck_assert_ptr_null(supply.slots);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_create_without_spare_tallies_asks_for_them_and_changes_nothing);
	tcase_add_test(tcase, an_attach_without_spare_tallies_asks_for_them);
	tcase_add_test(tcase, a_wait_without_room_for_its_end_asks_for_it_and_changes_nothing);
	tcase_add_test(tcase, a_retry_without_room_for_its_end_leaves_the_first_one_waiting);
	tcase_add_test(tcase, a_pool_without_memory_does_not_keep_others_waiting);
	tcase_add_test(tcase, start_and_renew_of_what_is_due_need_no_room);
	tcase_add_test(tcase, an_overdue_session_is_renewed_though_the_heap_is_full);
	tcase_add_test(tcase, a_shadow_pool_without_numbers_asks_for_them);
	tcase_add_test(tcase, a_shadow_pool_ends_where_slot_numbers_end);
	tcase_add_test(tcase, what_is_given_and_not_needed_comes_back);
}

int main(void)
{
	return run_tests("table_memory", add);
}
