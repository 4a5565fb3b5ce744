/* SPDX-License-Identifier: MIT */
#include "daemon/store_check.h"

#include "daemon/record.h"

#include <errno.h>

struct found {
	uint64_t id;
	uint32_t sum;
};

static int read_record(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct found *found = context;

	if (record_check(bytes, size, &sequence, sizeof(sequence), &found->sum) < 0)
		return -EUCLEAN;
	return record_read_session_id(bytes, size, &found->id);
}

/* A negated errno if nothing can be said of it. */
static int check_session(
	struct store_check *check, struct store *store, const struct stored_session *session)
{
	struct found found;
	int r = store_read_session(store, session->sequence, read_record, &found);

	if (r == -ENOENT)
		check->missing++;
	else if (r == -EUCLEAN || r == -EBADMSG)
		check->damaged++;
	else if (r < 0)
		return r;
	else if (found.sum != session->sum || found.id != session->id)
		check->different++;
	return 0;
}

static int check_portion(struct store_check *check, struct store *store)
{
	const struct stored_portion *portion = &check->portion;
	struct store_audit *audit = check->audit;
	int r = 0;

	audit->position = portion->position;
	audit->n += portion->n + portion->n_ended;
	audit->sums += portion->ended_sums;
	for (size_t i = 0; i < portion->n; i++)
		audit->sums += portion->sessions[i].sum;
	for (size_t i = 0; r == 0 && i < portion->n; i++)
		r = check_session(check, store, &portion->sessions[i]);
	return r;
}

static int read_totals(struct store_check *check, struct store *store)
{
	struct saved_table table;
	struct record_totals totals;
	int r = store_read_table(store, &table, &totals);

	if (r < 0)
		return r;
	check->in_store = store_count(store);
	check->active = table.active;
	check->recorded_sums = totals.session_sums;
	saved_table_deinit(&table);
	return 0;
}

static int go_on(struct store_check *check, struct broker *broker, struct store *store)
{
	struct section section;
	int r;

	broker_enter(broker, &section);
	table_stored_after(section.table, check->audit->position, &check->portion);
	broker_leave(&section);
	r = check_portion(check, store);
	if (r < 0)
		return r;
	if (check->portion.position < UINT64_MAX)
		return 1;
	check->found = check->audit->n;
	check->found_sums = check->audit->sums;
	return read_totals(check, store);
}

int store_check_go_on(struct store_check *check, struct broker *broker, struct store *store)
{
	int r;

	if (!check->audit)
		check->audit = store_audit_begin(store);
	if (!check->audit)
		return -ENOMEM;
	r = go_on(check, broker, store);
	if (r <= 0)
		store_check_end(check);
	return r;
}

void store_check_end(struct store_check *check)
{
	if (check->audit)
		store_audit_end(check->audit);
	check->audit = NULL;
}
