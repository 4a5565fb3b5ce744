/* SPDX-License-Identifier: MIT */
/* What every command of usherctl works with: its options, the connection, the way to fail.
 *
 * A command's functions return exit codes: 0, or one of proto/status.h after having said why on
 * standard error. One thread.
 */
#ifndef USHER_CLI_CLI_H
#define USHER_CLI_CLI_H

#include "client/usher.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A table ends with an empty row. Letters are also the values of cli_next(); options without a
 * short form have a value over 255. */
struct cli_option {
	const char *name;
	int letter;
	const char *argument; /* NULL: takes none; "[X]": may have one after "=" */
	const char *help;
};

struct cli;

struct command {
	const char *name;
	const char *arguments;   /* for the usage line, without the options */
	const char *help;        /* one line, no full stop */
	const char *description; /* the rest of its --help; NULL: none */
	const struct cli_option *options;
	bool takes_command; /* its options end at the first argument */
	bool is_admin;      /* what it calls is for admins */
	int (*run)(struct cli *cli);
};

struct cli {
	const struct command *command;
	const char *socket; /* --socket */
	bool json;
	bool is_terminal; /* standard output is */
	int argc;         /* of the command, whose name is argv[0] */
	char **argv;
	int exit_code;            /* of cli_next() < 0 */
	int64_t call_timeout_ms;  /* 0: the usual one */
	const char *call_timeout; /* --call-timeout, not checked yet; it counts for more */
	int64_t wait_ms; /* what the broker may take on top, since it was asked to wait; -1: for
			    ever */
	struct usher *usher;
};

/* The next option, with getopt's optarg; 0 after the last one, the operands are from optind on
 * then; -1 to end at once with cli->exit_code (--help, or a wrong option, which has been named).
 * The options that all commands have are handled here. */
int cli_next(struct cli *cli);

/* After cli_next() gave 0: 0 and the operands, or EXIT_USAGE. The command's usage line names those
 * that are missing. */
int cli_operands(struct cli *cli, int min, int max, char ***ret);

/* For commands with neither options nor operands: 0, or -1 to end at once with cli->exit_code. */
int cli_no_arguments(struct cli *cli);

/* A handle, in cli->usher, whose calls take no longer than cli->call_timeout_ms and wait_ms say. 0
 * or EXIT_USAGE and the like. */
int cli_open(struct cli *cli);

/* A handle that is connected, in cli->usher. 0 or EXIT_UNREACHABLE and the like. */
int cli_connect(struct cli *cli);

/* "usherctl NAME: ..." on standard error, with a line's end; control characters are escaped. */
void cli_complain(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same, and where to find help. Returns EXIT_USAGE. */
int cli_usage_error(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Explain what the library returned, as far as possible with what to do about it. Returns the exit
 * code that stands for it. */
int cli_explain(const struct cli *cli, int error);

/* Say it on standard output if that is a terminal and --json is not given: good news that scripts
 * take from the exit status. */
void cli_say(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The help text of one command, or of all. */
void cli_print_command_help(const struct command *command);
void cli_print_help(void);

#endif
