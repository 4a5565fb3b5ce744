/* SPDX-License-Identifier: MIT */
/* The screen of `usherctl top`, drawn into memory, and what its keys do. */
#include "client/cli/canvas.h"
#include "client/cli/escape.h"
#include "client/cli/top_view.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_US INT64_C(1700000000000000)

/* The text of a row, without blanks at its end. Static. */
static const char *text_of(const struct canvas *c, size_t row)
{
	static char text[4096];
	size_t used = 0;

	for (size_t i = 0; i < c->columns; i++) {
		const struct cell *cell = canvas_at(c, row, i);

		if (cell->width > 0)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s",
				cell->text[0] ? cell->text : " ");
	}
	while (used > 0 && text[used - 1] == ' ')
		used--;
	text[used] = '\0';
	return text;
}

/* ---- the canvas ---- */

START_TEST(wide_characters_are_not_halved_at_the_edge)
{
	struct canvas c = {0};

	ck_assert_int_eq(canvas_reset(&c, 1, 5), 0);
	ck_assert_uint_eq(canvas_put(&c, 0, 0, 5, LOOK_PLAIN, "日本語"), 4);
	ck_assert_str_eq(text_of(&c, 0), "日本");
	ck_assert_uint_eq(canvas_put(&c, 0, 0, 3, LOOK_PLAIN, "e\u0301x\U0001f600"), 2);
	ck_assert_str_eq(canvas_at(&c, 0, 0)->text, "e\u0301");
	canvas_deinit(&c);
}
END_TEST

START_TEST(what_is_outside_is_dropped)
{
	struct canvas c = {0};

	ck_assert_int_eq(canvas_reset(&c, 2, 3), 0);
	ck_assert_uint_eq(canvas_put(&c, 2, 0, 9, LOOK_PLAIN, "x"), 0);
	ck_assert_uint_eq(canvas_put(&c, 0, 3, 9, LOOK_PLAIN, "x"), 0);
	ck_assert_uint_eq(canvas_put(&c, 0, 1, SIZE_MAX, LOOK_PLAIN, "abc"), 2);
	ck_assert_uint_eq(canvas_put(&c, 1, 0, 9, LOOK_PLAIN, "\u0301"), 0);
	canvas_paint(&c, 1, 2, 100, LOOK_ALERT);
	canvas_paint(&c, 7, 0, 1, LOOK_ALERT);
	ck_assert_int_eq(canvas_at(&c, 1, 2)->look, LOOK_ALERT);
	ck_assert_int_eq(canvas_reset(&c, 1000000, 1000000), -ENOMEM);
	ck_assert_uint_eq(c.rows, 0);
	canvas_deinit(&c);
}
END_TEST

/* ---- data ---- */

static cJSON *parse(const char *text)
{
	cJSON *tree = cJSON_Parse(text);

	ck_assert_ptr_nonnull(tree);
	return tree;
}

static void add_session(struct top_data *data, int number, const char *pool, bool is_waiting)
{
	static const char *const names[] = {"train", "\\u001b]0;x\\u0007", "日本語コマンド",
		"a\\tb", "\\u202eevil", "\U0001f600\U0001f680"};
	char text[1024];

	snprintf(text, sizeof(text),
		"{\"session\":{\"session_id\":\"session_%012x\",\"request_id\":\"req_%d\","
		"\"pool\":\"%s\",\"state\":\"%s\",\"slots\":[%d],\"uid\":0,\"pid\":%d,"
		"\"comm\":\"%s\",\"created_at\":%" PRId64 ",\"queued\":{\"position\":%d}}}",
		(unsigned)number, number, pool, is_waiting ? "waiting" : "idle", number,
		100 + number, names[number % 6], NOW_US - number * INT64_C(1000000), number);
	data->sessions =
		reallocarray(data->sessions, data->n_sessions + 1, sizeof(*data->sessions));
	ck_assert_ptr_nonnull(data->sessions);
	data->sessions[data->n_sessions++] = parse(text);
}

#define POOL_TEXT(name, limit, used)                                                               \
	"{\"pool\":\"" name "\",\"limit\":" limit ",\"used_units\":" used "}"

static struct top_data look_at(int created, int64_t at_ms, int sessions, int waiters)
{
	struct top_data data = {.at_ms = at_ms, .now_us = NOW_US};
	char text[2048];

	snprintf(text, sizeof(text),
		"{\"metrics\":{\"version\":\"1\",\"active_sessions\":%d,\"totals\":{\"created\":%d,"
		"\"rejected_capacity\":%d,\"rejected_new\":%d},\"pools\":[{\"pool\":\"gpu\","
		"\"totals\":{\"created\":%d,\"session_duration\":{\"count\":1,"
		"\"p50_ns\":1500000,\"p99_ns\":2500000000}}}]}}",
		sessions, created, created, created, created / 2);
	data.metrics = parse(text);
	data.pools = parse(
		"{\"pools\":[" POOL_TEXT("default", "10", "0") "," POOL_TEXT("gpu", "2", "2") "]}");
	for (int i = 0; i < sessions; i++)
		add_session(&data, i, i % 2 ? "gpu" : "default", false);
	for (int i = sessions; i < sessions + waiters; i++)
		add_session(&data, i, "gpu", true);
	return data;
}

static void update(struct top_model *m, struct top_data data)
{
	ck_assert_int_eq(top_model_update(m, &data), 0);
	ck_assert_ptr_null(data.metrics);
}

/* ---- the model ---- */

START_TEST(rates_are_of_the_last_two_looks)
{
	struct top_model m;

	top_model_init(&m);
	update(&m, look_at(100, 1000, 0, 0));
	ck_assert_double_lt(m.numbers.creates, 0);
	update(&m, look_at(120, 3000, 0, 0));
	ck_assert_double_eq_tol(m.numbers.creates, 10, 0.001);
	ck_assert_double_eq_tol(m.numbers.refusals, 20, 0.001); /* all reasons, new ones too */
	ck_assert_double_eq_tol(m.pools[1].numbers.creates, 5, 0.001);
	ck_assert_int_eq(m.pools[1].numbers.held_p50_ns, 1500000);
	ck_assert_int_eq(m.pools[1].numbers.waited_p50_ns, -1);
	update(&m, look_at(3, 4000, 0, 0)); /* another broker, which counts from 0 */
	ck_assert_double_lt(m.numbers.creates, 0);
	top_model_deinit(&m);
}
END_TEST

START_TEST(the_cursor_stays_on_its_session)
{
	struct top_model m;

	top_model_init(&m);
	update(&m, look_at(0, 0, 5, 2));
	ck_assert_str_eq(m.rows[0].session_id, "session_000000000004"); /* the oldest */
	top_model_key(&m, TOP_KEY_DOWN);
	ck_assert_str_eq(m.selected, "session_000000000003");
	update(&m, look_at(0, 1000, 4, 0)); /* the oldest has ended */
	ck_assert_uint_eq(m.cursor, 0);
	ck_assert_str_eq(m.selected, "session_000000000003");
	update(&m, look_at(0, 2000, 2, 0)); /* so has it */
	ck_assert_str_eq(m.selected, "session_000000000001");
	update(&m, look_at(0, 3000, 0, 0));
	ck_assert_str_eq(m.selected, "");
	ck_assert_int_eq(top_model_key(&m, 'r'), TOP_NOTHING);
	ck_assert_int_eq(m.mode, TOP_LOOKING);
	top_model_key(&m, TOP_KEY_UP);
	top_model_key(&m, TOP_KEY_PAGE_DOWN);
	top_model_key(&m, 'G');
	top_model_deinit(&m);
}
END_TEST

START_TEST(pools_are_chosen_in_turn_and_may_go)
{
	struct top_data data;
	struct top_model m;

	top_model_init(&m);
	update(&m, look_at(0, 0, 5, 2));
	top_model_key(&m, 'p');
	ck_assert_str_eq(m.pool, "default");
	ck_assert_uint_eq(m.n_rows, 3);
	top_model_key(&m, 'p');
	ck_assert_str_eq(m.pool, "gpu");
	ck_assert_uint_eq(m.n_rows, 4);
	data = look_at(0, 1000, 5, 2);
	cJSON_DeleteItemFromArray(cJSON_GetObjectItem(data.pools, "pools"), 1);
	update(&m, data);
	ck_assert_str_eq(m.pool, "");
	ck_assert_uint_eq(m.n_rows, 7);
	top_model_deinit(&m);
}
END_TEST

START_TEST(revoking_takes_two_keys)
{
	struct top_model m;

	top_model_init(&m);
	update(&m, look_at(0, 0, 1, 1));
	ck_assert_int_eq(top_model_key(&m, 'y'), TOP_NOTHING);
	ck_assert_int_eq(top_model_key(&m, 'r'), TOP_NOTHING);
	ck_assert_int_eq(top_model_key(&m, TOP_KEY_OTHER), TOP_NOTHING); /* a new size */
	update(&m, look_at(0, 0, 0, 0)); /* the question is about the session it named */
	ck_assert_int_eq(top_model_key(&m, 'y'), TOP_REVOKE);
	ck_assert_str_eq(m.victim.session_id, "session_000000000000");
	update(&m, look_at(0, 0, 1, 1));
	top_model_key(&m, 'r');
	ck_assert_int_eq(top_model_key(&m, 'q'), TOP_NOTHING);
	top_model_key(&m, 'r');
	ck_assert_int_eq(top_model_key(&m, 'f'), TOP_FORCE);
	top_model_key(&m, 'G');
	top_model_key(&m, 'r');
	ck_assert_int_eq(top_model_key(&m, 'f'), TOP_NOTHING); /* it only waits */
	top_model_key(&m, 'r');
	ck_assert_int_eq(top_model_key(&m, 'y'), TOP_CANCEL);
	ck_assert_str_eq(m.victim.request_id, "req_1");
	ck_assert_int_eq(top_model_key(&m, 'q'), TOP_QUIT);
	top_model_deinit(&m);
}
END_TEST

/* ---- the screen ---- */

START_TEST(the_screen_at_80x24)
{
	struct canvas c = {0};
	struct top_model m;

	top_model_init(&m);
	update(&m, look_at(0, 0, 3, 1));
	update(&m, look_at(20, 1000, 3, 1));
	ck_assert_int_eq(canvas_reset(&c, 24, 80), 0);
	top_view(&m, &c);
	ck_assert_ptr_nonnull(strstr(text_of(&c, 0), ": 3 active, 0 waiting"));
	ck_assert_str_eq(
		text_of(&c, 1), "new 20.0/s  refused 40.0/s  held -/-  waited -/- (p50/p99)");
	ck_assert_str_eq(
		text_of(&c, 4), "gpu      [||||||||||]   2/2     0   10.0    0.0  1.50ms/2.50s");
	ck_assert_str_eq(text_of(&c, 6), "SLOT  POOL     USER  PID  COMMAND         AGE  LEFT");
	ck_assert_str_eq(text_of(&c, 7), "2     default  root  102  日本語コマンド   2s     -");
	ck_assert_str_eq(text_of(&c, 10), "#3    gpu      root  103  a\\tb             3s     -");
	ck_assert_int_eq(canvas_at(&c, 7, 79)->look, LOOK_SELECTED);
	ck_assert_int_eq(canvas_at(&c, 4, 10)->look, LOOK_WARNING);
	ck_assert_str_eq(text_of(&c, 23),
		"q quit  s sort: age  p pool: all  r revoke  ? help  arrows, PgUp, PgDn");
	canvas_deinit(&c);
	top_model_deinit(&m);
}
END_TEST

START_TEST(a_store_in_trouble_has_a_line_of_its_own)
{
	struct top_data data = look_at(0, 0, 3, 1);
	cJSON *metrics = cJSON_GetObjectItem(data.metrics, "metrics");
	struct canvas c = {0};
	struct top_model m;

	cJSON_AddStringToObject(metrics, "store", "full");
	cJSON_AddStringToObject(metrics, "store_error", "no room\x1b");
	top_model_init(&m);
	update(&m, data);
	ck_assert_int_eq(canvas_reset(&c, 24, 80), 0);
	top_view(&m, &c);
	ck_assert_str_eq(text_of(&c, 2), " STORE FULL: no room\\x1b; new sessions are refused");
	ck_assert_int_eq(canvas_at(&c, 2, 79)->look, LOOK_ALERT);
	ck_assert_int_eq(strncmp(text_of(&c, 3), "POOL", 4), 0);
	ck_assert_int_eq(strncmp(text_of(&c, 7), "SLOT", 4), 0);
	for (size_t rows = 0; rows < 8; rows++) {
		ck_assert_int_eq(canvas_reset(&c, rows, 20), 0);
		top_view(&m, &c);
	}
	canvas_deinit(&c);
	top_model_deinit(&m);
}
END_TEST

static void assert_harmless(const struct canvas *c)
{
	for (size_t i = 0; i < c->rows * c->columns; i++) {
		const char *at = c->cells[i].text, *end = at + strlen(at);
		uint32_t character;
		size_t n;

		for (; at < end; at += n) {
			ck_assert(escape_decode(at, end, &character, &n));
			ck_assert(escape_is_harmless(character));
		}
	}
}

START_TEST(every_size_and_mode_is_drawn_within_its_bounds)
{
	static const size_t sizes[] = {0, 1, 2, 3, 5, 7, 8, 24, 39, 40, 60, 80, 101, 200};
	static const int keys[] = {'G', 'r', 'n', 'p', '?', 'x', 's', TOP_KEY_PAGE_UP, 'p', 'g'};
	size_t n = sizeof(sizes) / sizeof(sizes[0]);
	struct canvas c = {0};
	struct top_model m;

	top_model_init(&m);
	for (size_t i = 0; i < n * n; i++) {
		ck_assert_int_eq(canvas_reset(&c, sizes[i / n], sizes[i % n]), 0);
		top_view(&m, &c);
		assert_harmless(&c);
		if (i % 5 == 0)
			update(&m, look_at((int)i, (int64_t)i * 1000, i % 3 ? 300 : 0, 20));
		top_model_key(&m, keys[i % 10]);
	}
	snprintf(m.trouble, sizeof(m.trouble), "gone\x1b[2J");
	ck_assert_int_eq(canvas_reset(&c, 24, 80), 0);
	top_view(&m, &c);
	assert_harmless(&c);
	canvas_deinit(&c);
	top_model_deinit(&m);
}
END_TEST

START_TEST(the_selected_row_is_always_on_the_screen)
{
	struct canvas c = {0};
	struct top_model m;

	top_model_init(&m);
	update(&m, look_at(0, 0, 900, 100));
	for (int i = 0; i < 60; i++) {
		ck_assert_int_eq(canvas_reset(&c, 24, 80), 0);
		top_view(&m, &c);
		ck_assert_uint_ge(m.cursor, m.scroll);
		ck_assert_uint_lt(m.cursor, m.scroll + m.page);
		ck_assert_int_eq(canvas_at(&c, 7 + m.cursor - m.scroll, 0)->look, LOOK_SELECTED);
		top_model_key(&m, i < 30 ? TOP_KEY_PAGE_DOWN : i < 50 ? TOP_KEY_UP : 'j');
	}
	canvas_deinit(&c);
	top_model_deinit(&m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli_top");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	escape_init();
	tcase_set_timeout(tests, 60); /* machines are shared, and sanitizers slow */
	tcase_add_test(tests, wide_characters_are_not_halved_at_the_edge);
	tcase_add_test(tests, what_is_outside_is_dropped);
	tcase_add_test(tests, rates_are_of_the_last_two_looks);
	tcase_add_test(tests, the_cursor_stays_on_its_session);
	tcase_add_test(tests, pools_are_chosen_in_turn_and_may_go);
	tcase_add_test(tests, revoking_takes_two_keys);
	tcase_add_test(tests, the_screen_at_80x24);
	tcase_add_test(tests, a_store_in_trouble_has_a_line_of_its_own);
	tcase_add_test(tests, every_size_and_mode_is_drawn_within_its_bounds);
	tcase_add_test(tests, the_selected_row_is_always_on_the_screen);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
