/* SPDX-License-Identifier: MIT */
#include "tests/model/script_run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_LEAKED 24

/* LeakSanitizer's, where it is linked in (sanitizer/lsan_interface.h). */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* What has been reached, to its files: libgcov's, in a build that counts (gcov.h). */
void __gcov_dump(void) __attribute__((weak));

void script_find_leaks(void)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check()) {
		fflush(stdout);
		_exit(EXIT_LEAKED);
	}
}

static void be_silent(void)
{
	int fd = open("/dev/null", O_WRONLY);

	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* No handler of the end runs, but for what is counted: the shared memory tells all. */
static void run_in_child(
	void (*run)(const void *), const void *context, const struct script_attempt *attempt)
{
	if (attempt->is_silent)
		be_silent();
	script_set_patience(attempt->patience_s);
	run(context);
	if (attempt->finds_leaks)
		script_find_leaks();
	fflush(stdout);
	if (__gcov_dump)
		__gcov_dump();
	_exit(EXIT_SUCCESS);
}

enum script_end script_fork(
	void (*run)(const void *), const void *context, const struct script_attempt *attempt)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0)
		run_in_child(run, context, attempt);
	while (waitpid(pid, &status, 0) != pid)
		;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? SCRIPT_HUNG : SCRIPT_FAILED;
	if (WEXITSTATUS(status) == EXIT_LEAKED)
		return SCRIPT_LEAKED;
	return WEXITSTATUS(status) ? SCRIPT_FAILED : SCRIPT_PASSED;
}
