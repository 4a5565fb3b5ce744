/* SPDX-License-Identifier: MIT */
#include "client/cli/unreachable.h"

#include "client/cli/format.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef USHER_SYSTEM_SOCKET
#define USHER_SYSTEM_SOCKET "/run/usher/usher.sock"
#endif

static char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *say(const char *format, ...)
{
	char *text;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return n < 0 ? NULL : text;
}

/* What keeps this user from the socket: a directory that may not be searched, or the socket. */
static void find_obstacle(const char *path, char *buf, size_t size)
{
	snprintf(buf, size, "%s", path);
	for (char *slash = strchr(buf + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (faccessat(AT_FDCWD, buf, X_OK, AT_EACCESS) < 0)
			return;
		*slash = '/';
	}
}

/* The group whose members get by, unless that is root's, which is no group to join. */
static const char *group_to_join(const struct stat *st)
{
	mode_t needed = S_ISDIR(st->st_mode) ? S_IXGRP : S_IWGRP;
	const struct group *group;

	if (!(st->st_mode & needed) || st->st_gid == 0)
		return NULL;
	group = getgrgid(st->st_gid);
	return group ? group->gr_name : NULL;
}

static char *explain_closed(const char *path)
{
	char obstacle[128];
	const char *group;
	struct stat st;

	find_obstacle(path, obstacle, sizeof(obstacle));
	if (stat(obstacle, &st) < 0)
		return say("you may not connect to %s", path);
	group = group_to_join(&st);
	if (group)
		return say("you may not connect to %s: %s is for members of the group '%s'"
			   " (join it with: sudo adduser $USER %s, and log in again)",
			path, S_ISDIR(st.st_mode) ? "its directory" : "it", group, group);
	return say("you may not connect to %s: %s is for user %s only (mode %04o)", path,
		strcmp(obstacle, path) ? obstacle : "it", format_user((int64_t)st.st_uid),
		(unsigned)st.st_mode & 07777);
}

static bool is_unit_installed(void)
{
	static const char *const directories[] = {
		"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"};
	char path[64];

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s/systemd/system/usherd.service", directories[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static char *explain_nobody(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return say("no broker can listen at %s: it is %s, not a socket", path,
			S_ISDIR(st.st_mode) ? "a directory" : "a file");
	if (strcmp(path, USHER_SYSTEM_SOCKET) != 0)
		return say(
			"no broker listens at %s; start one with: usherd --socket %s", path, path);
	return say("no broker listens at %s; start one with: %s", path,
		is_unit_installed() ? "sudo systemctl start usherd" : "sudo usherd");
}

char *unreachable_sentence(const char *path, int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return explain_closed(path);
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
	case -ENOTSOCK:
		return explain_nobody(path);
	default:
		return NULL;
	}
}

bool unreachable_is(int error)
{
	switch (error) {
	case -ECONNRESET:
	case -ETIMEDOUT:
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
	case -EACCES:
	case -EPERM:
	case -EPROTOTYPE:
	case -ENOTSOCK:
	case -ELOOP:
		return true;
	default:
		return false;
	}
}
