/* SPDX-License-Identifier: MIT */
#include "daemon/lockfile.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>

#define PATIENCE_MS 1000
#define STEP_MS     20

static void sleep_a_step(void)
{
	struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

	nanosleep(&step, NULL);
}

int lockfile_take(int fd)
{
	int waited_ms = 0;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || waited_ms >= PATIENCE_MS)
			return -errno;
		sleep_a_step();
		waited_ms += STEP_MS;
	}
	if (waited_ms)
		sleep_a_step(); /* what the former holder had besides is gone by then, too */
	return 0;
}
