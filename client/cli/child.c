/* SPDX-License-Identifier: MIT */
#include "client/cli/child.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the child's side ---- */

static bool read_all(int fd, void *buf, size_t size)
{
	char *at = buf;

	while (size > 0) {
		ssize_t n = read(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

/* "NAME=value", each with its NUL; the memory becomes part of the environment. */
static bool take_environment(int fd)
{
	static char *text; /* as long as the process lives */
	uint32_t length;

	if (!read_all(fd, &length, sizeof(length)))
		return false;
	text = malloc(length);
	if (!text || !read_all(fd, text, length)) {
		free(text);
		return false;
	}
	for (char *at = text; at < text + length; at += strlen(at) + 1) {
		if (putenv(at) != 0)
			return false;
	}
	return true;
}

/* Without a word from usherctl there is no session, and nobody to tell. */
static _Noreturn void become(int fd, char **command, const sigset_t *mask)
{
	int error;

	if (!take_environment(fd))
		_exit(EXIT_FAILURE);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	error = errno;
	if (write(fd, &error, sizeof(error)) < 0)
		error = 0;
	_exit(error == ENOENT ? 127 : 126);
}

/* ---- usherctl's side ---- */

/* The broker keeps the name that the process has when the session is asked for, and a child begins
 * with its parent's: so that people see the command's, and not usherctl's. */
static pid_t fork_as(const char *path)
{
	const char *base = strrchr(path, '/');
	char own[16];
	pid_t pid;

	if (prctl(PR_GET_NAME, own) < 0)
		return fork();
	prctl(PR_SET_NAME, base ? base + 1 : path);
	pid = fork();
	if (pid != 0)
		prctl(PR_SET_NAME, own);
	return pid;
}

int child_fork(struct child *child, char **command, const sigset_t *mask)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	child->pid = fork_as(command[0]);
	if (child->pid == 0) {
		close(pair[0]);
		become(pair[1], command, mask);
	}
	if (child->pid < 0) {
		int error = errno;

		close(pair[0]);
		close(pair[1]);
		return -error;
	}
	close(pair[1]);
	child->fd = pair[0];
	return 0;
}

static void write_slots(FILE *stream, const struct usher_session *session)
{
	fprintf(stream, "USHER_SLOTS=");
	for (size_t i = 0; i < session->n_slots; i++)
		fprintf(stream, "%s%" PRIu32, i ? "," : "", session->slots[i]);
	fputc('\0', stream);
}

/* COMMAND may change its directory, so the socket's path is passed on whole. */
static void write_environment(FILE *stream, const struct usher_session *session, const char *socket)
{
	char *whole = *socket == '/' ? NULL : realpath(socket, NULL);

	fprintf(stream, "USHER_SESSION=%s%c", session->session_id, '\0');
	fprintf(stream, "USHER_POOL=%s%c", session->pool, '\0');
	fprintf(stream, "USHER_SLOT=%" PRIu32 "%c", session->slots[0], '\0');
	write_slots(stream, session);
	fprintf(stream, "USHER_FENCE=%" PRId64 "%c", session->fence, '\0');
	fprintf(stream, "USHER_SOCKET=%s%c", whole ? whole : socket, '\0');
	free(whole);
}

static int send_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

int child_go(struct child *child, const struct usher_session *session, const char *socket)
{
	uint32_t length = 0;
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	int r;

	if (!stream)
		return -ENOMEM;
	fwrite(&length, sizeof(length), 1, stream);
	write_environment(stream, session, socket);
	r = fclose(stream) == 0 ? 0 : -ENOMEM;
	if (r == 0) {
		length = (uint32_t)(size - sizeof(length));
		memcpy(text, &length, sizeof(length));
		r = send_all(child->fd, text, size);
	}
	free(text);
	return r;
}

int child_exec_error(const struct child *child)
{
	int error;

	if (recv(child->fd, &error, sizeof(error), MSG_DONTWAIT) != (ssize_t)sizeof(error))
		return 0;
	return -error;
}

void child_give_up(struct child *child)
{
	close(child->fd);
	child->fd = -1;
	kill(child->pid, SIGKILL); /* it may be stopped, and has begun nothing */
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
