/* SPDX-License-Identifier: MIT */
#include "client/cli/supervise.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>

/* What has ended by then needs neither a Start nor a connection for events. Nothing is missed: the
 * events begin with how things are. */
#define WATCH_AFTER_MS 100
#define START_AGAIN_MS 500 /* while there is no broker */

/* ---- end it ---- */

static void stop_command(struct supervision *s, enum stop_reason reason)
{
	bool is_first = !s->stopped;

	if (reason > s->stopped)
		s->stopped = reason;
	if (!is_first)
		return;
	s->limit_at = -1;
	if (s->pid <= 0) /* it has ended; 0 would be our own process group */
		return;
	kill(s->pid, SIGTERM);
	kill(s->pid, SIGCONT); /* a stopped one would not see it */
	s->kill_at = jobs_after(s->kill_after_ms);
}

/* The broker may have seen the end of the command first. */
static bool has_ended(struct supervision *s)
{
	if (s->pid && waitpid(s->pid, &s->status, WNOHANG) == s->pid)
		s->pid = 0;
	return s->pid == 0;
}

static void lose(struct supervision *s, const char *why)
{
	if (has_ended(s))
		return;
	cli_complain(s->cli, "the session is lost (%s): ending the command", why);
	stop_command(s, STOPPED_SESSION_LOST);
}

static void on_lost(struct supervision *s, const struct usher_event *event)
{
	static const char *const how[] = {[USHER_COMPLETED] = "it was released",
		[USHER_ERROR] = "it was released",
		[USHER_CANCELLED] = "it was released",
		[USHER_TIMEOUT] = "its deadline has passed",
		[USHER_ABANDONED] = "its owner is gone",
		[USHER_REVOKED] = "it was revoked"};

	lose(s, event->outcome >= 0 ? how[event->outcome] : usher_strerror(event->error));
}

static void on_event(void *userdata, const struct usher_event *event)
{
	struct supervision *s = userdata;

	switch (event->type) {
	case USHER_EVENT_REVOKING:
		cli_complain(s->cli, "the session is revoked%s%s: ending the command",
			event->reason ? ": " : "", event->reason ? event->reason : "");
		stop_command(s, STOPPED_REVOKED);
		break;
	case USHER_EVENT_OVERDUE:
		cli_complain(s->cli, "the session's deadline has passed");
		break;
	case USHER_EVENT_RENEW_FAILED:
		cli_complain(s->cli, "the session could not be renewed (%s): trying again",
			usher_strerror(event->error));
		break;
	case USHER_EVENT_LOST:
		on_lost(s, event);
		break;
	case USHER_EVENT_BROKER_LOST:
		cli_complain(s->cli, "lost the broker (%s): the command goes on, trying again",
			usher_strerror(event->error));
		break;
	case USHER_EVENT_REATTACHED: /* none that belongs to a process */
		break;
	case USHER_EVENT_BROKER_BACK:
		cli_complain(s->cli, "the broker is back");
		break;
	}
}

/* ---- what is due ---- */

static void begin_watch(struct supervision *s)
{
	int r;

	s->watch_at = -1;
	usher_set_event_handler(s->cli->usher, on_event, s);
	r = usher_start(s->cli->usher, s->session_id, NULL);
	if (r == -USHER_E_SESSION_ENDED || r == -USHER_E_NO_SUCH_SESSION)
		lose(s, usher_last_error(s->cli->usher)->message);
	else if (r < 0 && r > -USHER_E_OTHER)
		s->watch_at = jobs_after(START_AGAIN_MS);
}

static void do_what_is_due(struct supervision *s)
{
	int64_t now = jobs_now_ms();

	if (s->limit_at >= 0 && now >= s->limit_at) {
		cli_complain(s->cli, "the time limit is over: ending the command");
		stop_command(s, STOPPED_TIME_LIMIT);
	}
	if (s->kill_at >= 0 && now >= s->kill_at) {
		s->kill_at = -1;
		if (s->pid > 0)
			kill(s->pid, SIGKILL);
	}
	if (s->watch_at >= 0 && now >= s->watch_at)
		begin_watch(s);
}

/* True when the command has ended. */
static bool take_signals(struct supervision *s)
{
	struct signalfd_siginfo info;

	while (s->pid && jobs_next(s->jobs, &info)) {
		if (info.ssi_signo != SIGCHLD)
			jobs_pass_on(s->pid, &info);
		else if (waitpid(s->pid, &s->status, WNOHANG) == s->pid)
			s->pid = 0;
	}
	return s->pid == 0;
}

int supervise(struct supervision *s)
{
	struct pollfd items[] = {
		{.fd = s->jobs->fd, .events = POLLIN},
		{.fd = usher_get_fd(s->cli->usher), .events = POLLIN},
	};

	s->limit_at = jobs_after(s->time_limit_ms);
	s->watch_at = jobs_after(WATCH_AFTER_MS);
	s->kill_at = -1;
	for (;;) {
		int64_t next = jobs_sooner(jobs_sooner(s->limit_at, s->kill_at), s->watch_at);

		if (poll(items, 2, jobs_time_to(next)) < 0 && errno != EINTR)
			return -errno;
		if (items[0].revents && take_signals(s))
			return 0;
		if (items[1].revents && usher_dispatch(s->cli->usher) < 0)
			items[1].fd = -1;
		if (s->pid)
			do_what_is_due(s);
		if (s->pid == 0)
			return 0;
	}
}
