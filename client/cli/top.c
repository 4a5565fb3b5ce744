/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/reply.h"
#include "client/cli/top_fetch.h"
#include "client/cli/top_model.h"
#include "client/cli/top_screen.h"
#include "client/cli/top_view.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CALL_TIMEOUT_MS 1000 /* keys are not seen meanwhile */

static const struct cli_option options[] = {
	{"delay", 'd', "TIME", "from one look at the broker to the next (else 1s)"},
	{"pool", 'p', "POOL", "begin with this pool alone"},
	{0},
};

struct top {
	struct cli *cli;
	int64_t delay_ms;
	int64_t next_ms; /* when to look next */
	struct top_model model;
	struct canvas canvas;
	bool is_whole; /* paint all of it */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is on the screen stays while there is no broker. 0, or an exit code without memory. */
static int look(struct top *top)
{
	struct top_data data;
	int r = top_fetch(top->cli->usher, &data);

	if (r == 0)
		return top_model_update(&top->model, &data) < 0 ? EXIT_FAILED : 0;
	snprintf(top->model.trouble, sizeof(top->model.trouble), "%s",
		usher_last_error(top->cli->usher)->message);
	return 0;
}

static int draw(struct top *top)
{
	size_t rows, columns;

	top_screen_size(&rows, &columns);
	if (canvas_reset(&top->canvas, rows, columns) < 0)
		return EXIT_FAILED;
	top_view(&top->model, &top->canvas);
	top_screen_show(&top->canvas, top->is_whole);
	top->is_whole = false;
	return 0;
}

/* ---- what keys ask for ---- */

static void call(struct top *top, const char *method, struct json_writer *parameters)
{
	struct top_model *m = &top->model;
	const char *text = parameters_finish(parameters);

	if (!text || usher_call(top->cli->usher, method, text, NULL) < 0)
		snprintf(m->message, sizeof(m->message), "%s",
			text ? usher_last_error(top->cli->usher)->message : "out of memory");
	json_writer_deinit(parameters);
}

static void end_session(struct top *top, enum top_action action)
{
	struct top_model *m = &top->model;
	struct json_writer parameters;

	snprintf(m->message, sizeof(m->message), "%s %s", m->victim.session_id,
		action == TOP_CANCEL  ? "no longer waits"
		: action == TOP_FORCE ? "has ended; its owner may still be at work"
				      : "is revoking: its owner was asked to let go");
	parameters_init(&parameters);
	/* Also for one that waits: its request id may be another user's, too. */
	parameters_add_text(&parameters, "session_id", m->victim.session_id);
	parameters_add_bool(&parameters, "force", action == TOP_FORCE);
	call(top, USHER_INTERFACE ".Revoke", &parameters);
}

/* All keys that were hit. True to quit. */
static bool handle_keys(struct top *top)
{
	int key;

	while ((key = top_screen_key()) != 0) {
		enum top_action action = top_model_key(&top->model, key);

		if (action == TOP_QUIT)
			return true;
		if (action == TOP_REPAINT) {
			top->is_whole = true;
		} else if (action != TOP_NOTHING) {
			end_session(top, action);
			top->next_ms = 0; /* what came of it */
		}
	}
	return false;
}

static int refresh(struct top *top)
{
	int code = 0;

	if (now_ms() >= top->next_ms) {
		code = look(top);
		top->next_ms = now_ms() + top->delay_ms;
	}
	return code ? code : draw(top);
}

/* Until a key or a signal ends it. An interrupt is as good an end as q. */
static int loop(struct top *top)
{
	for (;;) {
		int code = refresh(top), number;
		int64_t left_ms = top->next_ms - now_ms();

		if (code)
			return code;
		number = top_screen_wait(left_ms > 0 ? left_ms : 0);
		if (number)
			return number == SIGINT ? EXIT_OK : 128 + number;
		if (handle_keys(top))
			return EXIT_OK;
	}
}

static int show(struct top *top)
{
	int code;

	if (top_screen_open() < 0) {
		cli_complain(top->cli, "the terminal's kind, TERM=%s, is not known here",
			getenv("TERM") ? getenv("TERM") : "");
		return EXIT_FAILED;
	}
	code = loop(top);
	top_screen_close();
	if (code == EXIT_FAILED)
		cli_complain(top->cli, "out of memory");
	return code;
}

static int check_terminal(const struct cli *cli)
{
	if (cli->json)
		return cli_usage_error(cli, "there is no JSON of a screen; use 'usherctl who',"
					    " 'usherctl metrics' or 'usherctl monitor'");
	if (!cli->is_terminal || !isatty(STDIN_FILENO)) {
		cli_complain(cli, "this needs a terminal; for scripts there are 'usherctl who',"
				  " 'usherctl metrics' and 'usherctl monitor'");
		return EXIT_USAGE;
	}
	return 0;
}

static int take_option(struct cli *cli, int option, struct top *top)
{
	int code;

	if (option == 'p') {
		snprintf(top->model.pool, sizeof(top->model.pool), "%s", optarg);
		return 0;
	}
	code = argument_timeout(cli, "delay", optarg, &top->delay_ms);
	if (code == 0 && (top->delay_ms < 100 || top->delay_ms > 3600000))
		return cli_usage_error(cli, "--delay must be from 100ms to 1h");
	return code;
}

static int run(struct cli *cli)
{
	struct top top = {.cli = cli, .delay_ms = 1000};
	char **operands;
	int option, code = 0;

	top_model_init(&top.model);
	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		code = take_option(cli, option, &top);
	}
	if (code == 0)
		code = cli_operands(cli, 0, 0, &operands);
	if (code == 0)
		code = check_terminal(cli);
	cli->call_timeout_ms = CALL_TIMEOUT_MS;
	if (code == 0)
		code = cli_connect(cli);
	if (code == 0)
		code = show(&top);
	top_model_deinit(&top.model);
	canvas_deinit(&top.canvas);
	return code;
}

const struct command command_top = {
	.name = "top",
	.arguments = "",
	.help = "watch pools, holders and waiters, full screen",
	.description =
		"Keys: arrows, PgUp, PgDn, Home and End choose a session, s sorts (by age, user,\n"
		"pool, slot), p shows the next pool alone, r revokes the chosen session after\n"
		"asking, q quits, ? explains. If the broker goes away, what it said last stays\n"
		"until it is back. NO_COLOR is respected.",
	.options = options,
	.run = run,
};
