/* SPDX-License-Identifier: MIT */
/* churn USHERD [TOTAL]: TOTAL (1000000) creates and their ends by 8 client threads on a broker of 4
 * loops. Most sessions are released; some pass their deadline, some are abandoned by a close, some
 * are read back and their metadata compared. In the end the counts must be exact.
 *
 * Calls go in batches, written at once and their replies read in order, so that the broker is busy
 * on all loops; the clients know just enough of the replies to check them. */
#include "client/usher.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS  8
#define BATCH    16
#define ID_SIZE  21
#define ROOM     (64 << 10)
#define PATIENCE 60

static char directory[] = "/tmp/usher-test.XXXXXX";
static char path[64];
static char config_path[64];
static atomic_long n_released, n_left, n_compared;

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

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

static int connect_to_broker(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

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
	atomic_fetch_add(&n_released, BATCH);
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
	atomic_fetch_add(&n_left, BATCH);
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

/* ---- the broker ---- */

static pid_t start_broker(const char *usherd)
{
	FILE *config;
	pid_t pid;

	if (!mkdtemp(directory))
		fail("mkdtemp: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/s", directory);
	snprintf(config_path, sizeof(config_path), "%s/usherd.conf", directory);
	config = fopen(config_path, "w");
	fprintf(config, "[pool default]\nlimit = 2000\n[broker]\nlog_level = warning\n");
	fclose(config);
	pid = fork();
	if (pid == 0) {
		execl(usherd, usherd, "--workers", "4", "--socket", path, "--config", config_path,
			NULL);
		_exit(127);
	}
	for (int i = 0; i < PATIENCE * 100; i++) {
		int fd = connect_to_broker();

		if (fd >= 0) {
			close(fd);
			return pid;
		}
		usleep(10000);
	}
	kill(pid, SIGKILL);
	fail("the broker did not get ready");
}

static void stop_broker(pid_t pid)
{
	char lock[80];
	int status;

	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail("the broker ended with status %#x", status);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	unlink(config_path);
	rmdir(directory);
}

static int64_t metric(const char *metrics, const char *name)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(metrics, key);
	if (!at)
		fail("no %s in %s", name, metrics);
	return strtoll(at + strlen(key), NULL, 10);
}

/* The sessions left to their deadlines and owners end soon; then everything must add up. */
static void check_counts(long total)
{
	struct usher_open_options options = {.size = sizeof(options), .socket = path};
	struct usher *u;
	char *reply;
	int64_t ended;

	if (usher_open(&options, &u) < 0)
		fail("usher_open");
	for (int i = 0;; i++) {
		if (usher_call(u, "io.usher.Broker.GetMetrics", NULL, &reply) < 0)
			fail("GetMetrics: %s", usher_last_error(u)->message);
		if (metric(reply, "active_sessions") == 0 || i == PATIENCE * 100)
			break;
		free(reply);
		usleep(10000);
	}
	ended = metric(reply, "lifetime_total_completed") + metric(reply, "lifetime_total_error") +
		metric(reply, "lifetime_total_cancelled");
	printf("created %" PRId64 ", released %" PRId64 ", timeout %" PRId64 ", abandoned %" PRId64
	       ", metadata compared %ld\n",
		metric(reply, "lifetime_total_created"), ended,
		metric(reply, "lifetime_total_timeout"), metric(reply, "lifetime_total_abandoned"),
		atomic_load(&n_compared));
	printf("lock: %" PRId64 " acquisitions, %" PRId64 " contended\n",
		metric(reply, "lock_acquisitions"), metric(reply, "lock_contended"));
	if (metric(reply, "lifetime_total_created") != total || ended != n_released ||
		metric(reply, "lifetime_total_timeout") +
				metric(reply, "lifetime_total_abandoned") !=
			n_left ||
		metric(reply, "active_sessions") != 0 ||
		metric(reply, "current_metadata_bytes") != 0 ||
		metric(reply, "metadata_bytes_drift") != 0)
		fail("the counts are wrong: %ld created, %ld released, %ld left: %s", total,
			atomic_load(&n_released), atomic_load(&n_left), reply);
	free(reply);
	if (usher_call(u, "io.usher.Broker.Verify", NULL, &reply) < 0 ||
		!strstr(reply, "\"ok\":true"))
		fail("Verify: %s", usher_last_error(u)->message);
	free(reply);
	usher_close(u);
}

int main(int argc, char **argv)
{
	static struct client clients[CLIENTS];
	long total = argc > 2 ? atol(argv[2]) : 1000000;
	long each = total / CLIENTS / BATCH * BATCH;
	pthread_t threads[CLIENTS];
	pid_t pid;

	if (argc < 2 || each <= 0)
		fail("usage: churn USHERD [TOTAL]");
	pid = start_broker(argv[1]);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i].seed = (unsigned)(i + 1);
		clients[i].total = each;
		clients[i].fd = connect_to_broker();
		if (clients[i].fd < 0 || pthread_create(&threads[i], NULL, run_client, &clients[i]))
			fail("client %d: %s", i, strerror(errno));
	}
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	check_counts(each * CLIENTS);
	stop_broker(pid);
	return 0;
}
