/* SPDX-License-Identifier: MIT */
/* What the kernel tells of processes: of ourselves, of a child with an awkward name, and of one
 * that is gone. */
#include "daemon/proc.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static pid_t child;

static void begin_child(void)
{
	int ready[2];
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, ") 1 2 (\n) 3");
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
}

static void end_child(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = 0;
}

static void expect_exit(int fd)
{
	struct pollfd item = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&item, 1, PATIENCE_MS), 1);
	ck_assert(proc_has_exited(fd));
}

/* ---- status ---- */

START_TEST(status_tells_the_user_and_how_deep_the_namespace_is)
{
	struct proc_status own, other;

	ck_assert_int_eq(proc_status(getpid(), &own), 0);
	ck_assert_uint_eq(own.uid, getuid());
	ck_assert_uint_ge(own.namespaces, 1);
	ck_assert_int_eq(proc_status(child, &other), 0); /* its name comes first in the file */
	ck_assert_uint_eq(other.uid, own.uid);
	ck_assert_uint_eq(other.namespaces, own.namespaces);
}
END_TEST

START_TEST(who_is_gone_has_no_status)
{
	struct proc_status status;
	pid_t pid = child;

	end_child();
	ck_assert_int_eq(proc_status(pid, &status), -ENOENT);
}
END_TEST

/* ---- who it is ---- */

START_TEST(a_name_may_look_like_the_end_of_one)
{
	struct identity *identity = proc_identity(child), *own = proc_identity(getpid());

	ck_assert_str_eq(identity->comm, ") 1 2 (\n) 3");
	ck_assert_int_eq(identity->pid, child);
	ck_assert_uint_ge(identity->start_time, own->start_time);
	ck_assert_uint_lt(identity->start_time, own->start_time + 100000); /* clock ticks */
	identity_unref(identity);
	identity_unref(own);
}
END_TEST

START_TEST(who_is_gone_is_known_by_number_only)
{
	struct identity *identity;
	pid_t pid = child;

	end_child();
	identity = proc_identity(pid);
	ck_assert_int_eq(identity->pid, pid);
	ck_assert_uint_eq(identity->start_time, 0);
	ck_assert_str_eq(identity->comm, "");
	identity_unref(identity);
}
END_TEST

START_TEST(a_process_is_there_until_it_exits)
{
	struct identity *identity = proc_identity(child);
	struct identity *later = identity_new(child, identity->start_time + 1, "", NULL);

	ck_assert_int_eq(proc_look(identity), 0);
	ck_assert_int_eq(proc_look(later), -ESRCH); /* that one had the same number */
	end_child();
	ck_assert_int_eq(proc_look(identity), -ESRCH);
	identity_unref(identity);
	identity_unref(later);
}
END_TEST

START_TEST(of_a_number_alone_there_is_no_telling_while_somebody_has_it)
{
	struct identity *identity = identity_new(child, 0, "", NULL);

	ck_assert_int_eq(proc_look(identity), -ENODATA);
	end_child();
	ck_assert_int_eq(proc_look(identity), -ESRCH);
	identity_unref(identity);
}
END_TEST

START_TEST(a_pid_of_elsewhere_is_nobody)
{
	struct identity *identity = proc_identity(IDENTITY_PID_UNKNOWN);

	ck_assert_int_eq(identity->pid, IDENTITY_PID_UNKNOWN);
	ck_assert_int_eq(proc_look(identity), -ESRCH);
	identity_unref(identity);
}
END_TEST

/* ---- its end ---- */

START_TEST(an_exit_is_seen)
{
	int fd = proc_open(child);

	ck_assert_int_ge(fd, 0);
	ck_assert(!proc_has_exited(fd));
	kill(child, SIGKILL);
	expect_exit(fd); /* before anybody waits for it */
	close(fd);
}
END_TEST

START_TEST(who_is_gone_cannot_be_watched)
{
	pid_t pid = child;

	end_child();
	ck_assert_int_eq(proc_open(pid), -ESRCH);
}
END_TEST

/* The peer is who made the socket: we, for both ends of a pair. */
START_TEST(a_peer_is_watched)
{
	struct identity *identity = proc_identity(getpid());
	int fd, pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fd = proc_open_peer(pair[0], identity);
	ck_assert_int_ge(fd, 0);
	ck_assert(!proc_has_exited(fd));
	close(fd);
	close(pair[0]);
	close(pair[1]);
	identity_unref(identity);
}
END_TEST

START_TEST(what_is_no_socket_has_no_peer)
{
	struct identity *identity = proc_identity(getpid());
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(proc_open_peer(ends[0], identity), -ENOTSOCK);
	close(ends[0]);
	close(ends[1]);
	identity_unref(identity);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proc");
	TCase *tcase = tcase_create("proc");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, begin_child, end_child);
	tcase_add_test(tcase, status_tells_the_user_and_how_deep_the_namespace_is);
	tcase_add_test(tcase, who_is_gone_has_no_status);
	tcase_add_test(tcase, a_name_may_look_like_the_end_of_one);
	tcase_add_test(tcase, who_is_gone_is_known_by_number_only);
	tcase_add_test(tcase, a_process_is_there_until_it_exits);
	tcase_add_test(tcase, of_a_number_alone_there_is_no_telling_while_somebody_has_it);
	tcase_add_test(tcase, a_pid_of_elsewhere_is_nobody);
	tcase_add_test(tcase, an_exit_is_seen);
	tcase_add_test(tcase, who_is_gone_cannot_be_watched);
	tcase_add_test(tcase, a_peer_is_watched);
	tcase_add_test(tcase, what_is_no_socket_has_no_peer);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
