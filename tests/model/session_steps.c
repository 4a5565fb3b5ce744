/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

#include <string.h>

/* ---- operations on one session ---- */

static struct session_ref refer(int *ret_peer)
{
	struct session_ref ref = {.id = draw_id()};

	*ret_peer = draw_peer_for(ref.id);
	ref.caller = &model.owners[*ret_peer];
	return ref;
}

static void compare_ref(int status, const struct session_ref *ref)
{
	const struct naive_session *session = naive_find(ref->id);

	if (status == STATUS_SESSION_ENDED)
		EXPECT(ref->outcome, session->outcome);
	if (status == STATUS_INVALID_STATE)
		EXPECT(ref->state, session->state);
	if (status == STATUS_TIMEOUT_OUT_OF_RANGE)
		EXPECT(ref->max_timeout_ms, naive.pools[session->pool].settings.max_timeout_ms);
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
	int64_t timeout_ms = draw_timeout();
	int64_t expires_wall_us = 0;
	int status = naive_renew(peer, ref.id, timeout_ms);

	EXPECT(table_renew(
		       model.table, &ref, timeout_ms, model_now(), &expires_wall_us, &model.change),
		status);
	compare_ref(status, &ref);
	if (!status)
		EXPECT(expires_wall_us, naive_to_wall(naive_find(ref.id)->deadline_us));
}

void run_update(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	bool is_shared = chance(30);
	int number = (int)draw(is_shared ? N_SHARED : 40);
	struct text *text = is_shared ? text_ref(model.shared[number]) : make_text(number);
	uint32_t limit = 0;
	int status = naive_update(peer, ref.id, number);

	EXPECT(table_update(model.table, &ref, text, model_now(), &limit, &model.change), status);
	if (status == STATUS_METADATA_TOO_LARGE)
		EXPECT(limit, naive.pools[naive_find(ref.id)->pool].settings.max_metadata_bytes);
	text_unref(text);
}

void run_release(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	enum outcome outcome = draw(3);
	int number = draw_text();
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

static enum owner_kind draw_kind(void)
{
	return chance(30) ? OWNER_DETACHED : chance(40) ? OWNER_PROCESS : OWNER_CONNECTION;
}

static int draw_process(int peer)
{
	int process = chance(70) ? peer : draw_peer();

	return naive_process_of(process) == NO_PEER ? 0 : process;
}

void run_attach(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	enum owner_kind kind = draw_kind();
	int q = draw_process(peer);
	struct process *process = kind == OWNER_PROCESS ? make_process(q) : NULL;
	struct session_view view;
	bool is_new, expected_new;
	int status = naive_attach(peer, ref.id, kind, q, &expected_new);

	EXPECT(table_attach(model.table, &ref, kind, process, model_now(), &view, &is_new,
		       &model.change),
		status);
	compare_ref(status, &ref);
	EXPECT(is_new, expected_new);
	if (is_new)
		model.processes[naive_process_of(q)] = process;
	if (status)
		return;
	compare_view(&view, naive_find(ref.id), peer);
	hold_view(&view, naive_find(ref.id));
}

void run_revoke(void)
{
	int peer;
	struct session_ref ref = refer(&peer);
	bool force = chance(50);
	struct text *reason = make_text(draw_text());
	int status = naive_revoke(peer, ref.id, force);

	EXPECT(table_revoke(model.table, &ref, force, reason, model_now(), &model.change), status);
	compare_ref(status, &ref);
	text_unref(reason);
}

void run_get(void)
{
	struct session_ref ref = {.id = draw_id()};
	int peer = draw_peer();
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

void run_find_request(void)
{
	char request_id[32];
	bool is_known = naive.n_live && chance(70);
	int number = is_known ? naive.live[draw(naive.n_live)].request : (int)draw(9);
	uint32_t uid = naive_peers[draw_peer()].uid;
	const struct naive_session *expected = naive_find_request(uid, number);
	uint64_t id = 0;

	make_request_id(number, request_id, sizeof(request_id));
	EXPECT(table_find_request(model.table, uid, request_id, strlen(request_id), &id),
		expected ? 0 : STATUS_NO_SUCH_SESSION);
	EXPECT(id, expected ? expected->id : 0);
}
