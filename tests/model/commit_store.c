/* SPDX-License-Identifier: MIT */
/* A store in memory with transactions, in place of daemon/store.c. */
#include "tests/model/commit_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PUTS_MAX 1024

struct put {
	struct list_record record; /* without bytes: to be deleted */
	bool is_pool;
	struct session *session; /* whose sum it has changed from */
	uint32_t old_sum;
};

static struct transaction {
	struct put puts[PUTS_MAX];
	size_t n;
	void *table;
	size_t table_size;
} transaction;

/* ---- where things happen ---- */

static int reach(enum stage stage)
{
	if (sim.other_at == stage) {
		sim.other_at = NEVER;
		sim.is_inside = true;
		do_meanwhile();
		sim.is_inside = false;
	}
	if (sim.stops_at == stage && sim.stops_in-- == 0) {
		met(sim.is_recovering           ? SIM_STOPPED_IN_RECOVERY
			: stage == AFTER_COMMIT ? SIM_STOPPED_AFTER
						: SIM_STOPPED_BEFORE);
		stop_machine();
	}
	return sim.fails_at == stage ? sim.error : 0;
}

static int failed(int r)
{
	if (r < 0) {
		sim.has_failed = true;
		sim.has_come_up = false;
		met(SIM_FAILED);
	}
	return r;
}

/* ---- records ---- */

static struct list_record *find(struct list_records *records, const struct list_record *like)
{
	for (size_t i = 0; i < records->count; i++)
		if (records->items[i].sequence == like->sequence &&
			records->items[i].key_length == like->key_length &&
			!memcmp(records->items[i].key, like->key, like->key_length))
			return &records->items[i];
	return NULL;
}

static void add(struct list_records *records, const struct list_record *record)
{
	size_t at = records->count;

	if (records->count == records->capacity) {
		records->capacity = records->capacity ? 2 * records->capacity : 16;
		records->items =
			realloc(records->items, records->capacity * sizeof(*records->items));
	}
	while (at && records->items[at - 1].sequence > record->sequence)
		at--;
	memmove(&records->items[at + 1], &records->items[at],
		(records->count++ - at) * sizeof(*records->items));
	records->items[at] = *record;
}

static void drop(struct list_records *records, struct list_record *record)
{
	free(record->bytes);
	memmove(record, record + 1,
		(size_t)(&records->items[--records->count] - record) * sizeof(*record));
}

static void apply(const struct put *put)
{
	struct list_records *records = put->is_pool ? &sim.durable.pools : &sim.durable.sessions;
	struct list_record *there = find(records, &put->record);

	EXPECT(put->record.bytes || there, true); /* what is deleted is there */
	if (there)
		drop(records, there);
	if (put->record.bytes)
		add(records, &put->record);
}

int64_t stored_version(uint32_t number)
{
	struct record_session_view view;
	int64_t version = -1;

	for (size_t i = 0; i < sim.durable.sessions.count; i++) {
		const struct list_record *record = &sim.durable.sessions.items[i];
		uint64_t id;

		EXPECT(record_read_session_id(record->bytes, record->size, &id), 0);
		if (id != number + 1)
			continue;
		EXPECT(version, -1);
		EXPECT(record_read_session(record->bytes, record->size, &view), 0);
		version = text_length(view.session->metadata);
		session_unref(view.session);
	}
	return version;
}

/* ---- one transaction ---- */

static struct put *add_put(void)
{
	if (transaction.n == PUTS_MAX)
		abort();
	transaction.puts[transaction.n] = (struct put){0};
	return &transaction.puts[transaction.n++];
}

static void change_sum(struct put *put, struct session *session, uint32_t sum)
{
	put->session = session;
	put->old_sum = session->stored_sum;
	session->stored_sum = sum;
}

void forget_transaction(void)
{
	for (size_t i = 0; i < transaction.n; i++)
		free(transaction.puts[i].record.bytes);
	free(transaction.table);
	transaction.table = NULL;
	transaction.n = 0;
}

int store_begin(struct store *store)
{
	(void)store;
	forget_transaction();
	sim.n_begun += !sim.begins_again;
	sim.begins_again = false;
	return failed(reach(AT_BEGIN));
}

void store_abort(struct store *store)
{
	(void)store;
	while (transaction.n) {
		struct put *put = &transaction.puts[--transaction.n];

		free(put->record.bytes);
		if (put->session)
			put->session->stored_sum = put->old_sum;
	}
	forget_transaction();
}

int store_put_session(struct store *store, const struct saved_session *saved)
{
	int r = reach(AT_PUT);
	struct put *put;

	(void)store;
	if (r < 0)
		return failed(r);
	put = add_put();
	put->record.sequence = saved->session->sequence;
	put->record.size = record_session_size(saved);
	put->record.bytes = malloc(put->record.size);
	change_sum(put, saved->session, record_session(saved, put->record.bytes));
	return 0;
}

int store_delete_session(struct store *store, struct session *session)
{
	struct put *put;

	(void)store;
	if (!session->stored_sum)
		return 0;
	put = add_put();
	put->record.sequence = session->sequence;
	change_sum(put, session, 0);
	return 0;
}

int store_put_pool(struct store *store, const struct saved_pool *saved)
{
	struct put *put = add_put();

	(void)store;
	put->is_pool = true;
	put->record.key_length = saved->name->length;
	memcpy(put->record.key, saved->name->bytes, saved->name->length);
	put->record.size = record_pool_size(saved);
	put->record.bytes = malloc(put->record.size);
	record_pool(saved, put->record.bytes);
	return 0;
}

int store_delete_pool(struct store *store, const char *name, size_t length)
{
	(void)store, (void)name, (void)length;
	abort(); /* none ever leaves */
}

int store_put_table(struct store *store, const struct saved_table *saved, int64_t stalled_us)
{
	const struct record_totals totals = {.stalled_us = stalled_us};

	(void)store;
	transaction.table_size = record_table_size(saved);
	transaction.table = malloc(transaction.table_size);
	record_table(saved, &totals, transaction.table);
	return 0;
}

int store_commit(struct store *store)
{
	int r = reach(AT_COMMIT);

	if (r < 0) {
		store_abort(store);
		return failed(r);
	}
	for (size_t i = 0; i < transaction.n; i++)
		apply(&transaction.puts[i]);
	free(sim.durable.table.bytes);
	sim.durable.table.bytes = transaction.table;
	sim.durable.table.size = transaction.table_size;
	transaction.table = NULL;
	transaction.n = 0;
	sim.last_committed = sim.n_begun;
	sim.is_anew = false;
	sim.has_come_up = sim.has_failed;
	reach(AFTER_COMMIT);
	return 0;
}

/* ---- room, and none ---- */

bool store_is_out_of_room(const struct store *store)
{
	(void)store;
	return sim.error == -ENOSPC;
}

bool store_grow(struct store *store)
{
	(void)store;
	if (!sim.growth)
		return false;
	sim.growth--;
	sim.begins_again = sim.fails_at != NEVER;
	sim.fails_at = NEVER;
	sim.is_full = false;
	met(SIM_GREW);
	return true;
}

bool store_make_room(struct store *store)
{
	return store_grow(store);
}

struct store_room store_room(const struct store *store)
{
	(void)store;
	if (sim.is_full)
		met(SIM_FULL);
	return (struct store_room){.is_full = sim.is_full};
}

bool store_is_lost(int error)
{
	return error == -EUCLEAN;
}

int store_begin_anew(struct store *store)
{
	if (sim.fails_at != NEVER && !store_is_lost(sim.error))
		return sim.error;
	store_abort(store);
	list_store_deinit(&sim.durable);
	sim.fails_at = NEVER;
	sim.is_anew = true;
	met(SIM_BEGUN_ANEW);
	return 0;
}

void store_close(struct store *store)
{
	(void)store;
	forget_transaction();
}

const char *store_error(int error)
{
	return strerror(-error);
}
