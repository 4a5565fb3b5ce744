/* SPDX-License-Identifier: MIT */
#include "daemon/state.h"

#include "daemon/config.h"
#include "daemon/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- which directories ---- */

/* systemd gives a list of directories, of which the unit has one. */
static char *first_of(const char *list)
{
	return list && list[0] == '/' ? strndup(list, strcspn(list, ":")) : NULL;
}

static char *beside(const char *path, const char *name)
{
	char *copy = strdup(path), *ret = NULL;

	if (copy && asprintf(&ret, "%s/%s", dirname(copy), name) < 0)
		ret = NULL;
	free(copy);
	return ret;
}

static char *under(const char *directory, const char *name)
{
	char *ret;

	return asprintf(&ret, "%s/%s", directory, name) >= 0 ? ret : NULL;
}

static char *find_directory(const char *given, const char *socket)
{
	if (given)
		return strdup(given);
	if (getenv("RUNTIME_DIRECTORY"))
		return first_of(getenv("RUNTIME_DIRECTORY"));
	if (socket)
		return beside(socket, "state");
	if (geteuid() == 0)
		return strdup("/run/usher/state");
	return config_user_path("XDG_RUNTIME_DIR", NULL, "usher/state");
}

/* Where it outlives the boot; beside the rest if a directory was asked for. */
static char *find_fence_directory(const char *given, const char *directory, bool is_default)
{
	if (getenv("STATE_DIRECTORY"))
		return first_of(getenv("STATE_DIRECTORY"));
	if (given || !is_default)
		return strdup(directory);
	if (geteuid() == 0)
		return strdup("/var/lib/usher");
	return config_user_path("XDG_STATE_HOME", ".local/state", "usher");
}

static int make_directory(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* PATH and what is above it. */
static int make_directories(const char *path)
{
	char *copy = strdup(path);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	for (char *at = copy + 1; r == 0 && *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			r = -errno;
		*at = '/';
	}
	if (r == 0)
		r = make_directory(copy);
	free(copy);
	return r;
}

/* ---- whose it is ---- */

/* What somebody else can write to is not to be believed. */
static int check_directory(const char *path, char *message, size_t size)
{
	struct stat stat;

	if (lstat(path, &stat) < 0)
		return -errno;
	if (!S_ISDIR(stat.st_mode)) {
		snprintf(message, size, "state directory %s: expected a directory", path);
		return -ENOTDIR;
	}
	if ((stat.st_uid != geteuid() && stat.st_uid != 0) || (stat.st_mode & 022)) {
		snprintf(message, size,
			"state directory %s: expected one that only its owner, uid %u, can write "
			"to; it is uid %u's, with mode %04o",
			path, (unsigned)geteuid(), (unsigned)stat.st_uid, stat.st_mode & 07777U);
		return -EPERM;
	}
	return 0;
}

static void say_whose(int fd, const char *directory, char *message, size_t size)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	snprintf(message, size,
		"state directory %s: another usherd (pid %s) uses it; give each its own "
		"--state-dir",
		directory, pid[0] ? pid : "unknown");
}

static int lock(struct state *state, char *message, size_t size)
{
	char *path = under(state->directory, "lock");
	int r = 0;

	if (!path)
		return -ENOMEM;
	state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(path);
	if (state->lock_fd < 0)
		return -errno;
	r = lockfile_take(state->lock_fd);
	if (r == -EWOULDBLOCK)
		say_whose(state->lock_fd, state->directory, message, size);
	if (r < 0)
		return r;
	/* For people only: what it says may be of an earlier run if the file system is full. */
	if (ftruncate(state->lock_fd, 0) == 0)
		dprintf(state->lock_fd, "%d\n", (int)getpid());
	return 0;
}

/* ---- the boot ---- */

/* systemd writes it without them. */
static void drop_dashes(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != '-')
			*to++ = *from;
	*to = '\0';
}

/* The unit may hide it, and tells it then. */
static int read_boot_id(char *ret, size_t size)
{
	const char *told = getenv("USHER_BOOT_ID");
	char line[64];
	bool is_whole;
	FILE *file;

	memset(ret, 0, size);
	if (told && told[0]) {
		snprintf(ret, size, "%s", told);
		drop_dashes(ret);
		return 0;
	}
	file = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (!file)
		return -errno;
	is_whole = fgets(line, sizeof(line), file) && strchr(line, '\n');
	fclose(file);
	if (!is_whole)
		return -EIO;
	snprintf(ret, size, "%.*s", (int)strcspn(line, "\n"), line);
	drop_dashes(ret);
	return 0;
}

/* ---- fences ---- */

static uint64_t read_mark(const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t mark = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &mark) != 1)
		mark = 0;
	fclose(file);
	return mark;
}

#define MARK_SIZE 21 /* twenty digits and a line's end */

static int write_mark(int fd, uint64_t mark)
{
	char text[MARK_SIZE + 1];

	snprintf(text, sizeof(text), "%020" PRIu64 "\n", mark);
	errno = EIO;
	if (pwrite(fd, text, MARK_SIZE, 0) != MARK_SIZE || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* The name, too, has to outlive a crash of the machine. */
static int sync_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r = 0;

	free(copy);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0 && errno != EINVAL)
		r = -errno;
	close(fd);
	return r;
}

/* In the place of the old one, which takes no room on a full file system; it is within one sector.
 */
static int write_over(const char *path, uint64_t mark)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat stat;
	int r = -ENOENT;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size == MARK_SIZE)
		r = write_mark(fd, mark);
	close(fd);
	return r;
}

static int write_fresh(const char *path, uint64_t mark)
{
	char *fresh;
	int fd, r;

	if (asprintf(&fresh, "%s.new", path) < 0)
		return -ENOMEM;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = fd < 0 ? -errno : write_mark(fd, mark);
	if (fd >= 0)
		close(fd);
	if (r == 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r == 0)
		r = sync_directory(path);
	else
		unlink(fresh);
	free(fresh);
	return r;
}

int state_mark_fences(struct state *state, uint64_t mark)
{
	int r = write_over(state->fence_path, mark);

	if (r == -ENOENT)
		r = write_fresh(state->fence_path, mark);
	if (r == 0)
		state->fence_mark = mark;
	return r;
}

/* ---- */

static int find(
	struct state *state, const char *given, const char *socket, char *message, size_t size)
{
	bool is_default = !given && !getenv("RUNTIME_DIRECTORY") && !socket;
	char *fences;
	int r;

	state->directory = find_directory(given, socket);
	fences =
		state->directory ? find_fence_directory(given, state->directory, is_default) : NULL;
	if (!state->directory || !fences) {
		snprintf(message, size,
			"no state directory: give --state-dir DIR, --state none, or set %s",
			state->directory ? "XDG_STATE_HOME" : "XDG_RUNTIME_DIR");
		return -ENOENT;
	}
	r = is_default || given ? make_directories(state->directory)
				: make_directory(state->directory);
	if (r < 0)
		snprintf(message, size, "state directory %s: %s", state->directory, strerror(-r));
	if (r == 0) {
		r = make_directories(fences);
		if (r < 0)
			snprintf(message, size, "state directory %s: %s", fences, strerror(-r));
	}
	state->fence_path = under(fences, "fence");
	free(fences);
	return r == 0 && !state->fence_path ? -ENOMEM : r;
}

int state_open(
	struct state *state, const char *given, const char *socket, char *message, size_t size)
{
	int r;

	*state = (struct state){.lock_fd = -1};
	r = find(state, given, socket, message, size);
	if (r == 0)
		r = check_directory(state->directory, message, size);
	if (r == 0)
		r = lock(state, message, size);
	if (r == 0)
		r = read_boot_id(state->boot_id, sizeof(state->boot_id));
	if (r == 0)
		state->fence_mark = read_mark(state->fence_path);
	if (r < 0 && !message[0])
		snprintf(message, size, "state directory %s: %s",
			state->directory ? state->directory : "", strerror(-r));
	return r;
}

void state_close(struct state *state)
{
	if (state->lock_fd >= 0)
		close(state->lock_fd);
	state->lock_fd = -1;
	free(state->directory);
	free(state->fence_path);
}
