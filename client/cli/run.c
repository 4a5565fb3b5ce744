/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/await.h"
#include "client/cli/child.h"
#include "client/cli/commands.h"
#include "client/cli/supervise.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
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

enum { OPTION_TIME_LIMIT = 256, OPTION_KILL_AFTER, OPTION_PRIORITY };

#define CALL_TIMEOUT_MS  5000 /* signals are not passed on while a call is in work */
#define RELEASE_FOR_MS   3000 /* COMMAND's status is waited for, and the broker frees the slot */
#define RELEASE_AGAIN_MS 100

static const struct cli_option options[] = {
	{"pool", 'p', "POOL", "the pool (else \"default\")"},
	{"units", 'u', "NUMBER", "how many slots to take at once (else 1)"},
	{"wait", 'w', "TIME", "wait no longer than this for the slots (else for ever)"},
	{"no-wait", 'n', NULL, "do not wait: fail at once if the pool is full"},
	{"refused-code", 'E', "CODE", "exit status of a refusal that may pass (else 125)"},
	{"priority", OPTION_PRIORITY, "NUMBER", "0 to 9: a head start in the queue (else 0)"},
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
	int64_t number = 1;
	int code = 0;

	switch (option) {
	case 'p':
		wish->session.pool = optarg;
		break;
	case 'u':
		code = argument_number(cli, "units", optarg, 1, 4096, &number);
		wish->session.units = (uint32_t)number;
		break;
	case 'w':
		return argument_duration(cli, "wait", optarg, &wish->session.wait_ms);
	case 'n':
		wish->session.wait_ms = 0;
		break;
	case OPTION_PRIORITY:
		code = argument_number(cli, "priority", optarg, 0, 9, &number);
		wish->session.priority = (uint32_t)number;
		break;
	case 'E':
		return argument_number(cli, "refused-code", optarg, 0, 255, &wish->refused_code);
	case 'L':
		wish->session.label = optarg;
		break;
	case 'm':
		code = argument_json(cli, "--metadata", optarg, &wish->metadata);
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
	switch (error) {
	case -USHER_E_CAPACITY_REACHED:
	case -USHER_E_QUEUE_FULL:
	case -USHER_E_WAIT_TIMEOUT:
	case -USHER_E_CANCELLED:
	case -USHER_E_QUOTA_EXCEEDED:
	case -USHER_E_PAUSED:
	case -USHER_E_SHUTTING_DOWN:
	case -USHER_E_TOO_MANY_CONNECTIONS:
	case -USHER_E_STORE_UNAVAILABLE:
		return true;
	default:
		return false;
	}
}

static bool has_ended(int error)
{
	return error == -USHER_E_SESSION_ENDED || error == -USHER_E_NO_SUCH_SESSION;
}

/* The session ends with the command's process in any case; this tells how the work went, also to a
 * broker that is just being restarted. */
static void release(const struct supervision *s, enum usher_outcome outcome, const char *result)
{
	int64_t give_up_at = jobs_after(RELEASE_FOR_MS);
	int r;

	for (;;) {
		r = usher_release(s->cli->usher, s->session_id, outcome, result, NULL);
		if (r == 0 || r <= -USHER_E_OTHER || jobs_now_ms() >= give_up_at)
			break;
		poll(NULL, 0, RELEASE_AGAIN_MS);
	}
	if (r < 0 && r <= -USHER_E_OTHER && !has_ended(r))
		cli_complain(s->cli, "the session could not be released: %s",
			usher_last_error(s->cli->usher)->message);
}

/* ---- the command ---- */

static int report_failure(const struct cli *cli, const char *name, int error)
{
	cli_complain(cli, "cannot run '%s': %s", name, strerror(-error));
	switch (error) {
	case -ENOENT:
		return EXIT_NOT_FOUND;
	case -EAGAIN:
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
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
	static const char *const stops[] = {[STOPPED_NOT] = "",
		[STOPPED_TIME_LIMIT] = "time limit, ",
		[STOPPED_REVOKED] = "revoked, ",
		[STOPPED_SESSION_LOST] = ""};
	char result[64];
	bool is_killed = WIFSIGNALED(s->status);
	int number = is_killed ? WTERMSIG(s->status) : WEXITSTATUS(s->status);

	snprintf(result, sizeof(result), "%s%s %d", stops[s->stopped],
		is_killed ? "signal" : "exit", number);
	if (s->stopped != STOPPED_SESSION_LOST)
		release(s, number || is_killed || s->stopped ? USHER_ERROR : USHER_COMPLETED,
			result);
	return exit_code_of(s);
}

static int finish_without(const struct supervision *s, const char *name, int error)
{
	char result[96];

	snprintf(result, sizeof(result), "cannot run: %.64s", strerror(-error));
	release(s, USHER_ERROR, result);
	return report_failure(s->cli, name, error);
}

static int run_command(const struct wish *wish, struct supervision *s, struct child *child,
	const struct usher_session *session, const char *name)
{
	int r = child_go(child, session, usher_socket_path(s->cli->usher));

	s->session_id = session->session_id;
	s->pid = child->pid;
	s->time_limit_ms = wish->time_limit_ms;
	s->kill_after_ms = wish->kill_after_ms;
	if (r == 0)
		r = supervise(s);
	if (r < 0) {
		cli_complain(s->cli, "cannot wait for %s: %s", name, strerror(-r));
		return EXIT_OWN_FAILURE;
	}
	r = child_exec_error(child);
	return r < 0 ? finish_without(s, name, r) : finish(s);
}

/* The child first: then a session that is granted in this moment ends with it. */
static int finish_unheld(const struct wish *wish, struct cli *cli, struct child *child, int r)
{
	child_give_up(child);
	if (r == SIGCHLD) {
		cli_complain(cli, "the process that waits was killed");
		return EXIT_OWN_FAILURE;
	}
	if (r > 0)
		return 128 + r;
	return is_refusal(r) ? (int)wish->refused_code : EXIT_OWN_FAILURE;
}

static int run_with_child(struct wish *wish, struct cli *cli, const struct jobs *jobs,
	struct child *child, char **command)
{
	struct usher_session session = {.size = sizeof(session)};
	struct supervision s = {.cli = cli, .jobs = jobs};
	int code, r;

	wish->session.owner = USHER_OWNER_PROCESS;
	wish->session.pid = child->pid;
	r = await_session(cli, jobs, &wish->session, &session);
	if (r != 0)
		return finish_unheld(wish, cli, child, r);
	code = run_command(wish, &s, child, &session, command[0]);
	usher_session_clear(&session);
	return code;
}

/* Signals first, then the child: it inherits that they are held back. */
static int run_wish(struct wish *wish, struct cli *cli, char **command)
{
	struct child child;
	struct jobs jobs;
	int r;

	cli->call_timeout_ms = CALL_TIMEOUT_MS;
	if (cli_open(cli))
		return EXIT_OWN_FAILURE;
	r = jobs_begin(&jobs);
	if (r >= 0)
		r = child_fork(&child, command, &jobs.old_mask);
	return r < 0 ? report_failure(cli, command[0], r)
		     : run_with_child(wish, cli, &jobs, &child, command);
}

static int run(struct cli *cli)
{
	struct wish wish = {
		.session = {.size = sizeof(wish.session), .wait_ms = -1},
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
		code = run_wish(&wish, cli, command);
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
		"Waits until there is room, unless told otherwise; interrupting it ends the\n"
		"wait. COMMAND then gets USHER_SESSION, USHER_SLOT (the first), USHER_SLOTS\n"
		"(all, with commas), USHER_FENCE, USHER_POOL and USHER_SOCKET. It is run\n"
		"without a shell and gets the signals TERM, INT, HUP, QUIT, USR1, USR2, CONT\n"
		"and TSTP that usherctl gets. The session belongs to COMMAND's process: it is\n"
		"there before that begins and ends with it, also if usherctl is killed or the\n"
		"broker cannot be reached. It is released as completed if COMMAND ends with 0,\n"
		"else as error. If it is revoked or lost, or the time limit is over, COMMAND\n"
		"gets TERM, and KILL --kill-after later. A broker that is started anew, after a\n"
		"kill, too, is waited for: COMMAND goes on meanwhile, and so does the wait.\n\n"
		"Exit status: that of COMMAND, 128+N if signal N ended it, or the wait; 124 if\n"
		"it ended with 0 on the time limit's TERM, 125 if usherctl failed or was\n"
		"refused, 126 if COMMAND cannot be run, 127 if it cannot be found. -E is for\n"
		"what may be over in a while: a full pool or queue, a wait that was too long or\n"
		"was cancelled, a quota, a pause, a drain. What is wrong in any case is 125, as\n"
		"no broker, no such pool or a wrong option.\n\n"
		"--json prints a refusal as JSON on standard output, too; what COMMAND prints\n"
		"is its own.",
	.options = options,
	.takes_command = true,
	.run = run,
};
