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

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t conn_deadline(int64_t timeout_ms)
{
	int64_t deadline;

	if (timeout_ms <= 0 || __builtin_add_overflow(now_ms(), timeout_ms, &deadline))
		return -1;
	return deadline;
}

/* Milliseconds to the deadline, 0 if it has passed, -1 for none. */
static int64_t time_left(int64_t deadline)
{
	int64_t left;

	if (deadline < 0)
		return -1;
	left = deadline - now_ms();
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

int conn_open(struct conn *c, const char *path, int64_t deadline)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
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

int conn_send(struct conn *c, const char *data, size_t length, int64_t deadline)
{
	int r;

	while (length > 0) {
		ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			data += n;
			length -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno == EPIPE ? -ECONNRESET : -errno;
		r = wait_for(c, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Some bytes into the reader. */
static int receive_piece(struct conn *c, int64_t deadline)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->piece, sizeof(c->piece), MSG_DONTWAIT);
		int r;

		if (n > 0) {
			frame_feed(&c->reader, c->piece, (size_t)n);
			return 0;
		}
		if (n == 0)
			return -ECONNRESET;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_for(c, POLLIN, deadline);
		if (r < 0)
			return r;
	}
}

int conn_receive(struct conn *c, int64_t deadline, const char **ret, size_t *ret_length)
{
	for (;;) {
		int r = frame_next(&c->reader, ret, ret_length);

		if (r > 0)
			return 0;
		if (r == 0)
			r = frame_keep(&c->reader);
		if (r == 0)
			r = receive_piece(c, deadline);
		if (r < 0)
			return r;
	}
}
