/* SPDX-License-Identifier: MIT */
/* handover [--json] USHERD [N]: how long it takes until a slot that becomes free is the next one's.
 *
 * N (500) times each, against a broker of its own, which keeps state:
 *   round trip        a small call and its reply: what talking costs here, the yardstick
 *   release to grant  from sending Release on one connection to the grant on another
 *   notice of a kill  from kill(2) until the kernel tells, without a broker: by a pidfd, and by the
 *                     end of a socket
 *   kill to grant     from kill(2) of the holder, a process, to the grant, where the session
 * belongs to that process and where it belongs to its connection
 *
 * The pool has one slot, and each time exactly one waits for it, which is known from the broker's
 * word that it is queued. */
#include "tests/bench/figures.h"
#include "tests/bench/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_DEFAULT 500
#define N_MAX     1000000
#define WARM_UP   50

static const char config[] = "[broker]\nlog_level = warning\n[pool default]\nlimit = 1\n";

#define CALL(method, parameters)                                                                   \
	"{\"method\":\"io.usher.Broker." method "\",\"parameters\":{" parameters "}"

static const char get_info[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
static const char wait_for_slot[] = CALL("Create", "\"wait_ms\":-1") ",\"more\":true}";

/* ---- steps ---- */

/* The session that REPLY grants, in a call of Release. */
static void write_release(const char *reply, char *buf, size_t size)
{
	const char *id = strstr(reply, "\"session_id\":\"");

	if (!id)
		fail("no session in %s", reply);
	snprintf(buf, size, CALL("Release", "\"session_id\":\"%.20s\"") "}", id + 14);
}

static void release_granted(struct wire *wire, const char *reply)
{
	char release[256];

	write_release(reply, release, sizeof(release));
	wire_send(wire, release);
	wire_expect(wire, "\"duration_ms\"");
}

static void begin_to_wait(struct wire *wire)
{
	wire_send(wire, wait_for_slot);
	wire_expect(wire, "\"queued\"");
}

static const char *expect_grant(struct wire *wire)
{
	return wire_expect(wire, "\"session_id\"");
}

/* ---- what is measured ---- */

static void measure_round_trip(int64_t *ns, long n)
{
	struct wire wire;

	wire_open(&wire);
	for (long i = 0; i < n; i++) {
		int64_t begin = now_ns();

		wire_send(&wire, get_info);
		wire_expect(&wire, "\"vendor\"");
		ns[i] = now_ns() - begin;
	}
	wire_close(&wire);
}

/* Two connections hold and wait in turn. */
static void measure_release(int64_t *ns, long n)
{
	struct wire wires[2];
	char release[256];
	const char *grant;

	wire_open(&wires[0]);
	wire_open(&wires[1]);
	wire_send(&wires[0], CALL("Create", "") "}");
	grant = expect_grant(&wires[0]);
	for (long i = 0; i < n; i++) {
		struct wire *holder = &wires[i % 2], *waiter = &wires[(i + 1) % 2];
		int64_t begin;

		write_release(grant, release, sizeof(release));
		begin_to_wait(waiter);
		begin = now_ns();
		wire_send(holder, release);
		grant = expect_grant(waiter);
		ns[i] = now_ns() - begin;
		wire_expect(holder, "\"duration_ms\"");
	}
	release_granted(&wires[n % 2], grant);
	wire_close(&wires[0]);
	wire_close(&wires[1]);
}

/* In a process of its own: take the slot, say so, and hold it until killed. */
static void __attribute__((noreturn)) hold(const char *create, int ready)
{
	struct wire wire;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	wire_open(&wire);
	wire_send(&wire, create);
	expect_grant(&wire);
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static pid_t fork_holder(const char *create)
{
	int ready[2];
	pid_t pid;
	char byte;

	if (pipe(ready) < 0)
		fail("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid == 0)
		hold(create, ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		fail("the holder has no slot");
	close(ready[0]);
	return pid;
}

static void measure_kill(int64_t *ns, long n, const char *create)
{
	struct wire waiter;

	wire_open(&waiter);
	for (long i = 0; i < n; i++) {
		pid_t holder = fork_holder(create);
		const char *grant;
		int64_t begin;

		begin_to_wait(&waiter);
		begin = now_ns();
		kill(holder, SIGKILL);
		grant = expect_grant(&waiter);
		ns[i] = now_ns() - begin;
		waitpid(holder, NULL, 0);
		release_granted(&waiter, grant);
	}
	wire_close(&waiter);
}

/* A process that has its end of a socket, and does nothing. */
static pid_t fork_idler(int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		fail("socketpair: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		if (write(fds[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

/* What the broker waits with. */
static void await_readable(int fd)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ||
		epoll_wait(epoll, &event, 1, -1) != 1)
		fail("epoll: %s", strerror(errno));
	close(epoll);
}

static int64_t notice_ns(pid_t pid, int fd)
{
	int64_t begin = now_ns();

	kill(pid, SIGKILL);
	await_readable(fd);
	return now_ns() - begin;
}

static void measure_notice(int64_t *ns, long n, bool by_pidfd)
{
	for (long i = 0; i < n; i++) {
		int fd, pidfd;
		pid_t pid = fork_idler(&fd);
		char byte;

		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (pidfd < 0 || read(fd, &byte, 1) != 1)
			fail("a process to kill: %s", strerror(errno));
		ns[i] = notice_ns(pid, by_pidfd ? pidfd : fd);
		waitpid(pid, NULL, 0);
		close(pidfd);
		close(fd);
	}
}

/* ---- */

enum {
	ROUND_TRIP,
	RELEASE,
	NOTICE_PROCESS,
	NOTICE_CONNECTION,
	KILL_PROCESS,
	KILL_CONNECTION,
	MEASURES
};

static void measure_all(struct figures *figures)
{
	measure_round_trip(figures[ROUND_TRIP].ns, figures[ROUND_TRIP].n);
	measure_release(figures[RELEASE].ns, figures[RELEASE].n);
	measure_notice(figures[NOTICE_PROCESS].ns, figures[NOTICE_PROCESS].n, true);
	measure_notice(figures[NOTICE_CONNECTION].ns, figures[NOTICE_CONNECTION].n, false);
	measure_kill(figures[KILL_PROCESS].ns, figures[KILL_PROCESS].n,
		CALL("Create", "\"owner\":\"process\"") "}");
	measure_kill(figures[KILL_CONNECTION].ns, figures[KILL_CONNECTION].n,
		CALL("Create", "\"owner\":\"connection\"") "}");
}

static void measure(const char *usherd, long n, bool is_json)
{
	struct figures figures[MEASURES] = {
		{.name = "round trip", .key = "round_trip"},
		{.name = "release to grant", .key = "release_to_grant"},
		{.name = "notice of a kill, by pidfd", .key = "kill_notice_process"},
		{.name = "notice of a kill, by its socket", .key = "kill_notice_connection"},
		{.name = "kill to grant, its process", .key = "kill_to_grant_process"},
		{.name = "kill to grant, its connection", .key = "kill_to_grant_connection"},
	};
	int64_t warm_up[WARM_UP];

	for (int i = 0; i < MEASURES; i++) {
		figures[i].n = n;
		figures[i].ns = calloc((size_t)n, sizeof(*figures[i].ns));
		if (!figures[i].ns)
			fail("out of memory");
	}
	start_broker(usherd, config);
	measure_round_trip(warm_up, WARM_UP);
	measure_all(figures);
	stop_broker();
	(is_json ? figures_print_json : figures_print)(figures, MEASURES);
	for (int i = 0; i < MEASURES; i++)
		free(figures[i].ns);
}

int main(int argc, char **argv)
{
	bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;
	char **operands = argv + 1 + is_json;
	long n = argc > 2 + is_json ? atol(operands[1]) : N_DEFAULT;

	if (argc < 2 + is_json || argc > 3 + is_json || n < 1 || n > N_MAX) {
		fprintf(stderr, "usage: handover [--json] USHERD [1-%d]\n", N_MAX);
		return 2;
	}
	measure(operands[0], n, is_json);
	return 0;
}
