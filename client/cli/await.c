/* SPDX-License-Identifier: MIT */
#include "client/cli/await.h"

#include "client/cli/escape.h"
#include "client/cli/format.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define REDRAW_MS 1000

struct await {
	struct cli *cli;
	const char *pool;
	pid_t pid; /* of the command to be */
	int64_t began_at;
	int64_t redraw_at; /* -1: never */
	int64_t position;  /* 0: not known to wait */
	int64_t waiting;
	bool is_drawn;
	bool is_away; /* the broker */
	bool is_done;
	int result;
};

/* ---- the line ---- */

static const char *ordinal_end(int64_t n)
{
	if (n % 100 >= 11 && n % 100 <= 13)
		return "th";
	return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

static size_t terminal_width(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u
									       : 79;
}

/* In whole seconds: it is drawn as often. */
static int format_line(const struct await *a, int64_t waited, char *buf, size_t size)
{
	char age[FORMAT_MAX];

	format_age(waited / 1000 * 1000, age);
	if (a->is_away)
		return snprintf(buf, size, "waiting for pool %s: no broker, reconnecting, %s",
			a->pool, age);
	return snprintf(buf, size, "waiting for pool %s: %" PRId64 "%s of %" PRId64 ", %s", a->pool,
		a->position, ordinal_end(a->position), a->waiting, age);
}

static void draw(struct await *a)
{
	int64_t waited = jobs_now_ms() - a->began_at;
	char text[512], *escaped;
	int n = format_line(a, waited, text, sizeof(text));

	a->redraw_at = jobs_now_ms() + REDRAW_MS - waited % 1000;
	/* A job in the background leaves the terminal. */
	if (n < 0 || tcgetpgrp(STDERR_FILENO) != getpgrp())
		return;
	escaped = escape_text(text, strlen(text));
	if (!escaped)
		return;
	fprintf(stderr, "\r%.*s\x1b[K", (int)escape_fit(escaped, terminal_width()), escaped);
	escape_free(escaped);
	a->is_drawn = true;
}

static void erase(struct await *a)
{
	if (a->is_drawn)
		fputs("\r\x1b[K", stderr);
	a->is_drawn = false;
}

/* ---- the wait ---- */

/* Where no line is drawn, in a log, the change is worth a line of its own. */
static void show(struct await *a, bool was_away)
{
	if (isatty(STDERR_FILENO))
		draw(a);
	else if (a->is_away && !was_away)
		cli_complain(a->cli, "lost the broker: still waiting for pool %s, trying again",
			a->pool);
	else if (!a->is_away && was_away)
		cli_complain(a->cli,
			"the broker is back: waiting for pool %s, %" PRId64 "%s of %" PRId64,
			a->pool, a->position, ordinal_end(a->position), a->waiting);
}

static void on_answer(void *userdata, const struct usher_create_answer *answer)
{
	struct await *a = userdata;
	bool was_away = a->is_away;

	if (answer->result != USHER_WAITING) {
		a->is_done = true;
		a->result = answer->result;
		erase(a);
		if (answer->result < 0)
			cli_explain(a->cli, answer->result);
		return;
	}
	a->position = answer->position;
	a->waiting = answer->waiting;
	a->is_away = answer->position == 0;
	show(a, was_away);
}

static int take_signals(struct await *a, const struct jobs *jobs)
{
	struct signalfd_siginfo info;

	while (jobs_next(jobs, &info)) {
		switch (info.ssi_signo) {
		case SIGCONT:
			break;
		case SIGCHLD: /* may be about a child that was there before usherctl */
			if (waitpid(a->pid, NULL, WNOHANG) == a->pid)
				return SIGCHLD;
			break;
		case SIGTSTP:
			erase(a);
			jobs_stop_self();
			if (a->redraw_at >= 0)
				draw(a);
			break;
		default:
			return (int)info.ssi_signo;
		}
	}
	return 0;
}

static int step(struct await *a, const struct jobs *jobs, struct pollfd items[2])
{
	int r = 0;

	if (poll(items, 2, jobs_time_to(a->redraw_at)) < 0 && errno != EINTR)
		return -errno;
	if (items[0].revents)
		r = take_signals(a, jobs);
	if (r == 0 && items[1].revents)
		r = usher_dispatch(a->cli->usher);
	if (!a->is_done && a->redraw_at >= 0 && jobs_now_ms() >= a->redraw_at)
		draw(a);
	return r;
}

int await_session(struct cli *cli, const struct jobs *jobs, const struct usher_create_options *wish,
	struct usher_session *ret)
{
	struct await a = {.cli = cli,
		.pid = wish->pid,
		.pool = wish->pool ? wish->pool : "default",
		.began_at = jobs_now_ms(),
		.redraw_at = -1};
	struct pollfd items[2] = {{.fd = jobs->fd, .events = POLLIN}, {.events = POLLIN}};
	uint64_t request;
	int r = usher_create_async(cli->usher, wish, ret, on_answer, &a, &request);

	items[1].fd = usher_get_fd(cli->usher);
	while (r == 0 && !a.is_done)
		r = step(&a, jobs, items);
	erase(&a);
	if (a.is_done)
		return a.result;
	if (r < 0)
		cli_explain(cli, r);
	return r;
}
