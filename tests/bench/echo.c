/* SPDX-License-Identifier: MIT */
#include "tests/bench/echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLIES 4096 /* that lie together */

size_t echo_reply_bytes = 90;
static char *replies;

void echo_fail(const char *what)
{
	perror(what);
	exit(1);
}

static void make_replies(void)
{
	replies = malloc(REPLIES * echo_reply_bytes);
	if (!replies)
		echo_fail("malloc");
	memset(replies, '.', REPLIES * echo_reply_bytes);
	for (size_t i = 1; i <= REPLIES; i++)
		replies[i * echo_reply_bytes - 1] = '\0';
}

static void read_arguments(int argc, char **argv)
{
	long bytes = argc > 2 ? atol(argv[2]) : (long)echo_reply_bytes;

	if (argc < 2 || argc > 3 || bytes < 1 || bytes > 65536) {
		fprintf(stderr, "usage: %s PATH [BYTES]\n", argv[0]);
		exit(2);
	}
	echo_reply_bytes = (size_t)bytes;
}

int echo_listen(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	read_arguments(argc, argv);
	make_replies();
	if (strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "%s: the path is too long\n", argv[1]);
		exit(2);
	}
	strcpy(address.sun_path, argv[1]);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 4096) < 0)
		echo_fail(argv[1]);
	return fd;
}

size_t echo_count(const char *input, size_t length)
{
	const char *end = input + length, *nul;
	size_t n = 0;

	for (; (nul = memchr(input, '\0', (size_t)(end - input))); input = nul + 1)
		n++;
	return n;
}

const char *echo_replies(size_t unsent, size_t *ret)
{
	size_t begun = unsent % echo_reply_bytes;
	size_t offset = begun > 0 ? echo_reply_bytes - begun : 0;
	size_t together = REPLIES * echo_reply_bytes - offset;

	*ret = unsent < together ? unsent : together;
	return replies + offset;
}
