/* SPDX-License-Identifier: MIT */
/* echo-epoll --socket PATH [--reply-bytes N] [--per-frame]: answers each NUL-ended frame with one
 * of N (90) bytes, NUL included.
 *
 * What talking costs in one thread with nothing but epoll: one read and one write a client and
 * turn; or one write a frame. It ends by a signal. */
#include "tests/bench/echo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64

struct client {
	int fd;
	size_t unsent; /* bytes of replies that the socket did not take */
};

static void watch(int epoll, struct client *client, int what)
{
	struct epoll_event event = {
		.events = client->unsent > 0 ? EPOLLOUT : EPOLLIN, .data.ptr = client};

	if (epoll_ctl(epoll, what, client->fd, &event) < 0)
		echo_fail("epoll_ctl");
}

static void add_client(int epoll, int listener)
{
	struct client *client;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	client = calloc(1, sizeof(*client));
	if (!client)
		echo_fail("calloc");
	client->fd = fd;
	watch(epoll, client, EPOLL_CTL_ADD);
}

static void close_client(struct client *client)
{
	close(client->fd);
	free(client);
}

/* How many of BYTES to write at once: to the end of a reply, or all. */
static size_t piece(size_t unsent, size_t bytes)
{
	size_t rest = unsent % echo_reply_bytes;

	return !echo_is_per_frame ? bytes : rest ? rest : echo_reply_bytes;
}

/* Replies are all alike: what is left begins in mid-reply. False if the client is gone. */
static bool write_replies(int epoll, struct client *client, size_t unsent)
{
	bool was_blocked = client->unsent > 0;
	size_t bytes;

	client->unsent = unsent;
	while (client->unsent > 0) {
		const char *from = echo_replies(client->unsent, &bytes);
		ssize_t n = send(client->fd, from, piece(client->unsent, bytes), MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			break;
		client->unsent -= (size_t)n;
	}
	if (was_blocked != (client->unsent > 0))
		watch(epoll, client, EPOLL_CTL_MOD);
	return true;
}

static bool serve(int epoll, struct client *client)
{
	static char input[ECHO_READ];
	ssize_t n;

	if (client->unsent > 0)
		return write_replies(epoll, client, client->unsent);
	n = recv(client->fd, input, sizeof(input), 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	return write_replies(epoll, client, echo_count(input, (size_t)n) * echo_reply_bytes);
}

int main(int argc, char **argv)
{
	int listener = echo_listen(argc, argv), epoll = epoll_create1(EPOLL_CLOEXEC);
	struct client accepting = {.fd = listener};
	struct epoll_event events[EVENTS];

	watch(epoll, &accepting, EPOLL_CTL_ADD);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct client *client = events[i].data.ptr;

			if (client == &accepting)
				add_client(epoll, listener);
			else if (!serve(epoll, client))
				close_client(client);
		}
	}
}
