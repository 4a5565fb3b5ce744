/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

#include <string.h>

/* ---- pools ---- */

static void draw_waiting(struct pool_settings *settings)
{
	settings->max_waiters = (uint32_t)draw(chance(90) ? 20 : 4);
	settings->per_uid_waiters = chance(70) ? POOL_NO_QUOTA : (int64_t)draw(6);
	for (int i = 0; i < DIMENSIONS; i++)
		settings->quotas[i] = chance(75) ? POOL_NO_QUOTA : (int64_t)draw(6);
	settings->fair_by = draw(4);
	settings->age_step_ms = chance(30) ? 0 : (int64_t)draw(chance(50) ? 4 : 40);
	settings->starve_after_ms = chance(30) ? -1 : (int64_t)draw(chance(50) ? 4 : 60);
	settings->enforce = !chance(15);
}

static struct pool_settings draw_settings(void)
{
	struct pool_settings settings = {0};

	settings.limit = 1 + (uint32_t)draw(chance(80) ? 8 : 140) + (model.is_crowded ? 100 : 0);
	settings.max_metadata_bytes = 10 + (uint32_t)draw(30);
	settings.default_timeout_ms = chance(60) ? -1 : 1 + (int64_t)draw(30);
	settings.max_timeout_ms = chance(70) ? -1 : 5 + (int64_t)draw(300);
	settings.max_duration_ms = chance(70) ? -1 : 5 + (int64_t)draw(100);
	settings.on_timeout = chance(60) ? ON_TIMEOUT_RELEASE : ON_TIMEOUT_HOLD;
	draw_waiting(&settings);
	return settings;
}

/* As naive_allows() has them. */
static struct allow_list *make_allow(int number)
{
	static const struct allowed lists[][2] = {
		{{.id = 1000}},
		{{.is_group = true, .id = 5000}, {.id = 1001}},
		{{.is_group = true, .id = 1000}},
	};
	size_t count = number == 2 ? 2 : 1;
	struct allow_list *list = number ? allow_list_new(count) : NULL;

	for (size_t i = 0; list && i < count; i++) {
		list->entries[i] = lists[number - 1][i];
		list->entries[i].name = text_new("name", 4);
	}
	return list;
}

static struct pool *make_pool(int p, const struct pool_settings *settings, enum pool_source source)
{
	return pool_new(naive_pool_names[p], strlen(naive_pool_names[p]), settings, source);
}

void set_pool(int p, const struct pool_settings *settings, enum pool_source source, int allow)
{
	struct pool_settings with_list = *settings;

	with_list.allow = make_allow(allow);
	table_set_pool(model.table, make_pool(p, &with_list, source), model_now(), &model.change);
	allow_list_unref(with_list.allow);
}

void run_set_pool(void)
{
	int p = (int)draw(N_POOLS);
	struct pool_settings settings = draw_settings();
	enum pool_source source = chance(50) ? POOL_FILE : POOL_RUNTIME;
	int allow = chance(85) ? 0 : 1 + (int)draw(3);

	naive_set_pool(p, &settings, source, allow);
	set_pool(p, &settings, source, allow);
}

void run_remove_pools(void)
{
	bool is_kept[N_POOLS];
	const char *keep[N_POOLS + 1];
	size_t n = 0;

	for (int p = N_POOLS; p-- > 0;) {
		is_kept[p] = chance(80);
		if (is_kept[p])
			keep[n++] = naive_pool_names[p];
	}
	keep[n++] = "unknown";
	/* The default's spare pool goes either way; naive counts it where it replaces settings. */
	naive_remove_pools(is_kept);
	table_remove_pools(model.table, keep, n, make_pool(2, &pool_settings_builtin, POOL_BUILTIN),
		model_now(), &model.change);
}

void run_pause(void)
{
	int p = chance(15) ? NO_POOL : (int)draw(N_POOLS);
	const char *name = p == NO_POOL ? NULL : naive_pool_names[p];
	int64_t for_us = chance(20) ? INT64_MAX : (int64_t)draw(20) * 500;
	int number = chance(30) ? NO_TEXT : (int)draw(20);
	struct text *reason = make_text(number);
	bool is_there = p == NO_POOL || naive.pools[p].is_there;

	if (is_there)
		naive_set_pause(p, for_us, number);
	EXPECT(table_pause(model.table, name, name ? strlen(name) : 0, for_us, reason, model_now(),
		       &model.change),
		is_there ? 0 : STATUS_NO_SUCH_POOL);
	text_unref(reason);
}

void run_resume(void)
{
	int p = chance(40) ? NO_POOL : (int)draw(N_POOLS);
	const char *name = p == NO_POOL ? NULL : naive_pool_names[p];
	bool is_there = p == NO_POOL || naive.pools[p].is_there;

	if (is_there)
		naive_resume(p);
	EXPECT(table_resume(model.table, name, name ? strlen(name) : 0, model_now(), &model.change),
		is_there ? 0 : STATUS_NO_SUCH_POOL);
}

void run_drain(void)
{
	if (chance(50))
		return;
	table_drain(model.table, model_now(), &model.change);
	naive.is_draining = true;
}

void run_view_pools(void)
{
	struct pool_view views[N_POOLS];
	int after = (int)draw(N_POOLS);
	size_t max = draw(N_POOLS + 1);
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
}

/* ---- reading ---- */

static struct list_filter draw_filter(char label[16], int *ret_label)
{
	struct list_filter filter = {0};

	filter.pool = chance(70) ? NULL : naive_pool_names[draw(N_POOLS)];
	filter.uid = chance(70) ? -1 : (int64_t)naive_peers[draw_peer()].uid;
	filter.pid = chance(80) ? -1 : naive_peers[draw_peer()].pid;
	filter.state = chance(70) ? -1 : (int)draw(3);
	filter.only_visible = chance(20);
	*ret_label = chance(70) ? NO_TEXT : (int)draw(3);
	filter.pool_length = filter.pool ? strlen(filter.pool) : 0;
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
	struct list_filter filter = draw_filter(label, &number);
	int peer = draw_peer();
	uint64_t after = draw(naive.next_sequence) * (uint64_t)chance(70);
	size_t scan = 1 + draw(60), max = 1 + draw(10);
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
	EXPECT(last > 0 && looked == 0, false);
}

void run_history(void)
{
	struct session_view views[NAIVE_HISTORY];
	int peer = draw_peer();
	size_t skip = draw(NAIVE_HISTORY + 1), max = draw(NAIVE_HISTORY);
	size_t n = table_history(model.table, &model.owners[peer], skip, views, max);
	size_t left = naive.n_history > skip ? naive.n_history - skip : 0;

	EXPECT(n, left < max ? left : max);
	for (size_t i = 0; i < n; i++) {
		compare_view(&views[i], &naive.history[left - 1 - i], peer);
		hold_view(&views[i], &naive.history[left - 1 - i]);
	}
}

void run_audit(void)
{
	size_t i = draw(N_AUDITS);
	bool is_last;

	if (!model.is_auditing[i])
		table_audit_begin(model.table, &model.audits[i]);
	model.is_auditing[i] = true;
	is_last = !naive.n_live || table_audit_step(model.table, &model.audits[i], 1 + draw(5));
	if (!is_last && model.audits[i].position >= naive.live[naive.n_live - 1].sequence)
		fail(__FILE__, __LINE__, "the audit has an end", 0, 1);
	if (!is_last || chance(30))
		return;
	EXPECT(model.audits[i].active, naive_active(NO_POOL));
	table_audit_end(&model.audits[i]);
	model.is_auditing[i] = false;
}

void run_reset(void)
{
	table_reset_metrics(model.table);
	naive_reset();
}
