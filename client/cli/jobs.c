/* SPDX-License-Identifier: MIT */
#include "client/cli/jobs.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

int jobs_begin(struct jobs *jobs)
{
	static const int taken[] = {
		SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP, SIGCHLD};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	signal(SIGCHLD, SIG_DFL); /* where it is ignored, the exit status is lost */
	if (sigprocmask(SIG_BLOCK, &set, &jobs->old_mask) < 0)
		return -errno;
	jobs->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return jobs->fd < 0 ? -errno : 0;
}

/* As by nohup(1), or by a shell for its background jobs. The kernel keeps blocked ones all the
 * same. */
static bool is_ignored(int signo)
{
	struct sigaction action;

	return sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool jobs_next(const struct jobs *jobs, struct signalfd_siginfo *ret)
{
	while (read(jobs->fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret)) {
		if (!is_ignored((int)ret->ssi_signo))
			return true;
	}
	return false;
}

/* The shell is to see that the job has stopped. A stop signal of our own keeps the kernel's rule
 * for orphaned process groups, which are not stopped. */
void jobs_stop_self(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A terminal signals its whole foreground process group: the command has it too, if it is still in
 * ours, and two of them could mean something else to it. */
static bool has_it_already(pid_t pid, const struct signalfd_siginfo *info)
{
	return info->ssi_code == SI_KERNEL && getpgid(pid) == getpgrp();
}

void jobs_pass_on(pid_t pid, const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;

	if (!has_it_already(pid, info))
		kill(pid, signo);
	if (signo == SIGTSTP)
		jobs_stop_self();
}

int64_t jobs_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t jobs_after(int64_t ms)
{
	int64_t at;

	return ms < 0 || __builtin_add_overflow(jobs_now_ms(), ms, &at) ? -1 : at;
}

int64_t jobs_sooner(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int jobs_time_to(int64_t at)
{
	int64_t left = at - jobs_now_ms();

	if (at < 0)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}
