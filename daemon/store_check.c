/* SPDX-License-Identifier: MIT */
#include "daemon/store_check.h"

#include "daemon/store_free.h"
#include "daemon/store_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child's exit status says. Statuses that nobody chose are damage. */
enum verdict {
	SOUND = 40,
	SOUND_WITHOUT_COPY,
	OLD_BOOT,
	NEWER,
	CORRUPT,
	LACKING, /* memory or descriptors to look at it: it may be sound */
};

/* ---- in the child ---- */

struct sums {
	const struct store_file *file;
	MDB_txn *txn; /* for looking up what was come across */
	uint64_t sessions;
	uint64_t session_sums;
	uint64_t pool_sums;
};

/* Whoever looks for the key finds what is there: its way through the tree is sound, too. */
static bool is_found(
	const struct sums *sums, MDB_dbi dbi, void *key, size_t size, const void *bytes)
{
	MDB_val name = {size, key}, value;

	return mdb_get(sums->txn, dbi, &name, &value) == 0 && value.mv_data == bytes;
}

static bool is_pool_found(const struct sums *sums, const struct text *name, const void *bytes)
{
	char key[sizeof(STORE_POOL_PREFIX) + POOL_NAME_MAX];
	int size = snprintf(key, sizeof(key), STORE_POOL_PREFIX "%s", name->bytes);

	return is_found(sums, sums->file->meta, key, (size_t)size, bytes);
}

static int check_session(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct sums *sums = context;
	uint64_t told;
	uint32_t sum;
	int r = record_check(bytes, size, &sequence, sizeof(sequence), &sum);

	if (r == 0)
		r = record_check_session(bytes, size, &told);
	if (r < 0)
		return r;
	sums->sessions++;
	sums->session_sums += sum;
	if (told != sequence ||
		!is_found(sums, sums->file->sessions, &sequence, sizeof(sequence), bytes))
		return -EBADMSG;
	return 0;
}

static int check_pool(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct sums *sums = context;
	struct saved_pool pool;
	uint32_t sum = 0;
	int r = record_read_pool(bytes, size, &pool);

	(void)sequence;
	if (r < 0)
		return r;
	r = record_check(bytes, size, pool.name->bytes, pool.name->length, &sum);
	sums->pool_sums += sum;
	if (r == 0 && !is_pool_found(sums, pool.name, bytes))
		r = -EBADMSG;
	saved_pool_deinit(&pool);
	return r;
}

#define OF_A_COPY      1 /* the last transaction of a compact copy, which has no past */
#define OF_A_FRESH_ONE 2 /* makes the databases, writes the origin */

static uint64_t last_transaction(const struct store_file *file)
{
	MDB_envinfo info;

	return mdb_env_info(file->env, &info) == 0 ? info.me_last_txnid : 0;
}

/* LMDB's head may be damaged so that it leads to what was true before, which is sound in itself. */
static bool is_last(const struct store_file *file, uint64_t transaction)
{
	uint64_t last = last_transaction(file);

	return last == transaction || last == OF_A_COPY;
}

static bool is_fresh(const struct store_file *file)
{
	return last_transaction(file) <= OF_A_FRESH_ONE;
}

static int check_totals(const struct store_file *file, const struct sums *sums)
{
	struct saved_table table;
	struct record_totals totals;
	int r = store_scan_table(file, &table, &totals);

	if (r == MDB_NOTFOUND) /* nothing has been committed yet */
		return sums->sessions || sums->pool_sums || !is_fresh(file) ? EBADMSG : 0;
	if (r)
		return r;
	if (table.active != sums->sessions || totals.session_sums != sums->session_sums ||
		totals.pool_sums != sums->pool_sums || !is_last(file, totals.transaction) ||
		table.totals.created != sums->sessions + counters_ended(&table.totals))
		r = EBADMSG;
	saved_table_deinit(&table);
	return r;
}

static int check_records(const struct store_file *file)
{
	struct sums sums = {.file = file};
	uint64_t after;
	int r = mdb_txn_begin(file->env, NULL, MDB_RDONLY, &sums.txn);

	if (r == 0)
		r = store_scan_sessions(file, 0, SIZE_MAX, check_session, &sums, &after);
	if (r == 0)
		r = store_scan_pools(file, check_pool, &sums);
	return r == 0 ? check_totals(file, &sums) : r;
}

static enum verdict verdict_on(int r)
{
	return r == ENOMEM || r == EMFILE || r == ENFILE ? LACKING : CORRUPT;
}

static enum verdict check_origin(const struct store_file *file, const char *boot_id)
{
	char version[STORE_VERSION_SIZE], boot[STORE_BOOT_ID];
	uint64_t seed[2];
	int r = store_scan_meta(file, STORE_VERSION_KEY, version, sizeof(version));

	if (r)
		return verdict_on(r);
	if (version[0] < '0' || version[0] > '9' || version[sizeof(version) - 1])
		return CORRUPT;
	if (atoi(version) > RECORD_VERSION)
		return NEWER;
	r = store_scan_meta(file, STORE_BOOT_KEY, boot, sizeof(boot));
	if (r)
		return verdict_on(r);
	if (memcmp(boot, boot_id, sizeof(boot)) != 0)
		return OLD_BOOT;
	r = store_file_read_seed(file, seed);
	return r ? verdict_on(r) : SOUND;
}

/* Of a meta page: its header, then MDB_meta (lmdb 0.9). */
#define LMDB_MAGIC_OFFSET 16
#define LMDB_PAGE_OFFSET  40  /* the size of a page */
#define LMDB_LAST_OFFSET  136 /* the number of the last page that is in use */
#define LMDB_TXNID_OFFSET 144
#define LMDB_MAGIC        UINT32_C(0xBEEFC0DE)

/* Of two meta pages the one of the later transaction counts, and they take turns: if those numbers
 * do not follow one another, one of them is damaged, and what LMDB would take is the past. A last
 * page beyond the file would make it map more than there is, and fail for want of memory. */
static bool has_sound_metas(int fd, uint64_t length)
{
	uint64_t ids[2], last;
	uint32_t magic, page_size;
	long page = sysconf(_SC_PAGESIZE);

	for (int i = 0; i < 2; i++) {
		if (pread(fd, &magic, 4, i * page + LMDB_MAGIC_OFFSET) != 4 ||
			magic != LMDB_MAGIC ||
			pread(fd, &page_size, 4, i * page + LMDB_PAGE_OFFSET) != 4 ||
			page_size != (uint64_t)page ||
			pread(fd, &last, 8, i * page + LMDB_LAST_OFFSET) != 8 ||
			last >= length / page_size ||
			pread(fd, &ids[i], 8, i * page + LMDB_TXNID_OFFSET) != 8)
			return false;
		if (ids[i] && (ids[i] & 1) != (uint64_t)i)
			return false;
	}
	return ids[0] == ids[1] + 1 || ids[1] == ids[0] + 1;
}

/* Its length, 0 if it is not a store's. */
static int sound_length(const char *path, size_t *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	size_t length = 0;

	if (fd < 0)
		return errno;
	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) &&
		has_sound_metas(fd, (uint64_t)stat.st_size))
		length = (size_t)stat.st_size;
	close(fd);
	*ret = length;
	return 0;
}

/* ---- all of it ---- */

/* An errno, unlike an error of LMDB's own, is about the copy. */
static enum verdict copy_or_trust(const struct store_file *file, const char *copy)
{
	int r = mdb_env_copy2(file->env, copy, MDB_CP_COMPACT);

	if (r == 0)
		return SOUND;
	return r > 0 && store_free_is_sound(file) ? SOUND_WITHOUT_COPY : CORRUPT;
}

static enum verdict look(const char *path, const char *copy, const char *boot_id)
{
	struct store_file file = {0};
	size_t length = 0;
	enum verdict verdict;
	int r = sound_length(path, &length);

	if (r == 0 && !length)
		return CORRUPT;
	if (r == 0)
		r = store_file_map(&file, path, length, false);
	if (r)
		return verdict_on(r);
	verdict = check_origin(&file, boot_id);
	if (verdict != SOUND)
		return verdict;
	if (!witness_confirms(path, last_transaction(&file)))
		return CORRUPT;
	r = check_records(&file);
	return r ? verdict_on(r < 0 ? -r : r) : copy_or_trust(&file, copy);
}

/* Its death by a signal is an answer, not an accident: no core file, no handler's report. */
static void run_child(const char *path, const char *copy, const char *boot_id)
{
	const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct rlimit none = {0, 0};

	close_range(3, ~0U, 0); /* the locks and sockets end with the daemon */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], SIG_DFL);
	umask(077);                 /* of the copy */
	alarm(STORE_CHECK_SECONDS); /* pages may lead in a circle */
	_exit(look(path, copy, boot_id));
}

/* ---- in the daemon ---- */

int store_check(const char *path, const char *copy, const char *boot_id,
	enum store_found *ret_found, bool *ret_has_copy)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	pid_t child;
	int status, r;

	if (fd < 0)
		return -errno; /* what may not be read is not damaged by that */
	close(fd);
	unlink(copy);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0)
		run_child(path, copy, boot_id);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_has_copy = false;
	r = 0;
	switch (WIFEXITED(status) ? WEXITSTATUS(status) : CORRUPT) {
	case SOUND:
		*ret_has_copy = true;
		*ret_found = STORE_LOADED;
		return 0;
	case SOUND_WITHOUT_COPY:
		*ret_found = STORE_LOADED;
		break;
	case OLD_BOOT:
		*ret_found = STORE_OLD_BOOT;
		break;
	case NEWER:
		*ret_found = STORE_NEWER;
		break;
	case LACKING:
		r = -ENOMEM;
		break;
	default:
		*ret_found = STORE_CORRUPT;
		break;
	}
	unlink(copy); /* a part of one */
	return r;
}
