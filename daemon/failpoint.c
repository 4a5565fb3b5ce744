/* SPDX-License-Identifier: MIT */
#include "daemon/failpoint.h"

#ifdef USHER_FAILPOINTS

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POINTS_MAX 16
#define NAME_SIZE  48
#define SPEC_SIZE  1024

enum action { ACTION_KILL, ACTION_ERROR, ACTION_SLEEP };

struct point {
	char name[NAME_SIZE];
	enum action action;
	int error; /* negated errno */
	unsigned sleep_ms;
	uint64_t due; /* the first time it does something */
	bool goes_on; /* and each time after that */
	uint64_t reached;
};

static struct {
	pthread_mutex_t lock;
	pthread_once_t begun;
	const char *file;
	struct stat seen; /* the file as it was last read */
	struct point points[POINTS_MAX];
	size_t n_points;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .begun = PTHREAD_ONCE_INIT};

/* ---- reading what is armed ---- */

static int parse_ms(const char *text, unsigned *ret)
{
	char *end;

	*ret = (unsigned)strtoul(text, &end, 10);
	return end != text && !*end ? 0 : -EINVAL;
}

static int parse_action(const char *text, struct point *point)
{
	int r = 0;

	point->action = ACTION_ERROR;
	if (strcmp(text, "eio") == 0)
		point->error = -EIO;
	else if (strcmp(text, "enospc") == 0)
		point->error = -ENOSPC;
	else if (strncmp(text, "sleep:", 6) == 0) {
		point->action = ACTION_SLEEP;
		r = parse_ms(text + 6, &point->sleep_ms);
	} else if (strncmp(text, "kill", 4) == 0) {
		point->action = ACTION_KILL;
		if (text[4])
			r = text[4] == ':' ? parse_ms(text + 5, &point->sleep_ms) : -EINVAL;
	} else
		r = -EINVAL;
	return r;
}

static int parse_times(const char *text, struct point *point)
{
	char *end;

	point->due = strtoull(text, &end, 10);
	if (end == text || point->due == 0)
		return -EINVAL;
	point->goes_on = *end == '+';
	return end[point->goes_on] ? -EINVAL : 0;
}

/* NAME=ACTION[@N[+]], which is taken apart. */
static int parse_point(char *text, struct point *ret)
{
	struct point point = {.due = 1};
	char *action = strchr(text, '='), *times = strchr(text, '@');

	if (!action || action == text || action - text >= NAME_SIZE)
		return -EINVAL;
	*action++ = '\0';
	strcpy(point.name, text);
	if (times) {
		*times++ = '\0';
		if (parse_times(times, &point) < 0)
			return -EINVAL;
	}
	if (parse_action(action, &point) < 0)
		return -EINVAL;
	*ret = point;
	return 0;
}

static int arm(const char *spec)
{
	char text[SPEC_SIZE], *rest = text, *part;

	state.n_points = 0;
	if (strlen(spec) >= sizeof(text))
		return -EINVAL;
	strcpy(text, spec);
	while ((part = strsep(&rest, ";\n"))) {
		if (!*part)
			continue;
		if (state.n_points == POINTS_MAX ||
			parse_point(part, &state.points[state.n_points]) < 0) {
			state.n_points = 0;
			return -EINVAL;
		}
		state.n_points++;
	}
	return 0;
}

static void arm_or_end(const char *spec, const char *where)
{
	if (arm(spec) == 0)
		return;
	fprintf(stderr, "usherd: %s: cannot read the failpoints \"%s\"\n", where, spec);
	abort();
}

static void read_file(void)
{
	char text[SPEC_SIZE];
	struct stat now;
	ssize_t n;
	int fd = open(state.file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	if (n >= 0 && fstat(fd, &now) == 0) {
		state.seen = now;
		text[n] = '\0';
		arm_or_end(text, state.file);
	}
	close(fd);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void look_at_file(void)
{
	struct stat now;

	if (state.file && stat(state.file, &now) == 0 && !is_same_file(&now, &state.seen))
		read_file();
}

static void begin(void)
{
	const char *spec = getenv("USHER_FAILPOINTS");

	state.file = getenv("USHER_FAILPOINTS_FILE");
	if (spec)
		arm_or_end(spec, "USHER_FAILPOINTS");
}

/* ---- being reached ---- */

static struct point *find(const char *name)
{
	for (size_t i = 0; i < state.n_points; i++)
		if (strcmp(state.points[i].name, name) == 0)
			return &state.points[i];
	return NULL;
}

static bool is_due(struct point *point)
{
	point->reached++;
	return point->reached == point->due || (point->goes_on && point->reached > point->due);
}

static void stand_still(unsigned ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}

static int act(const struct point *point)
{
	if (point->sleep_ms)
		stand_still(point->sleep_ms);
	if (point->action != ACTION_KILL)
		return point->error;
	kill(getpid(), SIGKILL);
	for (;;)
		pause(); /* other threads may be the first to notice */
}

int failpoint_error(const char *name)
{
	struct point *point, due;
	bool acts;

	pthread_once(&state.begun, begin);
	pthread_mutex_lock(&state.lock);
	look_at_file();
	point = find(name);
	acts = point && is_due(point);
	if (acts)
		due = *point;
	pthread_mutex_unlock(&state.lock);
	return acts ? act(&due) : 0;
}

bool failpoint_is_armed(const char *name)
{
	struct point *point;
	bool is_armed;

	pthread_once(&state.begun, begin);
	pthread_mutex_lock(&state.lock);
	look_at_file();
	point = find(name);
	is_armed = point && (point->goes_on || point->reached < point->due);
	pthread_mutex_unlock(&state.lock);
	return is_armed;
}

int failpoint_arm(const char *spec)
{
	int r;

	pthread_once(&state.begun, begin);
	pthread_mutex_lock(&state.lock);
	r = arm(spec);
	pthread_mutex_unlock(&state.lock);
	return r;
}

#endif
