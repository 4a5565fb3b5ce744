/* SPDX-License-Identifier: MIT */
/* The log of what happens: order and content, readers that lag and lose. */
#include "tests/unit/table_fixture.h"

#include "daemon/core/events.h"

#define MAX 64

static struct event_reader reader, other;
static const struct event *events[MAX];
static size_t n_events;

static void begin(void)
{
	table_begin_reading(table, &reader, 9);
	give_wanted();
}

static void read_with(struct event_reader *r, size_t max)
{
	n_events = table_read_events(table, r, events, max, &change);
}

static void read_all(void)
{
	read_with(&reader, MAX);
}

/* All events since the last time, which must be of these types. */
static void expect_types(const enum event_type *types, size_t n)
{
	read_all();
	ck_assert_uint_eq(n_events, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(events[i]->type, types[i]);
}
#define EXPECT_TYPES(...)                                                                          \
	expect_types((const enum event_type[]){__VA_ARGS__},                                       \
		sizeof((const enum event_type[]){__VA_ARGS__}) / sizeof(enum event_type))

static void end(void)
{
	table_end_reading(table, &reader, &change);
	operate(0);
}

/* ---- content ---- */

START_TEST(nothing_is_kept_while_nobody_reads)
{
	TAKE();
	begin();
	read_all();
	ck_assert_uint_eq(n_events, 0);
	end();
}
END_TEST

START_TEST(a_life_is_told_in_its_order)
{
	uint64_t id;

	begin();
	id = TAKE(.metadata = "{}");
	start(&alice, id);
	renew(&alice, id, 1000);
	update(&alice, id, "{\"a\":1}");
	revoke(&alice, id, false);
	release(id);
	EXPECT_TYPES(EVENT_CREATED, EVENT_STARTED, EVENT_RENEWED, EVENT_RENEWED, EVENT_REVOKING,
		EVENT_ENDED);
	ck_assert_int_eq(events[0]->session.state, SESSION_IDLE);
	ck_assert_int_eq(events[1]->session.state, SESSION_PROCESSING);
	ck_assert_int_eq(events[2]->session.remaining_us, SECOND_US);
	ck_assert_str_eq(events[3]->session.metadata->bytes, "{\"a\":1}");
	ck_assert(events[4]->session.is_revoking);
	ck_assert(events[5]->has_outcome);
	ck_assert_int_eq((int)events[5]->outcome, OUTCOME_COMPLETED);
	ck_assert_uint_eq(events[5]->session.session->id, id);
	end();
}
END_TEST

START_TEST(a_wait_is_told_from_its_begin_to_its_grant)
{
	uint64_t id;

	set_limit("default", 1);
	id = TAKE();
	begin();
	WAIT(.owner = &bob);
	release(id);
	EXPECT_TYPES(EVENT_QUEUED, EVENT_ENDED, EVENT_GRANTED);
	ck_assert_int_eq(events[0]->session.state, SESSION_WAITING);
	ck_assert(!events[0]->session.has_slots);
	ck_assert(events[2]->session.has_slots);
	end();
}
END_TEST

START_TEST(the_end_of_a_wait_says_why)
{
	set_limit("default", 1);
	TAKE();
	begin();
	WAIT(.wait_ms = 10);
	advance_ms(10);
	expire();
	EXPECT_TYPES(EVENT_QUEUED, EVENT_ENDED);
	ck_assert(!events[1]->has_outcome);
	ck_assert_int_eq(events[1]->status, STATUS_WAIT_TIMEOUT);
	end();
}
END_TEST

START_TEST(a_refusal_says_who_and_why)
{
	begin();
	CREATE(.pool = "none", .owner = &bob);
	CREATE(.pool = "not a name");
	EXPECT_TYPES(EVENT_REFUSED, EVENT_REFUSED);
	ck_assert_int_eq(events[0]->status, STATUS_NO_SUCH_POOL);
	ck_assert_str_eq(events[0]->pool_name, "none");
	ck_assert_uint_eq(events[0]->uid, 1001);
	ck_assert_int_eq(events[0]->pid, 200);
	ck_assert_str_eq(events[1]->pool_name, "");
	end();
}
END_TEST

START_TEST(revoking_has_its_reason)
{
	uint64_t id = TAKE();
	struct text *reason = text_new("because", 7);

	begin();
	table_revoke(table, &(struct session_ref){.id = id, .caller = &alice}, false, reason, now,
		&change);
	text_unref(reason);
	operate(0);
	EXPECT_TYPES(EVENT_REVOKING);
	ck_assert_str_eq(events[0]->reason->bytes, "because");
	end();
}
END_TEST

START_TEST(overdue_is_told)
{
	struct pool_settings settings = pool_settings_builtin;

	settings.on_timeout = ON_TIMEOUT_HOLD;
	set_pool("default", &settings);
	TAKE(.timeout_ms = 10);
	begin();
	advance_ms(10);
	expire();
	EXPECT_TYPES(EVENT_OVERDUE);
	ck_assert(events[0]->session.is_overdue);
	end();
}
END_TEST

START_TEST(pools_and_pauses_are_told)
{
	begin();
	set_limit("p", 3);
	pause_pool("p", SECOND_US, "why");
	advance_ms(1000);
	expire();
	remove_pools_but(NULL);
	EXPECT_TYPES(EVENT_POOL, EVENT_POOL, EVENT_POOL, EVENT_POOL, EVENT_POOL);
	ck_assert_uint_eq(events[0]->pool.settings.limit, 3);
	ck_assert(events[1]->pool.is_paused);
	ck_assert_str_eq(events[1]->pool.pause_reason->bytes, "why");
	ck_assert(!events[2]->pool.is_paused);
	ck_assert_str_eq(events[3]->pool.name->bytes, "default");
	ck_assert(events[4]->pool.is_removed);
	end();
}
END_TEST

START_TEST(the_drain_and_its_end_are_told)
{
	begin();
	drain();
	drain();
	resume_pool(NULL);
	EXPECT_TYPES(EVENT_DRAIN, EVENT_DRAIN, EVENT_POOL);
	ck_assert(events[0]->is_draining);
	ck_assert(!events[1]->is_draining);
	end();
}
END_TEST

START_TEST(attach_and_the_return_of_a_connection_are_told)
{
	uint64_t id = TAKE(.request_id = "r");

	begin();
	attach(&alice_other, id, OWNER_CONNECTION);
	attach(&alice, id, OWNER_CONNECTION);
	TAKE(.request_id = "r");
	TAKE(.request_id = "r", .owner = &alice_again);
	EXPECT_TYPES(EVENT_RENEWED, EVENT_RENEWED, EVENT_RENEWED);
	ck_assert_int_eq(events[0]->session.identity->pid, 101);
	end();
}
END_TEST

START_TEST(metadata_is_for_those_who_may_act_also_roots)
{
	begin();
	TAKE(.owner = &root);
	EXPECT_TYPES(EVENT_CREATED);
	ck_assert(!events[0]->session.is_visible);
	end();
}
END_TEST

START_TEST(events_of_one_section_have_its_number)
{
	uint64_t section;

	table_begin_section(table);
	section = table_begin_reading(table, &reader, 9);
	give_wanted();
	TAKE();
	table_begin_section(table);
	TAKE();
	TAKE();
	EXPECT_TYPES(EVENT_CREATED, EVENT_CREATED, EVENT_CREATED);
	ck_assert_uint_eq(events[0]->section, section);
	ck_assert_uint_eq(events[1]->section, section + 1);
	ck_assert_uint_eq(events[2]->section, section + 1);
	end();
}
END_TEST

/* ---- readers ---- */

START_TEST(an_event_rings_its_readers)
{
	begin();
	TAKE();
	ck_assert_uint_eq(rung, UINT64_C(1) << 9);
	end();
}
END_TEST

START_TEST(an_event_outlives_its_session_until_the_next_read)
{
	uint64_t id;

	fixture_without_history();
	begin();
	id = TAKE(.metadata = "{}");
	read_all();
	release(id);
	ck_assert_str_eq(events[0]->session.metadata->bytes, "{}");
	end();
}
END_TEST

START_TEST(readers_have_their_own_places)
{
	begin();
	table_begin_reading(table, &other, 10);
	TAKE();
	TAKE();
	read_with(&reader, 1);
	ck_assert_uint_eq(n_events, 1);
	read_with(&other, MAX);
	ck_assert_uint_eq(n_events, 2);
	read_with(&reader, MAX);
	ck_assert_uint_eq(n_events, 1);
	table_end_reading(table, &other, &change);
	end();
}
END_TEST

START_TEST(a_reader_sees_nothing_from_before_its_begin)
{
	begin();
	TAKE();
	table_begin_reading(table, &other, 10);
	TAKE();
	read_with(&other, MAX);
	ck_assert_uint_eq(n_events, 1);
	table_end_reading(table, &other, &change);
	read_all();
	ck_assert_uint_eq(n_events, 2);
	end();
}
END_TEST

START_TEST(a_reader_that_leaves_with_unread_events_leaks_none)
{
	begin();
	table_begin_reading(table, &other, 10);
	for (int i = 0; i < 5; i++)
		TAKE();
	read_with(&reader, 2);
	end();
	read_with(&other, MAX);
	ck_assert_uint_eq(n_events, 5);
	table_end_reading(table, &other, &change);
	operate(0);
}
END_TEST

/* Without operate(), which would bring memory. */
static void renew_without_memory(uint64_t id)
{
	table_renew(table, &(struct session_ref){.id = id, .caller = &alice}, 1000, now,
		&expires_wall_us, &change);
}

START_TEST(events_without_memory_are_lost_and_the_reader_knows)
{
	uint64_t id = TAKE(.timeout_ms = 1000);

	table_begin_reading(table, &reader, 9);
	ck_assert(!reader.has_lost);
	renew_without_memory(id);
	ck_assert(reader.has_lost);
	ck_assert_uint_eq(change.ring, UINT64_C(1) << 9);
	reader.has_lost = false;
	operate(0);
	ck_assert_int_eq(renew(&alice, id, 1000), 0);
	EXPECT_TYPES(EVENT_RENEWED);
	ck_assert(!reader.has_lost);
	end();
}
END_TEST

START_TEST(a_reader_that_lags_too_far_loses_what_is_new)
{
	uint64_t id = TAKE(.timeout_ms = 1000);
	size_t n = 0;

	begin();
	for (; !reader.has_lost && n < 100000; n++) {
		renew_without_memory(id);
		if (n % 1000 == 0)
			give_wanted();
	}
	ck_assert_uint_eq(n, 65536 + 1);
	for (n = 0; n_events || n == 0; n += n_events)
		read_all();
	ck_assert_uint_eq(n, 65536);
	end();
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, nothing_is_kept_while_nobody_reads);
	tcase_add_test(tcase, a_life_is_told_in_its_order);
	tcase_add_test(tcase, a_wait_is_told_from_its_begin_to_its_grant);
	tcase_add_test(tcase, the_end_of_a_wait_says_why);
	tcase_add_test(tcase, a_refusal_says_who_and_why);
	tcase_add_test(tcase, revoking_has_its_reason);
	tcase_add_test(tcase, overdue_is_told);
	tcase_add_test(tcase, pools_and_pauses_are_told);
	tcase_add_test(tcase, the_drain_and_its_end_are_told);
	tcase_add_test(tcase, attach_and_the_return_of_a_connection_are_told);
	tcase_add_test(tcase, metadata_is_for_those_who_may_act_also_roots);
	tcase_add_test(tcase, events_of_one_section_have_its_number);
	tcase_add_test(tcase, an_event_rings_its_readers);
	tcase_add_test(tcase, an_event_outlives_its_session_until_the_next_read);
	tcase_add_test(tcase, readers_have_their_own_places);
	tcase_add_test(tcase, a_reader_sees_nothing_from_before_its_begin);
	tcase_add_test(tcase, a_reader_that_leaves_with_unread_events_leaks_none);
	tcase_add_test(tcase, events_without_memory_are_lost_and_the_reader_knows);
	tcase_add_test(tcase, a_reader_that_lags_too_far_loses_what_is_new);
}

int main(void)
{
	return run_tests("table_events", add);
}
