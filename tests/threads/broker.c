/* SPDX-License-Identifier: MIT */
#include "tests/threads/churn.h"

#include "client/usher.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 60

static char directory[] = "/tmp/usher-test.XXXXXX";
static char path[64];
static char config_path[64];

/* The pool is so small that nearly all wait; output is not bounded so tightly that a watcher whose
 * thread has to wait for a processor would be cut off. */
static const char config_text[] = "[broker]\n"
				  "log_level = warning\n"
				  "max_output = 16M\n"
				  "[pool default]\n"
				  "limit = 2000\n"
				  "[pool " SMALL_POOL "]\n"
				  "limit = 4\n"
				  "per_label_limit = 3\n"
				  "fair_by = label\n"
				  "age_step = 2ms\n"
				  "starve_after = 50ms\n";

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

int connect_to_broker(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

struct usher *open_broker(void)
{
	struct usher_open_options options = {.size = sizeof(options), .socket = path};
	struct usher *u;

	if (usher_open(&options, &u) < 0)
		fail("usher_open");
	return u;
}

static void write_config(void)
{
	FILE *config;

	if (!mkdtemp(directory))
		fail("mkdtemp: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/s", directory);
	snprintf(config_path, sizeof(config_path), "%s/usherd.conf", directory);
	config = fopen(config_path, "w");
	fputs(config_text, config);
	fclose(config);
}

pid_t start_broker(const char *usherd)
{
	pid_t pid;

	write_config();
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* where the churn fails */
		execl(usherd, usherd, "--workers", "4", "--socket", path, "--config", config_path,
			NULL);
		_exit(127);
	}
	for (int i = 0; i < PATIENCE * 100; i++) {
		int fd = connect_to_broker();

		if (fd >= 0) {
			close(fd);
			return pid;
		}
		usleep(10000);
	}
	fail("the broker did not get ready");
}

void stop_broker(pid_t pid)
{
	char lock[80];
	int status;

	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail("the broker ended with status %#x", status);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	unlink(config_path);
	rmdir(directory);
}

int64_t metric(const char *metrics, const char *name)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(metrics, key);
	if (!at)
		fail("no %s in %s", name, metrics);
	return strtoll(at + strlen(key), NULL, 10);
}
