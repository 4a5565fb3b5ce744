/* SPDX-License-Identifier: MIT */
/* Processes that own sessions: known by pid and start time, kept while they own something. */
#include "tests/unit/table_fixture.h"

START_TEST(a_process_is_kept_while_it_owns_a_session)
{
	uint64_t id = TAKE(.process = &alice_other);

	ck_assert(created.is_process_new);
	ck_assert_int_eq(created.session.owner_kind, OWNER_PROCESS);
	ck_assert_int_eq(created.session.identity->pid, 101);
	ck_assert_int_eq(created.session.creator->pid, 100);
	ck_assert_uint_eq(metrics().processes, 1);
	release(id);
	ck_assert_uint_eq(metrics().processes, 0);
	ck_assert_uint_eq(n_idle_processes, 1);
}
END_TEST

START_TEST(two_sessions_of_a_process_share_it)
{
	uint64_t first = TAKE(.process = &alice);
	uint64_t second = TAKE(.owner = &alice_again, .process = &alice_again);

	ck_assert(!created.is_process_new);
	ck_assert_uint_eq(n_idle_processes, 1); /* the second one was not needed */
	ck_assert_ptr_eq(process_of(first), process_of(second));
	release(first);
	ck_assert_uint_eq(metrics().processes, 1);
}
END_TEST

START_TEST(a_recycled_pid_is_another_process)
{
	struct owner recycled = alice;
	uint64_t id = TAKE(.process = &alice);

	list_init(&recycled.sessions);
	recycled.peer.identity = identity_new(100, 77, "new", NULL);
	TAKE(.owner = &recycled, .process = &recycled);
	ck_assert(created.is_process_new);
	ck_assert_ptr_ne(created.session.owner, process_of(id));
	peer_deinit(&recycled.peer);
}
END_TEST

START_TEST(the_end_of_a_process_abandons_its_sessions)
{
	uint64_t id = TAKE(.process = &alice);
	uint64_t other = TAKE(.process = &alice_other);

	ck_assert(!gone(process_of(id), 10));
	ck_assert_int_eq(outcome_of(id), OUTCOME_ABANDONED);
	ck_assert_int_eq(look(other), 0);
	ck_assert_uint_eq(n_idle_processes, 1);
}
END_TEST

START_TEST(a_process_ends_in_portions)
{
	uint64_t first = TAKE(.process = &alice);
	struct owner *process = process_of(first);

	TAKE(.process = &alice);
	TAKE(.process = &alice);
	n_idle_processes = 0;
	ck_assert(gone(process, 2));
	ck_assert_uint_eq(n_idle_processes, 0);
	ck_assert(!gone(process, 2));
	ck_assert_uint_eq(n_idle_processes, 1);
}
END_TEST

START_TEST(the_end_of_a_process_cancels_its_waits)
{
	struct waiter *waiter;

	set_limit("default", 1);
	TAKE();
	waiter = WAIT(.process = &alice_other);
	ck_assert_uint_eq(metrics().processes, 1);
	ck_assert(!gone(process_of(waiter->session->id), 10));
	expect_decided(waiter, STATUS_CANCELLED);
	ck_assert_uint_eq(metrics().processes, 0);
}
END_TEST

START_TEST(the_end_of_the_connection_leaves_what_a_process_owns)
{
	uint64_t id = TAKE(.process = &alice);

	ck_assert(!gone(&alice, 10));
	ck_assert_int_eq(look(id), 0);
}
END_TEST

START_TEST(an_abandoned_wait_gives_the_process_back)
{
	set_limit("default", 1);
	TAKE();
	abandon(WAIT(.process = &alice_other));
	ck_assert_uint_eq(metrics().processes, 0);
	ck_assert_uint_eq(n_idle_processes, 1);
}
END_TEST

START_TEST(a_refused_create_gives_the_process_back)
{
	ck_assert_int_eq(CREATE(.pool = "none", .process = &alice), STATUS_NO_SUCH_POOL);
	ck_assert_uint_eq(n_idle_processes, 1);
	ck_assert_uint_eq(metrics().processes, 0);
}
END_TEST

START_TEST(a_known_request_gives_the_new_process_back)
{
	TAKE(.process = &alice, .request_id = "r");
	TAKE(.process = &alice, .request_id = "r");
	ck_assert(created.is_existing);
	ck_assert(!created.is_process_new);
	ck_assert_uint_eq(n_idle_processes, 1);
	ck_assert_int_eq(created.session.owner_kind, OWNER_PROCESS);
}
END_TEST

START_TEST(attach_gives_a_session_to_a_process)
{
	uint64_t id = TAKE();

	ck_assert_int_eq(attach_process(&alice, id, &alice_other), 0);
	ck_assert(is_process_new);
	ck_assert_int_eq(view(&alice, id)->identity->pid, 101);
	ck_assert_int_eq(view(&alice, id)->owner_kind, OWNER_PROCESS);
	gone(&alice, 10);
	ck_assert_int_eq(look(id), 0);
}
END_TEST

START_TEST(attach_to_the_process_that_has_it_changes_nothing)
{
	uint64_t id = TAKE(.process = &alice);
	struct owner *process = process_of(id);

	ck_assert_int_eq(attach_process(&alice, id, &alice_again), 0);
	ck_assert(!is_process_new);
	ck_assert_ptr_eq(process_of(id), process);
	ck_assert_uint_eq(n_idle_processes, 1);
}
END_TEST

START_TEST(attach_takes_a_session_from_its_process)
{
	uint64_t id = TAKE(.process = &alice_other);

	ck_assert_int_eq(attach(&alice, id, _i ? OWNER_DETACHED : OWNER_CONNECTION), 0);
	ck_assert_uint_eq(n_idle_processes, 1);
	ck_assert_int_eq(view(&alice, id)->identity->pid, 100);
}
END_TEST

START_TEST(attach_that_fails_gives_the_process_back)
{
	uint64_t id = TAKE(.owner = &bob);

	ck_assert_int_eq(attach_process(&alice, id, &alice), STATUS_PERMISSION_DENIED);
	ck_assert(!is_process_new);
	ck_assert_uint_eq(n_idle_processes, 1);
	ck_assert_int_eq(attach_process(&alice, 9999, &alice), STATUS_NO_SUCH_SESSION);
	ck_assert_uint_eq(n_idle_processes, 2);
}
END_TEST

START_TEST(a_session_attached_to_another_process_counts_there)
{
	struct pool_settings settings = pool_settings_builtin;
	uint64_t id;

	settings.quotas[BY_PROCESS] = 1;
	set_pool("default", &settings);
	id = TAKE();
	ck_assert_int_eq(CREATE(), STATUS_QUOTA_EXCEEDED);
	attach(&alice_other, id, OWNER_CONNECTION);
	TAKE();
	ck_assert_int_eq(CREATE(.owner = &alice_other), STATUS_QUOTA_EXCEEDED);
}
END_TEST

START_TEST(attach_to_another_process_lets_a_waiter_of_the_first_in)
{
	struct pool_settings settings = pool_settings_builtin;
	struct waiter *waiter;
	uint64_t id;

	settings.quotas[BY_PROCESS] = 1;
	set_pool("default", &settings);
	id = TAKE();
	waiter = WAIT();
	attach(&alice_other, id, OWNER_CONNECTION);
	expect_decided(waiter, 0);
}
END_TEST

START_TEST(the_one_who_attached_last_may_retry_the_create)
{
	uint64_t id = TAKE(.request_id = "r");

	attach(&alice_other, id, OWNER_CONNECTION);
	ck_assert_int_eq(CREATE(.request_id = "r"), STATUS_REQUEST_ID_IN_USE);
	TAKE(.owner = &alice_other, .request_id = "r");
	ck_assert(created.is_existing);
}
END_TEST

START_TEST(a_granted_wait_is_its_processs)
{
	uint64_t holder;
	struct waiter *waiter;

	set_limit("default", 1);
	holder = TAKE();
	waiter = WAIT(.process = &alice_other);
	release(holder);
	expect_decided(waiter, 0);
	gone(process_of(waiter->session->id), 10);
	ck_assert_int_eq(outcome_of(waiter->session->id), OUTCOME_ABANDONED);
}
END_TEST

START_TEST(a_long_command_name_is_cut)
{
	struct identity *identity = identity_new(1, 2, "a-name-of-20-letters", NULL);

	ck_assert_str_eq(identity->comm, "a-name-of-20-le");
	identity_unref(identity);
}
END_TEST

START_TEST(only_known_processes_are_the_same)
{
	struct identity *one = alice.peer.identity, *same = alice_again.peer.identity;

	ck_assert(identity_is_same(one, same));
	ck_assert(!identity_is_same(one, alice_other.peer.identity));
	ck_assert(!identity_is_same(one, NULL));
	ck_assert(!identity_is_same(NULL, one));
	ck_assert(!identity_is_same(foreign.peer.identity, foreign.peer.identity));
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_process_is_kept_while_it_owns_a_session);
	tcase_add_test(tcase, two_sessions_of_a_process_share_it);
	tcase_add_test(tcase, a_recycled_pid_is_another_process);
	tcase_add_test(tcase, the_end_of_a_process_abandons_its_sessions);
	tcase_add_test(tcase, a_process_ends_in_portions);
	tcase_add_test(tcase, the_end_of_a_process_cancels_its_waits);
	tcase_add_test(tcase, the_end_of_the_connection_leaves_what_a_process_owns);
	tcase_add_test(tcase, an_abandoned_wait_gives_the_process_back);
	tcase_add_test(tcase, a_refused_create_gives_the_process_back);
	tcase_add_test(tcase, a_known_request_gives_the_new_process_back);
	tcase_add_test(tcase, attach_gives_a_session_to_a_process);
	tcase_add_test(tcase, attach_to_the_process_that_has_it_changes_nothing);
	tcase_add_loop_test(tcase, attach_takes_a_session_from_its_process, 0, 2);
	tcase_add_test(tcase, attach_that_fails_gives_the_process_back);
	tcase_add_test(tcase, a_session_attached_to_another_process_counts_there);
	tcase_add_test(tcase, attach_to_another_process_lets_a_waiter_of_the_first_in);
	tcase_add_test(tcase, the_one_who_attached_last_may_retry_the_create);
	tcase_add_test(tcase, a_granted_wait_is_its_processs);
	tcase_add_test(tcase, a_long_command_name_is_cut);
	tcase_add_test(tcase, only_known_processes_are_the_same);
}

int main(void)
{
	return run_tests("table_owners", add);
}
