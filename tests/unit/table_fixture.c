/* SPDX-License-Identifier: MIT */
#include "tests/unit/table_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct table *table;
struct table_time now;
struct table_change change;
size_t n_freed_sessions;
size_t n_freed_pools;
struct owner alice, alice_again, alice_other, bob, carol, nobody, nobody_else, foreign, root;
uint64_t rung;
struct create_result created;
struct session_ref ref;
int64_t expires_wall_us;
int64_t duration_us;

static struct owner *const owners[] = {
	&alice, &alice_again, &alice_other, &bob, &carol, &nobody, &nobody_else, &foreign, &root};
static struct session_view last_view;
static struct pool_view last_pool_view;
static uint64_t next_id;

/* ---- life ---- */

static void init_owner(struct owner *owner, uint32_t uid, int32_t pid, const char *comm)
{
	struct text *unit = text_new(comm, strlen(comm));

	owner_init(owner);
	owner->peer.uid = uid;
	owner->peer.gid = uid;
	owner->peer.pid = pid;
	owner->peer.is_admin = uid == 0;
	owner->peer.identity = identity_new(pid, pid ? (uint64_t)pid * 10 : 0, comm, unit);
	text_unref(unit);
}

static void new_table(uint32_t history_limit)
{
	struct table_options options = {
		.hash_seed = {1, 2}, .first_fence = FENCE, .history_limit = history_limit};

	table = table_new(&options);
	ck_assert_ptr_nonnull(table);
}

void fixture_setup(void)
{
	now = (struct table_time){1000 * SECOND_US, INT64_C(1000000000000000)};
	next_id = 1;
	init_owner(&alice, 1000, 100, "alice");
	init_owner(&alice_again, 1000, 100, "again");
	init_owner(&alice_other, 1000, 101, "other");
	init_owner(&bob, 1001, 200, "bob");
	init_owner(&carol, 1002, 201, "carol");
	init_owner(&nobody, SESSION_OVERFLOW_UID, 300, "nobody");
	init_owner(&nobody_else, SESSION_OVERFLOW_UID, 301, "else");
	init_owner(&foreign, 1000, IDENTITY_PID_UNKNOWN, "foreign");
	init_owner(&root, 0, 1, "root");
	inbox_init(&inbox, INBOX_INDEX);
	table_change_init(&change);
	new_table(HISTORY);
}

static void free_views(void)
{
	session_view_deinit(&created.session);
	create_refusal_deinit(&created.refusal);
	session_view_deinit(&last_view);
	session_view_deinit(&granted);
	pool_view_deinit(&last_pool_view);
}

void fixture_teardown(void)
{
	free_views();
	free_processes();
	table_free(table);
	free_waiters();
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
		peer_deinit(&owners[i]->peer);
}

void fixture_crash(void)
{
	free_views();
	free_processes();
	table_free(table);
	free_waiters();
	list_init(&inbox.decided);
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
		list_init(&owners[i]->sessions);
	new_table(HISTORY);
}

void fixture_without_history(void)
{
	table_free(table);
	new_table(0);
}

void advance_ms(int64_t ms)
{
	now.now_us += ms * 1000;
	now.wall_us += ms * 1000;
}

void give_wanted(void)
{
	struct table_wants wants;
	struct table_supply supply;

	if (!table_wants(table, &wants))
		return;
	table_supply_init(&supply, &wants);
	table_give(table, &wants, &supply);
	table_supply_deinit(&supply);
}

/* As the daemon: what waits for memory is tried again once there is some. */
static void pump_dry(void)
{
	for (int i = 0; i < 10000 && table_pump(table, now, 1, &change); i++)
		give_wanted();
	ck_assert(!table_pump(table, now, 1, &change));
}

static void count_freed(void)
{
	n_freed_sessions = 0;
	n_freed_pools = 0;
	for (struct session *s = change.sessions; s; s = s->next_freed)
		n_freed_sessions++;
	for (struct pool *p = change.pools; p; p = p->next_freed)
		n_freed_pools++;
	rung = change.ring;
	change.ring = 0;
}

void check_invariants(void)
{
	const char *broken = table_check(table);

	ck_assert_msg(!broken, "%s", broken);
}

int64_t operate(int64_t result)
{
	pump_dry();
	check_invariants();
	count_freed();
	take_idle_processes();
	table_change_deinit(&change);
	give_wanted();
	return result;
}

/* ---- creating ---- */

static struct text *text_or_null(const char *string)
{
	return string ? text_new(string, strlen(string)) : NULL;
}

static struct session *make_session(const struct wish *wish)
{
	struct text *metadata = text_or_null(wish->metadata);
	struct text *label = text_or_null(wish->label);
	struct session_params params = {
		.id = wish->id ? wish->id : next_id,
		.fingerprint = wish->fingerprint,
		.priority = wish->priority,
		.label = label,
		.units = wish->units ? wish->units : 1,
		.metadata = metadata,
	};
	char request_id[32];
	struct session *fresh;

	snprintf(request_id, sizeof(request_id), "req_%016llx", (unsigned long long)next_id++);
	params.request_id = wish->request_id ? wish->request_id : request_id;
	params.request_id_length = strlen(params.request_id);
	fresh = session_new(&params);
	text_unref(metadata);
	text_unref(label);
	return fresh;
}

static int64_t wished_timeout(const struct wish *wish)
{
	if (!wish->timeout_ms)
		return CREATE_TIMEOUT_ABSENT;
	return wish->timeout_ms == TIMEOUT_ZERO ? 0 : wish->timeout_ms;
}

static int64_t wished_wait(const struct wish *wish)
{
	return wish->wait_ms < 0 ? WAIT_FOR_EVER : wish->wait_ms * 1000;
}

int create(const struct wish *wish)
{
	struct create_request request = {
		.pool = wish->pool ? wish->pool : POOL_DEFAULT_NAME,
		.caller = wish->owner ? wish->owner : &alice,
		.owner_kind = wish->process ? OWNER_PROCESS : wish->kind,
		.process = wish->process ? make_process(wish->process) : NULL,
		.timeout_ms = wished_timeout(wish),
		.wait_us = wished_wait(wish),
		.waiter = wish->wait_ms ? make_waiter() : NULL,
		.inbox = &inbox,
		.fresh = make_session(wish),
	};
	int status;

	request.pool_length = strlen(request.pool);
	session_view_deinit(&created.session);
	create_refusal_deinit(&created.refusal);
	status = table_create(table, &request, now, &created, &change);
	if (status == -EEXIST || status == -ENOBUFS) {
		session_unref(request.fresh);
		if (request.process)
			change_process_back(request.process);
	}
	return (int)operate(status);
}

uint64_t take(const struct wish *wish)
{
	ck_assert_int_eq(create(wish), 0);
	return created.session.session->id;
}

/* ---- operations ---- */

static struct session_ref *refer(struct owner *caller, uint64_t id)
{
	ref = (struct session_ref){.id = id, .caller = caller};
	return &ref;
}

int start(struct owner *caller, uint64_t id)
{
	return (int)operate(table_start(table, refer(caller, id), now, &expires_wall_us, &change));
}

int renew(struct owner *caller, uint64_t id, int64_t timeout_ms)
{
	return (int)operate(
		table_renew(table, refer(caller, id), timeout_ms, now, &expires_wall_us, &change));
}

int update(struct owner *caller, uint64_t id, const char *metadata)
{
	struct text *text = text_or_null(metadata);
	uint32_t limit;
	int status = table_update(table, refer(caller, id), text, now, &limit, &change);

	text_unref(text);
	return (int)operate(status);
}

int release_as(struct owner *caller, uint64_t id, enum outcome outcome, const char *result)
{
	struct text *text = text_or_null(result);
	int status =
		table_release(table, refer(caller, id), outcome, text, now, &duration_us, &change);

	text_unref(text);
	return (int)operate(status);
}

int release(uint64_t id)
{
	return release_as(&alice, id, OUTCOME_COMPLETED, NULL);
}

int attach(struct owner *caller, uint64_t id, enum owner_kind kind)
{
	bool is_new;

	session_view_deinit(&last_view);
	return (int)operate(table_attach(
		table, refer(caller, id), kind, NULL, now, &last_view, &is_new, &change));
}

int attach_process(struct owner *caller, uint64_t id, struct owner *process)
{
	session_view_deinit(&last_view);
	return (int)operate(table_attach(table, refer(caller, id), OWNER_PROCESS,
		make_process(process), now, &last_view, &is_process_new, &change));
}

int revoke(struct owner *caller, uint64_t id, bool force)
{
	return (int)operate(table_revoke(table, refer(caller, id), force, NULL, now, &change));
}

size_t expire(void)
{
	return (size_t)operate((int64_t)table_expire(table, now, SIZE_MAX, &change));
}

bool gone(struct owner *owner, size_t max)
{
	return operate(table_owner_gone(table, owner, now, max, &change));
}

void set_pool(const char *name, const struct pool_settings *settings)
{
	struct pool *fresh = pool_new(name, strlen(name), settings, POOL_RUNTIME);

	ck_assert_ptr_nonnull(fresh);
	table_set_pool(table, fresh, now, &change);
	operate(0);
}

void set_limit(const char *name, uint32_t limit)
{
	struct pool_settings settings = pool_settings_builtin;

	settings.limit = limit;
	set_pool(name, &settings);
}

void remove_pools_but(const char *keep)
{
	struct pool *fresh = pool_new(
		POOL_DEFAULT_NAME, strlen(POOL_DEFAULT_NAME), &pool_settings_builtin, POOL_BUILTIN);

	table_remove_pools(table, &keep, keep ? 1 : 0, fresh, now, &change);
	operate(0);
}

int pause_pool(const char *name, int64_t for_us, const char *reason)
{
	struct text *text = text_or_null(reason);
	int status = table_pause(table, name, name ? strlen(name) : 0, for_us, text, now, &change);

	text_unref(text);
	return (int)operate(status);
}

int resume_pool(const char *name)
{
	return (int)operate(table_resume(table, name, name ? strlen(name) : 0, now, &change));
}

void drain(void)
{
	table_drain(table, now, &change);
	operate(0);
}

/* ---- looking ---- */

const struct session_view *view(struct owner *caller, uint64_t id)
{
	session_view_deinit(&last_view);
	ck_assert_int_eq(table_get(table, refer(caller, id), now, &last_view), 0);
	return &last_view;
}

const struct pool_view *pool_view(const char *name)
{
	pool_view_deinit(&last_pool_view);
	ck_assert_int_eq(table_view_pool(table, name, strlen(name), now, &last_pool_view), 0);
	return &last_pool_view;
}

struct table_metrics metrics(void)
{
	struct table_metrics m;

	table_metrics(table, now, &m);
	return m;
}

int look(uint64_t id)
{
	session_view_deinit(&last_view);
	return table_get(table, refer(&alice, id), now, &last_view);
}

enum outcome outcome_of(uint64_t id)
{
	ck_assert_int_eq(look(id), STATUS_SESSION_ENDED);
	return ref.outcome;
}

int run_tests(const char *name, void (*add)(TCase *tcase))
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
	tcase_set_timeout(tcase, 60);
	add(tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
