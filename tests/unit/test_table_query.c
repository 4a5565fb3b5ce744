/* SPDX-License-Identifier: MIT */
/* Pages of live sessions, and the history of ended ones. */
#include "tests/unit/table_fixture.h"

#define MAX 20

static const struct list_filter everything = {.uid = -1, .pid = -1, .state = -1};
static struct session_view views[MAX];
static size_t n_views;
static uint64_t after;

static void free_page(void)
{
	for (size_t i = 0; i < n_views; i++)
		session_view_deinit(&views[i]);
	n_views = 0;
}

static size_t page(struct owner *caller, const struct list_filter *filter, uint64_t from,
	size_t scan, size_t max)
{
	free_page();
	n_views = table_page(table, caller, filter, from, scan, now, views, max, &after);
	return n_views;
}

static size_t count_matching(struct owner *caller, struct list_filter filter)
{
	size_t n = page(caller, &filter, 0, 1000, MAX);

	free_page();
	return n;
}

/* ---- pages ---- */

START_TEST(an_empty_table_has_one_empty_page)
{
	ck_assert_uint_eq(page(&alice, &everything, 0, 10, 10), 0);
	ck_assert_uint_eq(after, 0);
}
END_TEST

START_TEST(pages_come_in_the_order_of_creation_and_end_with_0)
{
	uint64_t ids[7];

	for (int i = 0; i < 7; i++)
		ids[i] = TAKE();
	ck_assert_uint_eq(page(&alice, &everything, 0, 100, 3), 3);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(views[i].session->id, ids[i]);
	ck_assert_uint_ne(after, 0);
	ck_assert_uint_eq(page(&alice, &everything, after, 100, 4), 4);
	ck_assert_uint_eq(views[0].session->id, ids[3]);
	ck_assert_uint_eq(after, 0);
	free_page();
}
END_TEST

START_TEST(a_page_goes_on_where_its_last_session_was)
{
	uint64_t ids[4];

	for (int i = 0; i < 4; i++)
		ids[i] = TAKE();
	page(&alice, &everything, 0, 100, 2);
	release(ids[1]);
	release(ids[2]);
	ck_assert_uint_eq(page(&alice, &everything, after, 100, 2), 1);
	ck_assert_uint_eq(views[0].session->id, ids[3]);
	free_page();
}
END_TEST

START_TEST(a_page_looks_at_a_bounded_number_of_sessions)
{
	struct list_filter of_bob = everything;
	uint64_t id;

	of_bob.uid = 1001;
	for (int i = 0; i < 5; i++)
		TAKE();
	id = TAKE(.owner = &bob);
	ck_assert_uint_eq(page(&alice, &of_bob, 0, 4, MAX), 0);
	ck_assert_uint_ne(after, 0);
	ck_assert_uint_eq(page(&alice, &of_bob, after, 4, MAX), 1);
	ck_assert_uint_eq(views[0].session->id, id);
	ck_assert_uint_eq(after, 0);
	free_page();
}
END_TEST

START_TEST(filters_match_exactly)
{
	struct list_filter filter = everything;
	uint64_t started;

	set_limit("p", 5);
	TAKE(.pool = "p");
	TAKE(.owner = &bob);
	started = TAKE(.owner = &alice_other);
	start(&alice, started);
	filter.pool = "p";
	filter.pool_length = 1;
	ck_assert_uint_eq(count_matching(&alice, filter), 1);
	filter.pool = "unknown";
	filter.pool_length = 7;
	ck_assert_uint_eq(count_matching(&alice, filter), 0);
	filter = everything;
	filter.uid = 1000;
	ck_assert_uint_eq(count_matching(&alice, filter), 2);
	filter.pid = 101;
	ck_assert_uint_eq(count_matching(&alice, filter), 1);
	filter = everything;
	filter.state = SESSION_PROCESSING;
	ck_assert_uint_eq(count_matching(&alice, filter), 1);
	filter.state = SESSION_IDLE;
	ck_assert_uint_eq(count_matching(&alice, filter), 2);
}
END_TEST

START_TEST(labels_match_only_what_the_caller_may_act_on)
{
	struct list_filter filter = everything;

	TAKE(.label = "build");
	TAKE(.label = "builds");
	TAKE(.label = "build", .owner = &bob);
	TAKE();
	filter.label = "build";
	filter.label_length = 5;
	ck_assert_uint_eq(count_matching(&alice, filter), 1);
	ck_assert_uint_eq(count_matching(&root, filter), 2);
	ck_assert_uint_eq(count_matching(&nobody, filter), 0);
}
END_TEST

START_TEST(only_what_is_visible_can_be_asked_for)
{
	struct list_filter filter = everything;

	TAKE();
	TAKE(.owner = &bob);
	filter.only_visible = true;
	ck_assert_uint_eq(count_matching(&bob, filter), 1);
	ck_assert_uint_eq(count_matching(&bob, everything), 2);
}
END_TEST

START_TEST(a_view_outlives_its_session_and_the_lock)
{
	uint64_t id;

	fixture_without_history();
	id = TAKE(.metadata = "{\"a\":1}", .label = "l");
	page(&alice, &everything, 0, 10, 10);
	release(id);
	ck_assert_str_eq(views[0].metadata->bytes, "{\"a\":1}");
	ck_assert_str_eq(views[0].session->label->bytes, "l");
	ck_assert_int_eq(views[0].state, SESSION_IDLE);
	free_page();
}
END_TEST

/* ---- history ---- */

START_TEST(the_history_has_the_newest_first_and_forgets_the_oldest)
{
	uint64_t ids[6];

	for (int i = 0; i < 6; i++) {
		ids[i] = TAKE(.metadata = "{}");
		release(ids[i]);
	}
	ck_assert_uint_eq(n_freed_sessions, 1);
	n_views = table_history(table, &alice, 0, views, MAX);
	ck_assert_uint_eq(n_views, HISTORY);
	for (int i = 0; i < HISTORY; i++)
		ck_assert_uint_eq(views[i].session->id, ids[5 - i]);
	free_page();
	ck_assert_int_eq(look(ids[1]), STATUS_NO_SUCH_SESSION);
	ck_assert_int_eq(look(ids[2]), STATUS_SESSION_ENDED);
}
END_TEST

START_TEST(the_history_can_be_read_in_portions)
{
	uint64_t ids[3];

	for (int i = 0; i < 3; i++) {
		ids[i] = TAKE();
		release(ids[i]);
	}
	n_views = table_history(table, &alice, 1, views, 1);
	ck_assert_uint_eq(n_views, 1);
	ck_assert_uint_eq(views[0].session->id, ids[1]);
	free_page();
	ck_assert_uint_eq(table_history(table, &alice, 3, views, 1), 0);
}
END_TEST

START_TEST(an_ended_session_keeps_label_and_result_but_no_metadata)
{
	uint64_t id = TAKE(.label = "l", .metadata = "{}", .timeout_ms = 60000);

	advance_ms(2000);
	start(&alice, id);
	advance_ms(1000);
	release_as(&alice, id, OUTCOME_ERROR, "exit 3");
	advance_ms(5000);
	n_views = table_history(table, &alice, 0, views, 1);
	ck_assert_int_eq(views[0].state, SESSION_ENDED);
	ck_assert_int_eq(views[0].outcome, OUTCOME_ERROR);
	ck_assert_str_eq(views[0].session->label->bytes, "l");
	ck_assert_str_eq(views[0].result->bytes, "exit 3");
	ck_assert_ptr_null(views[0].metadata);
	ck_assert_int_eq(views[0].age_us, 3 * SECOND_US);
	ck_assert_int_eq(views[0].ended_wall_us, now.wall_us - 5 * SECOND_US);
	ck_assert_int_eq(views[0].started_wall_us, now.wall_us - 6 * SECOND_US);
	ck_assert_int_eq(views[0].remaining_us, -1);
	ck_assert_int_eq(views[0].expires_wall_us, 0);
	ck_assert(views[0].is_visible);
	free_page();
}
END_TEST

START_TEST(the_history_of_others_is_seen_but_not_their_texts)
{
	release(TAKE(.label = "l"));
	n_views = table_history(table, &bob, 0, views, MAX);
	ck_assert_uint_eq(n_views, 1);
	ck_assert(!views[0].is_visible);
	free_page();
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, an_empty_table_has_one_empty_page);
	tcase_add_test(tcase, pages_come_in_the_order_of_creation_and_end_with_0);
	tcase_add_test(tcase, a_page_goes_on_where_its_last_session_was);
	tcase_add_test(tcase, a_page_looks_at_a_bounded_number_of_sessions);
	tcase_add_test(tcase, filters_match_exactly);
	tcase_add_test(tcase, labels_match_only_what_the_caller_may_act_on);
	tcase_add_test(tcase, only_what_is_visible_can_be_asked_for);
	tcase_add_test(tcase, a_view_outlives_its_session_and_the_lock);
	tcase_add_test(tcase, the_history_has_the_newest_first_and_forgets_the_oldest);
	tcase_add_test(tcase, the_history_can_be_read_in_portions);
	tcase_add_test(tcase, an_ended_session_keeps_label_and_result_but_no_metadata);
	tcase_add_test(tcase, the_history_of_others_is_seen_but_not_their_texts);
}

int main(void)
{
	return run_tests("table_query", add);
}
