/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/escape.h"
#include "version.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct command *const commands[] = {
	&command_status,
	&command_ping,
	&command_run,
	&command_create,
	&command_start,
	&command_renew,
	&command_update,
	&command_release,
	&command_cancel,
	&command_attach,
	&command_get,
	&command_list,
	&command_who,
	&command_top,
	&command_monitor,
	&command_history,
	&command_revoke,
	&command_pools,
	&command_set_pool,
	&command_pause,
	&command_resume,
	&command_drain,
	&command_reload,
	&command_metrics,
	&command_reset_metrics,
	&command_verify,
	&command_call,
	NULL,
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; commands[i]; i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	}
	return NULL;
}

enum { OPTION_VERSION = 256 };

static const struct option options[] = {
	{"socket", required_argument, NULL, 's'},
	{"call-timeout", required_argument, NULL, 'c'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

static int wrong_usage(void)
{
	fputs("Try 'usherctl --help' for more information.\n", stderr);
	return EXIT_USAGE;
}

/* The options before the command. -1 to go on, or the exit code. */
static int parse_globals(struct cli *cli, int argc, char **argv)
{
	for (;;) {
		switch (getopt_long(argc, argv, "+hj", options, NULL)) {
		case -1:
			return -1;
		case 's':
			cli->socket = optarg;
			break;
		case 'c':
			cli->call_timeout = optarg;
			break;
		case 'j':
			cli->json = true;
			break;
		case 'h':
			cli_print_help();
			return EXIT_OK;
		case OPTION_VERSION:
			puts("usherctl " USHER_VERSION);
			return EXIT_OK;
		default:
			return wrong_usage();
		}
	}
}

/* `usherctl help [COMMAND]`, for those who try it. */
static int print_help(int argc, char **argv)
{
	const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;

	if (command)
		cli_print_command_help(command);
	else
		cli_print_help();
	return EXIT_OK;
}

static int unknown_command(const char *name)
{
	char *escaped = escape_text(name, strlen(name));

	fprintf(stderr, "usherctl: there is no command '%s'\n", escaped ? escaped : "?");
	escape_free(escaped);
	return wrong_usage();
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	if (argc == 0) {
		cli_print_help();
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "help"))
		return print_help(argc, argv);
	cli->command = find_command(argv[0]);
	if (!cli->command)
		return unknown_command(argv[0]);
	cli->argc = argc;
	cli->argv = argv;
	optind = 0; /* makes glibc's getopt start anew */
	return cli->command->run(cli);
}

/* What was printed may have got stuck in a full disk or a closed pipe. */
static int flush_output(int code)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("usherctl: cannot write to standard output\n", stderr);
		return code ? code : EXIT_FAILED;
	}
	return code;
}

int main(int argc, char **argv)
{
	struct cli cli = {.is_terminal = isatty(STDOUT_FILENO)};
	int code;

	code = parse_globals(&cli, argc, argv);
	if (code < 0)
		code = run_command(&cli, argc - optind, argv + optind);
	usher_close(cli.usher);
	return flush_output(code);
}
