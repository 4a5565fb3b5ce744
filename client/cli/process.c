/* SPDX-License-Identifier: MIT */
#include "client/cli/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* By number: Debian 12's glibc has wrappers, but in a header that clashes with the kernel's. */
int process_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int process_signal(int pidfd, int number)
{
	return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 ? -errno : 0;
}

static int64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static FILE *open_file(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

/* Field 22 of proc_pid_stat(5), in ticks since the boot. The name before it may have spaces and
 * parentheses of its own; none come after it. */
static int read_start_ticks(pid_t pid, int64_t *ret)
{
	FILE *file = open_file(pid, "stat");
	char line[1024], *at = NULL;
	int field = 2;

	if (!file)
		return -errno;
	if (fgets(line, sizeof(line), file))
		at = strrchr(line, ')');
	fclose(file);
	for (; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, "%" SCNd64, ret) == 1 ? 0 : -EBADMSG;
}

int process_start_us(pid_t pid, int64_t *ret)
{
	int64_t ticks = 0;
	int r = read_start_ticks(pid, &ticks);

	if (r < 0)
		return r;
	*ret = clock_us(CLOCK_REALTIME) - clock_us(CLOCK_BOOTTIME) +
	       ticks * (1000000 / sysconf(_SC_CLK_TCK));
	return 0;
}

bool process_has_user(pid_t pid, int64_t uid)
{
	FILE *file = open_file(pid, "status");
	int64_t real = -1, effective = -1, saved = -1;
	char line[1024];

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Uid: %" SCNd64 " %" SCNd64 " %" SCNd64, &real, &effective,
			    &saved) == 3)
			break;
	}
	fclose(file);
	return uid >= 0 && (uid == real || uid == effective || uid == saved);
}
