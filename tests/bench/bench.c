/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench.h"

#include "tests/bench/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define SPARE_FILES 32

static volatile sig_atomic_t last_signal;

static void on_signal(int number)
{
	last_signal = number;
	load_stop();
}

bool bench_is_interrupted(void)
{
	return last_signal != 0;
}

int bench_interrupted_exit(void)
{
	return 128 + last_signal;
}

void bench_begin(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct rlimit files;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

void bench_complain(const struct options *options, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", options->program);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

bool bench_lacks_files(const struct options *options, uint64_t wanted)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || wanted + SPARE_FILES <= files.rlim_cur)
		return false;
	bench_complain(options,
		"%" PRIu64 " connections take more open files than the %" PRIu64
		" that a process may have here; see 'ulimit -Hn'",
		wanted, (uint64_t)files.rlim_cur);
	return true;
}

struct load bench_load(const struct options *options, const struct dialect *dialect)
{
	return (struct load){
		.dialect = dialect,
		.operation = options->operation,
		.path = options->socket,
		.threads = options->threads,
		.connections = options->connections,
		.depth = options->depth,
		.warmup_ns = options->warmup_ms * (NS_PER_S / 1000),
		.duration_ns = options->duration_ms * (NS_PER_S / 1000),
		.rate = options->rate,
		.count = options->count,
		.sessions = options->sessions,
	};
}

static const char *meaning(const char *name, const char *sentence)
{
	if (sentence)
		return sentence;
	if (strcmp(name, "ConnectionClosed") == 0)
		return "the server closed a connection";
	if (strcmp(name, "NoReply") == 0)
		return "the server does not answer";
	return strcmp(name, "BadReply") == 0 ? "the server's reply is none to what was asked"
					     : name;
}

bool bench_is_futile(
	const struct options *options, const struct outcome *outcome, const char *sentence)
{
	const struct tally *errors = &outcome->errors;

	if (outcome->ops > 0)
		return false;
	if (errors->sum == 0)
		bench_complain(options, outcome->stop == STOP_ASKED
						? "interrupted before anything was measured"
						: "nothing was measured: no operation was done");
	else
		bench_complain(
			options, "nothing was measured: %s", meaning(errors->first_name, sentence));
	return true;
}

int bench_exit(const struct options *options, const struct outcome *outcome)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		bench_complain(options, "cannot write to standard output");
		return 1;
	}
	if (outcome->stop == STOP_ASKED)
		return bench_interrupted_exit();
	return outcome->errors.sum > 0 || outcome->stop == STOP_FAILED || outcome->ops == 0;
}
