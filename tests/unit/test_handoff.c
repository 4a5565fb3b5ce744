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

static void fill_server(void)
{
	char metadata[10100];

	memset(metadata, 'x', sizeof(metadata));
	memcpy(metadata, "\"metadata\":{\"a\":\"", 17);
	memcpy(metadata + sizeof(metadata) - 3, "\"}", 3);
	say(0, "SetPool", "\"pool\":\"p\",\"limit\":2,\"on_timeout\":\"hold\"", false);
	say(0, "SetPool", "\"pool\":\"paused\",\"limit\":9", false);
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
	say(7, "Drain", "\"timeout_ms\":9000000", false);
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
	TCase *empty = tcase_create("empty");
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
	tcase_set_timeout(empty, 120);
	tcase_add_checked_fixture(empty, setup_empty, teardown);
	tcase_add_test(empty, recounts_go_on);
	suite_add_tcase(suite, empty);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
