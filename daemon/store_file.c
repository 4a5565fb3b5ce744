/* SPDX-License-Identifier: MIT */
#include "daemon/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_SUFFIX ".new"

int store_file_init(struct store_file *file, const struct store_options *options)
{
	file->max_bytes = options->max_bytes;
	snprintf(file->origin.boot_id, sizeof(file->origin.boot_id), "%s", options->boot_id);
	memcpy(file->origin.seed, options->seed, sizeof(file->origin.seed));
	file->directory = strdup(options->directory);
	if (!file->directory || asprintf(&file->path, "%s/" STORE_FILE, options->directory) < 0)
		return -ENOMEM;
	return witness_open(&file->witness, file->path);
}

void store_file_close(struct store_file *file)
{
	journal_close(file->journal);
	file->journal = NULL;
}

void store_file_deinit(struct store_file *file)
{
	store_file_close(file);
	witness_close(&file->witness);
	free(file->directory);
	free(file->path);
}

/* ---- room ---- */

static size_t round_up(size_t bytes)
{
	return (bytes + STORE_STEP - 1) / STORE_STEP * STORE_STEP;
}

static bool enlarge(struct store_file *file, size_t size)
{
	if (size > file->max_bytes || journal_grow(file->journal, size) < 0)
		return false;
	file->size = size;
	return true;
}

bool store_file_grow(struct store_file *file)
{
	return file->journal && enlarge(file, file->size + STORE_STEP);
}

/* ---- one that is there ---- */

static enum store_found judge(const struct store_file *file, enum journal_found found)
{
	struct journal_origin origin = journal_origin(file->journal);

	if (found == JOURNAL_NEWER)
		return STORE_NEWER;
	if (origin.boot_id[0] && strcmp(origin.boot_id, file->origin.boot_id) != 0)
		return STORE_OLD_BOOT;
	return found == JOURNAL_SOUND ? STORE_LOADED : STORE_CORRUPT;
}

int store_file_open(struct store_file *file, enum store_found *ret_found)
{
	enum journal_found found;
	struct stat stat;
	int fd, r;

	*ret_found = STORE_UNKNOWN;
	if (lstat(file->path, &stat) < 0) {
		if (errno != ENOENT)
			return -errno;
		*ret_found = STORE_FRESH;
		return 0;
	}
	if (!S_ISREG(stat.st_mode)) {
		*ret_found = STORE_CORRUPT;
		return 0;
	}
	fd = open(file->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno; /* what may not be read is not damaged by that */
	file->size = (size_t)stat.st_size / JOURNAL_CHUNK * JOURNAL_CHUNK;
	file->is_allocated = stat.st_blocks * 512 >= stat.st_size && file->size % STORE_STEP == 0;
	r = journal_open(fd, file->size, &found, &file->journal);
	if (r == -EUCLEAN) {
		*ret_found = STORE_CORRUPT;
		return 0;
	}
	if (r == 0)
		*ret_found = judge(file, found);
	return r;
}

/* Where the file system is full the file keeps the size it has. */
void store_file_use(struct store_file *file)
{
	struct journal_origin origin = journal_origin(file->journal);

	memcpy(file->origin.seed, origin.seed, sizeof(origin.seed));
	if (!file->is_allocated)
		enlarge(file, round_up(file->size));
}

const char *store_file_aside(enum store_found found)
{
	switch (found) {
	case STORE_OLD_BOOT:
		return STORE_FILE ".old-boot";
	case STORE_CORRUPT:
		return STORE_FILE ".corrupt";
	case STORE_NEWER:
		return STORE_FILE ".newer";
	default:
		return NULL;
	}
}

int store_file_set_aside(const struct store_file *file, const char *name)
{
	char *aside;
	int r = 0;

	if (asprintf(&aside, "%s/%s", file->directory, name) < 0)
		return -ENOMEM;
	if (rename(file->path, aside) < 0)
		r = -errno;
	free(aside);
	return r;
}

/* ---- a fresh one ---- */

static int make_file(struct store_file *file, const char *path)
{
	enum journal_found found;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = journal_format(fd, &file->origin);
	if (r < 0)
		close(fd);
	else
		r = journal_open(fd, JOURNAL_CHUNK, &found, &file->journal);
	return r == 0 ? journal_grow(file->journal, STORE_STEP) : r;
}

/* Under another name until it is whole. */
int store_file_make(struct store_file *file)
{
	char *fresh;
	int r;

	store_file_close(file);
	if (asprintf(&fresh, "%s" NEW_SUFFIX, file->path) < 0)
		return -ENOMEM;
	unlink(fresh);
	r = make_file(file, fresh);
	if (r == 0)
		witness_tell(&file->witness, 0); /* of an unfinished beginning nothing is missed */
	if (r == 0 && rename(fresh, file->path) < 0)
		r = -errno;
	file->size = STORE_STEP;
	if (r < 0) {
		unlink(fresh);
		store_file_close(file);
	}
	free(fresh);
	return r;
}
