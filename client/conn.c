/* SPDX-License-Identifier: MIT */
#include "client/conn.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t conn_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t conn_deadline(int64_t timeout_ms)
{
	int64_t deadline;

	if (timeout_ms <= 0 || __builtin_add_overflow(conn_now_ms(), timeout_ms, &deadline))
		return -1;
	return deadline;
}

void conn_sleep_until(int64_t at)
{
	struct timespec until = {at / 1000, at % 1000 * 1000000};

	if (at <= 0)
		return;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* Milliseconds to the deadline, 0 if it has passed, -1 for none. */
static int64_t time_left(int64_t deadline)
{
	int64_t left;

	if (deadline < 0)
		return -1;
	left = deadline - conn_now_ms();
	return left < 0 ? 0 : left;
}

void conn_init(struct conn *c)
{
	c->fd = -1;
	frame_reader_init(&c->reader, CONN_REPLY_MAX);
}

void conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	frame_reader_deinit(&c->reader);
	conn_init(c);
}

/* connect(2) to a Unix socket waits for room in the listener's backlog; the send timeout bounds it,
 * where a socket that does not block could only fail. */
static int connect_until(int fd, const struct sockaddr_un *address, int64_t deadline)
{
	for (;;) {
		int64_t left = time_left(deadline);
		struct timeval limit = {left / 1000, left % 1000 * 1000};

		if (left == 0)
			return -ETIMEDOUT;
		if (left > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
			return -errno;
		if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
			return 0;
		if (errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
}

static int make_address(const char *path, struct sockaddr_un *ret)
{
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, path, strlen(path));
	return 0;
}

int conn_open(struct conn *c, const char *path, int64_t deadline)
{
	struct sockaddr_un address;
	int fd, r = make_address(path, &address);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect_until(fd, &address, deadline);
	if (r < 0) {
		close(fd);
		return r;
	}
	c->fd = fd;
	return 0;
}

/* connect(2) to a Unix socket is done, or has failed, when it returns. */
int conn_try_open(struct conn *c, const char *path)
{
	struct sockaddr_un address;
	int fd, r = make_address(path, &address);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = errno == EINTR ? -EAGAIN : -errno;
		close(fd);
		return r;
	}
	c->fd = fd;
	return 0;
}

bool conn_is_absence(int error)
{
	return error != -EMFILE && error != -ENFILE && error != -ENOMEM;
}

/* What the reader kept is on the heap; it borrows nothing after the last frame was taken. */
void conn_move(struct conn *from, struct conn *to)
{
	to->fd = from->fd;
	frame_reader_deinit(&from->reader);
	conn_init(from);
}

int conn_check_idle(const struct conn *c)
{
	char byte;
	ssize_t n;

	if (frame_is_begun(&c->reader))
		return -EBADMSG;
	n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0)
		return -EBADMSG;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -ECONNRESET;
}

/* Wait for EVENTS or trouble, which the next call on the socket then reports. */
static int wait_for(const struct conn *c, short events, int64_t deadline)
{
	struct pollfd item = {.fd = c->fd, .events = events};

	for (;;) {
		int64_t left = time_left(deadline);
		int n = poll(&item, 1, left > INT_MAX ? INT_MAX : (int)left);

		if (n > 0)
			return 0;
		if (n == 0 && left <= INT_MAX)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

int conn_try_send(struct conn *c, const char *data, size_t length, size_t *ret_sent)
{
	*ret_sent = 0;
	while (*ret_sent < length) {
		ssize_t n = send(
			c->fd, data + *ret_sent, length - *ret_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			*ret_sent += (size_t)n;
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
	}
	return 0;
}

int conn_send(struct conn *c, const char *data, size_t length, int64_t deadline)
{
	size_t sent;

	for (;;) {
		int r = conn_try_send(c, data, length, &sent);

		if (r < 0 || sent == length)
			return r;
		data += sent;
		length -= sent;
		r = wait_for(c, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
}

/* 1 and some bytes in the reader, or 0 if there are none yet. */
static int try_receive_piece(struct conn *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->piece, sizeof(c->piece), MSG_DONTWAIT);

		if (n > 0) {
			frame_feed(&c->reader, c->piece, (size_t)n);
			return 1;
		}
		if (n == 0)
			return -ECONNRESET;
		if (errno == EAGAIN)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

int conn_try_receive(struct conn *c, const char **ret, size_t *ret_length)
{
	for (;;) {
		int r = frame_next(&c->reader, ret, ret_length);

		if (r != 0)
			return r;
		r = frame_keep(&c->reader);
		if (r == 0)
			r = try_receive_piece(c);
		if (r <= 0)
			return r;
	}
}

bool conn_has_frame(const struct conn *c)
{
	return frame_count(&c->reader, 1) > 0;
}

int conn_receive(struct conn *c, int64_t deadline, const char **ret, size_t *ret_length)
{
	for (;;) {
		int r = conn_try_receive(c, ret, ret_length);

		if (r != 0)
			return r < 0 ? r : 0;
		r = wait_for(c, POLLIN, deadline);
		if (r < 0)
			return r;
	}
}
