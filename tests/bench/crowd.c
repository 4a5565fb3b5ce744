/* SPDX-License-Identifier: MIT */
#include "tests/bench/crowd.h"

#include "proto/status.h"
#include "tests/bench/bench.h"
#include "tests/bench/clock.h"
#include "tests/bench/link.h"
#include "tests/bench/sentence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_NS (INT64_C(30) * NS_PER_S)
#define REPLY_MAX   4096

static void a_moment(void)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	nanosleep(&moment, NULL);
}

static int complain(const struct target *target, const char *what)
{
	bench_complain(target->options, "%s: %s", usher_socket_path(target->usher), what);
	return EXIT_FAILED;
}

/* ---- one of them ---- */

static int open_one(struct crowd *crowd, const struct target *target)
{
	int fd = link_connect(usher_socket_path(target->usher), 0);

	if (fd < 0)
		return complain(target, strerror(-fd));
	crowd->fds[crowd->n++] = fd;
	return 0;
}

static int wait_with(int fd, const struct target *target, const struct request *request)
{
	if (send(fd, request->text, request->length, MSG_NOSIGNAL) == (ssize_t)request->length)
		return 0;
	return complain(target, strerror(errno));
}

/* Waiting and being idle are silent. */
static bool is_silent(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Why the connection has ended, if the broker has said so. */
static char *last_words(int fd)
{
	char reply[REPLY_MAX];
	ssize_t n = recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT);

	reply[n > 0 ? n : 0] = '\0';
	return sentence_of_reply(reply);
}

static int check(const struct crowd *crowd, const struct target *target)
{
	char *sentence = NULL;
	bool is_whole = true;

	for (size_t i = 0; i < crowd->n && !sentence; i++) {
		if (is_silent(crowd->fds[i]))
			continue;
		is_whole = false;
		sentence = last_words(crowd->fds[i]);
	}
	if (!is_whole)
		complain(target, sentence ? sentence
					  : "the broker closed a waiting or idle connection; it "
					    "may accept no more (see max_connections and "
					    "max_connections_per_uid in usherd.conf(5))");
	free(sentence);
	return is_whole ? 0 : EXIT_FAILED;
}

bool crowd_is_whole(const struct crowd *crowd, const struct target *target)
{
	return check(crowd, target) == 0;
}

/* ---- all ---- */

static int look_once(const struct target *target, int64_t *ret_waiting, int64_t *ret_connections)
{
	struct pool_facts pool;
	int code = target_count_connections(target, ret_connections);

	if (code == 0)
		code = target_look(target, options_waiters_pool(target->options), &pool);
	if (code == 0)
		*ret_waiting = pool.waiting;
	return code;
}

/* The broker has accepted what connect(2) has only queued, and read what it was sent. */
static int await(const struct crowd *crowd, const struct target *target, int64_t waiting)
{
	int64_t end_ns = now_ns() + PATIENCE_NS, now_waiting, connections;
	int code;

	while (now_ns() < end_ns && !bench_is_interrupted()) {
		code = look_once(target, &now_waiting, &connections);
		if (code == 0)
			code = check(crowd, target);
		if (code || (now_waiting >= waiting && connections > (int64_t)crowd->n))
			return code;
		a_moment();
	}
	if (bench_is_interrupted())
		return bench_interrupted_exit();
	return complain(target, "the broker does not get all connections to wait");
}

static int open_waiters(
	struct crowd *crowd, const struct target *target, const struct request *request)
{
	uint64_t n = target->options->waiters;
	int code = 0;

	for (uint64_t i = 0; i < n && code == 0 && !bench_is_interrupted(); i++) {
		code = open_one(crowd, target);
		if (code == 0)
			code = wait_with(crowd->fds[i], target, request);
	}
	return code;
}

static int open_idle(struct crowd *crowd, const struct target *target)
{
	uint64_t n = target->options->idle;
	int code = 0;

	for (uint64_t i = 0; i < n && code == 0 && !bench_is_interrupted(); i++)
		code = open_one(crowd, target);
	return code;
}

static int gather(struct crowd *crowd, struct target *target, const struct request *request)
{
	const char *pool = options_waiters_pool(target->options);
	struct pool_facts before = {0};
	int code = target->options->waiters > 0 ? target_fill(target, pool, 0) : 0;

	if (code == 0)
		code = target_look(target, pool, &before);
	if (code == 0)
		code = open_waiters(crowd, target, request);
	if (code == 0)
		code = open_idle(crowd, target);
	if (code == 0)
		code = await(crowd, target, before.waiting + (int64_t)target->options->waiters);
	return code;
}

int crowd_open(struct crowd *crowd, struct target *target)
{
	const struct options *o = target->options;
	struct dialect_wish wish = {.pool = options_waiters_pool(o)};
	struct dialect dialect;
	int code = EXIT_FAILED;

	*crowd = (struct crowd){0};
	if (o->waiters + o->idle == 0)
		return 0;
	crowd->fds = calloc(o->waiters + o->idle, sizeof(*crowd->fds));
	if (dialect_init_usher(&dialect, &wish) == 0 && crowd->fds)
		code = gather(crowd, target, &dialect.requests[CALL_WAIT]);
	else
		bench_complain(o, "out of memory");
	dialect_deinit(&dialect);
	return code;
}

void crowd_close(struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->n; i++)
		close(crowd->fds[i]);
	free(crowd->fds);
	*crowd = (struct crowd){0};
}
