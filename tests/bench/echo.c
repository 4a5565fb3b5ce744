/* SPDX-License-Identifier: MIT */
#include "tests/bench/echo.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLIES 4096 /* that lie together */

size_t echo_reply_bytes = 90;
bool echo_is_per_frame;
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

static void fail_usage(const char *program)
{
	fprintf(stderr, "usage: %s --socket PATH [--reply-bytes N] [--per-frame]\n", program);
	exit(2);
}

static size_t parse_bytes(const char *program, const char *text)
{
	char *end;
	unsigned long bytes = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || bytes < 1 || bytes > 65536)
		fail_usage(program);
	return bytes;
}

/* Returns the socket's path. */
static const char *read_arguments(int argc, char **argv)
{
	static const struct option names[] = {
		{"socket", required_argument, NULL, 's'},
		{"reply-bytes", required_argument, NULL, 'b'},
		{"per-frame", no_argument, NULL, 'f'},
		{0},
	};
	const char *path = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c == 's')
			path = optarg;
		else if (c == 'b')
			echo_reply_bytes = parse_bytes(argv[0], optarg);
		else if (c == 'f')
			echo_is_per_frame = true;
		else
			fail_usage(argv[0]);
	}
	if (!path || optind < argc)
		fail_usage(argv[0]);
	return path;
}

int echo_listen(int argc, char **argv)
{
	const char *path = read_arguments(argc, argv);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	make_replies();
	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "%s: the path is too long\n", path);
		exit(2);
	}
	strcpy(address.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 4096) < 0)
		echo_fail(path);
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
