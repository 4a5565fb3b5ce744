/* SPDX-License-Identifier: MIT */
/* Commits to a store, and a store that is not well. */
#include "tests/model/model.h"

#include <string.h>

#define PORTION 64

/* ---- commits ---- */

/* Whoever has done something that is to be stored is told to wait for it by the number of the
 * section that changed something last. */
static void expect_section(void)
{
	uint64_t changed = table_changed(model.table);

	EXPECT(changed <= table_section(model.table), true);
	if (!model.is_section_new && naive_has_changed())
		EXPECT(changed > model.section, true);
	model.section = table_section(model.table);
	model.is_section_new = false;
}

void commit(void)
{
	size_t portion = (size_t)DECIDE("portion", PORTION, 1 + draw(PORTION));

	expect_section();
	list_store_commit(&model.store, model.table, portion ? portion : 1);
	naive_commit();
}

void begin_keeping(void)
{
	naive.keeps_changes = true;
	table_keep_changes(model.table);
	model.is_section_new = true;
}

void run_commit(void)
{
	if (!naive.keeps_changes)
		return;
	commit();
	came(STATUS_OK);
}

static void note_undone(void)
{
	for (size_t i = 0; i < naive.n_live; i++)
		if (!naive_waits(&naive.live[i]) && !naive.live[i].is_stored)
			met(naive.live[i].waiter == NO_WAITER ? CASE_UNDONE : CASE_UNDONE_GRANT);
	if (naive.n_stored_ends)
		met(CASE_STORED_END_NOT_STORED);
}

void run_fail_commit(void)
{
	if (!naive.keeps_changes)
		return;
	note_undone();
	list_store_fail(&model.store, model.table, model_now(), &model.change);
	naive_fail();
	came(STATUS_OK);
}

/* ---- trouble ---- */

enum { WELL, AWAY, SOON_WITHOUT_FENCES };

static int draw_trouble(bool is_well)
{
	if (!is_well)
		return WELL;
	return chance(85) ? -1 : chance(50) ? AWAY : SOON_WITHOUT_FENCES;
}

/* Away for a while, or soon without fences; then well again. */
void run_store_trouble(void)
{
	bool is_well = !naive.cannot_store && naive.fence_limit == UINT64_MAX;
	int trouble = (int)DECIDE("trouble", WELL, draw_trouble(is_well));
	uint64_t left = (uint64_t)DECIDE("fences", 0, draw(10));

	if (trouble < 0)
		return;
	naive.cannot_store = trouble == AWAY;
	naive.fence_limit = trouble == SOON_WITHOUT_FENCES ? naive.next_fence + left : UINT64_MAX;
	if (trouble == SOON_WITHOUT_FENCES && !left)
		met(CASE_FENCES_RESERVED_USED_UP);
	table_set_storing(model.table, !naive.cannot_store);
	table_set_fence_limit(model.table, naive.fence_limit);
}

/* The file is lost: all there is goes into another one. */
void run_begin_anew(void)
{
	if (!naive.keeps_changes)
		return;
	list_store_deinit(&model.store);
	table_mark_everything(model.table);
	naive.n_stored_ends = 0;
	commit();
	met(CASE_BEGUN_ANEW);
	came(STATUS_OK);
}

/* ---- the store against the table ---- */

static const struct list_record *find_record(uint64_t sequence)
{
	for (size_t i = 0; i < model.store.sessions.count; i++)
		if (model.store.sessions.items[i].sequence == sequence)
			return &model.store.sessions.items[i];
	return NULL;
}

static void verify_session(const struct stored_session *session)
{
	const struct list_record *record = find_record(session->sequence);
	uint64_t id;

	EXPECT(record != NULL, true);
	EXPECT(record_read_session_id(record->bytes, record->size, &id), 0);
	EXPECT(session->id, id);
	EXPECT(session->sum, record_sum(record->bytes));
}

/* What is stored is what was live at the last commit, and has ended since or is as it was, or is
 * marked to be stored again. */
void run_verify(void)
{
	static struct stored_portion portion;
	uint64_t n = 0, n_ended = 0;

	if (!naive.keeps_changes)
		return;
	for (portion.position = 0; portion.position < UINT64_MAX;) {
		table_stored_after(model.table, portion.position, &portion);
		for (size_t i = 0; i < portion.n; i++)
			verify_session(&portion.sessions[i]);
		n += portion.n;
		n_ended += portion.n_ended;
	}
	EXPECT(n_ended, naive.n_stored_ends);
	EXPECT(n + n_ended, model.store.sessions.count);
	EXPECT(model.store.sessions.count, naive_stored_active());
	came(STATUS_OK);
}
