/* SPDX-License-Identifier: MIT */
/* The load of usher-bench put on other servers, for comparison. */
#include "tests/bench/bench.h"
#include "tests/bench/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int init_dialect(struct dialect *dialect, const struct options *options)
{
	struct dialect_wish wish = {
		.pool = options->pool,
		.owner = options->owner,
		.metadata_bytes = options->metadata_bytes,
		.reply_bytes = options->reply_bytes,
		.limit = options->sessions + options->count +
			 (uint64_t)options->connections * options->depth,
	};

	if (strcmp(options->dialect, "redis") == 0)
		return dialect_init_redis(dialect, &wish, options->socket);
	if (strcmp(options->dialect, "echo") == 0)
		return dialect_init_echo(dialect, &wish);
	return dialect_init_usher(dialect, &wish);
}

static void report(
	const struct options *options, const struct dialect *dialect, const struct outcome *outcome)
{
	struct report what = {.options = options,
		.outcome = outcome,
		.peer = dialect->peer,
		.path = options->socket,
		.create_bytes = dialect->requests[CALL_CREATE].length,
		.sentence = outcome->errors.first_reply};

	if (options->json)
		report_print_json(&what);
	if (!bench_is_futile(options, outcome, what.sentence) && !options->json)
		report_print(&what);
}

static int run(const struct options *options, const struct dialect *dialect)
{
	struct load load = bench_load(options, dialect);
	struct outcome *outcome = calloc(1, sizeof(*outcome));
	int r = outcome ? load_run(&load, outcome) : -ENOMEM, code = 1;

	if (r < 0) {
		bench_complain(options, "%s", strerror(-r));
	} else {
		report(options, dialect, outcome);
		code = bench_exit(options, outcome);
		outcome_deinit(outcome);
	}
	free(outcome);
	return code;
}

static int begin(const struct options *options)
{
	struct dialect dialect;
	int r = init_dialect(&dialect, options), code = 1;

	if (r < 0)
		bench_complain(options, "%s: %s", options->socket, strerror(-r));
	else if (!operation_is_known(options->operation, &dialect))
		bench_complain(
			options, "%s knows no %s", options->dialect, options->operation->name);
	else
		code = run(options, &dialect);
	dialect_deinit(&dialect);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	int r = options_parse(argc, argv, true, &options);

	if (r != 0)
		return r == -EINVAL ? 2 : r < 0;
	bench_begin();
	if (bench_lacks_files(&options, options.connections + options.threads))
		return 1;
	return begin(&options);
}
