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
#include <time.h>
#include <unistd.h>

struct served {
	struct fake_broker *broker;
	int fd;
	int index;
};

static void *run_connection(void *argument)
{
	struct served *s = argument;

	s->broker->serve(s->broker, s->fd, s->index);
	shutdown(s->fd, SHUT_RDWR); /* closed at the end: the number is used by then */
	atomic_fetch_sub(&s->broker->open, 1);
	free(s);
	return NULL;
}

static void serve_parallel(struct fake_broker *broker, int fd)
{
	struct served *s = malloc(sizeof(*s));
	int index = broker->connections;

	ck_assert_int_lt(index, FAKE_CONNECTIONS);
	*s = (struct served){broker, fd, index};
	broker->fds[index] = fd;
	atomic_fetch_add(&broker->open, 1);
	ck_assert_int_eq(pthread_create(&broker->threads[index], NULL, run_connection, s), 0);
	atomic_fetch_add(&broker->connections, 1);
}

static void *run(void *argument)
{
	struct fake_broker *broker = argument;

	for (;;) {
		int fd = accept(broker->listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		if (broker->is_parallel) {
			serve_parallel(broker, fd);
			continue;
		}
		broker->serve(broker, fd, atomic_fetch_add(&broker->connections, 1));
		close(fd);
	}
}

static void start(struct fake_broker *broker)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	sem_init(&broker->go, 0, 0);
	pthread_mutex_init(&broker->lock, NULL);
	strcpy(broker->directory, "/tmp/usher-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(broker->directory));
	snprintf(broker->path, sizeof(broker->path), "%s/sock", broker->directory);
	strcpy(address.sun_path, broker->path);
	broker->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(broker->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(broker->listener, broker->is_parallel ? 64 : 0), 0);
	if (broker->serve)
		ck_assert_int_eq(pthread_create(&broker->thread, NULL, run, broker), 0);
}

void fake_broker_start(struct fake_broker *broker, fake_serve *serve, const void *data)
{
	memset(broker, 0, sizeof(*broker));
	broker->serve = serve;
	broker->data = data;
	start(broker);
}

void fake_broker_start_parallel(struct fake_broker *broker, fake_serve *serve, const void *data)
{
	memset(broker, 0, sizeof(*broker));
	broker->serve = serve;
	broker->data = data;
	broker->is_parallel = true;
	start(broker);
}

static void hidden_path(const struct fake_broker *broker, char *buf, size_t size)
{
	snprintf(buf, size, "%s.off", broker->path);
}

/* Whatever they wait for. */
static void stop_connections(struct fake_broker *broker)
{
	for (int i = 0; i < broker->connections; i++)
		shutdown(broker->fds[i], SHUT_RDWR);
	for (int i = 0; i < broker->connections; i++)
		sem_post(&broker->go);
	for (int i = 0; i < broker->connections; i++) {
		pthread_join(broker->threads[i], NULL);
		close(broker->fds[i]);
	}
}

void fake_broker_stop(struct fake_broker *broker)
{
	char hidden[sizeof(broker->path) + 4];

	shutdown(broker->listener, SHUT_RDWR);
	if (broker->serve)
		pthread_join(broker->thread, NULL);
	if (broker->is_parallel)
		stop_connections(broker);
	pthread_mutex_destroy(&broker->lock);
	close(broker->listener);
	hidden_path(broker, hidden, sizeof(hidden));
	unlink(hidden);
	unlink(broker->path);
	rmdir(broker->directory);
}

static bool has_backlog(const struct fake_broker *broker)
{
	struct pollfd item = {.fd = broker->listener, .events = POLLIN};

	return poll(&item, 1, 0) > 0;
}

/* Again and again, for some may not be accepted yet, and whatever they wait for. */
void fake_broker_cut(struct fake_broker *broker)
{
	int i = 0;

	do {
		ck_assert_int_lt(i++, 5000);
		for (int n = 0; n < broker->connections; n++)
			shutdown(broker->fds[n], SHUT_RDWR);
		sem_post(&broker->go);
		usleep(1000);
	} while (broker->open > 0 || has_backlog(broker));
	while (sem_trywait(&broker->go) == 0)
		;
}

void fake_broker_hide(struct fake_broker *broker, bool is_refused)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[sizeof(broker->path) + 4];
	int fd;

	hidden_path(broker, path, sizeof(path));
	ck_assert_int_eq(rename(broker->path, path), 0);
	if (!is_refused)
		return;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, broker->path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

void fake_broker_show(struct fake_broker *broker)
{
	char path[sizeof(broker->path) + 4];

	hidden_path(broker, path, sizeof(path));
	ck_assert_int_eq(rename(path, broker->path), 0);
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

static void note(struct fake_broker *broker, const char *text)
{
	size_t used;

	pthread_mutex_lock(&broker->lock);
	used = strlen(broker->log);
	snprintf(broker->log + used, sizeof(broker->log) - used, "%s\n", text);
	pthread_mutex_unlock(&broker->lock);
	atomic_fetch_add(&broker->calls, 1);
}

int fake_read_text(struct fake_broker *broker, int fd, char *text)
{
	for (size_t used = 0; used < FAKE_TEXT_MAX;) {
		ssize_t n = recv(fd, text + used, 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (text[used++] != '\0')
			continue;
		note(broker, text);
		return 1;
	}
	return 0;
}

int fake_read_call(struct fake_broker *broker, int fd)
{
	static char text[FAKE_TEXT_MAX];

	if (!fake_read_text(broker, fd, text))
		return 0;
	pthread_mutex_lock(&broker->lock);
	strcpy(broker->last_call, text);
	pthread_mutex_unlock(&broker->lock);
	return 1;
}

int fake_count(struct fake_broker *broker, const char *needle)
{
	int count = 0;

	pthread_mutex_lock(&broker->lock);
	for (const char *at = broker->log; (at = strstr(at, needle)) != NULL; at++)
		count++;
	pthread_mutex_unlock(&broker->lock);
	return count;
}

bool fake_await(struct fake_broker *broker, const char *needle, int count)
{
	for (int i = 0; i < 5000; i++) {
		if (fake_count(broker, needle) >= count)
			return true;
		usleep(1000);
	}
	return false;
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

static bool is_for(struct fake_broker *broker, const struct fake_step *step, const char *text)
{
	bool is_once = step->replies[0] && !strcmp(step->replies[0], FAKE_ONCE);

	return strstr(text, step->needle) && (!is_once || fake_count(broker, step->needle) == 1);
}

static const struct fake_step *find_step(struct fake_broker *broker, const char *text)
{
	const struct fake_step *step = broker->data;

	while (step->needle && !is_for(broker, step, text))
		step++;
	return step->needle ? step : NULL;
}

static void wait_for_go(struct fake_broker *broker)
{
	while (sem_wait(&broker->go) < 0)
		;
}

/* False if the connection is to be closed. */
static bool do_step(struct fake_broker *broker, int fd, const struct fake_step *step)
{
	for (size_t i = 0; i < 6 && step->replies[i]; i++) {
		if (!strcmp(step->replies[i], FAKE_CLOSE))
			return false;
		if (!strcmp(step->replies[i], FAKE_HALF)) {
			fake_send(fd, step->replies[i + 1], strlen(step->replies[i + 1]) / 2);
			return false;
		}
		if (!strcmp(step->replies[i], FAKE_WAIT))
			wait_for_go(broker);
		else if (strcmp(step->replies[i], FAKE_ONCE) != 0)
			fake_reply(fd, step->replies[i]);
	}
	return true;
}

void fake_serve_steps(struct fake_broker *broker, int fd, int index)
{
	char *text = malloc(FAKE_TEXT_MAX);
	bool is_open = true;

	(void)index;
	while (is_open && fake_read_text(broker, fd, text)) {
		const struct fake_step *step = find_step(broker, text);

		if (step)
			is_open = do_step(broker, fd, step);
		else
			fake_reply(fd, "{}");
	}
	free(text);
}

void fake_pump(struct usher *u, const int *count, int until)
{
	struct pollfd item = {.fd = usher_get_fd(u), .events = POLLIN};

	while (*count < until) {
		ck_assert_int_eq(poll(&item, 1, 5000), 1);
		ck_assert_int_eq(usher_dispatch(u), 0);
	}
	ck_assert_int_eq(*count, until);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void fake_pump_for(struct usher *u, int ms)
{
	struct pollfd item = {.fd = usher_get_fd(u), .events = POLLIN};
	int64_t end = now_ms() + ms, left;

	while ((left = end - now_ms()) > 0) {
		if (poll(&item, 1, (int)left) == 1)
			ck_assert_int_eq(usher_dispatch(u), 0);
	}
}
