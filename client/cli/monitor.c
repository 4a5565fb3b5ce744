/* SPDX-License-Identifier: MIT */
#include "client/backoff.h"
#include "client/cli/commands.h"
#include "client/cli/event_view.h"
#include "client/cli/jobs.h"
#include "client/cli/json_show.h"
#include "client/cli/reply.h"
#include "client/cli/table.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPTION_NO_SNAPSHOT = 256 };

static const struct cli_option options[] = {
	{"pool", 'p', "POOL", "what concerns this pool only"},
	{"no-snapshot", OPTION_NO_SNAPSHOT, NULL, "begin with what happens next"},
	{0},
};

struct monitor {
	struct cli *cli;
	const char *parameters;
	bool skips_snapshot;
	int error; /* of the reader, where it ended the stream */
	struct backoff backoff;
	bool is_away; /* the broker, as was said */
};

/* Lines are flushed one by one, so there is nothing left to do: the end is as good as any. */
static void on_signal(int number)
{
	(void)number;
	_exit(EXIT_OK);
}

static void take_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
}

static bool is_snapshot(const cJSON *event)
{
	const char *type = tree_text(event, "type");

	return !strcmp(type, "snapshot") || !strcmp(type, "ready");
}

static int print_event(struct monitor *m, const struct reply *reply)
{
	const cJSON *event = tree_member(reply->tree, "event");
	struct json_value value;
	char *line;

	if (!cJSON_IsObject(event) || (m->skips_snapshot && is_snapshot(event)))
		return 0;
	if (m->cli->json) {
		if (json_find_member(&reply->value, "event", &value))
			json_show_line(&value, m->cli->is_terminal);
		return fflush(stdout) ? -errno : 0;
	}
	line = event_line(event, m->cli->is_terminal ? table_terminal_width() : 0);
	if (!line)
		return -ENOMEM;
	fputs(line, stdout);
	free(line);
	return fflush(stdout) ? -errno : 0;
}

/* ---- the broker ---- */

static void note_presence(struct monitor *m)
{
	backoff_reset(&m->backoff);
	if (m->is_away)
		cli_complain(m->cli, "the broker is back");
	m->is_away = false;
}

static int on_reply(void *userdata, const char *parameters, bool continues)
{
	struct monitor *m = userdata;
	struct reply reply;

	(void)continues;
	note_presence(m);
	m->error = reply_read(parameters, &reply);
	if (m->error)
		return m->error;
	m->error = print_event(m, &reply);
	reply_deinit(&reply);
	return m->error;
}

/* It was there, and watchers want to see it come back, however long that takes. One that was cut
 * off for being too slow is back at once. */
static bool is_lost(int r)
{
	return r == -ECONNRESET || r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN;
}

static void wait_for_return(struct monitor *m)
{
	if (!m->is_away)
		cli_complain(m->cli, "lost the connection to the broker: trying again; what happens"
				     " meanwhile is not shown");
	m->is_away = true;
	poll(NULL, 0, jobs_time_to(backoff_plan(&m->backoff, jobs_now_ms())));
}

static int watch(struct monitor *m)
{
	for (;;) {
		int r = usher_call_more(
			m->cli->usher, USHER_INTERFACE ".Monitor", m->parameters, on_reply, m);

		if (m->error || !is_lost(r))
			return r;
		wait_for_return(m);
	}
}

static int monitor(struct monitor *m)
{
	struct cli *cli = m->cli;
	int r, code;

	cli->wait_ms = -1; /* for the next event */
	code = cli_connect(cli);
	if (code)
		return code;
	take_signals();
	r = watch(m);
	if (!m->error)
		return r < 0 ? cli_explain(cli, r) : EXIT_OK;
	if (m->error == -EPIPE)
		_exit(EXIT_OK); /* where SIGPIPE is blocked; nobody reads any more */
	cli_complain(cli, "cannot go on: %s", strerror(-m->error));
	return EXIT_FAILED;
}

static int run(struct cli *cli)
{
	struct monitor m = {.cli = cli};
	struct json_writer parameters;
	const char *pool = NULL;
	char **operands;
	int option, code;

	while ((option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		if (option == 'p')
			pool = optarg;
		else
			m.skips_snapshot = true;
	}
	code = cli_operands(cli, 0, 1, &operands);
	if (code)
		return code;
	parameters_init(&parameters);
	parameters_add_text(&parameters, "pool", pool);
	parameters_add_text(&parameters, "session_id", operands[0]);
	m.parameters = parameters_finish(&parameters);
	code = m.parameters ? monitor(&m) : EXIT_FAILED;
	json_writer_deinit(&parameters);
	return code;
}

const struct command command_monitor = {
	.name = "monitor",
	.arguments = "[SESSION]",
	.help = "show what happens, as it happens",
	.description =
		"One line an event, after a snapshot of what is there: the time, what happened,\n"
		"session, pool, slots (or the place in the queue), user, pid, command, and what\n"
		"else there is to say. On a pipe the fields are separated by tabs. With --json\n"
		"one event a line (JSON Lines), as the broker sent it. It goes on until it is\n"
		"interrupted, for one SESSION until that has ended. If the broker goes away,\n"
		"that and its return are said on standard error, and it begins anew with a\n"
		"snapshot: what is not in that, up to 'ready', has ended meanwhile.",
	.options = options,
	.run = run,
};
