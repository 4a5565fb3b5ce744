/* SPDX-License-Identifier: MIT */
/* What the table does while the memory that it wants is late: it asks, and changes nothing. And
 * what is made for it is made in full, or not at all. */
#include "daemon/core/events.h"
#include "tests/unit/fail_malloc.h"
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

/* ---- growing ---- */

/* N sessions, each with a label of its own or none, and with memory as soon as it is wanted: what
 * the table has asked for together. */
static struct table_wants fill_with_memory(int n, bool has_labels)
{
	struct table_wants all = {0}, wants;
	char label[32];

	for (int i = 0; i < n; i++) {
		struct create_request request;

		snprintf(label, sizeof(label), "label%d", i);
		request = bare_request(bare_session(i, has_labels ? label : NULL));
		ck_assert_int_eq(bare_create(&request), 0);
		if (!table_wants(table, &wants))
			continue;
		for (int array = 0; array < ARRAY_COUNT; array++)
			all.arrays[array] += wants.arrays[array];
		give_wanted();
	}
	check_invariants();
	return all;
}

START_TEST(the_maps_grow_with_what_is_in_them)
{
	struct table_wants all;

	set_limit("default", 10000);
	all = fill_with_memory(700, true);
	ck_assert_uint_eq(all.arrays[ARRAY_IDS], 512 + 1024);
	ck_assert_uint_eq(all.arrays[ARRAY_REQUESTS], 512 + 1024);
	ck_assert_uint_ge(all.arrays[ARRAY_TALLIES], 512 + 1024);
	ck_assert_uint_eq(all.arrays[ARRAY_PROCESSES], 0);
	operate(0);
}
END_TEST

START_TEST(each_map_grows_by_its_own_need)
{
	struct table_wants all;

	set_limit("default", 10000);
	for (int i = 0; i < HISTORY; i++)
		release(TAKE()); /* which have ids still, but no request ids */
	all = fill_with_memory(256, false);
	ck_assert_uint_eq(all.arrays[ARRAY_IDS], 512);
	ck_assert_uint_eq(all.arrays[ARRAY_REQUESTS], 0);
	TAKE();
	ck_assert_uint_eq(all.arrays[ARRAY_TALLIES], 0);
	operate(0);
}
END_TEST

START_TEST(the_map_of_processes_grows_with_them)
{
	const int n = 300; /* and there were 256 buckets */

	set_limit("default", 10000);
	for (int i = 0; i < 10; i++)
		TAKE(); /* so that the other maps grow already when this one has to */
	for (int i = 0; i < n; i++) {
		struct owner of = {.peer = {.uid = 1000}};

		of.peer.identity = identity_new(1000 + i, 1, "p", NULL);
		list_init(&of.sessions);
		TAKE(.process = &of);
		peer_deinit(&of.peer);
	}
	ck_assert_uint_eq(metrics().processes, (uint64_t)n);
	ck_assert(!table_wants(table, &(struct table_wants){0}));
}
END_TEST

START_TEST(there_is_room_for_as_many_as_are_to_come)
{
	struct table_wants wants;
	struct table_supply supply;

	set_limit("default", 10000);
	table_wants_for(table, 1000, &wants);
	table_supply_init(&supply, &wants);
	table_give(table, &wants, &supply);
	table_supply_deinit(&supply);
	for (int i = 0; i < 1000; i++) {
		struct create_request request = bare_request(bare_session(i, NULL));

		request.timeout_ms = 1000;
		ck_assert_int_eq(bare_create(&request), 0);
	}
	ck_assert(table_wants(table, &wants)); /* the small arrays are to be fetched */
	ck_assert_uint_eq(wants.arrays[ARRAY_IDS], 0);
	ck_assert_uint_eq(wants.arrays[ARRAY_REQUESTS], 0);
	ck_assert_uint_eq(wants.arrays[ARRAY_DEADLINES], 0);
	operate(0);
}
END_TEST

/* ---- without memory ---- */

/* Assertions want memory, too, so they come afterwards. */
START_TEST(nothing_is_made_without_memory)
{
	struct session_params params = {
		.id = 1, .units = 1, .request_id = "r", .request_id_length = 1};
	const void *made[8];

	malloc_fails = true;
	made[0] = text_new("a", 1);
	made[1] = identity_new(1, 1, "a", NULL);
	made[2] = groups_new(1);
	made[3] = allow_list_new(1);
	made[4] = session_new(&params);
	made[5] = slotmap_new(1);
	made[6] = tally_new();
	made[7] = event_new();
	malloc_fails = false;
	for (int i = 0; i < 8; i++)
		ck_assert_ptr_null(made[i]);
	pool_free(NULL);
}
END_TEST

/* Whether the N-th allocation was asked for, and failed. */
static bool has_failed(void)
{
	bool has_failed = malloc_to_fail == 0;

	malloc_to_fail = 0;
	return has_failed;
}

START_TEST(a_pool_is_made_in_full_or_not_at_all)
{
	struct pool *pool = NULL;
	size_t n = 0;

	while (!pool) {
		malloc_to_fail = ++n;
		pool = pool_new("p", 1, &pool_settings_builtin, POOL_FILE);
		ck_assert(has_failed() == !pool);
	}
	ck_assert_uint_gt(n, 3);
	pool_free(pool);
}
END_TEST

/* Or with less to spare. */
START_TEST(a_table_is_made_in_full_or_not_at_all)
{
	struct table_options options = {.first_fence = FENCE};
	size_t n = 0, n_failed = 0;
	bool goes_on = true;

	while (goes_on) {
		struct table *made;

		malloc_to_fail = ++n;
		made = table_new(&options);
		goes_on = has_failed();
		if (!made) {
			n_failed++;
			continue;
		}
		ck_assert_ptr_null(table_check(made));
		ck_assert_ptr_nonnull(table_find_pool(made, "default", 7));
		table_free(made);
	}
	ck_assert_uint_gt(n_failed, 10);
	ck_assert_uint_gt(n, n_failed + 100);
}
END_TEST

static bool is_nothing(const struct table_supply *supply)
{
	for (int i = 0; i < ARRAY_COUNT; i++)
		if (supply->arrays[i])
			return false;
	return !supply->tallies && !supply->events && !supply->slots;
}

/* Of everything there is too little. */
static void starve(struct event_reader *reader)
{
	struct pool_settings settings = pool_settings_builtin;
	char label[32];

	settings.enforce = false;
	table_set_pool(table, pool_new("default", 7, &settings, POOL_RUNTIME), now, &change);
	table_begin_reading(table, reader, 9);
	for (int i = 0, status = 0; !status; i++) {
		struct create_request request;

		snprintf(label, sizeof(label), "label%d", i / 2);
		request = bare_request(bare_session(i, label));
		request.timeout_ms = 1000;
		status = bare_create(&request);
		if (status)
			session_unref(request.fresh);
	}
}

START_TEST(what_could_not_be_made_is_wanted_still)
{
	struct table_wants wants, still;
	struct table_supply supply;
	struct event_reader reader;

	starve(&reader);
	ck_assert(table_wants(table, &wants));
	ck_assert_uint_gt(wants.arrays[ARRAY_DEADLINES], 0);
	ck_assert_uint_gt(wants.events, 0);
	ck_assert_uint_ne(wants.slots_pool, 0);
	wants.tallies = 1; /* which would come to that later */
	malloc_fails = true;
	table_supply_init(&supply, &wants);
	malloc_fails = false;
	ck_assert(is_nothing(&supply));
	table_give(table, &wants, &supply);
	ck_assert(is_nothing(&supply));
	ck_assert(table_wants(table, &still));
	ck_assert_uint_eq(still.arrays[ARRAY_DEADLINES], wants.arrays[ARRAY_DEADLINES]);
	ck_assert_uint_eq(still.events, wants.events);
	ck_assert_uint_eq(still.slots_pool, wants.slots_pool);
	check_invariants();
	table_end_reading(table, &reader, &change);
	operate(0);
	TAKE(.timeout_ms = 1000);
}
END_TEST

START_TEST(slot_numbers_that_are_fewer_by_now_come_back)
{
	struct pool_settings settings = pool_settings_builtin;
	struct table_wants wants;
	struct table_supply supply;
	struct slotmap *made;

	settings.enforce = false;
	table_set_pool(table, pool_new("default", 7, &settings, POOL_RUNTIME), now, &change);
	ck_assert(table_wants(table, &wants));
	ck_assert_uint_ne(wants.slots_pool, 0);
	table_supply_init(&supply, &wants);
	made = supply.slots;
	settings.limit = 2 * wants.slots;
	table_set_pool(table, pool_new("default", 7, &settings, POOL_RUNTIME), now, &change);
	table_give(table, &wants, &supply);
	ck_assert_ptr_eq(supply.slots, made);
	table_supply_deinit(&supply);
	operate(0);
}
END_TEST

static void add_growth(TCase *tcase)
{
	tcase_add_test(tcase, the_maps_grow_with_what_is_in_them);
	tcase_add_test(tcase, each_map_grows_by_its_own_need);
	tcase_add_test(tcase, the_map_of_processes_grows_with_them);
	tcase_add_test(tcase, there_is_room_for_as_many_as_are_to_come);
	tcase_add_test(tcase, nothing_is_made_without_memory);
	tcase_add_test(tcase, a_pool_is_made_in_full_or_not_at_all);
	tcase_add_test(tcase, a_table_is_made_in_full_or_not_at_all);
	tcase_add_test(tcase, what_could_not_be_made_is_wanted_still);
	tcase_add_test(tcase, slot_numbers_that_are_fewer_by_now_come_back);
}

static void add(TCase *tcase)
{
	add_growth(tcase);
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
