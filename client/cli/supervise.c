/* SPDX-License-Identifier: MIT */
#include "client/cli/supervise.h"

#include "client/cli/format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Out of the way of the descriptors that shell scripts open by number. */
#define INHERITED_FD 100
#define RENEW_LEAST  100 /* milliseconds */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t after(int64_t ms)
{
	int64_t at;

	return ms < 0 || __builtin_add_overflow(now_ms(), ms, &at) ? -1 : at;
}

/* ---- start ---- */

/* SIGCHLD among them: a signal that comes before the wait is not lost. */
int supervise_begin(struct supervision *s)
{
	static const int taken[] = {
		SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP, SIGCHLD};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	signal(SIGCHLD, SIG_DFL); /* where it is ignored, the exit status is lost */
	if (sigprocmask(SIG_BLOCK, &set, &s->old_mask) < 0)
		return -errno;
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? -errno : 0;
}

static int spawn(struct supervision *s, int connection, char **command)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	/* Onto itself: this is how a descriptor is left open across exec. */
	r = posix_spawn_file_actions_adddup2(&actions, connection, connection);
	if (r == 0)
		r = posix_spawnattr_setsigmask(&attributes, &s->old_mask);
	if (r == 0)
		r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (r == 0)
		r = posix_spawnp(&s->pid, command[0], &actions, &attributes, command, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static void plan_renewal(struct supervision *s)
{
	int64_t left_ms = (s->expires_at_us - format_now_us()) / 1000;

	s->renew_at = -1;
	if (s->expires_at_us >= 0)
		s->renew_at = after(left_ms / 3 < RENEW_LEAST ? RENEW_LEAST : left_ms / 3);
}

int supervise_start(struct supervision *s, char **command)
{
	int fd = usher_connection_fd(s->cli->usher);
	int inherited, r;

	if (fd < 0)
		return fd;
	inherited = fcntl(fd, F_DUPFD_CLOEXEC, INHERITED_FD);
	if (inherited < 0)
		inherited = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (inherited < 0)
		return -errno;
	r = spawn(s, inherited, command);
	close(inherited);
	s->limit_at = after(s->time_limit_ms);
	s->kill_at = -1;
	plan_renewal(s);
	return r;
}

/* ---- end it ---- */

static void stop_command(struct supervision *s, enum stop_reason reason)
{
	if (s->stopped)
		return;
	s->stopped = reason;
	s->limit_at = s->renew_at = -1;
	kill(s->pid, SIGTERM);
	kill(s->pid, SIGCONT); /* a stopped one would not see it */
	s->kill_at = after(s->kill_after_ms);
}

static void lose_session(struct supervision *s, const char *why)
{
	if (s->stopped == STOPPED_SESSION_LOST)
		return;
	cli_complain(s->cli, "the session is lost (%s): ending the command", why);
	if (s->stopped)
		s->stopped = STOPPED_SESSION_LOST;
	else
		stop_command(s, STOPPED_SESSION_LOST);
}

/* Nothing comes from the broker unless asked for, so any event is the end of the connection. */
static bool is_lost(const struct supervision *s)
{
	struct pollfd item = {
		.fd = usher_connection_fd(s->cli->usher), .events = POLLIN | POLLRDHUP};

	return item.fd < 0 || poll(&item, 1, 0) > 0;
}

static void renew(struct supervision *s)
{
	int r = usher_renew(s->cli->usher, s->session_id, 0, &s->expires_at_us);

	if (r < 0)
		lose_session(s, usher_last_error(s->cli->usher)->message);
	else
		plan_renewal(s);
}

static void do_what_is_due(struct supervision *s)
{
	int64_t now = now_ms();

	if (s->stopped != STOPPED_SESSION_LOST && is_lost(s))
		lose_session(s, "the broker has closed the connection");
	if (s->limit_at >= 0 && now >= s->limit_at) {
		cli_complain(s->cli, "the time limit is over: ending the command");
		stop_command(s, STOPPED_TIME_LIMIT);
	}
	if (s->renew_at >= 0 && now >= s->renew_at)
		renew(s);
	if (s->kill_at >= 0 && now >= s->kill_at) {
		s->kill_at = -1;
		kill(s->pid, SIGKILL);
	}
}

/* ---- signals ---- */

/* A terminal signals its whole foreground process group: the command has it too, if it is still in
 * ours, and two of them could mean something else to it. */
static bool has_it_already(const struct supervision *s, const struct signalfd_siginfo *info)
{
	return info->ssi_code == SI_KERNEL && getpgid(s->pid) == getpgrp();
}

/* The shell is to see that the job has stopped. A stop signal of our own keeps the kernel's rule
 * for orphaned process groups, which are not stopped. */
static void stop_self(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void pass_on(const struct supervision *s, const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;

	if (!has_it_already(s, info))
		kill(s->pid, signo);
	if (signo == SIGTSTP)
		stop_self();
}

/* 1 when the command has ended. */
static int take_signals(struct supervision *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGCHLD)
			pass_on(s, &info);
		else if (waitpid(s->pid, &s->status, WNOHANG) == s->pid)
			return 1;
	}
	return 0;
}

/* ---- wait ---- */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int time_to_next(const struct supervision *s)
{
	int64_t at = sooner(sooner(s->limit_at, s->kill_at), s->renew_at);
	int64_t left = at - now_ms();

	if (at < 0)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int supervise_wait(struct supervision *s)
{
	for (;;) {
		bool is_watched = s->stopped != STOPPED_SESSION_LOST;
		struct pollfd items[] = {
			{.fd = s->signals, .events = POLLIN},
			{.fd = is_watched ? usher_connection_fd(s->cli->usher) : -1,
				.events = POLLIN | POLLRDHUP},
		};

		if (poll(items, 2, time_to_next(s)) < 0 && errno != EINTR)
			return -errno;
		if (take_signals(s) > 0)
			return 0;
		do_what_is_due(s);
	}
}
