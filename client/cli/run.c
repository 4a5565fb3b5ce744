/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/supervise.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* As env(1) and timeout(1) have them. */
enum {
	EXIT_TIME_LIMIT = 124,
	EXIT_OWN_FAILURE = 125,
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127
};

enum { OPTION_TIME_LIMIT = 256, OPTION_KILL_AFTER };

static const struct cli_option options[] = {
	{"pool", 'p', "POOL", "the pool (else \"default\")"},
	{"units", 'u', "NUMBER", "how many slots to take at once (else 1)"},
	{"no-wait", 'n', NULL, "refuse at once if the pool is full (this version always does)"},
	{"refused-code", 'E', "CODE", "exit status if refused (else 125)"},
	{"label", 'L', "TEXT", "a label, at most 128 bytes"},
	{"metadata", 'm', "JSON", "a JSON object; @FILE reads a file, - standard input"},
	{"time-limit", OPTION_TIME_LIMIT, "TIME", "end COMMAND with TERM after so long"},
	{"kill-after", OPTION_KILL_AFTER, "TIME", "KILL so long after that TERM (else 10s)"},
	{0},
};

struct wish {
	struct usher_create_options session;
	char *metadata; /* owned */
	int64_t refused_code;
	int64_t time_limit_ms;
	int64_t kill_after_ms;
};

static int take_option(struct cli *cli, int option, struct wish *wish)
{
	int64_t units = 1;
	int code = 0;

	switch (option) {
	case 'p':
		wish->session.pool = optarg;
		break;
	case 'u':
		code = argument_number(cli, "units", optarg, 1, 4096, &units);
		wish->session.units = (uint32_t)units;
		break;
	case 'E':
		return argument_number(cli, "refused-code", optarg, 0, 255, &wish->refused_code);
	case 'L':
		wish->session.label = optarg;
		break;
	case 'm':
		code = argument_json(cli, "metadata", optarg, &wish->metadata);
		wish->session.metadata = wish->metadata;
		break;
	case OPTION_TIME_LIMIT:
		return argument_timeout(cli, "time-limit", optarg, &wish->time_limit_ms);
	case OPTION_KILL_AFTER:
		return argument_duration(cli, "kill-after", optarg, &wish->kill_after_ms);
	}
	return code;
}

/* ---- the session ---- */

/* What may be over in a while, so that trying again makes sense. */
static bool is_refusal(int error)
{
	return error == -USHER_E_CAPACITY_REACHED || error == -USHER_E_PAUSED ||
	       error == -USHER_E_SHUTTING_DOWN || error == -USHER_E_TOO_MANY_CONNECTIONS;
}

static int take_session(struct cli *cli, const struct wish *wish, struct usher_session *session)
{
	int r = usher_create(cli->usher, &wish->session, session);

	if (r == 0) {
		r = usher_start(cli->usher, session->session_id, &session->expires_at_us);
		if (r < 0)
			usher_session_clear(session);
	}
	if (r == 0)
		return 0;
	cli_explain(cli, r);
	return is_refusal(r) ? (int)wish->refused_code : EXIT_OWN_FAILURE;
}

static void export_slots(const struct usher_session *session)
{
	size_t size = session->n_slots * 11 + 1, used = 0;
	char *text = malloc(size);

	if (!text)
		return;
	text[0] = '\0';
	for (size_t i = 0; i < session->n_slots; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%" PRIu32, i ? "," : "", session->slots[i]);
	setenv("USHER_SLOTS", text, 1);
	free(text);
}

/* COMMAND may change its directory, so the socket's path is passed on whole. */
static void export_session(const struct cli *cli, const struct usher_session *session)
{
	const char *path = usher_socket_path(cli->usher);
	char *whole = realpath(path, NULL);
	char number[32];

	setenv("USHER_SESSION", session->session_id, 1);
	setenv("USHER_POOL", session->pool, 1);
	setenv("USHER_SOCKET", whole ? whole : path, 1);
	snprintf(number, sizeof(number), "%" PRIu32, session->slots[0]);
	setenv("USHER_SLOT", number, 1);
	snprintf(number, sizeof(number), "%" PRId64, session->fence);
	setenv("USHER_FENCE", number, 1);
	export_slots(session);
	free(whole);
}

static void release(
	struct cli *cli, const char *session, enum usher_outcome outcome, const char *result)
{
	int r = usher_release(cli->usher, session, outcome, result, NULL);

	if (r < 0)
		cli_complain(cli, "the session could not be released: %s",
			usher_last_error(cli->usher)->message);
}

/* ---- the command ---- */

static int report_failure(const struct cli *cli, const char *name, int error)
{
	cli_complain(cli, "cannot run %s: %s", name, strerror(-error));
	switch (error) {
	case -ENOENT:
		return EXIT_NOT_FOUND;
	case -EAGAIN:
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -ENOTCONN:
		return EXIT_OWN_FAILURE;
	default:
		return EXIT_NOT_EXECUTABLE;
	}
}

static int exit_code_of(const struct supervision *s)
{
	int code = WIFSIGNALED(s->status) ? 128 + WTERMSIG(s->status) : WEXITSTATUS(s->status);

	/* A command that was told to end and did so with success has still not done its work. */
	if (code == 0 && s->stopped)
		return s->stopped == STOPPED_TIME_LIMIT ? EXIT_TIME_LIMIT : EXIT_OWN_FAILURE;
	return code;
}

static int finish(const struct supervision *s)
{
	char result[64];
	bool is_killed = WIFSIGNALED(s->status);
	int number = is_killed ? WTERMSIG(s->status) : WEXITSTATUS(s->status);

	snprintf(result, sizeof(result), "%s%s %d",
		s->stopped == STOPPED_TIME_LIMIT ? "time limit, " : "",
		is_killed ? "signal" : "exit", number);
	if (s->stopped != STOPPED_SESSION_LOST)
		release(s->cli, s->session_id,
			number || is_killed || s->stopped ? USHER_ERROR : USHER_COMPLETED, result);
	return exit_code_of(s);
}

static int run_command(struct cli *cli, const struct wish *wish,
	const struct usher_session *session, char **command)
{
	struct supervision s = {
		.cli = cli,
		.session_id = session->session_id,
		.expires_at_us = session->expires_at_us,
		.time_limit_ms = wish->time_limit_ms,
		.kill_after_ms = wish->kill_after_ms,
	};
	char result[96];
	int r = supervise_begin(&s);

	export_session(cli, session);
	if (r == 0)
		r = supervise_start(&s, command);
	if (r < 0) {
		snprintf(result, sizeof(result), "cannot run: %.64s", strerror(-r));
		release(cli, session->session_id, USHER_ERROR, result);
		return report_failure(cli, command[0], r);
	}
	r = supervise_wait(&s);
	if (r < 0) {
		cli_complain(cli, "cannot wait for %s: %s", command[0], strerror(-r));
		return EXIT_OWN_FAILURE;
	}
	return finish(&s);
}

static int run_with_session(struct cli *cli, const struct wish *wish, char **command)
{
	struct usher_session session = {.size = sizeof(session)};
	int code = cli_connect(cli) ? EXIT_OWN_FAILURE : take_session(cli, wish, &session);

	if (code)
		return code;
	code = run_command(cli, wish, &session, command);
	usher_session_clear(&session);
	return code;
}

static int run(struct cli *cli)
{
	struct wish wish = {
		.session = {.size = sizeof(wish.session)},
		.refused_code = EXIT_OWN_FAILURE,
		.time_limit_ms = -1,
		.kill_after_ms = 10000,
	};
	char **command = NULL;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			code = -1;
		else
			code = take_option(cli, option, &wish);
	}
	if (code == 0)
		code = cli_operands(cli, 1, -1, &command);
	if (code == 0) {
		code = run_with_session(cli, &wish, command);
	} else if (code > 0 || cli->exit_code) {
		code = EXIT_OWN_FAILURE;
	} else {
		code = EXIT_OK;
	}
	free(wish.metadata);
	return code;
}

const struct command command_run = {
	.name = "run",
	.arguments = "[--] COMMAND [ARGUMENT]...",
	.help = "hold a session while a command runs",
	.description =
		"COMMAND gets USHER_SESSION, USHER_SLOT (the first), USHER_SLOTS (all, with\n"
		"commas), USHER_FENCE, USHER_POOL and USHER_SOCKET. It is run without a shell\n"
		"and gets the signals TERM, INT, HUP, QUIT, USR1, USR2, CONT and TSTP that\n"
		"usherctl gets. The session is released as completed if COMMAND ends with 0,\n"
		"else as error. COMMAND also holds it: should usherctl be killed, it lasts\n"
		"until COMMAND ends, unless that closes the descriptors it inherited. If the\n"
		"broker's connection is lost, COMMAND gets TERM, and KILL --kill-after later.\n\n"
		"Exit status: that of COMMAND, 128+N if signal N ended it; 124 if it ended\n"
		"with 0 on the time limit's TERM, 125 if usherctl failed or was refused (-E),\n"
		"126 if COMMAND cannot be run, 127 if it cannot be found.",
	.options = options,
	.takes_command = true,
	.run = run,
};
