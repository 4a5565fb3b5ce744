/* SPDX-License-Identifier: MIT */
#include "daemon/store_file.h"

#include "daemon/store_check.h"
#include "daemon/store_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_SUFFIX  ".new"
#define COPY_SUFFIX ".copy"

int store_errno(int r)
{
	if (r >= 0)
		return -r;
	switch (r) {
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return -ENOSPC;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_PANIC:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

/* ---- mapping ---- */

static int open_databases(struct store_file *file, bool is_writable)
{
	unsigned create = is_writable ? MDB_CREATE : 0;
	MDB_txn *txn;
	int r = mdb_txn_begin(file->env, NULL, is_writable ? 0 : MDB_RDONLY, &txn);

	if (r)
		return r;
	r = mdb_dbi_open(txn, "sessions", MDB_INTEGERKEY | create, &file->sessions);
	if (r == 0)
		r = mdb_dbi_open(txn, "meta", create, &file->meta);
	if (r == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return r;
}

/* No lock file: the state directory is locked, and the daemon's own threads take turns. */
int store_file_map(struct store_file *file, const char *path, size_t size, bool is_writable)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC | MDB_NOTLS;
	MDB_stat stat;
	int r = mdb_env_create(&file->env);

	if (r) {
		file->env = NULL;
		return r;
	}
	r = mdb_env_set_maxdbs(file->env, 2);
	if (r == 0)
		r = mdb_env_set_mapsize(file->env, size);
	if (r == 0)
		r = mdb_env_open(file->env, path, flags | (is_writable ? 0 : MDB_RDONLY), 0600);
	if (r == 0)
		r = open_databases(file, is_writable);
	if (r == 0)
		r = mdb_env_stat(file->env, &stat);
	if (r) {
		mdb_env_close(file->env);
		file->env = NULL;
		return r;
	}
	file->page_size = stat.ms_psize;
	file->size = size;
	return 0;
}

static void unmap(struct store_file *file)
{
	if (file->env)
		mdb_env_close(file->env);
	file->env = NULL;
}

/* ---- room ---- */

static size_t round_up(size_t bytes)
{
	return (bytes + STORE_STEP - 1) / STORE_STEP * STORE_STEP;
}

/* Nothing but the file system being full or broken makes this fail. */
static int allocate(const char *path, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	do
		r = posix_fallocate(fd, 0, (off_t)size);
	while (r == EINTR);
	close(fd);
	return -r;
}

static bool can_map(const struct store_file *file, size_t size)
{
	mdb_filehandle_t fd;
	void *map;

	if (mdb_env_get_fd(file->env, &fd) != 0)
		return false;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return false;
	munmap(map, size);
	return true;
}

/* LMDB gives the old mapping up before it asks for the new one, and goes on with an address where
 * nothing is if it gets none: so we ask first. What is stored is safe; memory would not be. */
bool store_file_grow(struct store_file *file)
{
	size_t larger = file->size + STORE_STEP;
	int r;

	if (larger > file->max_bytes || allocate(file->path, larger) < 0 || !can_map(file, larger))
		return false;
	r = mdb_env_set_mapsize(file->env, larger);
	if (r == EINVAL) /* not even begun: there is a transaction */
		return false;
	if (r != 0)
		abort();
	file->size = larger;
	return true;
}

/* ---- a fresh one ---- */

static int put_meta(MDB_txn *txn, MDB_dbi dbi, const char *name, void *bytes, size_t size)
{
	MDB_val key = {strlen(name), (void *)name}, value = {size, bytes};

	return mdb_put(txn, dbi, &key, &value, 0);
}

static uint64_t sum_of_seed(const uint64_t *seed)
{
	const uint64_t none[2] = {0};

	return map_hash(none, seed, 2 * sizeof(*seed));
}

int store_file_read_seed(const struct store_file *file, uint64_t *ret)
{
	struct store_seed stored;
	int r = store_scan_meta(file, STORE_SEED_KEY, &stored, sizeof(stored));

	if (r == 0 && stored.sum != sum_of_seed(stored.seed))
		r = MDB_CORRUPTED;
	if (r == 0)
		memcpy(ret, stored.seed, sizeof(stored.seed));
	return r;
}

static int write_origin(struct store_file *file)
{
	struct store_seed seed = {{file->seed[0], file->seed[1]}, sum_of_seed(file->seed)};
	char version[STORE_VERSION_SIZE] = {0};
	MDB_txn *txn;
	int r = mdb_txn_begin(file->env, NULL, 0, &txn);

	if (r)
		return r;
	snprintf(version, sizeof(version), "%d", RECORD_VERSION);
	r = put_meta(txn, file->meta, STORE_VERSION_KEY, version, sizeof(version));
	if (r == 0)
		r = put_meta(txn, file->meta, STORE_BOOT_KEY, file->boot_id, sizeof(file->boot_id));
	if (r == 0)
		r = put_meta(txn, file->meta, STORE_SEED_KEY, &seed, sizeof(seed));
	if (r == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return r;
}

static void tell_witness(struct store_file *file)
{
	MDB_envinfo info;

	if (mdb_env_info(file->env, &info) == 0)
		witness_tell(&file->witness, info.me_last_txnid);
}

/* Under another name until it is whole. */
static int make(struct store_file *file)
{
	char *fresh;
	int r;

	if (asprintf(&fresh, "%s" NEW_SUFFIX, file->path) < 0)
		return -ENOMEM;
	unlink(fresh);
	r = store_errno(store_file_map(file, fresh, STORE_STEP, true));
	if (r == 0)
		r = store_errno(write_origin(file));
	if (r == 0)
		r = allocate(fresh, STORE_STEP);
	/* Of an unfinished beginning nothing is missed. */
	if (r == 0)
		witness_tell(&file->witness, 0);
	if (r == 0 && rename(fresh, file->path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(fresh);
		unmap(file);
	}
	free(fresh);
	return r;
}

/* ---- one that is there ---- */

/* Where the file system is full the file keeps the size it has. */
static size_t allocate_existing(const struct store_file *file, size_t length)
{
	size_t wanted = round_up(length + STORE_STEP / 2);

	if (wanted <= file->max_bytes && allocate(file->path, wanted) == 0)
		return wanted;
	return length;
}

static int open_existing(struct store_file *file)
{
	struct stat stat;
	int r;

	if (lstat(file->path, &stat) < 0)
		return -errno;
	r = store_errno(store_file_map(
		file, file->path, allocate_existing(file, (size_t)stat.st_size), true));
	if (r == 0)
		r = store_errno(store_file_read_seed(file, file->seed));
	return r;
}

static int set_aside(const struct store_file *file, const char *name)
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

static const char *name_aside(enum store_found found)
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

/* What is found decides; a compact copy, if there is one, takes the place of what was checked. */
static int find(struct store_file *file, enum store_found *ret_found)
{
	struct stat stat;
	bool has_copy;
	char *copy;
	int r;

	*ret_found = STORE_FRESH;
	if (lstat(file->path, &stat) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(stat.st_mode)) {
		*ret_found = STORE_CORRUPT;
		return 0;
	}
	if (asprintf(&copy, "%s" COPY_SUFFIX, file->path) < 0)
		return -ENOMEM;
	r = store_check(file->path, copy, file->boot_id, ret_found, &has_copy);
	if (r == 0 && has_copy)
		witness_expect_new(&file->witness);
	if (r == 0 && has_copy && rename(copy, file->path) < 0)
		r = -errno;
	free(copy);
	return r;
}

int store_file_open(struct store_file *file, struct store_options *options,
	enum store_found *ret_found, const char **ret_aside)
{
	int r;

	file->max_bytes = options->max_bytes;
	memcpy(file->seed, options->seed, sizeof(file->seed));
	snprintf(file->boot_id, sizeof(file->boot_id), "%s", options->boot_id);
	file->directory = strdup(options->directory);
	if (!file->directory || asprintf(&file->path, "%s/" STORE_FILE, options->directory) < 0)
		return -ENOMEM;
	r = witness_open(&file->witness, file->path);
	if (r == 0)
		r = find(file, ret_found);
	*ret_aside = name_aside(*ret_found);
	if (r == 0 && *ret_aside)
		r = set_aside(file, *ret_aside);
	if (r == 0)
		r = *ret_found == STORE_LOADED ? open_existing(file) : make(file);
	if (r == 0)
		tell_witness(file);
	memcpy(options->seed, file->seed, sizeof(file->seed));
	return r;
}

int store_file_begin_anew(struct store_file *file)
{
	int r;

	unmap(file);
	set_aside(file, name_aside(STORE_CORRUPT)); /* if it is still there */
	r = make(file);
	if (r == 0)
		tell_witness(file);
	return r;
}

void store_file_close(struct store_file *file)
{
	unmap(file);
	witness_close(&file->witness);
	free(file->directory);
	free(file->path);
}
