/* SPDX-License-Identifier: MIT */
/* Pools, their settings, pauses and the drain. */
#include "tests/model/model.h"

#include <string.h>

/* ---- settings ---- */

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

static void draw_settings(struct pool_settings *settings)
{
	settings->limit = 1 + (uint32_t)draw(chance(80) ? 8 : 140) + (model.is_crowded ? 100 : 0);
	settings->max_metadata_bytes = 10 + (uint32_t)draw(30);
	settings->default_timeout_ms = chance(60) ? -1 : 1 + (int64_t)draw(30);
	settings->max_timeout_ms = chance(70) ? -1 : 5 + (int64_t)draw(300);
	settings->max_duration_ms = chance(70) ? -1 : 5 + (int64_t)draw(100);
	settings->on_timeout = chance(60) ? ON_TIMEOUT_RELEASE : ON_TIMEOUT_HOLD;
	draw_waiting(settings);
}

static void decide_waiting(struct pool_settings *s)
{
	s->max_waiters = (uint32_t)DECIDE("max_waiters", 1000, s->max_waiters);
	s->per_uid_waiters = DECIDE("per_uid_waiters", POOL_NO_QUOTA, s->per_uid_waiters);
	s->quotas[BY_UID] = DECIDE("uid_quota", POOL_NO_QUOTA, s->quotas[BY_UID]);
	s->quotas[BY_PROCESS] = DECIDE("process_quota", POOL_NO_QUOTA, s->quotas[BY_PROCESS]);
	s->quotas[BY_LABEL] = DECIDE("label_quota", POOL_NO_QUOTA, s->quotas[BY_LABEL]);
	s->fair_by = (enum dimension)DECIDE("fair_by", BY_UID, s->fair_by);
	s->age_step_ms = DECIDE("age_step_ms", 10000, s->age_step_ms);
	s->starve_after_ms = DECIDE("starve_after_ms", 300000, s->starve_after_ms);
	s->enforce = DECIDE("enforce", true, s->enforce);
}

static struct pool_settings decide_settings(void)
{
	struct pool_settings s = {0};

	if (!script_is_played)
		draw_settings(&s);
	s.limit = (uint32_t)DECIDE("limit", 200, s.limit);
	s.max_metadata_bytes = (uint32_t)DECIDE("max_metadata", 10240, s.max_metadata_bytes);
	s.default_timeout_ms = DECIDE("default_timeout_ms", -1, s.default_timeout_ms);
	s.max_timeout_ms = DECIDE("max_timeout_ms", -1, s.max_timeout_ms);
	s.max_duration_ms = DECIDE("max_duration_ms", -1, s.max_duration_ms);
	s.on_timeout = (enum timeout_policy)DECIDE("on_timeout", ON_TIMEOUT_RELEASE, s.on_timeout);
	decide_waiting(&s);
	if (!s.limit) /* made smaller, it is still one that there can be */
		s.limit = 1;
	return s;
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

static int decide_allow(void)
{
	return (int)DECIDE("allow", 0, chance(85) ? 0 : 1 + (int)draw(3));
}

/* ---- pools ---- */

static void note_set(int p, const struct pool_settings *settings)
{
	if (naive_waiting(p))
		met(CASE_POOL_SET_WITH_WAITERS);
	if (naive.pools[p].is_there && naive.pools[p].is_removed)
		met(CASE_POOL_BACK);
	if (naive_overdue(p) && settings->on_timeout == ON_TIMEOUT_RELEASE)
		met(CASE_HOLD_ENDED);
}

void run_set_pool(void)
{
	int p = (int)DECIDE("pool", NAIVE_DEFAULT_POOL, draw(N_POOLS));
	struct pool_settings settings = decide_settings();
	enum pool_source source = (enum pool_source)DECIDE(
		"source", POOL_RUNTIME, chance(50) ? POOL_FILE : POOL_RUNTIME);
	int allow = decide_allow();

	note_set(p, &settings);
	naive_set_pool(p, &settings, source, allow);
	set_pool(p, &settings, source, allow);
	if (naive_over(p))
		met(CASE_POOL_OVER);
}

/* What the next start finds. */
void run_edit_file(void)
{
	int p = (int)DECIDE("pool", NAIVE_DEFAULT_POOL, draw(N_POOLS));

	model.files[p] = (struct naive_file){.is_there = true, .settings = decide_settings()};
	model.files[p].allow = decide_allow();
}

static int64_t draw_kept(void)
{
	int64_t kept = 0;

	for (int p = 0; p < N_POOLS; p++)
		kept |= (int64_t)chance(80) << p;
	return kept;
}

static void note_removed(int64_t kept)
{
	for (int p = 0; p < N_POOLS; p++) {
		if ((kept >> p & 1) || p == NAIVE_DEFAULT_POOL)
			continue;
		if (naive_waiting(p))
			met(CASE_POOL_REMOVED_WITH_WAITERS);
		if (naive_active(p))
			met(CASE_POOL_REMOVED_WITH_SESSIONS);
	}
}

void run_remove_pools(void)
{
	int64_t kept = DECIDE("kept", 0, draw_kept());
	bool is_kept[N_POOLS];
	const char *keep[N_POOLS + 1];
	size_t n = 0;

	note_removed(kept);
	for (int p = N_POOLS; p-- > 0;) {
		is_kept[p] = kept >> p & 1;
		if (is_kept[p])
			keep[n++] = naive_pool_names[p];
	}
	keep[n++] = "unknown";
	/* The default's spare pool goes either way; naive counts it where it replaces settings. */
	naive_remove_pools(is_kept);
	table_remove_pools(model.table, keep, n,
		make_pool(NAIVE_DEFAULT_POOL, &pool_settings_builtin, POOL_BUILTIN), model_now(),
		&model.change);
}

/* ---- pauses and the drain ---- */

void run_pause(void)
{
	int p = (int)DECIDE("pool", NO_POOL, chance(15) ? NO_POOL : (int)draw(N_POOLS));
	const char *name = p == NO_POOL ? NULL : naive_pool_names[p];
	int64_t for_us = DECIDE("for_us", INT64_MAX, chance(20) ? INT64_MAX : draw(20) * 500);
	int number = (int)DECIDE("reason", NO_TEXT, chance(30) ? NO_TEXT : (int)draw(20));
	struct text *reason = make_text(number);
	bool is_there = p == NO_POOL || naive.pools[p].is_there;
	int status = is_there ? 0 : STATUS_NO_SUCH_POOL;

	if (is_there)
		naive_set_pause(p, for_us, number);
	EXPECT(table_pause(model.table, name, name ? strlen(name) : 0, for_us, reason, model_now(),
		       &model.change),
		status);
	came(status);
	text_unref(reason);
}

void run_resume(void)
{
	int p = (int)DECIDE("pool", NO_POOL, chance(40) ? NO_POOL : (int)draw(N_POOLS));
	const char *name = p == NO_POOL ? NULL : naive_pool_names[p];
	bool is_there = p == NO_POOL || naive.pools[p].is_there;
	int status = is_there ? 0 : STATUS_NO_SUCH_POOL;

	if (p == NO_POOL && naive.is_draining)
		met(CASE_UNDRAINED);
	if (is_there)
		naive_resume(p);
	EXPECT(table_resume(model.table, name, name ? strlen(name) : 0, model_now(), &model.change),
		status);
	came(status);
}

void run_drain(void)
{
	if (!naive.is_draining && naive_waiting(NO_POOL))
		met(CASE_DRAINED_WITH_WAITERS);
	table_drain(model.table, model_now(), &model.change);
	naive.is_draining = true;
}
