/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"
#include "client/cli/commands.h"
#include "client/cli/json_show.h"
#include "client/cli/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_MORE = 256 };

static const struct cli_option options[] = {
	{"more", OPTION_MORE, NULL, "ask for a stream of replies; one is printed a line"},
	{0},
};

static int print_line(void *userdata, const char *parameters, bool continues)
{
	const struct cli *cli = userdata;
	struct json_value value;

	(void)continues;
	if (json_parse(parameters, strlen(parameters), UINT32_MAX, &value, NULL) < 0)
		return 1;
	json_show_line(&value, cli->is_terminal);
	return fflush(stdout);
}

/* What is asked to wait, and any stream, may be silent for as long as it likes. */
static bool may_wait(const char *method, const char *parameters, bool more)
{
	struct json_value object, value;

	if (more || strstr(method, ".Drain"))
		return true;
	return parameters &&
	       json_parse(parameters, strlen(parameters), UINT32_MAX, &object, NULL) == 0 &&
	       json_find_member(&object, "wait_ms", &value);
}

static int call_once(struct cli *cli, const char *method, const char *parameters)
{
	struct reply reply;
	char *text;
	int r = usher_call(cli->usher, method, parameters, &text);
	int code = r < 0 ? cli_explain(cli, r) : reply_parse(cli, text, &reply);

	if (code)
		return code;
	json_show(&reply.value, cli->is_terminal);
	reply_deinit(&reply);
	return EXIT_OK;
}

static int call(struct cli *cli, const char *name, const char *parameters, bool more)
{
	char method[300];
	int r, n = snprintf(method, sizeof(method), "%s%s",
		       strchr(name, '.') ? "" : USHER_INTERFACE ".", name);
	int code;

	if (n < 0 || (size_t)n >= sizeof(method))
		return cli_usage_error(cli, "METHOD is too long");
	cli->wait_ms = may_wait(method, parameters, more) ? -1 : 0;
	code = cli_connect(cli);
	if (code)
		return code;
	if (!more)
		return call_once(cli, method, parameters);
	r = usher_call_more(cli->usher, method, parameters, print_line, cli);
	return r < 0 ? cli_explain(cli, r) : EXIT_OK;
}

static int run(struct cli *cli)
{
	char *parameters = NULL;
	char **operands;
	bool more = false;
	int option, code;

	while ((option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		more = true;
	}
	code = cli_operands(cli, 1, 2, &operands);
	if (code == 0 && operands[1])
		code = argument_json(cli, "PARAMETERS", operands[1], &parameters);
	if (code == 0)
		code = call(cli, operands[0], parameters, more);
	free(parameters);
	return code;
}

const struct command command_call = {
	.name = "call",
	.arguments = "METHOD [PARAMETERS]",
	.help = "call any method, and print its reply as JSON",
	.description =
		"METHOD without an interface is one of io.usher.Broker. PARAMETERS is a JSON\n"
		"object; @FILE reads a file, - standard input.",
	.options = options,
	.run = run,
};
