/* SPDX-License-Identifier: MIT */
#include "fake_broker.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void *run(void *argument)
{
	struct fake_broker *broker = argument;

	for (;;) {
		int fd = accept(broker->listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		broker->serve(broker, fd, atomic_fetch_add(&broker->connections, 1));
		close(fd);
	}
}

void fake_broker_start(struct fake_broker *broker, fake_serve *serve, const void *data)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(broker, 0, sizeof(*broker));
	broker->serve = serve;
	broker->data = data;
	pthread_mutex_init(&broker->lock, NULL);
	strcpy(broker->directory, "/tmp/usher-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(broker->directory));
	snprintf(broker->path, sizeof(broker->path), "%s/sock", broker->directory);
	strcpy(address.sun_path, broker->path);
	broker->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(broker->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(broker->listener, 0), 0);
	if (serve)
		ck_assert_int_eq(pthread_create(&broker->thread, NULL, run, broker), 0);
}

void fake_broker_stop(struct fake_broker *broker)
{
	shutdown(broker->listener, SHUT_RDWR);
	if (broker->serve)
		pthread_join(broker->thread, NULL);
	pthread_mutex_destroy(&broker->lock);
	close(broker->listener);
	unlink(broker->path);
	rmdir(broker->directory);
}

struct usher *fake_broker_open(const struct fake_broker *broker, int64_t call_timeout_ms)
{
	struct usher_open_options options = {.size = sizeof(options),
		.socket = broker->path,
		.call_timeout_ms = call_timeout_ms};
	struct usher *u;

	ck_assert_int_eq(usher_open(&options, &u), 0);
	return u;
}

int fake_read_call(struct fake_broker *broker, int fd)
{
	char text[sizeof(broker->last_call)];
	size_t used = 0;

	while (used < sizeof(text)) {
		ssize_t n = recv(fd, text + used, 1, 0);

		if (n <= 0)
			return 0;
		if (text[used++] != '\0')
			continue;
		pthread_mutex_lock(&broker->lock);
		memcpy(broker->last_call, text, used);
		pthread_mutex_unlock(&broker->lock);
		atomic_fetch_add(&broker->calls, 1);
		return 1;
	}
	return 0;
}

const char *fake_last_call(struct fake_broker *broker)
{
	static char text[sizeof(broker->last_call)];

	pthread_mutex_lock(&broker->lock);
	strcpy(text, broker->last_call);
	pthread_mutex_unlock(&broker->lock);
	return text;
}

/* A client that has had enough closes, which is no failure here. */
void fake_send(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t n = send(fd, at, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		at += n;
		length -= (size_t)n;
	}
}

void fake_reply(int fd, const char *text)
{
	fake_send(fd, text, strlen(text) + 1);
}

void fake_serve_text(struct fake_broker *broker, int fd, int index)
{
	(void)index;
	while (fake_read_call(broker, fd))
		fake_reply(fd, broker->data);
}
