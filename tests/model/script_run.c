/* SPDX-License-Identifier: MIT */
#include "tests/model/script_run.h"

#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PATIENCE_S 120
#define SHRINK_S   300
#define SUFFIX     ".steps"

struct options {
	uint64_t operations; /* 0: by time */
	uint64_t seconds;    /* UINT64_MAX: for ever */
	uint64_t seed;
	unsigned shrink_seconds;
	const char *keep; /* directory */
	bool is_replay;
};

/* How far the making of runs came: shared. */
struct progress {
	uint64_t state; /* that seeds are drawn from */
	uint64_t seed;  /* of the present run */
	uint64_t n_runs, n_operations;
};

static const struct script_program *program;
static struct options options;
static struct progress *progress;

uint64_t script_mix(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* ---- making runs ---- */

/* Many short ones, in which less hides, and some long ones. */
static uint32_t length_of(uint64_t seed)
{
	uint64_t left =
		options.operations ? options.operations - progress->n_operations : UINT32_MAX;
	uint32_t length = program->longest >> (script_mix(&seed) % 5);

	return length < left ? length : (uint32_t)left;
}

static bool is_done(time_t begin)
{
	if (options.operations)
		return progress->n_operations >= options.operations;
	return options.seconds != UINT64_MAX && (uint64_t)(time(NULL) - begin) >= options.seconds;
}

static void say_progress(time_t *told)
{
	if (options.operations || time(NULL) - *told < 60)
		return;
	*told = time(NULL);
	printf("%" PRIu64 " operations in %" PRIu64 " runs, the last one from seed %" PRIu64 "\n",
		progress->n_operations, progress->n_runs, progress->seed);
	fflush(stdout);
}

static void make_runs(const void *context)
{
	time_t begin = time(NULL), told = begin;

	(void)context;
	while (!is_done(begin)) {
		uint32_t length;

		progress->seed = script_mix(&progress->state);
		length = length_of(progress->seed);
		script_record();
		program->make(progress->seed, length);
		script_find_leaks();
		progress->n_runs++;
		progress->n_operations += length;
		say_progress(&told);
	}
}

/* ---- a failure ---- */

static void play(const void *context)
{
	(void)context;
	script_play();
	program->play();
}

static bool keep_script(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		perror(path);
		return false;
	}
	fprintf(file, "# of seed %" PRIu64 "\n", progress->seed);
	script_write(script, &program->language, file);
	return fclose(file) == 0;
}

static const char *const ends[] = {"passes", "fails", "leaks memory", "hangs"};

static void show(enum script_end end)
{
	const struct script_attempt attempt = {
		.finds_leaks = end == SCRIPT_LEAKED, .patience_s = PATIENCE_S};

	script_is_shown = true;
	end = script_fork(play, NULL, &attempt);
	printf("\nit %s\n", ends[end]);
	script_is_shown = false;
}

static void say_failure(enum script_end end)
{
	printf("run %" PRIu64 " (of seed %" PRIu64 ") %s, after %" PRIu32 " steps, and %" PRIu64
	       " of all runs; the first seed was %" PRIu64 "\n",
		progress->n_runs, progress->seed, ends[end], script_position(),
		progress->n_operations + script_position(), options.seed);
}

static void handle_failure(enum script_end end)
{
	char path[512];

	say_failure(end);
	script_shrink(program, end, options.shrink_seconds);
	show(end);
	snprintf(path, sizeof(path), "%s/%s-%" PRIu64 SUFFIX, options.keep, program->name,
		progress->seed);
	if (keep_script(path))
		printf("kept as %s: %s --replay %s\n", path, program->name, path);
}

static bool is_complete(void)
{
	return progress->n_operations >= program->complete;
}

/* Runs, and more of them while something was not met that is to be. */
static enum script_end make_enough(void)
{
	const struct script_attempt attempt = {.patience_s = PATIENCE_S};
	uint64_t asked = options.operations;
	enum script_end end;

	progress->state = options.seed;
	for (int i = 1;; i++) {
		end = script_fork(make_runs, NULL, &attempt);
		if (end != SCRIPT_PASSED || !is_complete() || program->has_met_all() || !asked ||
			i == ENOUGH_TIMES)
			return end;
		printf("after %" PRIu64 " operations something was not met yet: as many again\n",
			progress->n_operations);
		options.operations += asked;
	}
}

static int make_all(void)
{
	enum script_end end;

	if (options.operations)
		printf("%" PRIu64 " operations, seed %" PRIu64 "\n", options.operations,
			options.seed);
	else
		printf("seed %" PRIu64 "\n", options.seed);
	end = make_enough();
	if (end != SCRIPT_PASSED) {
		handle_failure(end);
		return EXIT_FAILURE;
	}
	program->report(is_complete());
	return is_complete() && !program->has_met_all() ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- playing again ---- */

static bool read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	bool is_read;

	if (!file) {
		perror(path);
		return false;
	}
	is_read = script_read(script, &program->language, file);
	fclose(file);
	if (!is_read)
		printf("%s cannot be read\n", path);
	return is_read;
}

static bool replay_file(const char *path, bool is_shown)
{
	const struct script_attempt attempt = {.finds_leaks = true, .patience_s = PATIENCE_S};
	enum script_end end;

	if (!read_file(path))
		return false;
	script_is_shown = is_shown;
	end = script_fork(play, NULL, &attempt);
	printf("%s%s %s: %" PRIu32 " steps\n", is_shown ? "\n" : "", path, ends[end],
		script->n_steps);
	if (end != SCRIPT_PASSED && !is_shown)
		show(end);
	return end == SCRIPT_PASSED;
}

static int is_script(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > strlen(SUFFIX) && !strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX);
}

/* All there are in it: at least one. */
static bool replay_directory(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_script, alphasort);
	bool is_good = n > 0;

	for (int i = 0; i < n; i++) {
		char file[1024];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		is_good = replay_file(file, false) && is_good;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return is_good;
}

/* The run of this seed, whole: it may have been cut short. */
static void make_one(const void *context)
{
	(void)context;
	script_record();
	program->make(progress->seed, length_of(progress->seed));
	script_find_leaks();
}

static bool replay_seed(uint64_t seed)
{
	const struct script_attempt attempt = {.patience_s = PATIENCE_S};
	enum script_end end;

	progress->seed = options.seed = seed;
	end = script_fork(make_one, NULL, &attempt);
	printf("the run of seed %" PRIu64 " %s\n", seed, ends[end]);
	if (end != SCRIPT_PASSED)
		handle_failure(end);
	return end == SCRIPT_PASSED;
}

static bool replay(const char *what, bool is_alone)
{
	struct stat status = {0};
	char *end;
	uint64_t seed = strtoull(what, &end, 10);

	if (stat(what, &status) != 0 && *what && !*end)
		return replay_seed(seed);
	if (S_ISDIR(status.st_mode))
		return replay_directory(what);
	return replay_file(what, is_alone);
}

static int replay_all(char **what, int n)
{
	int n_bad = 0;

	for (int i = 0; i < n; i++)
		n_bad += !replay(what[i], n == 1);
	return n_bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- the command line ---- */

static void usage(FILE *to)
{
	fprintf(to,
		"usage: %s [OPTION...] [OPERATIONS [SEED]]\n"
		"       %s --replay {FILE | DIRECTORY | SEED}...\n"
		"\n"
		"  --seconds N          for so long, instead of so many operations\n"
		"  --forever            until it fails\n"
		"  --seed N             (or USHER_SEED in the environment) instead of a new one\n"
		"  --keep DIRECTORY     for what fails; the present one if not given\n"
		"  --shrink-seconds N   how long a failure may be made shorter\n"
		"  --replay             play scripts (one alone is shown step by step), all in a\n"
		"                       directory, or make the run of a seed again\n",
		program->name, program->name);
}

static bool read_option(int c)
{
	switch (c) {
	case 's':
		options.seconds = strtoull(optarg, NULL, 10);
		return true;
	case 'f':
		options.seconds = UINT64_MAX;
		return true;
	case 'e':
		options.seed = strtoull(optarg, NULL, 10);
		return true;
	case 'k':
		options.keep = optarg;
		return true;
	case 't':
		options.shrink_seconds = (unsigned)strtoul(optarg, NULL, 10);
		return true;
	case 'r':
		options.is_replay = true;
		return true;
	default:
		return false;
	}
}

static bool read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"seconds", required_argument, NULL, 's'},
		{"forever", no_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 'e'},
		{"keep", required_argument, NULL, 'k'},
		{"shrink-seconds", required_argument, NULL, 't'},
		{"replay", no_argument, NULL, 'r'},
		{0},
	};
	const char *seed = getenv("USHER_SEED");
	int c;

	options = (struct options){.keep = ".", .shrink_seconds = SHRINK_S};
	options.seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (!read_option(c))
			return false;
	if (options.is_replay)
		return optind < argc;
	if (optind < argc)
		options.operations = strtoull(argv[optind++], NULL, 10);
	if (optind < argc)
		options.seed = strtoull(argv[optind++], NULL, 10);
	if (!options.operations && !options.seconds)
		options.operations = program->complete;
	return optind == argc;
}

int script_main(const struct script_program *of, int argc, char **argv)
{
	program = of;
	if (!read_options(argc, argv)) {
		usage(stderr);
		return 2;
	}
	script_init(&program->language);
	progress = script_share(sizeof(*progress));
	if (options.is_replay)
		return replay_all(argv + optind, argc - optind);
	return make_all();
}
