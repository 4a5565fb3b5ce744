/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/reply.h"
#include "client/cli/victim.h"

#include <getopt.h>
#include <signal.h>

enum { OPTION_REASON = 256, OPTION_GRACE };

static const struct cli_option options[] = {
	{"reason", OPTION_REASON, "TEXT", "why, for its owner and the log; at most 256 bytes"},
	{"kill", 'k', NULL, "send its process TERM, and KILL if it does not let go"},
	{"grace", OPTION_GRACE, "TIME", "from TERM to KILL (else 10s; infinity: no KILL)"},
	{"force", 'f', NULL, "end it at once, whatever its owner does"},
	{0},
};

struct wish {
	const char *session_id;
	const char *reason;
	int64_t grace_ms;
	bool is_force;
	bool is_kill;
};

static int call_revoke(struct cli *cli, const struct wish *wish, bool is_force)
{
	struct json_writer parameters;

	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", wish->session_id);
	parameters_add_text(&parameters, "reason", wish->reason);
	parameters_add_bool(&parameters, "force", is_force);
	return cli_call_plain(cli, "Revoke", &parameters);
}

/* What is marked is still there; what waited is not. */
static bool still_lives(struct cli *cli, const struct wish *wish)
{
	struct json_writer parameters;
	const char *text;
	bool lives;

	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", wish->session_id);
	text = parameters_finish(&parameters);
	lives = text && usher_call(cli->usher, USHER_INTERFACE ".Get", text, NULL) == 0;
	json_writer_deinit(&parameters);
	return lives;
}

static int revoke_only(struct cli *cli, const struct wish *wish)
{
	int code = call_revoke(cli, wish, wish->is_force);

	if (code)
		return code;
	if (wish->is_force)
		cli_say(cli, "%s has ended; its owner may still be at work", wish->session_id);
	else if (still_lives(cli, wish))
		cli_say(cli, "%s is marked; its slot is free when its owner lets go",
			wish->session_id);
	else
		cli_say(cli, "%s has ended, or waits no longer", wish->session_id);
	return EXIT_OK;
}

/* Whoever inherited the dead process's connection still holds the session. */
static int finish_ended(struct cli *cli, const struct wish *wish, const struct victim *victim)
{
	if (wish->is_force)
		return call_revoke(cli, wish, true);
	cli_complain(cli,
		"process %d has ended, but %s lives: a child of it has the connection."
		" 'usherctl revoke --force' ends the session",
		(int)victim->pid, wish->session_id);
	return EXIT_FAILED;
}

static int finish(struct cli *cli, const struct wish *wish, const struct victim *victim,
	enum victim_state state)
{
	switch (state) {
	case VICTIM_LET_GO:
		cli_say(cli, "%s has ended", wish->session_id);
		return EXIT_OK;
	case VICTIM_ENDED:
		return finish_ended(cli, wish, victim);
	default:
		cli_complain(cli, "process %d does not end", (int)victim->pid);
		return EXIT_FAILED;
	}
}

static int signal_and_wait(struct cli *cli, const struct wish *wish, const struct victim *victim)
{
	enum victim_state state;
	int code = victim_signal(victim, SIGTERM);

	if (code)
		return code;
	state = victim_wait(victim, wish->grace_ms);
	if (state == VICTIM_WORKS) {
		code = victim_signal(victim, SIGKILL);
		if (code == 0)
			state = victim_wait(victim, 5000);
	}
	return code ? code : finish(cli, wish, victim, state);
}

/* The process is found before the session is marked, so that a refusal changes nothing. */
static int revoke_and_kill(struct cli *cli, const struct wish *wish)
{
	struct victim victim;
	int code = victim_open(cli, wish->session_id, &victim);

	if (code)
		return code;
	code = call_revoke(cli, wish, false);
	if (code == 0)
		code = signal_and_wait(cli, wish, &victim);
	victim_close(&victim);
	return code;
}

static int take_option(struct cli *cli, int option, struct wish *wish)
{
	switch (option) {
	case 'f':
		wish->is_force = true;
		return 0;
	case 'k':
		wish->is_kill = true;
		return 0;
	case OPTION_GRACE:
		wish->is_kill = true;
		return argument_duration(cli, "grace", optarg, &wish->grace_ms);
	default:
		wish->reason = optarg;
		return 0;
	}
}

static int run(struct cli *cli)
{
	struct wish wish = {.grace_ms = 10000};
	char **operands;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		code = take_option(cli, option, &wish);
	}
	if (code == 0)
		code = cli_operands(cli, 1, 1, &operands);
	if (code)
		return code;
	wish.session_id = operands[0];
	return wish.is_kill ? revoke_and_kill(cli, &wish) : revoke_only(cli, &wish);
}

const struct command command_revoke = {
	.name = "revoke",
	.arguments = "SESSION",
	.help = "ask for the end of a session, or force it",
	.description =
		"Without --force the session is marked as revoking, which its owner is told,\n"
		"and stays counted until that releases it or is gone. --kill then signals the\n"
		"owner's process, with your own rights: KILL --grace after TERM, if the session\n"
		"still lives. With both, a session that outlives its process (a child has its\n"
		"connection) is ended, too. Sessions of others: admins only.",
	.options = options,
	.run = run,
};
