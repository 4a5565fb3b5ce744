/* SPDX-License-Identifier: MIT */
/* Operations that only look. */
#include "tests/model/model.h"

#include <string.h>

/* ---- pools ---- */

static void view_one(int p)
{
	struct pool_view view;
	int status = naive.pools[p].is_there ? 0 : STATUS_NO_SUCH_POOL;

	EXPECT(table_view_pool(model.table, naive_pool_names[p], strlen(naive_pool_names[p]),
		       model_now(), &view),
		status);
	came(status);
	if (status)
		return;
	compare_pool_view(&view, p);
	pool_view_deinit(&view);
}

void run_view_pools(void)
{
	struct pool_view views[N_POOLS];
	int after = (int)DECIDE("pool", 0, draw(N_POOLS));
	size_t max = (size_t)DECIDE("portion", N_POOLS, draw(N_POOLS + 1));
	size_t n = table_view_pools(model.table, naive_pool_names[after], model_now(), views, max);
	size_t i = 0;

	for (int p = after + 1; p < N_POOLS && i < max; p++) {
		if (!naive.pools[p].is_there)
			continue;
		EXPECT(i < n, true);
		compare_pool_view(&views[i], p);
		pool_view_deinit(&views[i++]);
	}
	EXPECT(n, i);
	view_one(after);
}

/* ---- sessions ---- */

static struct list_filter decide_filter(char label[16], int *ret_label)
{
	struct list_filter filter = {0};
	int64_t pool = DECIDE("pool", NO_POOL, chance(70) ? NO_POOL : (int)draw(N_POOLS));
	int64_t user = DECIDE("of_user", NO_PEER, chance(70) ? NO_PEER : draw_peer());
	int64_t process = DECIDE("process", NO_PEER, chance(80) ? NO_PEER : draw_peer());

	filter.pool = pool == NO_POOL ? NULL : naive_pool_names[pool];
	filter.pool_length = filter.pool ? strlen(filter.pool) : 0;
	filter.uid = user == NO_PEER ? -1 : (int64_t)naive_peers[user].uid;
	filter.pid = process == NO_PEER ? -1 : naive_peers[process].pid;
	filter.state = (int)DECIDE("state", -1, chance(70) ? -1 : (int)draw(3));
	filter.only_visible = DECIDE("only_visible", false, chance(20));
	*ret_label = (int)DECIDE("label", NO_TEXT, chance(70) ? NO_TEXT : (int)draw(3));
	if (*ret_label != NO_TEXT) {
		make_label(*ret_label, label, 16);
		filter.label = label;
		filter.label_length = strlen(label);
	}
	return filter;
}

static bool naive_matches(
	const struct naive_session *session, const struct list_filter *filter, int label, int peer)
{
	if (filter->pool && strcmp(filter->pool, naive_pool_names[session->pool]))
		return false;
	if (filter->uid != -1 && filter->uid != naive_peers[session->creator].uid)
		return false;
	if (filter->pid != -1 && filter->pid != naive_peers[session->process].pid)
		return false;
	if (filter->state != -1 && (enum session_state)filter->state != session->state)
		return false;
	if (label != NO_TEXT && (session->label != label || !naive_may_act(session, peer)))
		return false;
	return !filter->only_visible || naive_may_act(session, peer);
}

/* However far the page looked: what matches up to there, and no more rows than allowed. */
void run_page(void)
{
	struct session_view views[10];
	char label[16];
	int number;
	struct list_filter filter = decide_filter(label, &number);
	int peer = (int)DECIDE("peer", 0, draw_peer());
	uint64_t after =
		(uint64_t)DECIDE("from", 0, draw(naive.next_sequence) * (uint64_t)chance(70));
	size_t scan = (size_t)DECIDE("scan", 60, 1 + draw(60));
	size_t max = (size_t)DECIDE("portion", 10, 1 + draw(10));
	uint64_t last = UINT64_MAX;
	size_t n = table_page(model.table, &model.owners[peer], &filter, after, scan, model_now(),
		views, max, &last);
	size_t found = 0, looked = 0;

	for (size_t i = 0; i < naive.n_live; i++) {
		const struct naive_session *session = &naive.live[i];

		if (session->sequence <= after || (last && session->sequence > last))
			continue;
		looked++;
		if (!naive_matches(session, &filter, number, peer))
			continue;
		EXPECT(found < n, true);
		compare_view(&views[found], session, peer);
		hold_view(&views[found++], session);
	}
	EXPECT(n, found);
	EXPECT(n <= max && looked <= scan, true);
	EXPECT(last > 0 && looked == 0 && scan && max, false);
	came(last ? CAME_TRUE : CAME_FALSE);
}

void run_history(void)
{
	struct session_view views[NAIVE_HISTORY];
	int peer = (int)DECIDE("peer", 0, draw_peer());
	size_t skip = (size_t)DECIDE("skip", 0, draw(NAIVE_HISTORY + 1));
	size_t max = (size_t)DECIDE("portion", NAIVE_HISTORY, draw(NAIVE_HISTORY));
	size_t n = table_history(model.table, &model.owners[peer], skip, views, max);
	size_t left = naive.n_history > skip ? naive.n_history - skip : 0;

	EXPECT(n, left < max ? left : max);
	for (size_t i = 0; i < n; i++) {
		compare_view(&views[i], &naive.history[left - 1 - i], peer);
		hold_view(&views[i], &naive.history[left - 1 - i]);
	}
}

/* ---- recounting ---- */

static void begin_audit(size_t i)
{
	table_audit_begin(model.table, &model.audits[i]);
	model.audit_created[i] = naive.totals.created;
	model.is_auditing[i] = true;
}

static void end_audit(size_t i)
{
	EXPECT(model.audits[i].active, naive_active(NO_POOL));
	if (model.audit_created[i] != naive.totals.created)
		met(CASE_AUDIT_OVERTAKEN);
	table_audit_end(&model.audits[i]);
	model.is_auditing[i] = false;
}

void run_audit(void)
{
	size_t i = (size_t)DECIDE("audit", 0, draw(N_AUDITS));
	size_t portion = (size_t)DECIDE("portion", 5, 1 + draw(5));
	bool goes_on = DECIDE("goes_on", false, chance(70));
	bool is_last;

	if (!model.is_auditing[i])
		begin_audit(i);
	is_last = !naive.n_live || table_audit_step(model.table, &model.audits[i], portion);
	if (!is_last && model.audits[i].position >= naive.live[naive.n_live - 1].sequence)
		fail(__FILE__, __LINE__, "the audit has an end", 0, 1);
	came(is_last ? CAME_FALSE : CAME_TRUE);
	if (is_last && !goes_on)
		end_audit(i);
}

void run_reset(void)
{
	table_reset_metrics(model.table);
	naive_reset();
}

void run_report_ends(void)
{
	model.is_told_ends = !model.is_told_ends;
	table_report_ends(model.table, model.is_told_ends);
}
