/* SPDX-License-Identifier: MIT */
#include "client/cli/commands.h"
#include "client/cli/json_show.h"
#include "client/cli/metrics_view.h"
#include "client/cli/openmetrics.h"
#include "client/cli/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPTION_OPENMETRICS = 256 };

static const struct cli_option options[] = {
	{"pool", 'p', "POOL", "of this pool alone"},
	{"openmetrics", OPTION_OPENMETRICS, "[=strict]", "print OpenMetrics text"},
	{"output", 'o', "FILE", "replace FILE, in one step, instead of printing"},
	{0},
};

struct wish {
	const char *pool;
	const char *output;
	bool is_openmetrics;
	enum openmetrics_style style;
};

/* The one asked for is the only one. */
static bool find_pool(const struct json_value *metrics, struct json_value *ret)
{
	struct json_value pools;
	struct json_iter iter;

	if (!json_find_member(metrics, "pools", &pools) || pools.type != JSON_ARRAY)
		return false;
	json_iter_init(&iter, &pools);
	return json_next_element(&iter, ret) && ret->type == JSON_OBJECT;
}

static int print_metrics(
	const struct cli *cli, const struct wish *wish, const struct json_value *metrics)
{
	struct json_value pool;

	if (wish->pool && !find_pool(metrics, &pool)) {
		cli_complain(cli, "the broker's reply has no metrics of the pool");
		return EXIT_FAILED;
	}
	if (wish->is_openmetrics)
		openmetrics_write(stdout, metrics, wish->style, wish->pool);
	else if (cli->json)
		json_show(wish->pool ? &pool : metrics, cli->is_terminal);
	else
		return wish->pool ? metrics_view_pool(cli, &pool) : metrics_view(cli, metrics);
	return EXIT_OK;
}

/* ---- into a file ---- */

/* Standard output becomes FD, which is closed. */
static int redirect(int fd)
{
	int r = fflush(stdout) != 0 || dup2(fd, STDOUT_FILENO) < 0 ? -errno : 0;

	close(fd);
	return r;
}

/* A file beside PATH, with the mode that a new PATH would get. */
static int make_temporary(const char *path, char **ret)
{
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	if (asprintf(ret, "%s.XXXXXX", path) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(*ret, O_CLOEXEC);
	if (fd >= 0 && fchmod(fd, 0666 & ~mask) == 0)
		return redirect(fd);
	if (fd >= 0)
		close(fd);
	return -errno;
}

/* Readers see the old file or the new one, also after a crash. */
static int replace(const char *temporary, const char *path)
{
	if (ferror(stdout))
		return -EIO;
	if (fflush(stdout) != 0 || fsync(STDOUT_FILENO) < 0 || rename(temporary, path) < 0)
		return -errno;
	return 0;
}

static int replace_file(struct cli *cli, const struct wish *wish, const char *path,
	const struct json_value *metrics, int *ret_code)
{
	char *temporary;
	int r = make_temporary(path, &temporary);

	if (r == 0) {
		*ret_code = print_metrics(cli, wish, metrics);
		r = replace(temporary, path);
	}
	if (r < 0 && temporary)
		unlink(temporary);
	free(temporary);
	return r;
}

/* What is no file (/dev/null, a pipe) is written to; it must not be replaced by one. */
static int write_special(struct cli *cli, const struct wish *wish, const char *path,
	const struct json_value *metrics, int *ret_code)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : redirect(fd);

	if (r == 0)
		*ret_code = print_metrics(cli, wish, metrics);
	return r;
}

static int save_metrics(struct cli *cli, const struct wish *wish, const struct json_value *metrics)
{
	char *target = realpath(wish->output, NULL); /* of a symbolic link, not the link itself */
	const char *path = target ? target : wish->output;
	int r, code = EXIT_FAILED;
	struct stat st;

	cli->is_terminal = false;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		r = write_special(cli, wish, path, metrics, &code);
	else
		r = replace_file(cli, wish, path, metrics, &code);
	free(target);
	if (r < 0) {
		cli_complain(cli, "cannot write %s: %s", wish->output, strerror(-r));
		return EXIT_FAILED;
	}
	return code;
}

static int metrics(struct cli *cli, const struct wish *wish)
{
	struct json_writer parameters;
	struct json_value value;
	struct reply reply;
	int code;

	parameters_init(&parameters);
	parameters_add_text(&parameters, "pool", wish->pool);
	code = cli_call(cli, "GetMetrics", &parameters, &reply);
	if (code)
		return code;
	if (!json_find_member(&reply.value, "metrics", &value) || value.type != JSON_OBJECT) {
		cli_complain(cli, "the broker's reply has no metrics");
		code = EXIT_FAILED;
	} else {
		code = wish->output ? save_metrics(cli, wish, &value)
				    : print_metrics(cli, wish, &value);
	}
	reply_deinit(&reply);
	return code;
}

static int take_option(struct cli *cli, int option, struct wish *wish)
{
	switch (option) {
	case 'p':
		wish->pool = optarg;
		return 0;
	case 'o':
		wish->output = optarg;
		return 0;
	default:
		wish->is_openmetrics = true;
		if (optarg && strcmp(optarg, "strict") != 0)
			return cli_usage_error(cli, "--openmetrics: '%s' is not strict", optarg);
		wish->style = optarg ? OPENMETRICS_STRICT : OPENMETRICS_COMMON;
		return 0;
	}
}

static int run(struct cli *cli)
{
	struct wish wish = {.style = OPENMETRICS_COMMON};
	char **operands;
	int option, code = 0;

	while (code == 0 && (option = cli_next(cli)) != 0) {
		if (option < 0)
			return cli->exit_code;
		code = take_option(cli, option, &wish);
	}
	if (code == 0)
		code = cli_operands(cli, 0, 0, &operands);
	if (code == 0 && wish.is_openmetrics && cli->json)
		code = cli_usage_error(cli, "--openmetrics and --json exclude each other");
	return code ? code : metrics(cli, &wish);
}

const struct command command_metrics = {
	.name = "metrics",
	.arguments = "",
	.help = "show counters and distributions",
	.description =
		"On a pipe and in --output: one name, a tab and its value a line, as the broker\n"
		"gives them. lifetime_total_... and sessions_rejected_... count since the start\n"
		"or the last 'usherctl reset-metrics'; totals..., pools...totals... and\n"
		"--openmetrics since the start. A restart of the broker does not take these\n"
		"counters back, as long as it has its store; times and what is counted of\n"
		"connections begin anew. The text of --openmetrics is accepted by Prometheus,\n"
		"promtool and node_exporter's textfile collector (FILE.prom); with\n"
		"--openmetrics=strict, counters are named to the letter of OpenMetrics 1.0,\n"
		"which promtool complains about.",
	.options = options,
	.run = run,
};
