/* SPDX-License-Identifier: MIT */
/* libusher's asynchronous Creates around a broker that is killed and comes back: each takes one
 * slot, or none if it was cancelled. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wait_fixture.h"

static struct seen seen;

#define EXISTING                                                                                   \
	"{\"parameters\":{\"session_id\":\"" FAKE_SESSION_ID                                       \
	"\",\"request_id\":\"mine\",\"pool\":\"gpu\",\"slots\":[1],\"fence\":7,"                   \
	"\"metadata_bytes\":0,\"existing\":true}}"
#define ATTACHED "{\"parameters\":{\"session\":{\"session_id\":\"" FAKE_SESSION_ID "\"}}}"

static void begin(const struct fake_step *steps)
{
	wait_begin(&seen, steps);
	ck_assert_int_ge(usher_get_fd(seen.u), 0);
}

static void await(const char *needle, int count)
{
	for (int i = 0; i < 1000 && fake_count(&broker, needle) < count; i++)
		fake_pump_for(seen.u, 5);
	ck_assert_msg(fake_count(&broker, needle) >= count, "%s:\n%s", needle, broker.log);
}

/* ---- the answer is lost ---- */

static const struct fake_step lost_before[] = {
	{"Create", {FAKE_ONCE, FAKE_CLOSE}},
	{"Create", {EXISTING}},
	{0},
};

static const struct fake_step lost_after_progress[] = {
	{"Create", {FAKE_ONCE, FAKE_QUEUED(3, 3), FAKE_CLOSE}},
	{"Create", {EXISTING}},
	{0},
};

static const struct fake_step lost_in_the_middle[] = {
	{"Create", {FAKE_ONCE, FAKE_HALF, EXISTING}},
	{"Create", {EXISTING}},
	{0},
};

static const struct fake_step *const losses[] = {
	lost_before, lost_after_progress, lost_in_the_middle};

START_TEST(a_request_is_made_again_under_its_id)
{
	begin(losses[_i]);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.done, 1);
	fake_pump_for(seen.u, 20);
	ck_assert_int_eq(seen.done, 1);
	ck_assert_int_eq(seen.result, 0);
	ck_assert(seen.session.is_existing); /* as the broker says: the id is the program's */
	ck_assert_int_eq(fake_count(&broker, "Create\""), 2);
	ck_assert_int_eq(
		fake_count(&broker, "{\"pool\":\"gpu\",\"request_id\":\"mine\",\"wait_ms\":-1,"),
		2);
	wait_end(&seen);
}
END_TEST

START_TEST(so_is_one_that_does_not_wait)
{
	begin(losses[_i]);
	wait_ask(&seen, USHER_OWNER_PROCESS, 0);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, 0);
	ck_assert_int_eq(fake_count(&broker, "\"request_id\":\"mine\",\"owner\":\"process\""), 2);
	wait_end(&seen);
}
END_TEST

static const struct fake_step echoes[] = {
	{"Create", {FAKE_ONCE, FAKE_CLOSE}},
	{"Create", {EXISTING}},
	{0},
};

START_TEST(all_that_was_wished_for_is_wished_for_again)
{
	char pool[] = "p\"ool", label[] = "a label", metadata[] = " {\"a\": 1e400} ";
	struct usher_create_options wish = {.size = sizeof(wish),
		.pool = pool,
		.metadata = metadata,
		.label = label,
		.timeout_ms = 5000,
		.units = 3,
		.priority = 9,
		.no_renewal = true};
	char *first, *second;

	begin(echoes);
	seen.session.size = sizeof(seen.session);
	ck_assert_int_eq(usher_create_async(seen.u, &wish, &seen.session, wait_on_answer, &seen,
				 &seen.request),
		0);
	memset(pool, 'x', strlen(pool)); /* the texts need not stay */
	memset(label, 'x', strlen(label));
	memset(metadata, 'x', strlen(metadata));
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, 0);
	ck_assert(!seen.session.is_existing); /* the id is the library's */
	first = broker.log;
	second = strchr(first, '\n') + 1;
	ck_assert_int_eq(strncmp(first, second, (size_t)(second - first)), 0);
	ck_assert_ptr_nonnull(strstr(first, "{\"a\": 1e400}"));
	wait_end(&seen);
}
END_TEST

/* ---- the broker is away ---- */

static const struct fake_step waits[] = {
	{"Create", {FAKE_ONCE, FAKE_QUEUED(2, 2), FAKE_WAIT}},
	{"Create", {FAKE_QUEUED(7, 9), FAKE_WAIT, EXISTING}},
	{0},
};

static int64_t second_wait(void)
{
	const char *at = strstr(strstr(broker.log, "\"wait_ms\":") + 1, "\"wait_ms\":");

	return strtoll(at + strlen("\"wait_ms\":"), NULL, 10);
}

START_TEST(a_wait_goes_on_where_it_was)
{
	begin(waits);
	wait_ask(&seen, USHER_OWNER_CONNECTION, 60000);
	fake_pump(seen.u, &seen.progress, 1);
	fake_broker_hide(&broker, _i);
	fake_broker_cut(&broker);
	fake_pump(seen.u, &seen.progress, 2);
	ck_assert_int_eq(seen.position, 0); /* away */
	fake_pump_for(seen.u, 150);
	ck_assert_int_eq(seen.progress, 2);
	ck_assert_int_eq(seen.done, 0);
	fake_broker_show(&broker);
	fake_pump(seen.u, &seen.progress, 3);
	ck_assert_int_eq(seen.position, 7);
	ck_assert_int_le(second_wait(), 59850);
	ck_assert_int_ge(second_wait(), 30000);
	sem_post(&broker.go);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, 0);
	wait_end(&seen);
}
END_TEST

static void close_when_away(void *userdata, const struct usher_create_answer *answer)
{
	struct seen *s = userdata;

	ck_assert_int_eq(answer->result, USHER_WAITING);
	s->progress++;
	if (answer->position == 0) {
		usher_close(s->u);
		s->u = NULL;
	}
}

START_TEST(its_function_may_close_the_handle_then)
{
	struct usher_create_options wish = {.size = sizeof(wish), .wait_ms = -1};
	int r = 0;

	begin(waits);
	seen.session.size = sizeof(seen.session);
	ck_assert_int_eq(usher_create_async(seen.u, &wish, &seen.session, close_when_away, &seen,
				 &seen.request),
		0);
	fake_pump(seen.u, &seen.progress, 1);
	fake_broker_hide(&broker, false);
	fake_broker_cut(&broker);
	for (int i = 0; i < 5000 && r == 0; i++) {
		r = usher_dispatch(seen.u);
		usleep(1000);
	}
	ck_assert_int_eq(r, -ECANCELED);
	ck_assert_int_eq(seen.progress, 2);
	wait_end(&seen);
}
END_TEST

START_TEST(one_that_begins_then_waits_for_the_broker_too)
{
	begin(echoes);
	ck_assert_int_eq(usher_call(seen.u, "a.B", NULL, NULL), 0);
	fake_broker_hide(&broker, _i);
	fake_broker_cut(&broker);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.progress, 1);
	ck_assert_int_eq(seen.position, 0);
	fake_broker_show(&broker);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, 0);
	wait_end(&seen);
}
END_TEST

START_TEST(a_broker_that_stays_away_ends_a_wait_that_has_an_end)
{
	seen = (struct seen){0};
	fake_broker_start_parallel(&broker, fake_serve_steps, waits);
	seen.u = fake_broker_open(&broker, 500);
	wait_ask(&seen, USHER_OWNER_CONNECTION, 500);
	fake_pump(seen.u, &seen.progress, 1);
	fake_broker_hide(&broker, false);
	fake_broker_cut(&broker);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, -ENOENT);
	wait_end(&seen);
}
END_TEST

static const struct fake_step deadly[] = {{"Create", {FAKE_CLOSE}}, {0}};

START_TEST(a_request_that_the_broker_dies_of_does_not_kill_it_for_ever)
{
	begin(deadly);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, -ECONNRESET);
	ck_assert_int_eq(fake_count(&broker, "Create"), 8);
	wait_end(&seen);
}
END_TEST

/* ---- granted, and then lost ---- */

static const struct fake_step moves[] = {
	{"Create", {EXISTING}},
	{"Attach", {FAKE_ONCE, FAKE_WAIT, FAKE_CLOSE}},
	{"Attach", {ATTACHED}},
	{0},
};

START_TEST(a_grant_that_was_moving_is_asked_for_again)
{
	begin(moves);
	ck_assert_int_eq(usher_call(seen.u, "a.B", NULL, NULL), 0);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	await("Attach", 1);
	fake_broker_cut(&broker);
	fake_pump(seen.u, &seen.done, 1);
	ck_assert_int_eq(seen.result, 0);
	ck_assert_int_eq(fake_count(&broker, "Create"), 2);
	wait_end(&seen);
}
END_TEST

/* It is held from the grant on, so it is attached like any other. */
START_TEST(a_grant_that_was_not_told_yet_is_attached)
{
	static const struct fake_step steps[] = {
		{"Create", {FAKE_SESSION_REPLY}}, {"Attach", {ATTACHED}}, {0}};

	begin(steps);
	wait_ask(&seen, USHER_OWNER_CONNECTION, -1);
	fake_pump(seen.u, &seen.done, 1);
	fake_broker_cut(&broker);
	await("Attach", 1);
	ck_assert_int_eq(usher_connect(seen.u), 0);
	ck_assert_int_eq(fake_count(&broker, "Create"), 1);
	wait_end(&seen);
}
END_TEST

/* ---- cancelled ---- */

static const struct fake_step has_none[] = {
	{"Create", {FAKE_QUEUED(1, 1), FAKE_WAIT}},
	{"Cancel", {FAKE_ERROR("NoSuchSession", "\"session_id\":\"mine\"")}},
	{"Get", {FAKE_ERROR("NoSuchSession", "\"session_id\":\"mine\"")}},
	{0},
};

static const struct fake_step has_one[] = {
	{"Create", {FAKE_QUEUED(1, 1), FAKE_WAIT}},
	{"Cancel", {FAKE_ERROR("InvalidState", "\"session_id\":\"x\",\"state\":\"idle\"")}},
	{"Get", {"{\"parameters\":{\"session\":{\"session_id\":\"" FAKE_SESSION_ID
		 "\",\"request_id\":\"mine\",\"pool\":\"gpu\",\"slots\":[1],\"fence\":7,"
		 "\"metadata_bytes\":0}}}"}},
	{"Release", {"{\"parameters\":{\"duration_ms\":1}}"}},
	{0},
};

/* Its grant may have been lost, so that is seen to when the broker is back. */
START_TEST(one_that_is_cancelled_while_the_broker_is_away_leaves_nothing)
{
	enum usher_owner owner = _i % 2 ? USHER_OWNER_PROCESS : USHER_OWNER_CONNECTION;

	begin(_i < 2 ? has_none : has_one);
	wait_ask(&seen, owner, -1);
	fake_pump(seen.u, &seen.progress, 1);
	fake_broker_hide(&broker, false);
	fake_broker_cut(&broker);
	fake_pump_for(seen.u, 20);
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), 0);
	fake_pump_for(seen.u, 20);
	fake_broker_show(&broker);
	await("Get\",\"parameters\":{\"request_id\":\"mine\"}", 1);
	if (_i >= 2)
		await("Release\",\"parameters\":{\"session_id\":\"" FAKE_SESSION_ID
		      "\",\"outcome\":\"cancelled\"}",
			1);
	fake_pump_for(seen.u, 20);
	ck_assert_int_eq(seen.done, 0);
	ck_assert_int_eq(fake_count(&broker, "Create"), 1);
	ck_assert_int_eq(fake_count(&broker, "Cancel"), 1);
	ck_assert_int_eq(fake_count(&broker, "Release"), _i < 2 ? 0 : 1);
	wait_end(&seen);
}
END_TEST

static const struct fake_step cancel_is_cut[] = {
	{"Create", {FAKE_QUEUED(1, 1), FAKE_WAIT}},
	{"Cancel", {FAKE_ONCE, FAKE_CLOSE}},
	{"Cancel", {"{}"}},
	{"Get", {FAKE_ERROR("NoSuchSession", "\"session_id\":\"mine\"")}},
	{0},
};

START_TEST(a_cancel_whose_answer_is_lost_is_made_again)
{
	begin(cancel_is_cut);
	wait_ask(&seen, USHER_OWNER_PROCESS, -1);
	fake_pump(seen.u, &seen.progress, 1);
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), 0);
	await("Cancel", 2);
	await("Get", 1);
	fake_pump_for(seen.u, 20);
	ck_assert_int_eq(fake_count(&broker, "Create"), 1);
	ck_assert_int_eq(seen.done, 0);
	wait_end(&seen);
}
END_TEST

static const struct fake_step release_is_cut[] = {
	{"Create", {FAKE_QUEUED(1, 1), FAKE_WAIT, EXISTING}},
	{"Release", {FAKE_ONCE, FAKE_CLOSE}},
	{"Release", {FAKE_ERROR("NoSuchSession", "\"session_id\":\"x\"")}},
	{0},
};

START_TEST(a_session_that_nobody_wants_is_released_in_the_end)
{
	begin(release_is_cut);
	wait_ask(&seen, USHER_OWNER_PROCESS, -1);
	fake_pump(seen.u, &seen.progress, 1);
	ck_assert_int_eq(usher_cancel(seen.u, seen.request), 0);
	ck_assert(fake_await(&broker, "Cancel", 1));
	sem_post(&broker.go); /* granted in this moment */
	await("Release", 2);
	fake_pump_for(seen.u, 30);
	ck_assert_int_eq(fake_count(&broker, "Release"), 2);
	ck_assert_int_eq(seen.done, 0);
	wait_end(&seen);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("usher_requests");
	TCase *tc = tcase_create("requests");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_request_is_made_again_under_its_id, 0, 3);
	tcase_add_loop_test(tc, so_is_one_that_does_not_wait, 0, 3);
	tcase_add_test(tc, all_that_was_wished_for_is_wished_for_again);
	tcase_add_loop_test(tc, a_wait_goes_on_where_it_was, 0, 2);
	tcase_add_test(tc, its_function_may_close_the_handle_then);
	tcase_add_loop_test(tc, one_that_begins_then_waits_for_the_broker_too, 0, 2);
	tcase_add_test(tc, a_broker_that_stays_away_ends_a_wait_that_has_an_end);
	tcase_add_test(tc, a_request_that_the_broker_dies_of_does_not_kill_it_for_ever);
	tcase_add_test(tc, a_grant_that_was_moving_is_asked_for_again);
	tcase_add_test(tc, a_grant_that_was_not_told_yet_is_attached);
	tcase_add_loop_test(
		tc, one_that_is_cancelled_while_the_broker_is_away_leaves_nothing, 0, 4);
	tcase_add_test(tc, a_cancel_whose_answer_is_lost_is_made_again);
	tcase_add_test(tc, a_session_that_nobody_wants_is_released_in_the_end);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
