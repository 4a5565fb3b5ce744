/* SPDX-License-Identifier: MIT */
/* What usherctl makes of replies: times, refusals, events, tables. */
#include "client/cli/escape.h"
#include "client/cli/event_view.h"
#include "client/cli/format.h"
#include "client/cli/refusal.h"
#include "client/cli/session_row.h"
#include "client/cli/store_trouble.h"
#include "client/cli/table.h"
#include "client/usher.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(spans_fit_six_columns)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {{-1, "-"}, {0, "0ms"}, {999, "999ms"}, {1000, "1s"}, {59999, "59s"},
		{60000, "1m00s"}, {3599999, "59m59s"}, {3600000, "1h00m"}, {86399999, "23h59m"},
		{86400000, "1d0h"}, {INT64_C(8640000000), "100d0h"}};
	char buf[FORMAT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_str_eq(format_span(cases[i].ms, buf), cases[i].text);
		ck_assert_uint_le(strlen(buf), 6);
	}
}
END_TEST

START_TEST(brief_times_have_three_digits)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {{-5, "-"}, {0, "0.00us"}, {1500, "1.50us"}, {12345, "12.3us"},
		{999400, "999us"}, {999600, "1.00ms"}, {340000000, "340ms"},
		{INT64_C(1500000000), "1.50s"}, {INT64_C(59999000000), "1.00min"},
		{INT64_C(252000000000), "4.20min"}, {INT64_C(11160000000000), "3.10h"},
		{INT64_C(1036800000000000), "12.0d"}};
	char buf[FORMAT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(format_brief(cases[i].ns, buf), cases[i].text);
}
END_TEST

START_TEST(ordinals_are_english)
{
	static const struct {
		int64_t number;
		const char *text;
	} cases[] = {{1, "1st"}, {2, "2nd"}, {3, "3rd"}, {4, "4th"}, {11, "11th"}, {12, "12th"},
		{13, "13th"}, {21, "21st"}, {102, "102nd"}, {111, "111th"}, {1003, "1003rd"}};
	char buf[FORMAT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(format_ordinal(cases[i].number, buf), cases[i].text);
}
END_TEST

/* ---- tables ---- */

START_TEST(one_long_text_costs_the_other_columns_nothing)
{
	static const struct table_column columns[] = {
		{"A", false, 1}, {"B", false, 1}, {"C", false, 1}, {"D", true, 0}};
	char longest[201];
	size_t widths[TABLE_COLUMNS_MAX];
	struct table t;

	memset(longest, 'x', 200);
	longest[200] = '\0';
	table_init(&t, columns, 4);
	table_add(&t, "twelve chars");
	table_add(&t, "%s", longest);
	table_add(&t, "twelve chars");
	table_add(&t, "1234567890");
	table_layout(&t, 80, widths);
	ck_assert_uint_eq(widths[0], 12);
	ck_assert_uint_eq(widths[1], 80 - 12 - 12 - 10 - 3 * TABLE_GAP);
	ck_assert_uint_eq(widths[2], 12);
	ck_assert_uint_eq(widths[3], 10);
	table_layout(&t, 1, widths); /* too narrow for anything: what may not be cut is whole */
	ck_assert_uint_eq(widths[3], 10);
	table_deinit(&t);
}
END_TEST

START_TEST(columns_give_way_on_narrow_terminals)
{
	static const struct table_column columns[] = {
		{"A", false, 0}, {"B", false, 100}, {"EMPTY", false, 1}};
	size_t widths[TABLE_COLUMNS_MAX];
	struct table t;

	table_init(&t, columns, 3);
	table_add(&t, "a");
	table_add(&t, "b");
	table_add(&t, "%s", "");
	table_layout(&t, 99, widths);
	ck_assert_uint_eq(widths[1], TABLE_HIDDEN);
	ck_assert_uint_eq(widths[2], TABLE_HIDDEN);
	table_layout(&t, 100, widths);
	ck_assert_uint_eq(widths[1], 1);
	table_deinit(&t);
}
END_TEST

/* ---- rows ---- */

static struct session_row row_of(
	const char *id, const char *pool, int64_t age_ms, int64_t place, bool is_waiting)
{
	return (struct session_row){.session_id = id,
		.pool = pool,
		.age_ms = age_ms,
		.first_slot = is_waiting ? -1 : place,
		.position = is_waiting ? place : -1,
		.is_waiting = is_waiting};
}

START_TEST(rows_are_in_the_order_that_was_asked_for)
{
	const struct session_row old = row_of("s1", "b", 9000, 5, false);
	const struct session_row young = row_of("s2", "a", 10, 7, false);
	const struct session_row first = row_of("s3", "a", 10, 1, true);
	const struct session_row second = row_of("s4", "a", 9000, 2, true);

	ck_assert_int_lt(session_row_compare(&old, &young, ORDER_AGE), 0);
	ck_assert_int_gt(session_row_compare(&old, &young, ORDER_POOL), 0);
	ck_assert_int_lt(session_row_compare(&old, &young, ORDER_SLOT), 0);
	for (int order = 0; order < N_SESSION_ORDERS; order++) {
		ck_assert_int_lt(session_row_compare(&young, &first, (enum session_order)order), 0);
		ck_assert_int_eq(session_row_compare(&old, &old, (enum session_order)order), 0);
	}
	/* Who waits longer does not come first, who is nearer to the slot does. */
	ck_assert_int_lt(session_row_compare(&first, &second, ORDER_AGE), 0);
}
END_TEST

START_TEST(a_session_without_members_is_read)
{
	cJSON *empty = cJSON_Parse("{}"), *odd = cJSON_Parse("{\"pid\":\"x\",\"slots\":[1e300]}");
	struct session_row row;

	session_row_read(empty, 5000, &row);
	ck_assert_str_eq(row.pool, "");
	ck_assert_int_eq(row.pid, -1);
	ck_assert_int_eq(row.age_ms, -1);
	session_row_read(odd, 5000, &row);
	ck_assert_int_eq(row.pid, -1);
	ck_assert_int_eq(row.first_slot, -1);
	cJSON_Delete(empty);
	cJSON_Delete(odd);
}
END_TEST

static void assert_flags(const char *text, const char *wanted)
{
	cJSON *session = cJSON_Parse(text);

	ck_assert_str_eq(session_flags(session, ","), wanted);
	cJSON_Delete(session);
}

START_TEST(flags_are_what_is_out_of_the_ordinary)
{
	assert_flags("{}", "");
	assert_flags("{\"overdue\":false,\"orphaned\":true}", "orphaned");
	assert_flags("{\"revoking\":true,\"orphaned\":true,\"overdue\":true}",
		"overdue,orphaned,revoking");
}
END_TEST

/* ---- the store ---- */

static void assert_trouble(const char *text, const char *wanted)
{
	cJSON *metrics = cJSON_Parse(text);

	ck_assert_str_eq(store_trouble(metrics), wanted);
	cJSON_Delete(metrics);
}

START_TEST(trouble_with_the_store_is_a_sentence)
{
	assert_trouble("{}", "");
	assert_trouble("{\"store\":\"none\"}", "");
	assert_trouble("{\"store\":\"ok\",\"store_error\":\"x\"}", "");
	assert_trouble("{\"store\":\"full\",\"store_error\":\"max_state is reached\"}",
		"STORE FULL: max_state is reached; new sessions are refused");
	assert_trouble("{\"store\":\"failed\"}", "STORE FAILED; new sessions are refused");
}
END_TEST

/* ---- refusals ---- */

static void assert_sentence(int error, const char *parameters, const char *wanted)
{
	cJSON *tree = cJSON_Parse(parameters);
	char *sentence = refusal_sentence(error, tree);

	ck_assert_pstr_eq(sentence, wanted);
	free(sentence);
	cJSON_Delete(tree);
}

START_TEST(refusals_are_sentences)
{
	assert_sentence(-USHER_E_CAPACITY_REACHED,
		"{\"pool\":\"gpu\",\"limit\":2,\"used_units\":2,\"waiting_sessions\":3}",
		"pool \"gpu\" is full: 2 of 2 slots are taken, 3 wait already");
	assert_sentence(-USHER_E_QUOTA_EXCEEDED,
		"{\"pool\":\"gpu\",\"quota\":\"process\",\"limit\":1,\"used_units\":1}",
		"this process holds 1 of at most 1 slot in pool \"gpu\"; release one, or wait"
		" until one ends");
	assert_sentence(-USHER_E_QUEUE_FULL, "{\"pool\":\"gpu\",\"waiting\":1,\"limit\":1}",
		"1 waits for pool \"gpu\" already, and no more than 1 may; try again later");
	assert_sentence(-USHER_E_INVALID_STATE, "{\"session_id\":\"s\",\"state\":\"waiting\"}",
		"session s still waits for its slot; 'usherctl cancel' with its request id ends"
		" that");
	assert_sentence(
		-USHER_E_INVALID_STATE, "{\"session_id\":\"s\",\"state\":\"processing\"}", NULL);
	assert_sentence(-USHER_E_STORE_UNAVAILABLE, "{\"reason\":\"the store is full\"}",
		"the broker takes no new sessions while it cannot store them: the store is full;"
		" 'usherctl status' shows whether it can again");
	assert_sentence(-USHER_E_PAUSED, "{\"pool\":\"gpu\"}", NULL);
	ck_assert_ptr_null(refusal_sentence(-USHER_E_QUEUE_FULL, NULL));
}
END_TEST

START_TEST(holders_are_escaped_and_those_left_out_counted)
{
	cJSON *tree = cJSON_Parse("{\"active_sessions\":3,\"holders\":[{\"session_id\":\"s1\","
				  "\"uid\":0,\"pid\":7,\"comm\":\"a\\u001b[2J\",\"age_ms\":500}]}");
	char *details = refusal_details(-USHER_E_CAPACITY_REACHED, tree);

	ck_assert_str_eq(details, "  held by s1 of root, pid 7 (a\\x1b[2J), for 500ms\n"
				  "  and 2 more: 'usherctl who' shows all\n");
	free(details);
	cJSON_Delete(tree);
}
END_TEST

/* ---- events ---- */

/* Without the time, which depends on the time zone. */
static void assert_event(const char *text, const char *wanted)
{
	cJSON *event = cJSON_Parse(text);
	char *line = event_line(event, 0);

	ck_assert_ptr_nonnull(event);
	ck_assert_str_eq(strchr(line, '\t') + 1, wanted);
	free(line);
	cJSON_Delete(event);
}

START_TEST(events_are_lines_of_nine_fields)
{
	assert_event("{\"type\":\"ended\",\"at\":5000000,\"outcome\":\"revoked\",\"session\":"
		     "{\"session_id\":\"s\",\"pool\":\"p\",\"slots\":[0,1,4],\"uid\":0,"
		     "\"pid\":7,\"comm\":\"a\\tb\\n\",\"created_at\":1000000}}",
		"ended\ts\tp\t0-1,4\troot\t7\ta\\tb\\n\trevoked after 4s\n");
	assert_event("{\"type\":\"ended\",\"at\":5000000,\"error\":"
		     "\"io.usher.Broker.WaitTimeout\",\"session\":{\"session_id\":\"s\","
		     "\"pool\":\"p\",\"state\":\"waiting\",\"slots\":[],\"uid\":0}}",
		"ended\ts\tp\t-\troot\t-\t-\tWaitTimeout\n");
	assert_event("{\"type\":\"pool\",\"at\":1,\"pool\":{\"pool\":\"p\",\"limit\":4,"
		     "\"used_units\":1,\"paused\":true,\"pause_reason\":\"x\"}}",
		"pool\t-\tp\t-\t-\t-\t-\t1 of 4 slots in use, paused: x\n");
	assert_event("{\"type\":\"revoking\",\"at\":1,\"reason\":\"upgrade\",\"session\":"
		     "{\"state\":\"idle\",\"revoking\":true}}",
		"revoking\t-\t-\t-\t-\t-\t-\tidle, revoking: upgrade\n");
	assert_event("{}", "-\t-\t-\t-\t-\t-\t-\t-\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli_text");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	escape_init();
	tcase_add_test(tests, spans_fit_six_columns);
	tcase_add_test(tests, brief_times_have_three_digits);
	tcase_add_test(tests, ordinals_are_english);
	tcase_add_test(tests, one_long_text_costs_the_other_columns_nothing);
	tcase_add_test(tests, columns_give_way_on_narrow_terminals);
	tcase_add_test(tests, rows_are_in_the_order_that_was_asked_for);
	tcase_add_test(tests, a_session_without_members_is_read);
	tcase_add_test(tests, flags_are_what_is_out_of_the_ordinary);
	tcase_add_test(tests, trouble_with_the_store_is_a_sentence);
	tcase_add_test(tests, refusals_are_sentences);
	tcase_add_test(tests, holders_are_escaped_and_those_left_out_counted);
	tcase_add_test(tests, events_are_lines_of_nine_fields);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
