/* SPDX-License-Identifier: MIT */
#include "client/cli/wait.h"

#include "client/cli/escape.h"
#include "client/cli/format.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct wait {
	const char *pool;
	bool is_terminal; /* standard error is */
	struct reply *reply;
	bool has_reply;
	int error;
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
static void show_place(const struct wait *w, const cJSON *queued)
{
	char place[FORMAT_MAX], line[256];
	char *escaped;

	format_ordinal(tree_int(queued, "position", 0), place);
	snprintf(line, sizeof(line), "waiting for pool %.64s: %s of %" PRId64, w->pool, place,
		tree_int(queued, "waiting", 0));
	escaped = escape_text(line, strlen(line));
	if (escaped)
		fprintf(stderr, "%s%.*s", erase, (int)escape_fit(escaped, line_width()), escaped);
	escape_free(escaped);
}

/* ---- the wait ---- */

static int on_reply(void *userdata, const char *parameters, bool continues)
{
	struct wait *w = userdata;
	struct reply reply;

	w->error = reply_read(parameters, &reply);
	if (w->error)
		return w->error;
	if (!continues) {
		*w->reply = reply;
		w->has_reply = true;
		return 0;
	}
	if (w->is_terminal)
		show_place(w, tree_member(reply.tree, "queued"));
	reply_deinit(&reply);
	return 0;
}

static int call(struct cli *cli, struct wait *w, const char *parameters)
{
	int r;

	if (w->is_terminal)
		take_signals(true);
	r = usher_call_more(cli->usher, USHER_INTERFACE ".Create", parameters, on_reply, w);
	if (w->is_terminal) {
		take_signals(false);
		fputs(erase, stderr);
	}
	if (r == 0 && !w->has_reply)
		r = -EBADMSG;
	return w->error ? w->error : r;
}

int wait_for_session(
	struct cli *cli, const char *pool, struct json_writer *parameters, struct reply *ret)
{
	struct wait w = {.pool = pool, .is_terminal = isatty(STDERR_FILENO), .reply = ret};
	const char *text = parameters_finish(parameters);
	int code = text ? cli_connect(cli) : EXIT_FAILED;

	if (code == 0) {
		int r = call(cli, &w, text);

		code = r < 0 ? cli_explain(cli, r) : 0;
	}
	json_writer_deinit(parameters);
	return code;
}
