/* SPDX-License-Identifier: MIT */
/* Descriptors through an fd store, which is a thread here. */
#include "daemon/handoff_fds.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define N_FDS 600 /* more than two messages hold */

static int fds[N_FDS];
static struct pack_writer description;
static char message[256];

/* ---- the manager ---- */

static char directory[] = "/tmp/usher-fds.XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int notify_socket;
static pthread_t manager;
static int stored[HANDOFF_PASSED_MAX];
static _Atomic size_t n_stored; /* after what it counts */

/* Keeps what it gets with FDSTORE=1; a barrier's descriptor is closed. The end is an empty one. */
static void *manage(void *context)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(16 * sizeof(int))];
	} control;

	(void)context;
	for (;;) {
		char text[256] = "";
		struct iovec data = {text, sizeof(text) - 1};
		struct msghdr got = {.msg_iov = &data,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control)};
		ssize_t length = recvmsg(notify_socket, &got, MSG_CMSG_CLOEXEC);
		struct cmsghdr *head = CMSG_FIRSTHDR(&got);
		size_t n = head ? (head->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (length <= 0)
			return NULL;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
			if (!strstr(text, "FDSTORE=1")) {
				close(fd);
				continue;
			}
			stored[n_stored] = fd;
			n_stored++;
		}
	}
}

static void start_manager(void)
{
	ck_assert_ptr_nonnull(mkdtemp(strcpy(directory, "/tmp/usher-fds.XXXXXX")));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", directory);
	notify_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(notify_socket, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	n_stored = 0;
	pthread_create(&manager, NULL, manage, NULL);
}

static void stop_manager(void)
{
	shutdown(notify_socket, SHUT_RDWR);
	pthread_join(manager, NULL);
	close(notify_socket);
	unlink(address.sun_path);
	rmdir(directory);
}

/* ---- what is sent ---- */

static void setup(void)
{
	start_manager();
	for (size_t i = 0; i < N_FDS; i += 2)
		ck_assert_int_eq(pipe2(fds + i, O_CLOEXEC), 0);
	pack_writer_init(&description);
	pack_bytes(&description, 7, "what they are", 13);
}

static void close_stored(void)
{
	while (n_stored)
		close(stored[--n_stored]);
}

static void teardown(void)
{
	stop_manager();
	close_stored();
	for (size_t i = 0; i < N_FDS; i++)
		close(fds[i]);
	pack_writer_deinit(&description);
}

static size_t count_open(void)
{
	DIR *all = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(all))
		n++;
	closedir(all);
	return n;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_ino;
}

static void send_all(size_t n)
{
	ck_assert_int_eq(handoff_send(&description, fds, n, message, sizeof(message)), 0);
	ck_assert_uint_eq(n_stored, 3); /* the barrier has seen to that */
}

static int receive(struct handoff_parcel *ret)
{
	return handoff_receive(stored, n_stored, N_FDS, ret, message, sizeof(message));
}

static void expect_all(size_t n)
{
	struct handoff_parcel parcel;

	ck_assert_int_eq(receive(&parcel), 1);
	ck_assert_uint_eq(parcel.n_fds, n);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(inode_of(parcel.fds[i]), inode_of(fds[i]));
		ck_assert_int_eq(fcntl(parcel.fds[i], F_GETFD), FD_CLOEXEC);
	}
	ck_assert_uint_eq(parcel.description_size, description.length);
	ck_assert_mem_eq(parcel.description, description.data, description.length);
	handoff_parcel_deinit(&parcel);
}

START_TEST(what_is_sent_is_received)
{
	static const size_t counts[] = {0, 1, 253, 254, 506, N_FDS};
	size_t before = count_open();

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		send_all(counts[i]);
		expect_all(counts[i]);
		close_stored();
	}
	ck_assert_uint_eq(count_open(), before);
}
END_TEST

START_TEST(looking_leaves_all_to_the_next_one)
{
	send_all(N_FDS);
	for (int i = 0; i < 3; i++)
		expect_all(N_FDS);
}
END_TEST

START_TEST(what_was_used_is_not_used_again)
{
	struct handoff_parcel parcel;

	send_all(5);
	ck_assert_int_eq(handoff_consume(stored, n_stored), 0);
	ck_assert_int_eq(receive(&parcel), 0);
	handoff_parcel_deinit(&parcel);
	ck_assert_int_eq(handoff_send(&description, fds, 3, message, sizeof(message)), 0);
	ck_assert_uint_eq(n_stored, 6); /* the later one is found behind it */
	expect_all(3);
}
END_TEST

START_TEST(a_lower_limit_of_open_files_is_seen_and_leaves_nothing_open)
{
	struct rlimit limit, low;
	struct handoff_parcel parcel;
	size_t before;

	send_all(N_FDS);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	before = count_open();
	low.rlim_cur = before + 300;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	ck_assert_int_eq(receive(&parcel), -EMFILE);
	ck_assert_ptr_nonnull(strstr(message, "its descriptors after"));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(count_open(), before);
	expect_all(N_FDS); /* and the next one has them still */
}
END_TEST

START_TEST(more_than_there_is_room_for_are_not_taken)
{
	struct handoff_parcel parcel;

	send_all(20);
	ck_assert_int_eq(
		handoff_receive(stored, n_stored, 19, &parcel, message, sizeof(message)), -EMFILE);
	ck_assert_str_eq(
		message, "it has 20 descriptors, and the limit of open files leaves room for 19");
}
END_TEST

START_TEST(without_a_manager_nothing_is_given_away)
{
	size_t before = count_open();

	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(
		handoff_send(&description, fds, N_FDS, message, sizeof(message)), -ENOTCONN);
	ck_assert_ptr_nonnull(strstr(message, "giving them to the service manager"));
	description.failed = true;
	ck_assert_int_eq(handoff_send(&description, fds, 1, message, sizeof(message)), -ENOMEM);
	ck_assert_uint_eq(count_open(), before);
}
END_TEST

START_TEST(a_store_is_offered_if_it_has_room_for_three)
{
	unsetenv("FDSTORE");
	ck_assert(!handoff_is_offered());
	setenv("FDSTORE", "2", 1);
	ck_assert(!handoff_is_offered());
	setenv("FDSTORE", "", 1);
	ck_assert(!handoff_is_offered());
	setenv("FDSTORE", "3", 1);
	ck_assert(handoff_is_offered());
	unsetenv("NOTIFY_SOCKET");
	ck_assert(!handoff_is_offered());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handoff_fds");
	TCase *tcase = tcase_create("handoff_fds");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_sent_is_received);
	tcase_add_test(tcase, looking_leaves_all_to_the_next_one);
	tcase_add_test(tcase, what_was_used_is_not_used_again);
	tcase_add_test(tcase, a_lower_limit_of_open_files_is_seen_and_leaves_nothing_open);
	tcase_add_test(tcase, more_than_there_is_room_for_are_not_taken);
	tcase_add_test(tcase, without_a_manager_nothing_is_given_away);
	tcase_add_test(tcase, a_store_is_offered_if_it_has_room_for_three);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
