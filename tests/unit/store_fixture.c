/* SPDX-License-Identifier: MIT */
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char directory[64];
struct store *store;
struct store_options options;
enum store_found found;
const char *aside;

static uint64_t n_live, n_created, n_settled_live, n_settled_created;
static struct session *sessions[SESSIONS + 1];

/* ---- life ---- */

void store_setup(void)
{
	/* Where the daemon has it, too, if there is one: in memory. */
	snprintf(directory, sizeof(directory), "%s/usher-store-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	options = (struct store_options){.directory = directory,
		.boot_id = BOOT_ID,
		.max_bytes = 4 * STORE_STEP,
		.seed = {7, 9}};
	store = NULL;
	forget_stored();
}

static void empty_directory(void)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			remove(path_of(entry->d_name));
	if (dir)
		closedir(dir);
}

void store_teardown(void)
{
	close_store();
	empty_directory();
	rmdir(directory);
	for (uint64_t i = 0; i <= SESSIONS; i++)
		sessions[i] = session_unref(sessions[i]);
}

int open_store(void)
{
	close_store();
	return store_open(&options, &store, &found, &aside);
}

void close_store(void)
{
	store_close(store);
	store = NULL;
}

void reopen(void)
{
	ck_assert_int_eq(open_store(), 0);
	ck_assert_int_eq(found, STORE_LOADED);
	ck_assert_ptr_null(aside);
}

const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

bool is_there(const char *name)
{
	struct stat stat;

	return lstat(path_of(name), &stat) == 0;
}

/* ---- what is put ---- */

void forget_stored(void)
{
	for (uint64_t i = 0; i <= SESSIONS; i++)
		if (sessions[i])
			sessions[i]->stored_sum = 0;
	n_live = n_created = n_settled_live = n_settled_created = 0;
}

struct session *session_of(uint64_t number)
{
	char request_id[24];
	struct session_params params = {.id = number, .request_id = request_id, .units = 1};
	struct session *session;

	ck_assert_uint_le(number, SESSIONS);
	if (sessions[number])
		return sessions[number];
	params.request_id_length = (size_t)snprintf(
		request_id, sizeof(request_id), "request-%llu", (unsigned long long)number);
	session = session_new(&params);
	session->sequence = number;
	session->fence = 1000 + number;
	session->pool_name = text_new("default", 7);
	sessions[number] = session;
	return session;
}

void set_metadata(uint64_t number, size_t bytes)
{
	struct session *session = session_of(number);
	char *metadata = malloc(bytes + 1);

	memset(metadata, 'a' + (int)(number % 26), bytes);
	text_unref(session->metadata);
	session->metadata = text_new(metadata, bytes);
	free(metadata);
}

int put(uint64_t number)
{
	struct session *session = session_of(number);
	struct saved_session saved = {
		.session = session,
		.state = SESSION_IDLE,
		.owner_kind = OWNER_CONNECTION,
		.timeout_ms = SESSION_TIMEOUT_NONE,
		.metadata = session->metadata,
	};
	bool is_new = !session->stored_sum;
	int r = store_put_session(store, &saved);

	if (r == 0 && is_new) {
		n_live++;
		n_created++;
	}
	return r;
}

int drop(uint64_t number)
{
	bool was_there = session_of(number)->stored_sum != 0;
	int r = store_delete_session(store, session_of(number));

	if (r == 0)
		n_live -= was_there;
	return r;
}

int put_pool(const char *name)
{
	struct saved_pool saved = {.name = text_new(name, strlen(name)),
		.settings = pool_settings_builtin,
		.slots = 200};
	int r = store_put_pool(store, &saved);

	saved_pool_deinit(&saved);
	return r;
}

int commit(void)
{
	struct saved_table saved = {
		.next_sequence = SESSIONS + 1,
		.active = n_live,
		.totals = {.created = n_created,
			.ended = {[OUTCOME_COMPLETED] = n_created - n_live}},
	};
	int r = store_put_table(store, &saved, 0);

	if (r < 0) {
		abort_all();
		return r;
	}
	r = store_commit(store);
	if (r == 0) {
		n_settled_live = n_live;
		n_settled_created = n_created;
	}
	return r;
}

void abort_all(void)
{
	store_abort(store);
	n_live = n_settled_live;
	n_created = n_settled_created;
}

void take_back(uint64_t number)
{
	session_of(number)->stored_sum = 0;
	n_live = --n_settled_live;
	n_created = --n_settled_created;
}

void commit_range(uint64_t first, uint64_t last)
{
	ck_assert_int_eq(store_begin(store), 0);
	for (uint64_t number = first; number <= last; number++)
		ck_assert_int_eq(put(number), 0);
	ck_assert_int_eq(commit(), 0);
}

void commit_drop(uint64_t number)
{
	ck_assert_int_eq(store_begin(store), 0);
	ck_assert_int_eq(drop(number), 0);
	ck_assert_int_eq(commit(), 0);
}

/* ---- what is there ---- */

uint64_t count(void)
{
	return store_count(store);
}

static int append(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct dump *dump = context;
	size_t needed = dump->size + sizeof(sequence) + size;

	if (needed > dump->capacity) {
		dump->capacity = needed * 2;
		dump->bytes = realloc(dump->bytes, dump->capacity);
	}
	memcpy(dump->bytes + dump->size, &sequence, sizeof(sequence));
	memcpy(dump->bytes + dump->size + sizeof(sequence), bytes, size);
	dump->size += sizeof(sequence) + size;
	return 0;
}

static void append_table(struct dump *dump)
{
	struct record_totals totals;
	struct saved_table saved;
	int r = store_read_table(store, &saved, &totals);

	if (r == -ENOENT)
		return;
	ck_assert_int_eq(r, 0);
	append(dump, saved.next_sequence, &saved.totals, sizeof(saved.totals));
	append(dump, saved.active, &saved.base, sizeof(saved.base));
	saved_table_deinit(&saved);
	append(dump, 0, &totals, sizeof(totals));
	append(dump, 0, options.seed, sizeof(options.seed));
}

struct dump dump_store(void)
{
	struct dump dump = {.bytes = NULL};
	struct store_scan *scan;
	bool is_end = false;

	ck_assert_int_eq(store_scan_begin(store, &scan), 0);
	while (!is_end)
		ck_assert_int_eq(store_scan_next(scan, 50, append, &dump, &is_end), 0);
	store_scan_end(scan);
	ck_assert_int_eq(store_each_pool(store, append, &dump), 0);
	append_table(&dump);
	return dump;
}

bool dumps_are_equal(const struct dump *a, const struct dump *b)
{
	return a->size == b->size && (!a->size || !memcmp(a->bytes, b->bytes, a->size));
}

void dump_free(struct dump *dump)
{
	free(dump->bytes);
	*dump = (struct dump){.bytes = NULL};
}
