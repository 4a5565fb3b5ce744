/* SPDX-License-Identifier: MIT */
#include "tests/bench/options.h"

#include "proto/duration.h"
#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATE_COUNT 10000

static const char help_of_usher[] =
	"Usage: usher-bench [OPTION]...\n"
	"Put load on a broker, and measure how many operations it does in a second and\n"
	"how long each takes.\n"
	"\n"
	"  --socket PATH        the broker's socket (else $USHER_SOCKET or the usual)\n"
	"  --pool NAME          the pool (else \"default\"); its settings are not changed\n"
	"  --owner OWNER        what the sessions end with: connection, process or\n"
	"                       detached (else not said, which means connection)\n"
	"  --waiters N          requests that wait meanwhile, in a pool filled for them\n"
	"  --waiters-pool NAME  that pool (else that of --pool; it must be another one if\n"
	"                       the operation takes slots itself)\n"
	"  --idle N             idle connections meanwhile\n";

static const char help_of_peer[] =
	"Usage: peer-bench --dialect DIALECT --socket PATH [OPTION]...\n"
	"Put the load of usher-bench on another server, for comparison.\n"
	"\n"
	"  --dialect NAME       what the server is: echo, redis or usher\n"
	"  --socket PATH        the server's socket\n"
	"  --pool NAME          usher: the pool; redis: the semaphore (else \"default\")\n"
	"  --owner OWNER        usher: connection, process or detached\n"
	"  --reply-bytes N      echo: of every reply, its NUL included (else 90)\n";

static const char help_of_both[] =
	"  --operation NAME     create+release, create, renew, get, wait, list, metrics\n"
	"                       or connect (else create+release)\n"
	"  --connections N      connections (else 50)\n"
	"  --depth N            requests in flight on each (else 1)\n"
	"  --threads N          threads that share the connections (else 1)\n"
	"  --duration TIME      how long to measure (else 5s)\n"
	"  --warmup TIME        how long to run before (else 1s)\n"
	"  --count N            end after so many operations (for create: else 10000)\n"
	"  --rate OPS           begin so many a second, whether or not the earlier ones\n"
	"                       are done (else each as soon as the one before it is)\n"
	"  --metadata BYTES     each session's metadata (else 132)\n"
	"  --sessions N         sessions to create before, and to hold meanwhile\n"
	"  --json               print JSON\n"
	"  --version            print the version\n"
	"  --help               print this help\n"
	"\n"
	"An operation is one request and its reply; but with wait a handover from one\n"
	"session to the next, and with connect a connection, its Create and its Release.\n"
	"All sessions are released at the end, also on Ctrl-C.\n"
	"Exit status: 0 all went well, 1 something failed or was refused, 2 wrong command\n"
	"line, 3 no broker answers, 130 interrupted.\n";

static int complain(
	const struct options *options, const char *name, const char *text, const char *expected)
{
	fprintf(stderr, "%s: --%s: expected %s, not \"%s\"\n", options->program, name, expected,
		text);
	return -EINVAL;
}

static int parse_number(const struct options *options, const char *name, const char *text,
	uint64_t min, uint64_t max, uint64_t *ret)
{
	char expected[80], *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !errno && !*end && value >= min && value <= max) {
		*ret = value;
		return 0;
	}
	snprintf(expected, sizeof(expected), "a whole number from %" PRIu64 " to %" PRIu64, min,
		max);
	return complain(options, name, text, expected);
}

static int parse_unsigned(const struct options *options, const char *name, const char *text,
	unsigned max, unsigned *ret)
{
	uint64_t value;
	int r = parse_number(options, name, text, 1, max, &value);

	if (r == 0)
		*ret = (unsigned)value;
	return r;
}

static int parse_time(const struct options *options, const char *name, const char *text,
	int64_t min_ms, int64_t *ret_ms)
{
	const int64_t day_ms = INT64_C(24) * 3600 * 1000;
	int64_t ms;

	if (duration_parse_ms(text, &ms) < 0 || ms < min_ms || ms > day_ms)
		return complain(options, name, text, "a time such as 300ms, 5s or 1min");
	*ret_ms = ms;
	return 0;
}

static int parse_rate(const struct options *options, const char *text, double *ret)
{
	char *end;
	double rate = strtod(text, &end);

	if (end == text || *end || !(rate > 0 && rate <= 1e9))
		return complain(options, "rate", text, "a number of operations a second");
	*ret = rate;
	return 0;
}

static int parse_metadata(const struct options *options, const char *text, uint64_t *ret)
{
	if (strcmp(text, "1") == 0)
		return complain(options, "metadata", text,
			"0 for none, or 2 and more: they are a JSON object");
	return parse_number(options, "metadata", text, 0, 1 << 20, ret);
}

static int parse_choice(const struct options *options, const char *name, const char *text,
	const char *const *choices, const char **ret)
{
	char expected[80] = "";

	for (size_t i = 0; choices[i]; i++) {
		size_t used = strlen(expected);

		if (strcmp(choices[i], text) == 0) {
			*ret = choices[i];
			return 0;
		}
		snprintf(expected + used, sizeof(expected) - used, "%s%s", i ? ", " : "",
			choices[i]);
	}
	return complain(options, name, text, expected);
}

static int parse_operation(struct options *options, const char *text)
{
	options->operation = operation_find(text);
	return options->operation ? 0 : complain(options, "operation", text, operation_names());
}

static int print(const char *first, const char *second)
{
	return fputs(first, stdout) < 0 || fputs(second, stdout) < 0 ? -EIO : 1;
}

enum {
	OPTION_COMMON = 256,
	OPTION_OPERATION,
	OPTION_CONNECTIONS,
	OPTION_DEPTH,
	OPTION_THREADS,
	OPTION_DURATION,
	OPTION_WARMUP,
	OPTION_COUNT,
	OPTION_RATE,
	OPTION_METADATA,
	OPTION_SESSIONS,
	OPTION_WAITERS,
	OPTION_IDLE,
	OPTION_JSON,
	OPTION_SOCKET,
	OPTION_POOL,
	OPTION_OWNER,
	OPTION_WAITERS_POOL,
	OPTION_VERSION,
	OPTION_HELP,
	OPTION_DIALECT,
	OPTION_REPLY_BYTES,
};

/* The first ones are peer-bench's alone. */
static const struct option names[] = {
	{"dialect", required_argument, NULL, OPTION_DIALECT},
	{"reply-bytes", required_argument, NULL, OPTION_REPLY_BYTES},
#define N_PEER 2
	{"operation", required_argument, NULL, OPTION_OPERATION},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"depth", required_argument, NULL, OPTION_DEPTH},
	{"threads", required_argument, NULL, OPTION_THREADS},
	{"duration", required_argument, NULL, OPTION_DURATION},
	{"warmup", required_argument, NULL, OPTION_WARMUP},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"rate", required_argument, NULL, OPTION_RATE},
	{"metadata", required_argument, NULL, OPTION_METADATA},
	{"sessions", required_argument, NULL, OPTION_SESSIONS},
	{"waiters", required_argument, NULL, OPTION_WAITERS},
	{"idle", required_argument, NULL, OPTION_IDLE},
	{"json", no_argument, NULL, OPTION_JSON},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"pool", required_argument, NULL, OPTION_POOL},
	{"owner", required_argument, NULL, OPTION_OWNER},
	{"waiters-pool", required_argument, NULL, OPTION_WAITERS_POOL},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{0},
};

/* What the load is. As options_parse(). */
static int take_load_option(int c, struct options *o)
{
	switch (c) {
	case OPTION_OPERATION:
		return parse_operation(o, optarg);
	case OPTION_CONNECTIONS:
		return parse_unsigned(o, "connections", optarg, 100000, &o->connections);
	case OPTION_DEPTH:
		return parse_unsigned(o, "depth", optarg, 10000, &o->depth);
	case OPTION_THREADS:
		return parse_unsigned(o, "threads", optarg, 64, &o->threads);
	case OPTION_DURATION:
		return parse_time(o, "duration", optarg, 1, &o->duration_ms);
	case OPTION_WARMUP:
		return parse_time(o, "warmup", optarg, 0, &o->warmup_ms);
	case OPTION_COUNT:
		return parse_number(o, "count", optarg, 1, 1000000000, &o->count);
	case OPTION_RATE:
		return parse_rate(o, optarg, &o->rate);
	case OPTION_METADATA:
		return parse_metadata(o, optarg, &o->metadata_bytes);
	case OPTION_SESSIONS:
		return parse_number(o, "sessions", optarg, 0, 10000000, &o->sessions);
	case OPTION_WAITERS:
		return parse_number(o, "waiters", optarg, 0, 100000, &o->waiters);
	default:
		return parse_number(o, "idle", optarg, 0, 100000, &o->idle);
	}
}

/* As options_parse(). */
static int take_option(int c, bool is_peer, struct options *o)
{
	static const char *const dialects[] = {"echo", "redis", "usher", NULL};
	static const char *const owners[] = {"connection", "process", "detached", NULL};

	switch (c) {
	case OPTION_JSON:
		o->json = true;
		return 0;
	case OPTION_SOCKET:
		o->socket = optarg;
		return 0;
	case OPTION_POOL:
		o->pool = optarg;
		return 0;
	case OPTION_WAITERS_POOL:
		o->waiters_pool = optarg;
		return 0;
	case OPTION_OWNER:
		return parse_choice(o, "owner", optarg, owners, &o->owner);
	case OPTION_DIALECT:
		return parse_choice(o, "dialect", optarg, dialects, &o->dialect);
	case OPTION_REPLY_BYTES:
		return parse_number(o, "reply-bytes", optarg, 1, 65536, &o->reply_bytes);
	case OPTION_VERSION:
		return printf("%s %s\n", o->program, USHER_VERSION) < 0 ? -EIO : 1;
	case OPTION_HELP:
		return print(is_peer ? help_of_peer : help_of_usher, help_of_both);
	case '?':
		return -EINVAL;
	default:
		return take_load_option(c, o);
	}
}

const char *options_waiters_pool(const struct options *options)
{
	return options->waiters_pool ? options->waiters_pool : options->pool;
}

static int refuse(const struct options *options, const char *what)
{
	fprintf(stderr, "%s: %s\n", options->program, what);
	return -EINVAL;
}

/* What is there beside the load. */
static int check_company(const struct options *o)
{
	bool is_same = strcmp(options_waiters_pool(o), o->pool) == 0;

	if (strcmp(o->program, "peer-bench") == 0 && (o->waiters > 0 || o->idle > 0))
		return refuse(o, "--waiters and --idle are for usher-bench");
	if (strcmp(o->dialect, "usher") != 0 && o->owner)
		return refuse(o, "--owner is for a broker only");
	if (o->operation->hands_over && o->sessions > 0)
		return refuse(o, "--operation wait fills its pool by itself: no --sessions");
	if (o->waiters > 0 && is_same && (operation_has_sessions(o->operation) || o->sessions > 0))
		return refuse(o, "--waiters fill their pool: give another one with --waiters-pool");
	return 0;
}

static int check(const struct options *o, int argc, char **argv)
{
	bool is_alone = o->operation->hands_over || o->operation->reconnects;

	if (optind < argc) {
		fprintf(stderr, "%s: expected only options, not \"%s\"\n", o->program,
			argv[optind]);
		return -EINVAL;
	}
	if (!o->dialect || (!o->socket && strcmp(o->dialect, "usher") != 0))
		return refuse(o, "--dialect and --socket must be given");
	if (o->threads > o->connections)
		return refuse(o, "--threads may not be more than --connections");
	if (is_alone && o->depth > 1)
		return refuse(o, "--depth must be 1 with --operation wait and connect");
	if (o->operation->hands_over && o->connections < 2)
		return refuse(o, "--operation wait takes two --connections at least");
	return check_company(o);
}

/* Sessions created in a warm-up would stay, too. */
static void settle(struct options *o)
{
	if (!o->operation->is_stocked)
		return;
	o->warmup_ms = 0;
	if (o->count == 0)
		o->count = CREATE_COUNT;
}

int options_parse(int argc, char **argv, bool is_peer, struct options *ret)
{
	const struct option *own = names + (is_peer ? 0 : N_PEER);
	int c, r = 0;

	*ret = (struct options){.program = is_peer ? "peer-bench" : "usher-bench",
		.dialect = is_peer ? NULL : "usher",
		.pool = "default",
		.operation = operation_find("create+release"),
		.threads = 1,
		.connections = 50,
		.depth = 1,
		.warmup_ms = 1000,
		.duration_ms = 5000,
		.metadata_bytes = 132,
		.reply_bytes = 90};
	while (r == 0 && (c = getopt_long(argc, argv, "", own, NULL)) >= 0)
		r = take_option(c, is_peer, ret);
	if (r == 0)
		r = check(ret, argc, argv);
	if (r == -EINVAL)
		fprintf(stderr, "Try '%s --help'.\n", ret->program);
	if (r == 0)
		settle(ret);
	return r;
}
