/* SPDX-License-Identifier: MIT */
#include "daemon/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* A whole small file of PID, NUL-ended. The number of bytes or a negated errno. */
static ssize_t read_file(int32_t pid, const char *name, char *buffer, size_t size)
{
	char path[64];
	size_t used = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%" PRId32 "/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buffer + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	} while (n > 0 && used < size - 1);
	n = n < 0 ? -errno : (ssize_t)used;
	close(fd);
	buffer[used] = '\0';
	return n;
}

/* ---- status ---- */

static const char *find_line(const char *text, const char *name)
{
	size_t length = strlen(name);

	while (text && strncmp(text, name, length) != 0) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? text + length : NULL;
}

static unsigned count_words(const char *line)
{
	unsigned n = 0;

	for (; *line && *line != '\n'; line++)
		n += *line != '\t' && *line != ' ' &&
		     (line[-1] == '\t' || line[-1] == ' ' || line[-1] == ':');
	return n;
}

int proc_status(int32_t pid, struct proc_status *ret)
{
	char text[4096];
	ssize_t n = read_file(pid, "status", text, sizeof(text));
	const char *uid = n < 0 ? NULL : find_line(text, "Uid:");
	const char *namespaces = n < 0 ? NULL : find_line(text, "NSpid:");

	if (n < 0)
		return (int)n;
	if (!uid || !namespaces)
		return -ENODATA;
	ret->uid = (uint32_t)strtoul(uid, NULL, 10);
	ret->namespaces = count_words(namespaces);
	return 0;
}

/* ---- stat ---- */

/* proc_pid_stat(5): the command stands in parentheses and may have any character in it, these too;
 * the start time is the 20th field behind it. */
static bool parse_stat(char *text, char **ret_comm, uint64_t *ret_start_time)
{
	char *comm = strchr(text, '('), *end = strrchr(text, ')');
	char *field = end;

	if (!comm || !end)
		return false;
	*end = '\0';
	for (int i = 0; i < 20 && field; i++)
		field = strchr(field + 1, ' ');
	if (!field)
		return false;
	*ret_comm = comm + 1;
	*ret_start_time = strtoull(field + 1, NULL, 10);
	return true;
}

static struct text *unit_of(int32_t pid)
{
	char *unit = NULL;
	struct text *text;

	if (sd_pid_get_user_unit(pid, &unit) < 0 && sd_pid_get_unit(pid, &unit) < 0)
		return NULL;
	text = text_new(unit, strlen(unit));
	free(unit);
	return text;
}

struct identity *proc_identity(int32_t pid)
{
	char stat[1024];
	char *comm = (char[]){""};
	uint64_t start_time = 0;
	struct identity *identity;
	struct text *unit;

	if (pid == IDENTITY_PID_UNKNOWN)
		return identity_new(pid, 0, "", NULL);
	if (read_file(pid, "stat", stat, sizeof(stat)) > 0)
		parse_stat(stat, &comm, &start_time);
	unit = unit_of(pid);
	identity = identity_new(pid, start_time, comm, unit);
	text_unref(unit);
	return identity;
}

/* Of one whose start time could not be read only the number can be asked for. */
static int look_for_number(int32_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH ? -ESRCH : -ENODATA;
}

int proc_look(const struct identity *identity)
{
	char stat[1024], *comm;
	uint64_t start_time;
	ssize_t n;

	if (identity->pid == IDENTITY_PID_UNKNOWN)
		return -ESRCH;
	if (identity->start_time == 0)
		return look_for_number(identity->pid);
	n = read_file(identity->pid, "stat", stat, sizeof(stat));
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	if (!parse_stat(stat, &comm, &start_time) || start_time != identity->start_time)
		return -ESRCH;
	return 0;
}

/* ---- pidfds ---- */

int proc_open(int32_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */

	return fd < 0 ? -errno : fd;
}

bool proc_has_exited(int pidfd)
{
	struct pollfd item = {.fd = pidfd, .events = POLLIN};

	return poll(&item, 1, 0) != 0;
}

/* Before Linux 6.5 by number, which may mean another process by now: that one began later. */
static int open_by_number(const struct identity *identity)
{
	int fd = proc_open(identity->pid);
	struct identity *now;
	bool is_same;

	if (fd < 0)
		return fd;
	now = proc_identity(identity->pid);
	is_same = now && identity_is_same(now, identity) && !proc_has_exited(fd);
	identity_unref(now);
	if (is_same)
		return fd;
	close(fd);
	return -ESRCH;
}

int proc_open_peer(int socket, const struct identity *identity)
{
	socklen_t length = sizeof(int);
	int fd;

	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &length) == 0)
		return fd;
	if (errno == ENOPROTOOPT)
		return open_by_number(identity);
	return errno == EINVAL || errno == ENODATA ? -ESRCH : -errno;
}
