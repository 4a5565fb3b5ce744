/* SPDX-License-Identifier: MIT */
/* Records of the store, as a daemon that was killed leaves them, on their way into a table. What
 * the store's check refuses is left out; anything may come of the rest but a table that is broken.
 * What was restored is written again, and must be read again.
 *
 * The text is records without their sums, each behind <s> (a session), <p> (a pool) or <t> (the
 * table). The store itself is not here: the linker (--wrap) leads its readers to these functions.
 */
#include <errno.h>
#include <string.h>

#include "daemon/recover.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

#define N_RECORDS   64
#define MARK_LENGTH 3
#define PORTION     16
#define TEXT_MAX    65536

static const char settings[] = "[broker]\nlog_level = err\n"
			       "[pool two]\nlimit = 2\nmax_waiters = 3\n"
			       "[pool held]\nlimit = 2\non_timeout = hold\nper_uid_limit = 1\n";

struct record {
	char *bytes;
	size_t size;
	uint64_t sequence;
};

static struct record sessions[N_RECORDS], pools[N_RECORDS], table_record;
static size_t n_sessions, n_pools;

/* Called by the linker only. */
int __wrap_store_each_pool(struct store *store, store_record_fn *fn, void *context);
int __wrap_store_scan_begin(struct store *store, struct store_scan **ret);
int __wrap_store_scan_next(
	struct store_scan *scan, size_t max, store_record_fn *fn, void *context, bool *ret_is_end);
void __wrap_store_scan_end(struct store_scan *scan);
int __wrap_store_read_table(
	struct store *store, struct saved_table *ret, struct record_totals *ret_totals);

/* ---- the store ---- */

int __wrap_store_each_pool(struct store *store, store_record_fn *fn, void *context)
{
	int r = 0;

	(void)store;
	for (size_t i = 0; r == 0 && i < n_pools; i++)
		r = fn(context, 0, pools[i].bytes, pools[i].size);
	return r;
}

int __wrap_store_scan_begin(struct store *store, struct store_scan **ret)
{
	(void)store;
	*ret = NULL;
	return 0;
}

void __wrap_store_scan_end(struct store_scan *scan)
{
	(void)scan;
}

int __wrap_store_scan_next(
	struct store_scan *scan, size_t max, store_record_fn *fn, void *context, bool *ret_is_end)
{
	int r = 0;

	(void)scan;
	REQUIRE(max >= n_sessions);
	for (size_t i = 0; r == 0 && i < n_sessions; i++)
		r = fn(context, sessions[i].sequence, sessions[i].bytes, sessions[i].size);
	*ret_is_end = true;
	return r;
}

/* The check has compared these numbers. */
int __wrap_store_read_table(
	struct store *store, struct saved_table *ret, struct record_totals *ret_totals)
{
	int r;

	(void)store;
	if (!table_record.bytes)
		return -ENOENT;
	r = record_read_table(table_record.bytes, table_record.size, ret, ret_totals);
	if (r < 0)
		return r;
	ret->active = n_sessions;
	ret->totals.created = n_sessions + counters_ended(&ret->totals);
	return 0;
}

/* ---- what its check lets through ---- */

static void seal(struct record *record, const void *key, size_t key_size)
{
	struct record_head head;
	uint32_t sum;

	memcpy(&head, record->bytes, sizeof(head));
	record_seal(record->bytes, record->size, head.fixed_size, key, key_size);
	if (head.fixed_size <= record->size - sizeof(head))
		REQUIRE(record_check(record->bytes, record->size, key, key_size, &sum) == 0);
}

/* Its number is the key, and they come in order. */
static bool take_session(struct record *record)
{
	uint64_t last = n_sessions > 0 ? sessions[n_sessions - 1].sequence : 0;

	if (n_sessions == N_RECORDS ||
		record_check_session(record->bytes, record->size, &record->sequence) < 0 ||
		record->sequence <= last)
		return false;
	seal(record, &record->sequence, sizeof(record->sequence));
	sessions[n_sessions++] = *record;
	return true;
}

static bool is_known(const struct text *name)
{
	struct saved_pool other;
	bool is_same = false;

	for (size_t i = 0; !is_same && i < n_pools; i++) {
		REQUIRE(record_read_pool(pools[i].bytes, pools[i].size, &other) == 0);
		is_same = other.name->length == name->length &&
			  memcmp(other.name->bytes, name->bytes, name->length) == 0;
		saved_pool_deinit(&other);
	}
	return is_same;
}

static bool take_pool(struct record *record)
{
	struct saved_pool pool;
	bool is_taken;

	if (n_pools == N_RECORDS || record_read_pool(record->bytes, record->size, &pool) < 0)
		return false;
	is_taken = !is_known(pool.name);
	if (is_taken) {
		seal(record, pool.name->bytes, pool.name->length);
		pools[n_pools++] = *record;
	}
	saved_pool_deinit(&pool);
	return is_taken;
}

static bool take_table(struct record *record)
{
	struct record_totals totals;
	struct saved_table saved;

	if (table_record.bytes ||
		record_read_table(record->bytes, record->size, &saved, &totals) < 0)
		return false;
	saved_table_deinit(&saved);
	seal(record, RECORD_TABLE_KEY, strlen(RECORD_TABLE_KEY));
	table_record = *record;
	return true;
}

static void take_record(char kind, const uint8_t *bytes, size_t size)
{
	struct record record = {exact_copy(bytes, size), size, 0};
	bool is_taken = false;

	if (size < sizeof(struct record_head))
		is_taken = false;
	else if (kind == 's')
		is_taken = take_session(&record);
	else if (kind == 'p')
		is_taken = take_pool(&record);
	else
		is_taken = take_table(&record);
	if (!is_taken)
		free(record.bytes);
}

static bool is_mark(const uint8_t *at, size_t left)
{
	return left >= MARK_LENGTH && at[0] == '<' && at[2] == '>' && at[1] != 0 &&
	       strchr("spt", at[1]);
}

static void take_all(const uint8_t *data, size_t size)
{
	size_t i = 0, end;

	while (i < size && !is_mark(data + i, size - i))
		i++;
	for (; i < size; i = end) {
		end = i + MARK_LENGTH;
		while (end < size && !is_mark(data + end, size - end))
			end++;
		take_record((char)data[i + 1], data + i + MARK_LENGTH, end - i - MARK_LENGTH);
	}
}

static void forget_all(void)
{
	while (n_sessions > 0)
		free(sessions[--n_sessions].bytes);
	while (n_pools > 0)
		free(pools[--n_pools].bytes);
	free(table_record.bytes);
	table_record.bytes = NULL;
}

/* ---- written again ---- */

static void rewrite_session(struct saved_session *saved)
{
	size_t size = record_session_size(saved);
	void *bytes = malloc(size);
	uint64_t sequence;

	REQUIRE(bytes != NULL);
	if (!saved->is_gone) {
		record_session(saved, bytes);
		REQUIRE(record_check_session(bytes, size, &sequence) == 0);
		REQUIRE(sequence == saved->session->sequence);
		REQUIRE(record_check(bytes, size, &sequence, sizeof(sequence), NULL) == 0);
	}
	free(bytes);
	saved_session_deinit(saved);
}

static void rewrite_pool(struct saved_pool *saved)
{
	size_t size = record_pool_size(saved);
	void *bytes = malloc(size);
	struct saved_pool again;

	REQUIRE(bytes != NULL);
	record_pool(saved, bytes);
	REQUIRE(record_read_pool(bytes, size, &again) == 0);
	saved_pool_deinit(&again);
	saved_pool_deinit(saved);
	free(bytes);
}

static void rewrite_all(void)
{
	struct saved_session some_sessions[PORTION];
	struct saved_pool some_pools[PORTION];
	struct section section;
	size_t n;

	broker_enter(host_server.broker, &section);
	table_mark_everything(section.table);
	while ((n = table_take_dirty_sessions(section.table, some_sessions, PORTION)) > 0)
		while (n > 0)
			rewrite_session(&some_sessions[--n]);
	while ((n = table_take_dirty_pools(section.table, some_pools, PORTION)) > 0)
		while (n > 0)
			rewrite_pool(&some_pools[--n]);
	for (struct pool *p = table_take_dropped_pools(section.table), *next; p; p = next) {
		next = p->next_freed;
		pool_free(p);
	}
	broker_leave(&section);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	host_init(settings);
	host_is_told = true;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > TEXT_MAX)
		return 0;
	take_all(data, size);
	host_begin();
	if (recover(&host_server, NULL, &host_server.loops[0]) == 0) {
		host_turn();
		rewrite_all();
		host_advance(INT64_C(86400000000));
	}
	host_end();
	forget_all();
	return 0;
}
