/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LARGE 400 /* live sessions, about, in the crowded mood */

/* ---- what is wanted ---- */

static int64_t draw_wait(void)
{
	if (chance(model.is_contested ? 10 : 40))
		return 0;
	return chance(25) ? INT64_MAX : 500 * (1 + (int64_t)draw(chance(80) ? 40 : 400));
}

/* Mostly one that there is. */
static int draw_pool(void)
{
	int p = (int)draw(N_POOLS);

	if (model.is_contested && chance(80))
		p = model.contested_pool;
	for (int tries = 0; tries < 6 && (!naive.pools[p].is_there || naive.pools[p].is_removed);
		tries++)
		p = (int)draw(N_POOLS);
	return p;
}

/* Where memory is late there are many, each of which takes some. */
static int draw_label(void)
{
	if (chance(50))
		return NO_TEXT;
	return (int)draw(model.is_stingy && chance(80) ? 2000 : 3);
}

/* The request of somebody who has a session or waits, once more. */
static void draw_retry(struct naive_create *want)
{
	const struct naive_session *known = &naive.live[draw(naive.n_live)];

	want->request = known->request;
	want->fingerprint = chance(90) ? known->fingerprint : draw(2);
	if (chance(80))
		want->peer = chance(70) ? known->creator : known->last;
}

/* Two users wait for what they call the same. */
static void draw_namesake(struct naive_create *want)
{
	const struct naive_session *other = &naive.live[draw(naive.n_live)];

	if (!naive_waits(other))
		return;
	want->request = other->request;
	want->pool = other->pool;
	want->wait_us = INT64_MAX;
}

static void draw_create(struct naive_create *want)
{
	/* Not by an initializer, whose order is the compiler's. */
	want->peer = draw_peer();
	want->pool = chance(2) ? NO_POOL : draw_pool();
	want->kind = chance(20) ? OWNER_DETACHED : chance(25) ? OWNER_PROCESS : OWNER_CONNECTION;
	want->process = chance(70) ? want->peer : draw_peer();
	want->timeout_ms = model.is_contested && chance(60) ? ABSENT : draw_timeout();
	want->wait_us = draw_wait();
	want->priority = chance(60) ? 0 : (unsigned)draw(10);
	want->id = chance(3) ? draw_id() : model.next_id++;
	want->fingerprint = draw(10) / 9;
	want->request = chance(3) ? (int)draw(8) : (int)(8 + model.next_id);
	want->label = draw_label();
	want->metadata = model.is_contested && chance(80) ? NO_TEXT : draw_text();
	want->units = chance(model.is_contested ? 50 : 70)
			      ? 1
			      : 1 + (uint32_t)draw(chance(90) ? 3 : NAIVE_UNITS);
	if (naive.n_live && chance(12))
		draw_retry(want);
	else if (naive.n_live && chance(8))
		draw_namesake(want);
	if (model.is_crowded && naive.n_live > LARGE)
		want->pool = NO_POOL;
}

static struct naive_create decide_create(void)
{
	struct naive_create want = {0};

	if (!script_is_played)
		draw_create(&want);
	want.id = (uint64_t)DECIDE("id", 0, want.id);
	want.request = (int)DECIDE("request", 0, want.request);
	want.peer = (int)DECIDE("peer", 0, want.peer);
	want.pool = (int)DECIDE("pool", NAIVE_DEFAULT_POOL, want.pool);
	want.kind = (enum owner_kind)DECIDE("kind", OWNER_CONNECTION, want.kind);
	want.process = (int)DECIDE("process", 0, want.process);
	want.timeout_ms = DECIDE("timeout_ms", ABSENT, want.timeout_ms);
	want.wait_us = DECIDE("wait_us", 0, want.wait_us);
	want.priority = (unsigned)DECIDE("priority", 0, want.priority);
	want.units = (uint32_t)DECIDE("units", 1, want.units);
	want.label = (int)DECIDE("label", NO_TEXT, want.label);
	want.metadata = (int)DECIDE("metadata", NO_TEXT, want.metadata);
	want.fingerprint = (uint64_t)DECIDE("fingerprint", 0, want.fingerprint);
	if (naive_process_of(want.process) == NO_PEER)
		want.process = 0;
	want.waiter = want.wait_us ? free_waiter() : NO_WAITER;
	if (want.waiter == NO_WAITER)
		want.wait_us = 0;
	if (!want.units) /* made smaller, it is still one that can be asked for */
		want.units = 1;
	return want;
}

static struct session *make_session(const struct naive_create *want)
{
	char request_id[32], label[16];
	struct text *metadata = make_text(want->metadata);
	struct text *name = NULL;
	struct session_params params = {
		.id = want->id,
		.fingerprint = want->fingerprint,
		.request_id = request_id,
		.priority = (uint8_t)want->priority,
		.units = want->units,
		.metadata = metadata,
	};
	struct session *fresh;

	make_request_id(want->request, request_id, sizeof(request_id));
	make_label(want->label, label, sizeof(label));
	params.request_id_length = strlen(request_id);
	if (want->label != NO_TEXT)
		params.label = name = text_new(label, strlen(label));
	fresh = session_new(&params);
	text_unref(name);
	text_unref(metadata);
	return fresh;
}

/* ---- what comes of it ---- */

static void compare_capacity(const struct create_refusal *refusal, int p, int peer)
{
	int64_t retry_us = naive_retry_us(p);
	size_t n = 0;

	for (size_t i = 0; i < naive.n_live && n < CREATE_HOLDERS_MAX; i++)
		if (naive.live[i].pool == p && !naive_waits(&naive.live[i]))
			compare_view(&refusal->holders[n++], &naive.live[i], peer);
	EXPECT(refusal->n_holders, n);
	if (retry_us == -2)
		return;
	if (retry_us < 0) /* what is guessed is within 1/32 of the median */
		EXPECT(refusal->retry_after_us, -1);
	else
		EXPECT(refusal->retry_after_us >= retry_us - 1 &&
				refusal->retry_after_us <= retry_us + naive.now_us / 32,
			true);
}

static void compare_queue(const struct create_refusal *refusal, const struct naive_create *want)
{
	const struct pool_settings *settings = &naive.pools[want->pool].settings;
	uint64_t n = naive_waiting_of_user(want->pool, naive_peers[want->peer].uid);
	bool is_users = settings->per_uid_waiters >= 0 && n >= (uint64_t)settings->per_uid_waiters;

	EXPECT(refusal->is_user_queue, is_users);
	if (is_users)
		EXPECT(refusal->user_waiting, n);
	met(is_users ? CASE_QUEUE_OF_USER_FULL : CASE_QUEUE_OF_POOL_FULL);
}

static void compare_refusal(int status, const struct create_refusal *refusal,
	const struct naive_create *want, const struct naive_created *expected)
{
	switch (status) {
	case STATUS_REQUEST_ID_IN_USE:
		EXPECT(refusal->other_id, expected->session->id);
		return;
	case STATUS_CAPACITY_REACHED:
		compare_capacity(refusal, expected->pool, want->peer);
		break;
	case STATUS_TIMEOUT_OUT_OF_RANGE:
		EXPECT(refusal->timeout_ms, want->timeout_ms);
		break;
	case STATUS_QUOTA_EXCEEDED:
		EXPECT(refusal->quota, expected->quota);
		met(CASE_QUOTA_OF_USER + expected->quota);
		break;
	case STATUS_QUEUE_FULL:
		compare_queue(refusal, want);
		break;
	case STATUS_PAUSED:
		met(naive.pools[want->pool].pause.is_on ? CASE_PAUSE_OF_ONE : CASE_PAUSE_OF_ALL);
		break;
	case STATUS_INVALID_PARAMETER:
	case STATUS_METADATA_TOO_LARGE:
		break;
	default:
		EXPECT(refusal->pool.name == NULL, true);
		return;
	}
	compare_pool_view(&refusal->pool, expected->pool);
}

static void compare_created(const struct create_result *result, const struct naive_create *want,
	const struct naive_created *expected)
{
	EXPECT(result->is_existing, expected->is_existing);
	EXPECT(result->is_waiting, expected->is_waiting);
	EXPECT(result->is_process_new, expected->is_process_new);
	compare_view(&result->session, expected->session, want->peer);
	hold_view(&result->session, expected->session);
}

/* What the daemon keeps of a Create, or throws away. */
static void keep(const struct create_request *request, const struct naive_create *want, int status,
	const struct naive_created *expected)
{
	bool is_taken = status != -EEXIST && status != -ENOBUFS;

	if (!is_taken)
		session_unref(request->fresh);
	if (!is_taken && request->process) {
		peer_deinit(&request->process->owner.peer);
		free(request->process);
	}
	if (!status && expected->is_process_new)
		model.processes[naive_process_of(want->process)] = request->process;
	if (!status && expected->is_waiting)
		model.is_waiter_used[want->waiter] = true;
}

/* ---- create ---- */

void run_create(void)
{
	struct naive_create want = decide_create();
	const char *name = want.pool == NO_POOL ? "none" : naive_pool_names[want.pool];
	struct create_request request = {
		.pool = name,
		.pool_length = strlen(name),
		.caller = &model.owners[want.peer],
		.owner_kind = want.kind,
		.process = want.kind == OWNER_PROCESS ? make_process(want.process) : NULL,
		.timeout_ms = want.timeout_ms,
		.wait_us = want.wait_us,
		.waiter = want.wait_us ? &model.waiters[want.waiter] : NULL,
		.inbox = &model.inboxes[want.peer % NAIVE_INBOXES],
		.fresh = make_session(&want),
	};
	struct create_result result;
	struct naive_created expected;
	int status;

	note_tallies();
	status = naive_create(&want, &expected);
	EXPECT(table_create(model.table, &request, model_now(), &result, &model.change), status);
	came(status);
	keep(&request, &want, status, &expected);
	if (!status) {
		compare_created(&result, &want, &expected);
	} else {
		compare_refusal(status, &result.refusal, &want, &expected);
		create_refusal_deinit(&result.refusal);
	}
}

void run_reject(void)
{
	enum rejection why = DECIDE("is_invalid", false, chance(50)) ? REJECTED_INVALID
								     : REJECTED_CREATION_ERROR;

	table_count_rejection(model.table, why);
	naive.totals.rejected[why]++;
}
