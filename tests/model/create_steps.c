/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

#include <errno.h>
#include <string.h>

#define LARGE 400 /* live sessions, about, in the crowded mood */

static struct naive_create draw_create(void)
{
	struct naive_create want;

	/* Not by an initializer, whose order is the compiler's. */
	want.peer = draw_peer();
	want.pool = chance(2) ? NO_POOL : (int)draw(N_POOLS);
	want.is_detached = chance(20);
	want.timeout_ms = draw_timeout();
	want.id = chance(3) ? draw_id() : model.next_id++;
	want.fingerprint = draw(10) / 9;
	want.request = chance(25) ? (int)draw(8) : (int)(8 + model.next_id);
	want.label = chance(50) ? NO_TEXT : (int)draw(3);
	want.metadata = draw_text();
	want.units = chance(70) ? 1 : 1 + (uint32_t)draw(chance(80) ? 4 : NAIVE_UNITS);
	if (model.is_crowded && naive.n_live > LARGE)
		want.pool = NO_POOL;
	return want;
}

static struct session *make_session(const struct naive_create *want)
{
	char request_id[32], label[16];
	struct text *metadata = make_text(want->metadata);
	struct session_params params = {
		.id = want->id,
		.fingerprint = want->fingerprint,
		.request_id = request_id,
		.label = want->label == NO_TEXT ? NULL : label,
		.units = want->units,
		.metadata = metadata,
	};
	struct session *fresh;

	make_request_id(want->request, request_id, sizeof(request_id));
	make_label(want->label, label, sizeof(label));
	params.request_id_length = strlen(request_id);
	params.label_length = strlen(label);
	fresh = session_new(&params);
	text_unref(metadata);
	return fresh;
}

static void compare_capacity(const struct create_refusal *refusal, const struct naive_create *want)
{
	int64_t retry_us = naive_retry_us(want->pool);
	size_t n = 0;

	for (size_t i = 0; i < naive.n_live && n < CREATE_HOLDERS_MAX; i++)
		if (naive.live[i].pool == want->pool)
			compare_view(&refusal->holders[n++], &naive.live[i], want->peer);
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

static void compare_refusal(int status, const struct create_refusal *refusal,
	const struct naive_create *want, const struct naive_session *known)
{
	switch (status) {
	case STATUS_REQUEST_ID_IN_USE:
		EXPECT(refusal->other_id, known->id);
		return;
	case STATUS_CAPACITY_REACHED:
		compare_capacity(refusal, want);
		break;
	case STATUS_TIMEOUT_OUT_OF_RANGE:
		EXPECT(refusal->timeout_ms, want->timeout_ms);
		break;
	case STATUS_PAUSED:
	case STATUS_METADATA_TOO_LARGE:
		break;
	default:
		EXPECT(refusal->pool.name == NULL, true);
		return;
	}
	compare_pool_view(&refusal->pool, want->pool);
}

void run_create(void)
{
	struct naive_create want = draw_create();
	const char *name = want.pool == NO_POOL ? "none" : naive_pool_names[want.pool];
	struct create_request request = {
		.pool = name,
		.pool_length = strlen(name),
		.caller = &model.owners[want.peer],
		.owner_kind = want.is_detached ? OWNER_DETACHED : OWNER_CONNECTION,
		.timeout_ms = want.timeout_ms,
		.fresh = make_session(&want),
	};
	struct create_result result;
	const struct naive_session *expected = NULL;
	bool is_existing;
	int status = naive_create(&want, &expected, &is_existing);

	EXPECT(table_create(model.table, &request, model_now(), &result, &model.change), status);
	if (status == -EEXIST || status == -ENOBUFS)
		session_unref(request.fresh);
	if (!status) {
		EXPECT(result.is_existing, is_existing);
		compare_view(&result.session, expected, want.peer);
		hold_view(&result.session, expected);
	} else {
		compare_refusal(status, &result.refusal, &want, expected);
		create_refusal_deinit(&result.refusal);
	}
}

void run_reject(void)
{
	enum rejection why = chance(50) ? REJECTED_CREATION_ERROR : REJECTED_INVALID;

	table_count_rejection(model.table, why);
	naive.totals.rejected[why]++;
}
