/* SPDX-License-Identifier: MIT */
/* The store's file. The text is a history, then what is done to the file: bytes changed, entries
 * added that no store would write, its end cut off. What is opened then is all of the history, or
 * nothing; where entries were added, it is sound in itself. */
#include "tests/fuzz/fuzz.h"

#include "daemon/log.h"
#include "daemon/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 4096
#define NUMBERS  16
#define BOOT_ID  "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
#define ROOM     (6 * JOURNAL_CHUNK)
#define LONG     256 /* times as long, so that it is in more than one chunk */

static char directory[64], path[96], witness_path[112];
static struct session *sessions[NUMBERS];
static struct store *store;
static uint64_t n_live, n_created;

struct input {
	const uint8_t *at;
	size_t left;
};

static unsigned take(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

static unsigned take16(struct input *in)
{
	unsigned high = take(in);

	return high << 8 | take(in);
}

/* ---- the history ---- */

static enum store_found open_store(void)
{
	struct store_options options = {
		.directory = directory, .boot_id = BOOT_ID, .max_bytes = ROOM, .seed = {3, 4}};
	enum store_found found;
	const char *aside;

	REQUIRE(store_open(&options, &store, &found, &aside) == 0);
	REQUIRE(!aside == (found == STORE_LOADED || found == STORE_FRESH));
	return found;
}

static void close_store(void)
{
	store_close(store);
	store = NULL;
}

static void make_file(void)
{
	struct journal_origin origin = {.boot_id = BOOT_ID, .seed = {3, 4}};
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	unlink(witness_path);
	REQUIRE(fd >= 0 && journal_format(fd, &origin) == 0);
	REQUIRE(ftruncate(fd, ROOM) == 0);
	close(fd);
	n_live = n_created = 0;
	for (int i = 0; i < NUMBERS; i++)
		sessions[i]->stored_sum = 0;
}

static int put(struct input *in)
{
	struct session *session = sessions[take(in) % NUMBERS];
	bool is_new = !session->stored_sum;
	size_t size = (size_t)take(in) * (take(in) % 8 ? 1 : LONG);
	char *bytes = calloc(1, size + 1);
	struct saved_session saved = {.session = session,
		.owner_kind = OWNER_CONNECTION,
		.timeout_ms = SESSION_TIMEOUT_NONE};
	int r;

	REQUIRE(bytes != NULL);
	memset(bytes, 'm', size);
	saved.metadata = text_new(bytes, size);
	r = store_put_session(store, &saved);
	text_unref(saved.metadata);
	free(bytes);
	n_live += r == 0 && is_new;
	n_created += r == 0 && is_new;
	return r;
}

static int drop(struct input *in)
{
	struct session *session = sessions[take(in) % NUMBERS];
	bool was_there = session->stored_sum != 0;
	int r = store_delete_session(store, session);

	n_live -= r == 0 && was_there;
	return r;
}

static int change_pool(struct input *in)
{
	char name = (char)('a' + take(in) % 4);
	struct saved_pool saved = {.settings = pool_settings_builtin, .slots = 5};
	int r;

	if (take(in) % 4 == 0)
		return store_delete_pool(store, &name, 1);
	saved.name = text_new(&name, 1);
	r = store_put_pool(store, &saved);
	saved_pool_deinit(&saved);
	return r;
}

static int put_table(void)
{
	struct saved_table saved = {.next_sequence = NUMBERS + 1,
		.active = n_live,
		.totals = {
			.created = n_created, .ended = {[OUTCOME_COMPLETED] = n_created - n_live}}};

	return store_put_table(store, &saved, 0);
}

static int change(struct input *in)
{
	int r = 0;

	for (unsigned n = take(in) % 8; r == 0 && n > 0; n--) {
		switch (take(in) % 4) {
		case 0:
			r = drop(in);
			break;
		case 1:
			r = change_pool(in);
			break;
		default:
			r = put(in);
		}
	}
	return r;
}

static void run_transaction(struct input *in)
{
	uint64_t live = n_live, created = n_created;
	int r = store_begin(store);

	REQUIRE(r == 0);
	r = change(in);
	REQUIRE(r == 0 || r == -ENOSPC);
	if (r == 0 && take(in) % 8 && put_table() == 0 && store_commit(store) == 0)
		return;
	store_abort(store);
	n_live = live;
	n_created = created;
}

/* ---- what is there ---- */

static int add_up(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	uint64_t *sum = context;
	const uint64_t seed[2] = {*sum, sequence};

	*sum = map_hash(seed, bytes, size);
	return 0;
}

/* Of all that is there. */
static uint64_t sum_up(void)
{
	struct record_totals totals = {0};
	struct saved_table saved = {0};
	struct store_scan *scan;
	bool is_end = false;
	uint64_t sum = store_count(store);
	int r = store_scan_begin(store, &scan);

	while (r == 0 && !is_end)
		r = store_scan_next(scan, 3, add_up, &sum, &is_end);
	store_scan_end(scan);
	REQUIRE(r == 0 && store_each_pool(store, add_up, &sum) == 0);
	r = store_read_table(store, &saved, &totals);
	REQUIRE(r == 0 || r == -ENOENT);
	add_up(&sum, saved.active, &totals, sizeof(totals));
	saved_table_deinit(&saved);
	return sum;
}

/* ---- what is done to it ---- */

static void flip(struct input *in, int fd)
{
	off_t at = (off_t)((take(in) % 7) * JOURNAL_CHUNK + take16(in) % JOURNAL_CHUNK);
	uint8_t byte = 0;

	if (pread(fd, &byte, 1, at) == 1) {
		byte ^= (uint8_t)take(in);
		REQUIRE(pwrite(fd, &byte, 1, at) == 1);
	}
}

static int ignore(void *context, const struct journal_entry *entry, struct journal_place place)
{
	(void)context;
	(void)entry;
	(void)place;
	return 0;
}

static void ignore_end(void *context)
{
	(void)context;
}

/* A record that is sealed is believed as far as its sum goes. */
static void add_entry(struct input *in, struct journal *journal)
{
	struct journal_entry entry = {
		.kind = (uint16_t)(take(in) % 7), .number = take(in), .key = "abcdefgh"};
	struct journal_place place;
	char record[256];

	entry.key_size = (uint16_t)(take(in) % 8);
	entry.size = take(in);
	for (uint32_t i = 0; i < entry.size; i++)
		record[i] = (char)take(in);
	if (entry.size > sizeof(struct record_head))
		record_seal(record, entry.size, (size_t)record[2],
			entry.kind == KIND_SESSION ? (const void *)&entry.number : entry.key,
			entry.kind == KIND_SESSION ? sizeof(entry.number) : entry.key_size);
	entry.bytes = record;
	if (journal_has_room(journal, sizeof(record) * 2, 1) &&
		journal_append(journal, &entry, &place) == 0)
		journal_commit(journal);
}

static void add_entries(struct input *in, int fd)
{
	enum journal_found found;
	struct journal *journal;

	REQUIRE(journal_open(dup(fd), ROOM, &found, &journal) == 0);
	if (found == JOURNAL_SOUND && journal_replay(journal, ignore, ignore_end, NULL) == 0)
		for (unsigned n = take(in) % 8; n > 0; n--)
			add_entry(in, journal);
	journal_close(journal);
}

/* True if it says something else now, and says it well. */
static bool tamper(struct input *in)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool is_forged = false;

	for (unsigned n = take(in) % 8; n > 0 && in->left > 0; n--) {
		unsigned what = take(in) % 16;

		if (what == 0) {
			REQUIRE(ftruncate(fd, (off_t)(take(in) * 4096U)) == 0);
		} else if (what == 1) {
			add_entries(in, fd);
			is_forged = true;
		} else {
			flip(in, fd);
		}
	}
	close(fd);
	return is_forged;
}

/* ---- the target ---- */

static void remove_directory(void)
{
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	snprintf(directory, sizeof(directory), "%s/usher-fuzz-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	REQUIRE(mkdtemp(directory) != NULL);
	atexit(remove_directory);
	snprintf(path, sizeof(path), "%s/" STORE_FILE, directory);
	snprintf(witness_path, sizeof(witness_path), "%s" WITNESS_SUFFIX, path);
	for (int i = 0; i < NUMBERS; i++) {
		struct session_params params = {
			.id = (uint64_t)i, .request_id = "r", .request_id_length = 1, .units = 1};

		sessions[i] = session_new(&params);
		REQUIRE(sessions[i] != NULL);
		sessions[i]->sequence = (uint64_t)i + 1;
		sessions[i]->fence = 1;
		sessions[i]->pool_name = text_new("a", 1);
	}
	return 0;
}

static void empty_directory(void)
{
	char name[160];

	for (int why = STORE_OLD_BOOT; why <= STORE_NEWER; why++) {
		snprintf(name, sizeof(name), "%s/%s", directory,
			store_file_aside((enum store_found)why));
		unlink(name);
	}
	unlink(path);
	unlink(witness_path);
}

/* And it can be gone on with. */
static void go_on(void)
{
	uint64_t sum;

	for (int i = 0; i < NUMBERS; i++)
		sessions[i]->stored_sum = 0;
	REQUIRE(store_begin(store) == 0);
	store_abort(store);
	sum = sum_up();
	close_store();
	REQUIRE(open_store() == STORE_LOADED);
	REQUIRE(sum_up() == sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint64_t sum, empty;
	enum store_found found;
	bool is_forged;

	if (size > TEXT_MAX)
		return 0;
	make_file();
	REQUIRE(open_store() == STORE_LOADED);
	empty = sum_up();
	for (unsigned n = take(&in) % 16; n > 0; n--)
		run_transaction(&in);
	sum = sum_up();
	close_store();
	is_forged = tamper(&in);
	found = open_store();
	if (found == STORE_LOADED)
		REQUIRE(is_forged || sum_up() == sum);
	else
		REQUIRE(sum_up() == empty);
	go_on();
	close_store();
	empty_directory();
	return 0;
}
