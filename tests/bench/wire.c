/* SPDX-License-Identifier: MIT */
#include "tests/bench/wire.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10000

static char directory[40];
static char socket_path[64], config_path[64], state_path[64];
static pid_t broker;

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- the broker ---- */

/* Its state should be in memory, as elsewhere in these measurements. */
static void choose_directory(void)
{
	snprintf(directory, sizeof(directory), "%s/usher-bench.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static void make_directory(const char *config)
{
	FILE *file;

	choose_directory();
	if (!mkdtemp(directory))
		fail("mkdtemp: %s: %s", directory, strerror(errno));
	snprintf(socket_path, sizeof(socket_path), "%s/s", directory);
	snprintf(config_path, sizeof(config_path), "%s/usherd.conf", directory);
	snprintf(state_path, sizeof(state_path), "%s/state", directory);
	file = fopen(config_path, "w");
	if (!file || fputs(config, file) < 0 || fclose(file) != 0)
		fail("%s: %s", config_path, strerror(errno));
}

static int try_to_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, socket_path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

void start_broker(const char *usherd, const char *config)
{
	make_directory(config);
	broker = fork();
	if (broker == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(usherd, usherd, "--socket", socket_path, "--config", config_path,
			"--state-dir", state_path, NULL);
		_exit(127);
	}
	for (int i = 0; i < PATIENCE_MS; i++) {
		int fd = try_to_connect();

		if (fd >= 0) {
			close(fd);
			return;
		}
		usleep(1000);
	}
	fail("%s does not serve %s", usherd, socket_path);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

void stop_broker(void)
{
	int status;

	kill(broker, SIGTERM);
	if (waitpid(broker, &status, 0) != broker || status != 0)
		fail("the broker ended with status %#x", status);
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- a connection ---- */

void wire_open(struct wire *wire)
{
	wire->length = 0;
	wire->fd = try_to_connect();
	if (wire->fd < 0)
		fail("connect: %s", strerror(errno));
}

void wire_close(struct wire *wire)
{
	close(wire->fd);
}

void wire_send(struct wire *wire, const char *frame)
{
	size_t length = strlen(frame) + 1;

	if (send(wire->fd, frame, length, MSG_NOSIGNAL) != (ssize_t)length)
		fail("send: %s", strerror(errno));
}

/* The frame read last goes when the next is asked for. */
static void drop_frame(struct wire *wire)
{
	char *end = memchr(wire->bytes, '\0', wire->length);
	size_t length = end ? (size_t)(end + 1 - wire->bytes) : 0;

	wire->length -= length;
	memmove(wire->bytes, wire->bytes + length, wire->length);
}

const char *wire_expect(struct wire *wire, const char *member)
{
	drop_frame(wire);
	while (!memchr(wire->bytes, '\0', wire->length)) {
		ssize_t n = recv(wire->fd, wire->bytes + wire->length, WIRE_ROOM - wire->length, 0);

		if (n <= 0)
			fail("recv: %s",
				n < 0 ? strerror(errno) : "closed, or the frame is too long");
		wire->length += (size_t)n;
	}
	if (!strstr(wire->bytes, member))
		fail("expected %s in %s", member, wire->bytes);
	return wire->bytes;
}
