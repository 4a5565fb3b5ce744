/* SPDX-License-Identifier: MIT */
#include "client/handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef USHER_SYSTEM_SOCKET
#define USHER_SYSTEM_SOCKET "/run/usher/usher.sock"
#endif

static bool is_zero(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

int copy_sized(const void *given, size_t least, size_t known, void *ret)
{
	size_t size;

	memset(ret, 0, known);
	if (!given)
		return 0;
	memcpy(&size, given, sizeof(size));
	if (size < least)
		return -EINVAL;
	if (size > known && !is_zero((const char *)given + known, size - known))
		return -E2BIG;
	memcpy(ret, given, size < known ? size : known);
	return 0;
}

char *copy_text_of(const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

static const char *nonempty_env(const char *name)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : NULL;
}

/* A directory that may not be searched counts as there: going on to another broker would hand out
 * the same slots twice. */
static bool is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static int choose_socket(const char *given, char *buf, size_t size)
{
	const char *runtime = nonempty_env("XDG_RUNTIME_DIR");
	int n;

	if (!given)
		given = nonempty_env("USHER_SOCKET");
	if (!given && (is_there(USHER_SYSTEM_SOCKET) || !runtime || *runtime != '/'))
		given = USHER_SYSTEM_SOCKET;
	if (given)
		n = snprintf(buf, size, "%s", given);
	else
		n = snprintf(buf, size, "%s/usher/usher.sock", runtime);
	if (n == 0)
		return -EINVAL;
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int usher_open(const struct usher_open_options *options, struct usher **ret)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct usher_open_options o;
	struct usher *u;
	int r = ret ? copy_sized(options, sizeof(o), sizeof(o), &o) : -EINVAL;

	if (r == 0)
		r = choose_socket(o.socket, path, sizeof(path));
	if (r < 0)
		return r;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->socket_path = strdup(path);
	if (!u->socket_path) {
		free(u);
		return -ENOMEM;
	}
	u->pid = getpid();
	u->call_timeout_ms = o.call_timeout_ms;
	channel_init(&u->control, control_on_ready);
	loop_init(&u->loop);
	watch_init(u);
	usher_begin(u);
	*ret = u;
	return 0;
}

/* What the broker and the program's event loop see of the handle. */
static void shut(struct usher *u)
{
	request_free_all(u);
	watch_deinit(u);
	control_deinit(u);
	while (u->held)
		held_remove(u, u->held);
	loop_close(&u->loop);
}

static void free_handle(struct usher *u)
{
	free(u->error_parameters);
	free(u->scratch);
	free(u->socket_path);
	free(u);
}

/* In a forked child this closes the child's descriptors only: the parent's stay as they are. */
void usher_close(struct usher *u)
{
	if (!u)
		return;
	u->is_foreign = u->pid != getpid();
	shut(u);
	u->is_closed = true;
	if (u->entered == 0)
		free_handle(u);
}

void usher_enter(struct usher *u)
{
	u->entered++;
}

bool usher_leave(struct usher *u)
{
	bool is_closed = u->is_closed;

	u->entered--;
	if (is_closed && u->entered == 0)
		free_handle(u);
	return !is_closed;
}

const char *usher_socket_path(const struct usher *u)
{
	return u->socket_path;
}

int usher_connection_fd(const struct usher *u)
{
	if (u->pid != getpid())
		return -ECHILD;
	return u->control.conn.fd >= 0 ? u->control.conn.fd : -ENOTCONN;
}
