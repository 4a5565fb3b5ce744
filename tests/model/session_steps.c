/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- operations on one session ---- */

static struct session_ref refer(int *ret_peer)
{
	struct session_ref ref = {.id = (uint64_t)DECIDE("id", 0, draw_id())};

	*ret_peer = (int)DECIDE("peer", 0, draw_peer_for(ref.id));
	ref.caller = &model.owners[*ret_peer];
	return ref;
}

static void compare_ref(int status, const struct session_ref *ref)
{
	const struct naive_session *session = naive_find(ref->id);

	came(status);
	if (status == STATUS_SESSION_ENDED)
		EXPECT(ref->outcome, session->outcome);
	if (status == STATUS_INVALID_STATE)
		EXPECT(ref->state, session->state);
	if (status == STATUS_TIMEOUT_OUT_OF_RANGE)
		EXPECT(ref->max_timeout_ms, naive.pools[session->pool].settings.max_timeout_ms);
}

static bool is_overdue(uint64_t id)
{
	const struct naive_session *session = naive_find(id);

	return session && session->is_overdue;
}

void run_start(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	int64_t expires_wall_us = 0;
	int status = naive_start(peer, ref.id);

	EXPECT(table_start(model.table, &ref, model_now(), &expires_wall_us, &model.change),
		status);
	compare_ref(status, &ref);
	if (!status)
		EXPECT(expires_wall_us, naive_to_wall(naive_find(ref.id)->deadline_us));
}

void run_renew(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	int64_t timeout_ms = DECIDE("timeout_ms", ABSENT, draw_timeout());
	int64_t expires_wall_us = 0;
	bool was_overdue = is_overdue(ref.id);
	int status = naive_renew(peer, ref.id, timeout_ms);

	EXPECT(table_renew(
		       model.table, &ref, timeout_ms, model_now(), &expires_wall_us, &model.change),
		status);
	compare_ref(status, &ref);
	if (status)
		return;
	EXPECT(expires_wall_us, naive_to_wall(naive_find(ref.id)->deadline_us));
	if (was_overdue)
		met(CASE_OVERDUE_RENEWED);
}

void run_update(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	bool is_shared = DECIDE("is_shared", false, chance(30));
	int number = (int)DECIDE("metadata", 0, draw(is_shared ? N_SHARED : 40));
	struct text *text = is_shared ? text_ref(model.shared[number]) : make_text(number);
	uint32_t limit = 0;
	int status = naive_update(peer, ref.id, number);

	EXPECT(table_update(model.table, &ref, text, model_now(), &limit, &model.change), status);
	compare_ref(status, &ref);
	if (status == STATUS_METADATA_TOO_LARGE)
		EXPECT(limit, naive.pools[naive_find(ref.id)->pool].settings.max_metadata_bytes);
	text_unref(text);
}

void run_release(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	enum outcome outcome = (enum outcome)DECIDE("outcome", OUTCOME_COMPLETED, draw(3));
	int number = (int)DECIDE("result", NO_TEXT, draw_text());
	struct text *result = make_text(number);
	const struct naive_session *session = naive_find(ref.id);
	int64_t age_us = session ? naive.now_us - session->created_us : 0;
	int64_t duration_us;
	int status = naive_release(peer, ref.id, outcome, number);

	EXPECT(table_release(model.table, &ref, outcome, result, model_now(), &duration_us,
		       &model.change),
		status);
	compare_ref(status, &ref);
	if (!status)
		EXPECT(duration_us, age_us);
	text_unref(result);
}

/* ---- attach ---- */

static enum owner_kind draw_kind(void)
{
	return chance(30) ? OWNER_DETACHED : chance(40) ? OWNER_PROCESS : OWNER_CONNECTION;
}

static void note_attached(const struct naive_session *before, enum owner_kind kind)
{
	if (before->is_orphaned)
		met(kind == OWNER_PROCESS ? CASE_ORPHAN_TO_PROCESS : CASE_ATTACHED_ORPHAN);
	if (before->is_overdue && kind == OWNER_DETACHED)
		met(CASE_DETACHED_OVERDUE);
}

static int attach_naively(int peer, uint64_t id, enum owner_kind kind, int process, bool *ret_new)
{
	const struct naive_session *session = naive_find(id);
	struct naive_session before = {0};
	int status;

	if (session)
		before = *session;
	note_tallies();
	status = naive_attach(peer, id, kind, process, ret_new);
	if (!status)
		note_attached(&before, kind);
	return status;
}

void run_attach(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	enum owner_kind kind = (enum owner_kind)DECIDE("kind", OWNER_CONNECTION, draw_kind());
	int q = (int)DECIDE("process", 0, chance(70) ? peer : draw_peer());
	struct process *process;
	struct session_view view;
	bool is_new, expected_new;
	int status;

	if (naive_process_of(q) == NO_PEER)
		q = 0;
	process = kind == OWNER_PROCESS ? make_process(q) : NULL;
	status = attach_naively(peer, ref.id, kind, q, &expected_new);
	EXPECT(table_attach(model.table, &ref, kind, process, model_now(), &view, &is_new,
		       &model.change),
		status);
	compare_ref(status, &ref);
	EXPECT(is_new, expected_new);
	if (is_new)
		model.processes[naive_process_of(q)] = process;
	else if (status == -ENOBUFS && process)
		free_process(process);
	if (status)
		return;
	compare_view(&view, naive_find(ref.id), peer);
	hold_view(&view, naive_find(ref.id));
}

/* ---- the others ---- */

void run_revoke(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	bool force = DECIDE("force", false, chance(50));
	struct text *reason = make_text((int)DECIDE("reason", NO_TEXT, draw_text()));
	const struct naive_session *session = naive_find(ref.id);
	bool is_wait = session && naive_waits(session);
	int status = naive_revoke(peer, ref.id, force);

	EXPECT(table_revoke(model.table, &ref, force, reason, model_now(), &model.change), status);
	compare_ref(status, &ref);
	text_unref(reason);
	if (!status && is_wait)
		met(CASE_REVOKED_WAIT);
	if (!status && !is_wait && !force)
		met(CASE_REVOKED_SOFTLY);
}

void run_get(void)
{
	struct session_ref ref = {.id = (uint64_t)DECIDE("id", 0, draw_id())};
	int peer = (int)DECIDE("peer", 0, draw_peer());
	struct session_view view;
	int status = naive_get(ref.id);

	ref.caller = &model.owners[peer];
	EXPECT(table_get(model.table, &ref, model_now(), &view), status);
	compare_ref(status, &ref);
	if (status)
		return;
	compare_view(&view, naive_find(ref.id), peer);
	hold_view(&view, naive_find(ref.id));
}

static int draw_request(void)
{
	return naive.n_live && chance(70) ? naive.live[draw(naive.n_live)].request : (int)draw(9);
}

void run_find_request(void)
{
	char request_id[32];
	int number = (int)DECIDE("request", 0, draw_request());
	uint32_t uid = naive_peers[DECIDE("peer", 0, draw_peer())].uid;
	const struct naive_session *expected = naive_find_request(uid, number);
	int status = expected ? 0 : STATUS_NO_SUCH_SESSION;
	uint64_t id = 0;

	make_request_id(number, request_id, sizeof(request_id));
	EXPECT(table_find_request(model.table, uid, request_id, strlen(request_id), &id), status);
	EXPECT(id, expected ? expected->id : 0);
	came(status);
}
