/* SPDX-License-Identifier: MIT */
#include "client/cli/wait.h"

#include "client/backoff.h"
#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LOSSES_MOST 8 /* the request may be what the broker dies of */

struct wait {
	struct cli *cli;
	const struct wait_wish *wish;
	bool is_terminal; /* standard error is */
	struct reply *reply;
	bool has_reply;
	int error;
	int64_t until;      /* the end of the wait; -1: never */
	int64_t give_up_at; /* to look for a broker; -1: never */
	struct backoff backoff;
	int losses; /* of the connection, without a word in between */
	bool was_sent;
	bool is_away; /* the broker, as was said */
};

/* ---- the progress line ---- */

static const char erase[] = "\r\033[K";

/* The line goes, and the signal does what it does: the shell must see that it ended the command. */
static void on_signal(int number)
{
	ssize_t n = write(STDERR_FILENO, erase, sizeof(erase) - 1);

	(void)n;
	raise(number); /* SA_RESETHAND has put the default back; it comes when this returns */
}

static void take_signals(bool is_on)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = is_on ? on_signal : SIG_DFL};
	struct sigaction old;

	action.sa_flags = (int)SA_RESETHAND;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* What nohup(1) and shells have set to be ignored stays so. */
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}

static size_t line_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		return size.ws_col - 1u;
	return 79;
}

/* A line that is wider than the terminal could not be erased. */
static void show(const char *line)
{
	char *escaped = escape_text(line, strlen(line));

	if (escaped)
		fprintf(stderr, "%s%.*s", erase, (int)escape_fit(escaped, line_width()), escaped);
	escape_free(escaped);
}

static void show_place(const struct wait *w, const cJSON *queued)
{
	char place[FORMAT_MAX], line[256];

	format_ordinal(tree_int(queued, "position", 0), place);
	snprintf(line, sizeof(line), "waiting for pool %.64s: %s of %" PRId64, w->wish->pool, place,
		tree_int(queued, "waiting", 0));
	show(line);
}

/* A blink is not worth a word. */
static void say_away(struct wait *w)
{
	char line[256];

	if (w->is_away || w->backoff.range_ms <= BACKOFF_LEAST_MS)
		return;
	w->is_away = true;
	snprintf(line, sizeof(line), "waiting for pool %.64s: no broker, reconnecting",
		w->wish->pool);
	if (w->is_terminal)
		show(line);
	else
		cli_complain(w->cli, "lost the broker: still waiting for pool %s, trying again",
			w->wish->pool);
}

static void say_back(struct wait *w)
{
	if (w->is_away && !w->is_terminal)
		cli_complain(w->cli, "the broker is back: waiting for pool %s", w->wish->pool);
	w->is_away = false;
}

/* ---- the wait ---- */

static int on_reply(void *userdata, const char *parameters, bool continues)
{
	struct wait *w = userdata;
	struct reply reply;

	w->error = reply_read(parameters, &reply);
	if (w->error)
		return w->error;
	w->losses = 0;
	backoff_reset(&w->backoff);
	if (!continues) {
		*w->reply = reply;
		w->has_reply = true;
		return 0;
	}
	say_back(w);
	if (w->is_terminal)
		show_place(w, tree_member(reply.tree, "queued"));
	reply_deinit(&reply);
	return 0;
}

/* What is left of it, or a moment, which tells whether there is a session already. */
static int64_t wait_left(const struct wait *w)
{
	int64_t left = w->until - jobs_now_ms();

	if (w->until < 0)
		return w->wish->wait_ms;
	return left > 0 ? left : 1;
}

static int call(struct wait *w)
{
	struct json_writer parameters;
	const char *text;
	int r;

	w->wish->add_parameters(
		w->wish->userdata, w->was_sent ? wait_left(w) : w->wish->wait_ms, &parameters);
	text = parameters_finish(&parameters);
	w->was_sent = true;
	r = text ? usher_call_more(w->cli->usher, USHER_INTERFACE ".Create", text, on_reply, w)
		 : -ENOMEM;
	json_writer_deinit(&parameters);
	if (r == 0 && !w->has_reply)
		r = -EBADMSG;
	return w->error ? w->error : r;
}

/* The broker was there: it is about to come back, or so it is hoped. */
static bool is_lost(int r)
{
	return r == -ECONNRESET || r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN;
}

static bool wait_for_return(struct wait *w, int r)
{
	int64_t at = backoff_plan(&w->backoff, jobs_now_ms());

	w->losses += r == -ECONNRESET;
	if (w->losses == LOSSES_MOST || (w->give_up_at >= 0 && at > w->give_up_at))
		return false;
	say_away(w);
	poll(NULL, 0, jobs_time_to(at));
	return true;
}

static int call_until_answered(struct wait *w)
{
	int r;

	if (w->is_terminal)
		take_signals(true);
	do
		r = call(w);
	while (is_lost(r) && wait_for_return(w, r));
	if (w->is_terminal) {
		take_signals(false);
		fputs(erase, stderr);
	}
	return r;
}

int wait_for_session(struct cli *cli, const struct wait_wish *wish, struct reply *ret)
{
	struct wait w = {
		.cli = cli, .wish = wish, .is_terminal = isatty(STDERR_FILENO), .reply = ret};
	int code = cli_connect(cli), r;

	if (code)
		return code;
	w.until = jobs_after(wish->wait_ms);
	if (w.until < 0 || cli->call_timeout_ms < 0 ||
		__builtin_add_overflow(w.until, cli->call_timeout_ms, &w.give_up_at))
		w.give_up_at = -1;
	r = call_until_answered(&w);
	return r < 0 ? cli_explain(cli, r) : 0;
}
