/* SPDX-License-Identifier: MIT */
/* What clients call, as the operations of the daemon do it. */
#include "tests/model/commit_model.h"

#include <inttypes.h>
#include <stdio.h>

static struct session *make_session(uint32_t number, uint32_t units)
{
	char request_id[32];
	struct text *metadata = make_metadata(1);
	struct session_params params = {
		.id = number + 1,
		.request_id = request_id,
		.units = units,
		.metadata = metadata,
	};
	struct session *fresh;

	params.request_id_length =
		(size_t)snprintf(request_id, sizeof(request_id), "request-%" PRIu32, number);
	fresh = session_new(&params);
	text_unref(metadata);
	return fresh;
}

static void answer_create(
	unsigned loop, uint32_t number, int status, const struct create_result *result)
{
	struct reply reply = {.told = status ? TOLD_REFUSED : TOLD_CREATED, .number = number};

	if (!status && result->is_waiting) {
		sim.known[number].state = WAITING;
		return;
	}
	reply.fence = status ? 0 : result->session.fence;
	gather(loop, reply, status ? NULL : result->session.session);
}

void create(unsigned loop, uint32_t units, bool waits)
{
	uint32_t number = sim.n_known;
	struct sim_loop *side = &sim.sides[loop];
	struct known *known = &sim.known[number];
	struct section section;
	struct create_result result;
	struct create_request request = {
		.pool = "default",
		.pool_length = 7,
		.caller = &side->owner,
		.owner_kind = OWNER_DETACHED,
		.timeout_ms = INT64_MAX / 1000000,
		.wait_us = waits ? WAIT_FOR_EVER : 0,
		.waiter = &known->waiter,
		.inbox = &side->inbox,
	};
	int status;

	if (number == KNOWN_MAX || side->n_replies == REPLIES_MAX)
		return;
	*known = (struct known){.units = units, .version = 1};
	request.fresh = make_session(number, units);
	sim.n_known++;
	enter(&section);
	status = table_create(section.table, &request, section.now, &result, &section.change);
	broker_leave(&section);
	EXPECT(status >= 0, true);
	answer_create(loop, number, status, &result);
	if (status)
		create_refusal_deinit(&result.refusal);
	else
		session_view_deinit(&result.session);
}

static bool can_be_used(unsigned loop, int64_t number)
{
	return number >= 0 && number < sim.n_known && sim.known[number].state == HELD &&
	       !sim.known[number].is_release_asked && sim.sides[loop].n_replies < REPLIES_MAX;
}

void release(unsigned loop, int64_t number)
{
	struct session_ref ref = {.id = (uint64_t)number + 1, .caller = &sim.sides[loop].owner};
	struct section section;
	int64_t duration_us;

	if (!can_be_used(loop, number))
		return;
	enter(&section);
	EXPECT(table_release(section.table, &ref, OUTCOME_COMPLETED, NULL, section.now,
		       &duration_us, &section.change),
		0);
	broker_leave(&section);
	sim.known[number].is_release_asked = true;
	sim.known[number].begun_before = sim.n_begun;
	gather(loop, (struct reply){.told = TOLD_RELEASED, .number = (uint32_t)number}, NULL);
}

void update(unsigned loop, int64_t number)
{
	struct session_ref ref = {.id = (uint64_t)number + 1, .caller = &sim.sides[loop].owner};
	struct section section;
	struct text *metadata;
	struct reply reply = {.told = TOLD_UPDATED, .number = (uint32_t)number};
	uint32_t limit;

	if (!can_be_used(loop, number) || sim.known[number].version == VERSION_MAX)
		return;
	reply.version = ++sim.known[number].version;
	metadata = make_metadata(reply.version);
	enter(&section);
	EXPECT(table_update(section.table, &ref, metadata, section.now, &limit, &section.change),
		0);
	broker_leave(&section);
	text_unref(metadata);
	gather(loop, reply, NULL);
}
