/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/escape.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX     24
#define HELP_WIDTH      79
#define HELP_INDENT     30
#define CALL_TIMEOUT_MS 30000

static const struct cli_option version_option[] = {
	{"version", 256, NULL, "print the version"},
	{0},
};

static const struct cli_option common_options[] = {
	{"socket", 's' + 256, "PATH", "the broker's socket (else $USHER_SOCKET, or the usual one)"},
	{"call-timeout", 'c' + 256, "TIME",
		"give up if the broker does not answer for so long (else 30s); no limit to what"
		" you ask it to wait for"},
	{"json", 'j', NULL, "print JSON"},
	{"help", 'h', NULL, "print this help"},
	{0},
};

/* ---- help ---- */

/* The words of TEXT, in lines from HELP_INDENT to HELP_WIDTH; the first is begun. */
static void print_wrapped(const char *text)
{
	size_t column = HELP_INDENT;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (column > HELP_INDENT && column + 1 + length > HELP_WIDTH) {
			printf("\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		} else if (column > HELP_INDENT) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)length, text);
		column += length;
		text += length + strspn(text + length, " ");
	}
	putchar('\n');
}

static void print_option(const struct cli_option *o)
{
	char left[64];
	const char *argument = o->argument ? o->argument : "";

	snprintf(left, sizeof(left), "%c%c%s--%s%s%s", o->letter < 256 ? '-' : ' ',
		o->letter < 256 ? o->letter : ' ', o->letter < 256 ? ", " : "  ", o->name,
		o->argument && *argument != '[' ? " " : "", argument);
	if (strlen(left) < HELP_INDENT - 2)
		printf("  %-*s", HELP_INDENT - 2, left);
	else
		printf("  %s\n%*s", left, HELP_INDENT, "");
	print_wrapped(o->help);
}

static void print_options(const struct cli_option *options)
{
	for (; options && options->name; options++)
		print_option(options);
}

void cli_print_command_help(const struct command *command)
{
	printf("Usage: usherctl %s [OPTION]...%s%s\n\n%c%s.\n", command->name,
		*command->arguments ? " " : "", command->arguments, command->help[0] - 'a' + 'A',
		command->help + 1);
	if (command->description)
		printf("\n%s\n", command->description);
	puts("\nOptions:");
	print_options(command->options);
	print_options(common_options);
}

void cli_print_help(void)
{
	puts("Usage: usherctl [OPTION]... COMMAND [ARGUMENT]...\n\n"
	     "Ask the host's usher for slots in bounded pools, and look after it.\n\nCommands:");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-15s%s\n", commands[i]->name, commands[i]->help);
	puts("\nOptions:");
	print_options(common_options);
	print_options(version_option);
	puts("\n"
	     "'usherctl COMMAND --help' tells more of a command. Exit status: 0 done,\n"
	     "1 failed, 2 wrong command line, 3 no broker that can be reached and answers,\n"
	     "10 and up the broker's refusals.");
}

/* ---- options ---- */

struct parser {
	char letters[2 * OPTIONS_MAX + 2];
	struct option longs[OPTIONS_MAX + 1];
	size_t count;
};

static void add_options(struct parser *p, const struct cli_option *options)
{
	for (; options && options->name && p->count < OPTIONS_MAX; options++) {
		size_t used = strlen(p->letters);
		int has_argument = !options->argument          ? no_argument
				   : *options->argument == '[' ? optional_argument
							       : required_argument;

		p->longs[p->count++] =
			(struct option){options->name, has_argument, NULL, options->letter};
		if (options->letter < 256)
			snprintf(p->letters + used, sizeof(p->letters) - used, "%c%s",
				options->letter, has_argument == required_argument ? ":" : "");
	}
}

/* 0 if the option is the command's own. */
static int handle_common(struct cli *cli, int option)
{
	switch (option) {
	case 's' + 256:
		cli->socket = optarg;
		return 1;
	case 'c' + 256:
		cli->call_timeout = optarg;
		return 1;
	case 'j':
		cli->json = true;
		return 1;
	case 'h':
		cli_print_command_help(cli->command);
		cli->exit_code = EXIT_OK;
		return -1;
	case '?':
		fprintf(stderr, "Try 'usherctl %s --help' for more information.\n",
			cli->command->name);
		cli->exit_code = EXIT_USAGE;
		return -1;
	default:
		return 0;
	}
}

int cli_next(struct cli *cli)
{
	struct parser p = {0};
	char name[64];
	char *own = cli->argv[0];
	int option, r;

	if (cli->command->takes_command)
		p.letters[0] = '+';
	add_options(&p, cli->command->options);
	add_options(&p, common_options);
	snprintf(name, sizeof(name), "usherctl %s", cli->command->name);
	do {
		/* getopt's own messages begin with argv[0]. */
		cli->argv[0] = name;
		option = getopt_long(cli->argc, cli->argv, p.letters, p.longs, NULL);
		cli->argv[0] = own;
		if (option == -1)
			return 0;
		r = handle_common(cli, option);
	} while (r > 0);
	return r < 0 ? -1 : option;
}

/* The first that must be given is the first of the usage line that is not in brackets. */
static int complain_missing(const struct cli *cli, int missing)
{
	const char *name = cli->command->arguments;

	while (*name == '[' || missing > 0) {
		missing -= *name != '[';
		name += strcspn(name, " ");
		name += strspn(name, " ");
	}
	return cli_usage_error(cli, "%.*s is missing", (int)strcspn(name, " "), name);
}

int cli_operands(struct cli *cli, int min, int max, char ***ret)
{
	int count = cli->argc - optind;

	if (count < min)
		return complain_missing(cli, count);
	if (max >= 0 && count > max)
		return cli_usage_error(
			cli, "there is an argument too many: '%s'", cli->argv[optind + max]);
	*ret = cli->argv + optind;
	return 0;
}

int cli_no_arguments(struct cli *cli)
{
	char **operands;

	if (cli_next(cli) < 0)
		return -1;
	cli->exit_code = cli_operands(cli, 0, 0, &operands);
	return cli->exit_code ? -1 : 0;
}

/* ---- messages ---- */

__attribute__((format(printf, 2, 0))) static void print_escaped(
	FILE *stream, const char *format, va_list args)
{
	char *text = NULL, *escaped;
	int n = vasprintf(&text, format, args);

	if (n < 0)
		return;
	escaped = escape_text(text, (size_t)n);
	fputs(escaped ? escaped : "out of memory", stream);
	escape_free(escaped);
	free(text);
}

void cli_complain(const struct cli *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "usherctl %s: ", cli->command->name);
	print_escaped(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

int cli_usage_error(const struct cli *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "usherctl %s: ", cli->command->name);
	print_escaped(stderr, format, args);
	fprintf(stderr, "\nTry 'usherctl %s --help' for more information.\n", cli->command->name);
	va_end(args);
	return EXIT_USAGE;
}

void cli_say(const struct cli *cli, const char *format, ...)
{
	va_list args;

	if (!cli->is_terminal || cli->json)
		return;
	va_start(args, format);
	print_escaped(stdout, format, args);
	fputc('\n', stdout);
	va_end(args);
}

/* ---- connection ---- */

static int decide_timeout(struct cli *cli)
{
	if (cli->call_timeout_ms == 0)
		cli->call_timeout_ms = CALL_TIMEOUT_MS;
	return cli->call_timeout ? argument_timeout(cli, "call-timeout", cli->call_timeout,
					   &cli->call_timeout_ms)
				 : 0;
}

/* -1 for none. */
static int64_t answer_timeout(const struct cli *cli)
{
	int64_t all_ms;

	if (cli->wait_ms < 0 || cli->call_timeout_ms < 0 ||
		__builtin_add_overflow(cli->wait_ms, cli->call_timeout_ms, &all_ms))
		return -1;
	return all_ms;
}

int cli_open(struct cli *cli)
{
	struct usher_open_options options = {.size = sizeof(options), .socket = cli->socket};
	int r = decide_timeout(cli);

	if (r)
		return r;
	options.call_timeout_ms = answer_timeout(cli);
	r = usher_open(&options, &cli->usher);
	if (r == 0)
		return 0;
	cli_complain(cli, "%s",
		r == -ENAMETOOLONG ? "the socket's path is over 107 bytes"
		: r == -EINVAL     ? "the socket's path is empty"
				   : usher_strerror(r));
	return r == -ENOMEM ? EXIT_FAILED : EXIT_USAGE;
}

int cli_connect(struct cli *cli)
{
	int code = cli_open(cli), r;

	if (code)
		return code;
	r = usher_connect(cli->usher);
	return r < 0 ? cli_explain(cli, r) : 0;
}
