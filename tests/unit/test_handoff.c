/* SPDX-License-Identifier: MIT */
/* What a daemon leaves for the next one, without a daemon: a server is described, and the
 * description, as it is or with something wrong in it, fills another one. */
#include "daemon/handoff_records.h"

#include "daemon/config.h"
#include "server_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MUTATIONS 2000

/* ---- one with something of everything ---- */

/* Of users, a group, and nobody: which no call can ask for. */
static void allow(const char *pool, size_t n_users)
{
	struct pool_settings settings = pool_settings_builtin;
	struct section section;
	char name[16];

	settings.allow = allow_list_new(n_users);
	for (size_t i = 0; i < n_users; i++) {
		int length = snprintf(name, sizeof(name), "%sname%zu", i % 2 ? "@" : "", i);

		settings.allow->entries[i] = (struct allowed){
			text_new(name, (size_t)length), i % 2 == 1, 4000 + (uint32_t)i};
	}
	broker_enter(server.broker, &section);
	table_set_pool(section.table, pool_new(pool, strlen(pool), &settings, POOL_RUNTIME),
		section.now, &section.change);
	broker_leave(&section);
	allow_list_unref(settings.allow);
}

/* A session, and its end with a result. */
static void end_one(int client)
{
	char text[1000], release[200];
	const char *id;

	hear_nothing_more(client);
	say(client, "Create", "\"pool\":\"ends\"", false);
	ck_assert(hear(client, text, sizeof(text)));
	id = strstr(text, "\"session_id\"");
	ck_assert_ptr_nonnull(id);
	snprintf(release, sizeof(release), "%.*s,\"result\":\"done\"", (int)strcspn(id, ","), id);
	say(client, "Release", release, false);
	ck_assert(hear(client, text, sizeof(text)));
	ck_assert_ptr_null(strstr(text, "error"));
}

static void fill_server(void)
{
	char metadata[10100];

	memset(metadata, 'x', sizeof(metadata));
	memcpy(metadata, "\"metadata\":{\"a\":\"", 17);
	memcpy(metadata + sizeof(metadata) - 3, "\"}", 3);
	say(0, "SetPool", "\"pool\":\"p\",\"limit\":2,\"on_timeout\":\"hold\"", false);
	say(0, "SetPool", "\"pool\":\"paused\",\"limit\":9", false);
	say(0, "SetPool", "\"pool\":\"ends\",\"limit\":1", false);
	allow("some", 3);
	allow("none", 0);
	say(0, "Pause", "\"pool\":\"paused\",\"reason\":\"why\",\"for_ms\":1000000", false);
	for (int i = 0; i < 100; i++)
		say(1, "Create", metadata, false);
	hear_nothing_more(1);
	say(0, "Create", "\"pool\":\"p\",\"request_id\":\"r\",\"timeout_ms\":5000000", false);
	say(0, "Create", "\"pool\":\"p\",\"owner\":\"process\",\"label\":\"l\"", false);
	say(0, "Create", "\"owner\":\"detached\",\"units\":3", false);
	say(2, "Create", "\"pool\":\"p\",\"wait_ms\":-1,\"priority\":3", true);
	say(3, "Create", "\"pool\":\"p\",\"wait_ms\":900000,\"owner\":\"process\"", false);
	say(4, "Monitor", "", true);
	say(5, "List", "\"where\":{}", true);
	say(6, "Create", "\"request_id\":\"gone\"", false);
	say(6, "Cancel", "\"request_id\":\"none\"", false);
	end_one(6);
	ck_assert_int_eq(write(clients[6], "{\"method\":", 10), 10);
	turn();
}

/* ---- describing and taking ---- */

static struct pack_writer description;
static size_t n_fds;

static void describe(struct pack_writer *ret)
{
	struct packer packer;

	ck_assert_int_eq(packer_init(&packer, &server), 0);
	packer_write_broker(&packer, false);
	packer_write_table(&packer);
	packer_write_pools(&packer);
	packer_write_conns(&packer);
	packer_write_sessions(&packer);
	packer_write_ended(&packer);
	pack_end(&packer.out, pack_begin(&packer.out, HANDOFF_END));
	ck_assert(!pack_writer_failed(&packer.out));
	*ret = packer.out;
	n_fds = packer.n_fds;
	pack_writer_init(&packer.out);
	packer_deinit(&packer);
}

/* In a parcel, with copies of what the clients are connected to. */
static int take(const unsigned char *bytes, size_t size)
{
	static struct listeners listeners;
	struct handover handover = {.is_there = true, .listeners = &listeners};
	int r;

	handover.parcel = (struct handoff_parcel){
		.fds = calloc(CLIENTS, sizeof(int)),
		.n_fds = CLIENTS,
		.description = malloc(size + 1),
		.description_size = size,
		.memfd = -1,
	};
	for (int i = 0; i < CLIENTS; i++)
		handover.parcel.fds[i] = dup(ends[i]);
	memcpy(handover.parcel.description, bytes, size);
	r = handoff_unpack(&handover, &server);
	if (r == 0)
		handoff_accept(&handover, &server);
	return r;
}

static void hand_over(void)
{
	describe(&description);
	ck_assert_uint_eq(n_fds, CLIENTS);
	unmake_server();
	make_server();
}

static void setup_empty(void)
{
	load_config();
	make_server();
	connect_clients();
}

static void setup(void)
{
	setup_empty();
	fill_server();
	say(7, "Drain", "\"timeout_ms\":9000000", false); /* which ends waits */
	hand_over();
}

static void setup_waiting(void)
{
	setup_empty();
	fill_server();
	hand_over();
}

static void teardown(void)
{
	unmake_server();
	pack_writer_deinit(&description);
	config_unref(config);
	disconnect_clients();
}

/* ---- the same again ---- */

/* All records but the table's, which has the number of the lock section. */
static void without_table(const struct pack_writer *from, struct pack_writer *ret)
{
	struct pack_reader all = pack_reader_of(from->data, from->length);
	struct pack_field field;

	pack_writer_init(ret);
	while (pack_next(&all, &field) > 0)
		if (field.tag != HANDOFF_TABLE)
			pack_bytes(ret, field.tag, field.bytes, field.length);
}

static void expect_same_description(void)
{
	struct pack_writer again, one, other;

	describe(&again);
	without_table(&description, &one);
	without_table(&again, &other);
	ck_assert_uint_eq(one.length, other.length);
	ck_assert_mem_eq(one.data, other.data, one.length);
	pack_writer_deinit(&again);
	pack_writer_deinit(&one);
	pack_writer_deinit(&other);
}

static const struct allow_list *allowed_by(const char *pool)
{
	const struct table *table = broker_stopped_table(server.broker);
	const struct allow_list *list = table_find_pool(table, pool, strlen(pool))->settings.allow;

	ck_assert_ptr_nonnull(list);
	return list;
}

START_TEST(what_was_taken_is_described_as_it_was)
{
	ck_assert_int_eq(take(description.data, description.length), 0);
	ck_assert_ptr_null(table_check(broker_stopped_table(server.broker)));
	ck_assert_uint_eq(allowed_by("some")->count, 3);
	ck_assert_str_eq(allowed_by("some")->entries[1].name->bytes, "@name1");
	ck_assert(allowed_by("some")->entries[1].is_group);
	ck_assert_uint_eq(allowed_by("some")->entries[2].id, 4002);
	ck_assert_uint_eq(allowed_by("none")->count, 0);
	expect_same_description();
}
END_TEST

START_TEST(calls_in_work_go_on)
{
	static char text[65536];

	hear_nothing_more(2);
	ck_assert_int_eq(take(description.data, description.length), 0);
	turn();
	say(7, "GetMetrics", "", false); /* waits behind the Drain */
	say(0, "Resume", "", false);
	ck_assert_int_gt(read(clients[7], text, sizeof(text) - 1), 0);
	ck_assert_ptr_nonnull(strstr(text, "shutdown_duration"));
	ck_assert_ptr_null(table_check(broker_stopped_table(server.broker)));
}
END_TEST

START_TEST(waits_go_on)
{
	static char text[65536];

	hear_nothing_more(3);
	ck_assert_int_eq(take(description.data, description.length), 0);
	turn();
	ck_assert(!hear(3, text, sizeof(text)));
	say(0, "SetPool", "\"pool\":\"p\",\"limit\":9", false);
	ck_assert(hear(3, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "\"slots\""));
	ck_assert_ptr_null(table_check(broker_stopped_table(server.broker)));
}
END_TEST

/* What recounts is in work for some turns, and begins anew in the next daemon. */
START_TEST(recounts_go_on)
{
	static char text[65536];

	hold_sessions(1, 3000);
	ask(0, "GetMetrics", "\"pool\":\"default\"", false);
	ask(2, "Verify", "", false);
	turn_once();
	hand_over();
	ck_assert_int_eq(take(description.data, description.length), 0);
	ck_assert(!hear(0, text, sizeof(text)));
	ck_assert(!hear(2, text, sizeof(text)));
	turn();
	ck_assert(hear(0, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "\"active_sessions\":3000"));
	ck_assert_ptr_nonnull(strstr(text, "\"pool\":\"default\""));
	ck_assert(hear(2, text, sizeof(text)));
	ck_assert_str_eq(text, "{\"parameters\":{\"ok\":true,\"findings\":[]}}");
}
END_TEST

/* What a newer daemon adds: in every record a field, and records of its own. */
static void add_unknown(struct pack_writer *ret)
{
	struct pack_reader all = pack_reader_of(description.data, description.length);
	struct pack_field field;
	size_t begun;

	pack_writer_init(ret);
	while (pack_next(&all, &field) > 0) {
		begun = pack_begin(ret, field.tag);
		pack_bytes(ret, 60000, "new", 3);
		pack_raw(ret, field.bytes, field.length);
		pack_number(ret, 60001, UINT64_MAX);
		pack_end(ret, begun);
		pack_bytes(ret, 60002, "newer", 5);
	}
}

START_TEST(what_a_newer_daemon_adds_is_left_out)
{
	struct pack_writer newer;

	add_unknown(&newer);
	ck_assert_int_eq(take(newer.data, newer.length), 0);
	ck_assert_ptr_null(table_check(broker_stopped_table(server.broker)));
	expect_same_description();
	pack_writer_deinit(&newer);
}
END_TEST

/* Of a Drain, which is told in the last connection's record, a call that nobody knows yet. */
START_TEST(a_call_that_is_not_known_yet_ends_its_connection)
{
	struct pack_writer newer;
	struct pack_reader record;
	struct pack_field field;
	char text[16];
	size_t begun;

	pack_writer_init(&newer);
	for (struct pack_reader all = pack_reader_of(description.data, description.length);
		pack_next(&all, &field) > 0;) {
		begun = pack_begin(&newer, field.tag);
		record = pack_inner(&field);
		for (struct pack_field inner; pack_next(&record, &inner) > 0;)
			pack_bytes(&newer,
				field.tag == HANDOFF_CONN && inner.tag == HANDOFF_PENDING_DRAIN
					? HANDOFF_PENDING_LAST
					: inner.tag,
				inner.bytes, inner.length);
		pack_end(&newer, begun);
	}
	ck_assert_int_eq(take(newer.data, newer.length), 0);
	turn();
	close(ends[7]);
	ends[7] = -1;
	ck_assert_int_eq(read(clients[7], text, sizeof(text)), 0);
	hear_nothing_more(6);
	ck_assert_int_eq(read(clients[6], text, sizeof(text)), -1); /* and no end */
	pack_writer_deinit(&newer);
}
END_TEST

/* ---- something wrong with it ---- */

static void expect_refused(const unsigned char *bytes, size_t size)
{
	ck_assert_int_lt(take(bytes, size), 0);
	unmake_server();
	make_server();
}

START_TEST(one_that_ends_before_its_end_is_refused)
{
	struct pack_reader all = pack_reader_of(description.data, description.length);
	struct pack_field field;

	while (pack_next(&all, &field) > 0 && field.tag != HANDOFF_END) {
		size_t length = (size_t)(field.bytes - description.data) + field.length;

		if (field.tag != HANDOFF_SESSION || length % 7 == 0) /* there are many of those */
			expect_refused(description.data, length);
		expect_refused(description.data, length - 1 - (length % field.length == 0));
	}
}
END_TEST

START_TEST(records_that_refer_to_what_is_not_there_are_refused)
{
	for (uint16_t left_out = HANDOFF_IDENTITY; left_out <= HANDOFF_CONN; left_out++) {
		struct pack_reader all = pack_reader_of(description.data, description.length);
		struct pack_writer w;
		struct pack_field field;

		if (left_out == HANDOFF_BROKER || left_out == HANDOFF_LISTENER)
			continue;
		pack_writer_init(&w);
		while (pack_next(&all, &field) > 0)
			if (field.tag != left_out)
				pack_bytes(&w, field.tag, field.bytes, field.length);
		expect_refused(w.data, w.length);
		pack_writer_deinit(&w);
	}
}
END_TEST

/* ---- one field that is not as it can be ---- */

/* RECORD with the field TAG left out; VALUE in its place, unless it is NULL. */
static void put_record(struct pack_writer *w, const struct pack_field *record, uint16_t tag,
	const struct pack_field *value)
{
	struct pack_reader fields = pack_inner(record);
	struct pack_field field;
	size_t begun = pack_begin(w, record->tag);

	while (pack_next(&fields, &field) > 0)
		if (field.tag != tag)
			pack_bytes(w, field.tag, field.bytes, field.length);
	if (value)
		pack_bytes(w, tag, value->bytes, value->length);
	pack_end(w, begun);
}

/* The description with that done to the record at AT in it. */
static void alter(struct pack_writer *ret, const unsigned char *at, uint16_t tag,
	const struct pack_field *value)
{
	struct pack_reader all = pack_reader_of(description.data, description.length);
	struct pack_field record;

	pack_writer_init(ret);
	while (pack_next(&all, &record) > 0)
		if (record.bytes == at)
			put_record(ret, &record, tag, value);
		else
			pack_bytes(ret, record.tag, record.bytes, record.length);
}

static struct pack_field number_field(uint64_t number, unsigned char bytes[8])
{
	struct pack_field field = {.bytes = bytes};

	for (; number; number >>= 8)
		bytes[field.length++] = (unsigned char)number;
	return field;
}

/* The last record of that tag that has the field. */
static struct pack_field last_with(uint16_t record_tag, uint16_t field_tag)
{
	struct pack_reader all = pack_reader_of(description.data, description.length);
	struct pack_field record, field, found = {0};

	while (pack_next(&all, &record) > 0) {
		struct pack_reader fields = pack_inner(&record);

		while (record.tag == record_tag && pack_next(&fields, &field) > 0)
			if (field.tag == field_tag)
				found = record;
	}
	ck_assert_ptr_nonnull(found.bytes);
	return found;
}

#define NUMBER(record, with, tag, number)                                                          \
	{                                                                                          \
		record, with, tag, number, NULL, 0                                                 \
	}
#define TEXT(record, with, tag, text)                                                              \
	{                                                                                          \
		record, with, tag, 0, text, sizeof(text) - 1                                       \
	}

/* The tags are those of the tables in handoff_sessions.c and handoff_pools.c. */
static const struct misfit {
	uint16_t record, with; /* the last record that has the field WITH */
	uint16_t tag;
	uint64_t number;
	const char *text; /* instead of the number */
	size_t length;
} misfits[] = {
	NUMBER(HANDOFF_SESSION, 12, 1, UINT64_C(1) << 48),
	NUMBER(HANDOFF_SESSION, 12, 3, UINT64_C(1) << 53),
	NUMBER(HANDOFF_SESSION, 12, 3, 0),
	NUMBER(HANDOFF_SESSION, 12, 5, UINT64_MAX),
	TEXT(HANDOFF_SESSION, 12, 7, "nowhere"),
	TEXT(HANDOFF_SESSION, 12, 8, ""),
	TEXT(HANDOFF_SESSION, 12, 8, "a\0b"),
	NUMBER(HANDOFF_SESSION, 12, 11, 0),
	NUMBER(HANDOFF_SESSION, 12, 11, SESSION_UNITS_MAX + 1),
	TEXT(HANDOFF_SESSION, 12, 12, "abc"),
	NUMBER(HANDOFF_SESSION, 12, 15, SESSION_PRIORITY_MAX + 1),
	NUMBER(HANDOFF_SESSION, 12, 16, SESSION_ENDED),
	NUMBER(HANDOFF_SESSION, 12, 16, SESSION_ENDED + 1),
	NUMBER(HANDOFF_SESSION, 12, 17, OWNER_DETACHED + 1),
	NUMBER(HANDOFF_SESSION, 12, 22, UINT64_MAX - 1),
	NUMBER(HANDOFF_SESSION, 12, 25, 9999),
	NUMBER(HANDOFF_SESSION, 12, 26, 9999),
	NUMBER(HANDOFF_SESSION, 12, 27, 9999),
	NUMBER(HANDOFF_SESSION, 12, 29, 9999),
	NUMBER(HANDOFF_SESSION, 12, 31, OUTCOME_COUNT),
	NUMBER(HANDOFF_SESSION, 12, 33, UINT64_MAX),
	NUMBER(HANDOFF_SESSION, 29, 20, 2),
	NUMBER(HANDOFF_SESSION, 30, 20, 1),
	TEXT(HANDOFF_SESSION, 30, 30, "abc"),
	TEXT(HANDOFF_SESSION, 30, 30, ""),
	NUMBER(HANDOFF_ENDED, 1, 1, UINT64_C(1) << 48),
	NUMBER(HANDOFF_ENDED, 1, 7, 0),
	NUMBER(HANDOFF_ENDED, 1, 25, 9999),
	TEXT(HANDOFF_POOL, 1, 1, ""),
	TEXT(HANDOFF_POOL, 1, 1, "no name"),
	NUMBER(HANDOFF_POOL, 1, 2, POOL_RUNTIME + 1),
	NUMBER(HANDOFF_POOL, 1, 4, UINT32_MAX),
	NUMBER(HANDOFF_POOL, 1, 5, 0),
	NUMBER(HANDOFF_POOL, 1, 5, POOL_LIMIT_MAX + 1),
	NUMBER(HANDOFF_POOL, 1, 6, UINT32_MAX),
	NUMBER(HANDOFF_POOL, 1, 7, UINT64_MAX - 1),
	NUMBER(HANDOFF_POOL, 1, 8, UINT64_MAX - 1),
	NUMBER(HANDOFF_POOL, 1, 9, UINT64_MAX - 1),
	NUMBER(HANDOFF_POOL, 1, 10, ON_TIMEOUT_HOLD + 1),
	NUMBER(HANDOFF_POOL, 1, 16, BY_NONE + 1),
	NUMBER(HANDOFF_POOL, 1, 17, UINT64_MAX - 1),
	NUMBER(HANDOFF_POOL, 1, 18, UINT64_MAX - 1),
	TEXT(HANDOFF_POOL, 21, 21, "abc"),
	TEXT(HANDOFF_POOL, 22, 22, "abc"),
	TEXT(HANDOFF_POOL, 1, 23, "abc"),
	TEXT(HANDOFF_POOL, 1, 24, "abc"),
	TEXT(HANDOFF_POOL, 1, 25, "abc"),
};

START_TEST(what_cannot_be_is_refused)
{
	const struct misfit *m = &misfits[_i];
	struct pack_field record = last_with(m->record, m->with), value;
	unsigned char bytes[8];
	struct pack_writer w;

	value = m->text ? (struct pack_field){.bytes = (const unsigned char *)m->text,
				  .length = m->length}
			: number_field(m->number, bytes);
	alter(&w, record.bytes, m->tag, m->number || m->text ? &value : NULL);
	expect_refused(w.data, w.length);
	pack_writer_deinit(&w);
}
END_TEST

/* Taken or refused, each field with each of these: what is taken works, or is let go. */
static void try_values(
	const struct pack_field *record, const struct pack_field *field, int taken[2])
{
	static const uint64_t numbers[] = {0, 1, 127, 255, UINT32_MAX, INT64_MAX, UINT64_MAX};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		unsigned char bytes[8];
		struct pack_field value = number_field(numbers[i], bytes);
		struct pack_writer w;
		int r;

		alter(&w, record->bytes, field->tag, &value);
		r = take(w.data, w.length);
		taken[r == 0]++;
		if (r == 0)
			turn();
		pack_writer_deinit(&w);
		unmake_server();
		make_server();
	}
}

static const uint16_t tags[] = {HANDOFF_IDENTITY, HANDOFF_BROKER, HANDOFF_TABLE, HANDOFF_POOL,
	HANDOFF_CONN, HANDOFF_SESSION, HANDOFF_ENDED};

START_TEST(nothing_that_a_field_says_does_any_harm)
{
	struct pack_reader all = pack_reader_of(description.data, description.length);
	struct pack_field record, field;
	int taken[2] = {0};

	while (pack_next(&all, &record) > 0) {
		struct pack_reader fields = pack_inner(&record);

		if (record.tag != tags[_i] || record.length > 5000)
			continue;
		while (pack_next(&fields, &field) > 0)
			try_values(&record, &field, taken);
	}
	ck_assert_int_gt(taken[true], 0);
}
END_TEST

static void flip(unsigned char *bytes, size_t size)
{
	for (int n = 1 + rand() % 4; n > 0; n--) {
		size_t at = (size_t)rand() % size;

		bytes[at] = rand() % 2 ? (unsigned char)rand() : bytes[at] ^ (1 << rand() % 8);
	}
}

/* Records left out, twice, or with another tag. */
static void shuffle(struct pack_writer *w)
{
	struct pack_reader all = pack_reader_of(description.data, description.length);
	struct pack_field field;

	while (pack_next(&all, &field) > 0) {
		int what = rand() % 200;

		if (what == 0)
			continue;
		pack_bytes(w, (uint16_t)(what == 1 ? rand() % 12 : field.tag), field.bytes,
			field.length);
		if (what == 2)
			pack_bytes(w, field.tag, field.bytes, field.length);
	}
}

/* Taken or refused: nothing falls over, then or later. */
START_TEST(nothing_that_is_wrong_in_it_does_any_harm)
{
	unsigned n_taken = 0;

	srand((unsigned)_i);
	for (int i = 0; i < MUTATIONS / 4; i++) {
		struct pack_writer w;

		pack_writer_init(&w);
		if (i % 4 == 0)
			shuffle(&w);
		else
			pack_raw(&w, description.data, description.length);
		if (i % 4 != 0 || i % 8 == 0)
			flip(w.data, w.length);
		if (take(w.data, w.length) == 0) {
			n_taken++;
			turn();
		}
		pack_writer_deinit(&w);
		unmake_server();
		make_server();
	}
	ck_assert_uint_gt(n_taken, 0);
	ck_assert_uint_lt(n_taken, MUTATIONS / 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handoff");
	TCase *tcase = tcase_create("handoff");
	TCase *empty = tcase_create("empty"), *waiting = tcase_create("waiting");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 240);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_was_taken_is_described_as_it_was);
	tcase_add_test(tcase, calls_in_work_go_on);
	tcase_add_test(tcase, what_a_newer_daemon_adds_is_left_out);
	tcase_add_test(tcase, a_call_that_is_not_known_yet_ends_its_connection);
	tcase_add_test(tcase, one_that_ends_before_its_end_is_refused);
	tcase_add_test(tcase, records_that_refer_to_what_is_not_there_are_refused);
	tcase_add_loop_test(tcase, nothing_that_is_wrong_in_it_does_any_harm, 1, 5);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(waiting, 240);
	tcase_add_checked_fixture(waiting, setup_waiting, teardown);
	tcase_add_loop_test(
		waiting, what_cannot_be_is_refused, 0, sizeof(misfits) / sizeof(misfits[0]));
	tcase_add_loop_test(waiting, nothing_that_a_field_says_does_any_harm, 0,
		sizeof(tags) / sizeof(tags[0]));
	tcase_add_test(waiting, waits_go_on);
	suite_add_tcase(suite, waiting);
	tcase_set_timeout(empty, 120);
	tcase_add_checked_fixture(empty, setup_empty, teardown);
	tcase_add_test(empty, recounts_go_on);
	suite_add_tcase(suite, empty);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
