/* SPDX-License-Identifier: MIT */
/* churn USHERD [TOTAL]: TOTAL (1000000) creates and their ends by 8 client threads on a broker of 4
 * loops. Most sessions are released; some pass their deadline, some are abandoned by a close, some
 * are read back and their metadata compared. Meanwhile others wait for the slots of a small pool
 * (waiters.c) and watch what happens (watcher.c). In the end the counts must be exact.
 *
 * Calls go in batches, written at once and their replies read in order, so that the broker is busy
 * on all loops; the clients know just enough of the replies to check them. */
#include "tests/threads/churn.h"

#include "client/usher.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS  8
#define BATCH    16
#define ID_SIZE  21
#define ROOM     (64 << 10)
#define PATIENCE 60
#define PER_WAIT 1000 /* creates for each turn of a waiter */

struct seen seen;
static atomic_long n_compared;

/* ---- a client ---- */

struct client {
	int fd;
	unsigned seed;
	long total;
	char in[ROOM];
	size_t in_length;
	char out[ROOM];
	size_t out_length;
};

static void __attribute__((format(printf, 2, 3))) say(struct client *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	c->out_length +=
		(size_t)vsnprintf(c->out + c->out_length, ROOM - c->out_length, format, args) + 1;
	va_end(args);
	if (c->out_length > ROOM)
		fail("the batch does not fit");
}

static void flush(struct client *c)
{
	for (size_t sent = 0; sent < c->out_length;) {
		ssize_t n = send(c->fd, c->out + sent, c->out_length - sent, MSG_NOSIGNAL);

		if (n < 0)
			fail("send: %s", strerror(errno));
		sent += (size_t)n;
	}
	c->out_length = 0;
}

/* The next reply, NUL-ended, in REPLY of ROOM bytes. */
static void hear(struct client *c, char *reply)
{
	char *end;

	while (!(end = memchr(c->in, '\0', c->in_length))) {
		ssize_t n = recv(c->fd, c->in + c->in_length, ROOM - c->in_length, 0);

		if (n <= 0)
			fail("recv: %s", n ? strerror(errno) : "closed");
		c->in_length += (size_t)n;
	}
	memcpy(reply, c->in, (size_t)(end + 1 - c->in));
	c->in_length -= (size_t)(end + 1 - c->in);
	memmove(c->in, end + 1, c->in_length);
}

static void expect_member(const char *reply, const char *member)
{
	if (!strstr(reply, member))
		fail("wanted %s in %s", member, reply);
}

static void take_id(const char *reply, char id[ID_SIZE])
{
	const char *at = strstr(reply, "\"session_id\":\"");

	if (!at)
		fail("no session: %s", reply);
	memcpy(id, at + 14, ID_SIZE - 1);
	id[ID_SIZE - 1] = '\0';
}

/* ---- what it does ---- */

struct batch {
	char ids[BATCH][ID_SIZE];
	char metadata[BATCH][64];
};

static void create_batch(struct client *c, struct batch *b)
{
	char reply[ROOM];

	for (int i = 0; i < BATCH; i++) {
		snprintf(b->metadata[i], sizeof(b->metadata[i]), "{\"n\":%d,\"t\":\"%.*s\"}",
			rand_r(&c->seed), (int)(rand_r(&c->seed) % 30), "xxxxxxxxxxéééééééééé");
		if (strchr(b->metadata[i], (char)0xc3) && !strstr(b->metadata[i], "é\""))
			strcpy(b->metadata[i], "{\"t\":\"é\"}"); /* cut within a letter */
		say(c, "{\"method\":\"io.usher.Broker.Create\",\"parameters\":{\"metadata\":%s}}",
			b->metadata[i]);
	}
	flush(c);
	for (int i = 0; i < BATCH; i++) {
		hear(c, reply);
		take_id(reply, b->ids[i]);
	}
	atomic_fetch_add(&seen.created, BATCH);
}

static void compare_batch(struct client *c, const struct batch *b)
{
	char reply[ROOM];

	for (int i = 0; i < BATCH; i++)
		say(c,
			"{\"method\":\"io.usher.Broker.Get\",\"parameters\":{\"session_id\":\"%s\"}"
			"}",
			b->ids[i]);
	flush(c);
	for (int i = 0; i < BATCH; i++) {
		hear(c, reply);
		expect_member(reply, b->metadata[i]);
	}
	atomic_fetch_add(&n_compared, BATCH);
}

static void release_batch(struct client *c, const struct batch *b)
{
	static const char *const outcomes[] = {"completed", "error", "cancelled"};
	char reply[ROOM];

	for (int i = 0; i < BATCH; i++)
		say(c,
			"{\"method\":\"io.usher.Broker.Release\",\"parameters\":"
			"{\"session_id\":\"%s\",\"outcome\":\"%s\"}}",
			b->ids[i], outcomes[rand_r(&c->seed) % 3]);
	flush(c);
	for (int i = 0; i < BATCH; i++) {
		hear(c, reply);
		expect_member(reply, "duration_ms");
	}
	atomic_fetch_add(&seen.released, BATCH);
}

/* Deadlines and the end of the owner end what is not released. */
static void leave_batch(struct client *c, const struct batch *b, bool by_deadline)
{
	char reply[ROOM];

	for (int i = 0; by_deadline && i < BATCH; i++)
		say(c,
			"{\"method\":\"io.usher.Broker.Renew\",\"parameters\":"
			"{\"session_id\":\"%s\",\"timeout_ms\":%d}}",
			b->ids[i], 1 + i);
	flush(c);
	for (int i = 0; by_deadline && i < BATCH; i++)
		hear(c, reply);
	atomic_fetch_add(&seen.left, BATCH);
	if (by_deadline)
		return;
	close(c->fd);
	c->fd = connect_to_broker();
	if (c->fd < 0)
		fail("connect: %s", strerror(errno));
}

static void *run_client(void *data)
{
	struct client *c = data;
	struct batch b;

	for (long done = 0; done < c->total; done += BATCH) {
		unsigned choice = (unsigned)rand_r(&c->seed) % 64;

		create_batch(c, &b);
		if (choice < 4)
			compare_batch(c, &b);
		if (choice == 60 || choice == 61)
			leave_batch(c, &b, choice == 60);
		else
			release_batch(c, &b);
	}
	close(c->fd);
	return NULL;
}

/* ---- what must be true in the end ---- */

static void expect(const char *what, int64_t have, int64_t want, const char *metrics)
{
	if (have != want)
		fail("%s: %" PRId64 ", not %" PRId64 ": %s", what, have, want, metrics);
}

static void get_metrics(struct usher *u, const char *parameters, char **ret)
{
	if (usher_call(u, "io.usher.Broker.GetMetrics", parameters, ret) < 0)
		fail("GetMetrics: %s", usher_last_error(u)->message);
}

/* The sessions left to their deadlines and owners end soon. */
static void get_final_metrics(struct usher *u, char **ret)
{
	get_metrics(u, NULL, ret);
	for (int i = 0; metric(*ret, "active_sessions") > 0 && i < PATIENCE * 100; i++) {
		free(*ret);
		usleep(10000);
		get_metrics(u, NULL, ret);
	}
}

static void check_sessions(const char *m)
{
	int64_t released = metric(m, "lifetime_total_completed") +
			   metric(m, "lifetime_total_error") +
			   metric(m, "lifetime_total_cancelled");
	int64_t left = metric(m, "lifetime_total_timeout") + metric(m, "lifetime_total_abandoned");

	printf("created %" PRId64 ", released %" PRId64 ", timeout %" PRId64 ", abandoned %" PRId64
	       ", metadata compared %ld\n",
		metric(m, "lifetime_total_created"), released, metric(m, "lifetime_total_timeout"),
		metric(m, "lifetime_total_abandoned"), atomic_load(&n_compared));
	printf("lock: %" PRId64 " acquisitions, %" PRId64 " contended\n",
		metric(m, "lock_acquisitions"), metric(m, "lock_contended"));
	expect("created", metric(m, "lifetime_total_created"), seen.created, m);
	expect("released", released, seen.released, m);
	expect("timeout and abandoned", left, seen.left, m);
	expect("revoked", metric(m, "lifetime_total_revoked"), 0, m);
	expect("active", metric(m, "active_sessions"), 0, m);
	expect("waiting", metric(m, "waiting_sessions"), 0, m);
	expect("used units", metric(m, "used_units"), 0, m);
	expect("metadata bytes", metric(m, "current_metadata_bytes"), 0, m);
	expect("drift", metric(m, "metadata_bytes_drift"), 0, m);
}

/* M are the totals of the small pool: each wait has come to one end, and the one that was told. */
static void check_waits(const char *m, const struct watched *watched)
{
	int64_t granted = metric(strstr(m, "\"queue_wait\":"), "count");
	int64_t timed_out = metric(m, "rejected_wait_timeout");
	int64_t cancelled = metric(m, "wait_cancelled");

	printf("queued %" PRId64 ": granted %" PRId64 ", timed out %" PRId64 ", cancelled %" PRId64
	       "; Monitor called %ld times\n",
		metric(m, "queued"), granted, timed_out, cancelled, watched->n_opened);
	expect("queued", metric(m, "queued"), granted + timed_out + cancelled, m);
	expect("created", metric(m, "created"), seen.small_created, m);
	expect("timed out", timed_out, seen.timed_out, m);
	expect("cancelled", cancelled, seen.cancelled, m);
	if (watched->n_opened > 1) /* events were missed in between */
		return;
	expect("watched queued", watched->queued, metric(m, "queued"), m);
	expect("watched granted", watched->granted, granted, m);
	expect("watched created", watched->created + watched->granted, seen.small_created, m);
	expect("watched refused", watched->refused, timed_out + cancelled, m);
	expect("watched ended", watched->ended, seen.small_created, m);
}

static void check_all(const struct watched *watched)
{
	struct usher *u = open_broker();
	char *reply, *totals;

	get_final_metrics(u, &reply);
	check_sessions(reply);
	free(reply);
	get_metrics(u, "{\"pool\":\"" SMALL_POOL "\"}", &reply);
	totals = strstr(reply, "\"pools\":");
	totals = totals ? strstr(totals, "\"totals\":") : NULL;
	if (!totals)
		fail("no totals of a pool in %s", reply);
	check_waits(totals, watched);
	free(reply);
	if (usher_call(u, "io.usher.Broker.Verify", NULL, &reply) < 0 ||
		!strstr(reply, "\"ok\":true"))
		fail("Verify: %s", usher_last_error(u)->message);
	free(reply);
	usher_close(u);
}

/* ---- */

static void start_clients(struct client *clients, pthread_t *threads, long each)
{
	for (int i = 0; i < CLIENTS; i++) {
		clients[i].seed = (unsigned)(i + 1);
		clients[i].total = each;
		clients[i].fd = connect_to_broker();
		if (clients[i].fd < 0 || pthread_create(&threads[i], NULL, run_client, &clients[i]))
			fail("client %d: %s", i, strerror(errno));
	}
}

int main(int argc, char **argv)
{
	static struct client clients[CLIENTS];
	long total = argc > 2 ? atol(argv[2]) : 1000000;
	pthread_t threads[CLIENTS];
	struct watched watched;
	pid_t pid;

	if (argc < 2 || total < CLIENTS * BATCH)
		fail("usage: churn USHERD [TOTAL, at least %d]", CLIENTS * BATCH);
	breed_owners();
	pid = start_broker(argv[1]);
	start_watchers();
	start_waiters(total / PER_WAIT);
	start_clients(clients, threads, total / CLIENTS / BATCH * BATCH);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	join_waiters();
	join_watchers(&watched);
	check_all(&watched);
	stop_broker(pid);
	return 0;
}
