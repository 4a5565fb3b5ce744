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
	int r = copy_sized(options, sizeof(o), sizeof(o), &o);

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
	conn_init(&u->conn);
	usher_begin(u);
	*ret = u;
	return 0;
}

/* In a forked child this closes the child's descriptor only: the parent's stays connected. */
void usher_close(struct usher *u)
{
	if (!u)
		return;
	conn_close(&u->conn);
	free(u->error_parameters);
	free(u->scratch);
	free(u->socket_path);
	free(u);
}

const char *usher_socket_path(const struct usher *u)
{
	return u->socket_path;
}

int usher_connection_fd(const struct usher *u)
{
	if (u->pid != getpid())
		return -ECHILD;
	return u->conn.fd >= 0 ? u->conn.fd : -ENOTCONN;
}
