/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/script.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define FDS_MAX   190
#define WALL_NS   INT64_C(1700000000000000000)
#define LOOK_NS   1000 /* what a look at the clock takes */
#define WAITS_MAX 100000
#define NS_A_MS   INT64_C(1000000)
#define MS_MAX    (INT64_C(86400000) * 365)

static const uint8_t *text;
static size_t left;
static int64_t now_ns;
static unsigned n_waits;
static int peers[FDS_MAX]; /* by the library's descriptor: ours, -1 for none */
static int first_fd;       /* from here on they were opened since script_begin() */

/* ---- the script ---- */

static void close_peer(int fd)
{
	if (peers[fd] >= 0)
		close(peers[fd]);
	peers[fd] = -1;
}

static void say(int fd, char byte)
{
	if (peers[fd] >= 0 && send(peers[fd], &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		close_peer(fd);
}

/* Whether the portion goes on. */
static bool obey(int fd, uint8_t command)
{
	switch (command) {
	case 'n':
		say(fd, '\0');
		return true;
	case 'x':
		close_peer(fd);
		return false;
	case '.':
		return false;
	default:
		say(fd, '~');
		return true;
	}
}

static bool say_next(int fd)
{
	uint8_t byte = *text++;

	left--;
	if (byte == '~' && left > 0) {
		left--;
		return obey(fd, *text++);
	}
	say(fd, byte == '\n' ? '\0' : (char)byte);
	return byte != '\n';
}

static void say_portion(int fd)
{
	if (left == 0)
		close_peer(fd);
	while (left > 0 && say_next(fd))
		;
}

static bool is_peer(int fd)
{
	return fd >= 0 && fd < FDS_MAX && peers[fd] >= 0;
}

void script_begin(const uint8_t *bytes, size_t size)
{
	text = bytes;
	left = size;
	now_ns = 1000 * NS_A_MS;
	n_waits = 0;
	for (int i = 0; i < FDS_MAX; i++)
		peers[i] = -1;
	first_fd = dup(0);
	close(first_fd);
}

/* A program that ends leaves to the kernel what it has not closed. afl++ has its own from 198 on.
 */
void script_end(void)
{
	close_range((unsigned)first_fd, FDS_MAX - 1, 0);
}

void script_go_on(void)
{
	for (int i = 0; i < FDS_MAX; i++)
		if (is_peer(i)) {
			say_portion(i);
			return;
		}
}

void script_advance_ms(int64_t ms)
{
	now_ns += (ms < MS_MAX ? ms : MS_MAX) * NS_A_MS;
}

/* ---- what the library calls; these names are the linker's ---- */

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);
int __wrap_poll(struct pollfd *items, nfds_t n, int timeout);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *until, struct timespec *ret_left);
int __real_poll(struct pollfd *items, nfds_t n, int timeout);
ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);

static bool is_refused(void)
{
	if (left < 2 || text[0] != '~' || text[1] != 'c')
		return false;
	text += 2;
	left -= 2;
	return true;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	int pair[2];

	(void)address;
	(void)size;
	REQUIRE(fd >= first_fd && fd < FDS_MAX);
	if (left == 0 || is_refused()) {
		errno = left == 0 ? EMFILE : ECONNREFUSED;
		return -1;
	}
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	close_peer(fd);
	peers[fd] = pair[1];
	REQUIRE(dup2(pair[0], fd) == fd);
	close(pair[0]);
	return 0;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	if (!is_peer(fd)) {
		errno = EPIPE;
		return -1;
	}
	(void)bytes;
	(void)flags;
	say_portion(fd);
	return (ssize_t)size;
}

/* Nothing has come of itself: a portion for who is waited for, or for anybody; else time passes. */
static void bring(const struct pollfd *items, nfds_t n)
{
	for (nfds_t i = 0; i < n; i++)
		if (is_peer(items[i].fd)) {
			say_portion(items[i].fd);
			return;
		}
	script_go_on();
}

int __wrap_poll(struct pollfd *items, nfds_t n, int timeout)
{
	int ready = n > 0 ? __real_poll(items, n, 0) : 0;

	if (ready != 0 || timeout == 0)
		return ready;
	REQUIRE(n_waits++ < WAITS_MAX);
	if (n > 0) {
		bring(items, n);
		ready = __real_poll(items, n, 0);
	}
	if (ready == 0)
		script_advance_ms(timeout >= 0 ? timeout : MS_MAX);
	return ready;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int64_t ns = now_ns + (clock == CLOCK_REALTIME ? WALL_NS : 0);

	now_ns += LOOK_NS;
	*ret = (struct timespec){ns / 1000000000, ns % 1000000000};
	return 0;
}

int __wrap_clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *until, struct timespec *ret_left)
{
	int64_t ms = until->tv_sec * 1000 + until->tv_nsec / NS_A_MS - now_ns / NS_A_MS;

	(void)clock;
	(void)flags;
	(void)ret_left;
	REQUIRE(n_waits++ < WAITS_MAX);
	if (ms >= 0)
		script_advance_ms(ms + 1);
	return 0;
}
