/* SPDX-License-Identifier: MIT */
/* usher-bench: put load on a broker, and measure it. */
#include "proto/status.h"
#include "tests/bench/bench.h"
#include "tests/bench/crowd.h"
#include "tests/bench/report.h"
#include "tests/bench/sentence.h"
#include "tests/bench/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int init_dialect(struct dialect *dialect, const struct target *target)
{
	const struct options *o = target->options;
	struct dialect_wish wish = {
		.pool = o->pool,
		.owner = o->owner,
		.timeout_ms = target_timeout_ms(target),
		.metadata_bytes = o->metadata_bytes,
	};

	return dialect_init_usher(dialect, &wish);
}

/* A handover takes some that hold and some that wait. */
static int set_holders(struct target *target, struct load *load)
{
	const struct options *o = target->options;
	uint64_t half = o->connections / 2;
	struct pool_facts pool;
	int code = target_fill(target, o->pool, (int64_t)(half + o->sessions));

	if (code == 0)
		code = target_look(target, o->pool, &pool);
	if (code)
		return code;
	if (pool.limit - pool.used <= (int64_t)o->sessions) {
		bench_complain(o, "pool \"%s\" is full: there is no slot to hand over", o->pool);
		return EXIT_FAILED;
	}
	load->holders = (uint64_t)(pool.limit - pool.used) - o->sessions;
	load->slots = (uint64_t)pool.limit;
	return 0;
}

static void report(
	const struct target *target, const struct dialect *dialect, const struct outcome *outcome)
{
	char *sentence = sentence_of_reply(outcome->errors.first_reply);
	struct report what = {.options = target->options,
		.outcome = outcome,
		.peer = target->name,
		.path = usher_socket_path(target->usher),
		.create_bytes = dialect->requests[CALL_CREATE].length,
		.sentence = sentence};

	if (target->options->json)
		report_print_json(&what);
	if (!bench_is_futile(target->options, outcome, sentence) && !target->options->json)
		report_print(&what);
	free(sentence);
}

static int measure(struct target *target, const struct dialect *dialect, const struct crowd *crowd)
{
	const struct options *o = target->options;
	struct load load = bench_load(o, dialect);
	struct outcome *outcome = calloc(1, sizeof(*outcome));
	int code = o->operation->hands_over ? set_holders(target, &load) : 0;
	int r = outcome ? 0 : -ENOMEM;

	load.path = usher_socket_path(target->usher);
	load.outlive = o->owner && strcmp(o->owner, "connection") != 0;
	if (r == 0 && code == 0)
		r = load_run(&load, outcome);
	if (r < 0) {
		bench_complain(o, "%s", strerror(-r));
		code = EXIT_FAILED;
	} else if (code == 0) {
		report(target, dialect, outcome);
		code = bench_exit(o, outcome);
		if (!crowd_is_whole(crowd, target) && code == 0)
			code = EXIT_FAILED;
		outcome_deinit(outcome);
	}
	free(outcome);
	return code;
}

static int measure_among_crowd(struct target *target)
{
	struct dialect dialect;
	struct crowd crowd = {0};
	int code = EXIT_FAILED;

	if (init_dialect(&dialect, target) < 0)
		bench_complain(target->options, "out of memory");
	else
		code = crowd_open(&crowd, target);
	if (code == 0 && bench_is_interrupted())
		code = bench_interrupted_exit();
	if (code == 0)
		code = measure(target, &dialect, &crowd);
	crowd_close(&crowd);
	dialect_deinit(&dialect);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	struct target target;
	int code = options_parse(argc, argv, false, &options);

	if (code != 0)
		return code == -EINVAL ? EXIT_USAGE : code < 0;
	bench_begin();
	if (bench_lacks_files(&options,
		    options.connections + options.threads + options.idle + options.waiters))
		return EXIT_FAILED;
	code = target_open(&target, &options);
	if (code == 0)
		code = target_check_room(&target);
	if (code == 0)
		code = measure_among_crowd(&target);
	target_close(&target);
	return code;
}
