/* SPDX-License-Identifier: MIT */
/* What clients were told, and what must be so therefore. */
#include "tests/model/commit_model.h"

#include <string.h>

/* ---- when they are told ---- */

/* Nobody is told of a session that is not stored. */
static void hear_created(struct known *known, const struct reply *reply)
{
	uint32_t held = 0;

	met(known->state == WAITING ? SIM_TOLD_GRANTED : SIM_TOLD_CREATED);
	if (!sim.is_anew)
		EXPECT(stored_version(reply->number) >= 1, true);
	EXPECT(reply->fence > sim.fence_before, true);
	known->state = HELD;
	known->fence = reply->fence;
	known->version_told = 1;
	for (uint32_t i = 0; i < sim.n_known; i++) {
		if (sim.known[i].state == HELD && !sim.known[i].is_release_asked)
			held += sim.known[i].units;
		if (&sim.known[i] != known)
			EXPECT(sim.known[i].fence == reply->fence, false);
	}
	EXPECT(held <= LIMIT, true);
}

static void hear_updated(struct known *known, const struct reply *reply)
{
	int64_t stored = stored_version(reply->number);

	met(SIM_TOLD_UPDATED);
	known->version_heard = reply->version;
	if (sim.has_failed || sim.is_anew)
		return;
	if (stored < 0)
		EXPECT(known->is_release_asked, true);
	else
		EXPECT(stored >= reply->version, true);
	known->version_told = reply->version;
}

static void hear_released(struct known *known, const struct reply *reply)
{
	met(SIM_TOLD_RELEASED);
	known->state = RELEASED;
	known->may_return = sim.has_failed;
	if (!known->may_return)
		EXPECT(stored_version(reply->number), -1);
}

static void hear_refused(struct known *known, const struct reply *reply)
{
	met(SIM_TOLD_REFUSED);
	if (reply->told == TOLD_CREATED)
		met(SIM_PROMISE_BROKEN);
	EXPECT(stored_version(reply->number), -1);
	known->state = REFUSED;
}

static void hear_one(const struct reply *reply, const char *text)
{
	static const char *const told[] = {"created", "updated", "released", "refused"};
	struct known *known = &sim.known[reply->number];

	if (reply->told == TOLD_CREATED && !strcmp(text, "refused")) {
		hear_refused(known, reply);
		return;
	}
	EXPECT(strcmp(text, told[reply->told]), 0);
	switch (reply->told) {
	case TOLD_CREATED:
		hear_created(known, reply);
		break;
	case TOLD_UPDATED:
		hear_updated(known, reply);
		break;
	case TOLD_RELEASED:
		hear_released(known, reply);
		break;
	case TOLD_REFUSED:
		hear_refused(known, reply);
		break;
	}
}

void hear(struct sim_loop *side)
{
	const char *text = side->out.data;

	if (side->n_replies && sim.has_failed)
		met(SIM_TOLD_WHILE_DOWN);
	for (size_t i = 0; i < side->n_replies; i++) {
		EXPECT(text < side->out.data + side->out.length, true);
		hear_one(&side->replies[i], text);
		text += strlen(text) + 1;
	}
	if (side->n_replies)
		EXPECT(text - side->out.data, side->out.length);
	side->n_replies = 0;
}

/* ---- after the machine has stopped ---- */

static bool find(uint32_t number, uint64_t *ret_fence, uint32_t *ret_version)
{
	struct session_ref ref = {.id = number + 1, .caller = &sim.sides[0].owner};
	struct session_view view;
	struct section section;
	int status;

	enter(&section);
	status = table_get(section.table, &ref, section.now, &view);
	if (status == 0) {
		*ret_fence = view.fence;
		*ret_version = (uint32_t)text_length(view.metadata);
	}
	broker_leave(&section);
	if (status == 0)
		session_view_deinit(&view);
	return status == 0;
}

/* Acknowledged: there, unless it was released or the file was lost. Not acknowledged: either.
 * Refused, or released: not there, unless that could not be stored. */
static void expect_presence(const struct known *known, bool is_there)
{
	switch (known->state) {
	case HELD:
		EXPECT(is_there || known->is_release_asked || sim.is_anew, true);
		break;
	case RELEASED:
		EXPECT(!is_there ||
				(known->may_return && sim.last_committed <= known->begun_before),
			true);
		if (is_there)
			met(SIM_CAME_BACK);
		break;
	case ASKED:
	case WAITING:
		met(is_there ? SIM_UNTOLD_KEPT : SIM_UNTOLD_LOST);
		break;
	case REFUSED:
	case GONE:
		EXPECT(is_there, false);
		break;
	}
}

/* A client that asks again knows it from now on. */
static void look_at(uint32_t number)
{
	struct known *known = &sim.known[number];
	uint64_t fence = 0;
	uint32_t version = 0;
	bool is_there = find(number, &fence, &version);

	expect_presence(known, is_there);
	if (is_there && known->fence)
		EXPECT(fence, known->fence);
	if (is_there)
		EXPECT(version >= known->version_told && version <= known->version, true);
	known->state = is_there ? HELD : GONE;
	known->fence = fence;
	known->version = known->version_told = known->version_heard = version;
	known->is_release_asked = false;
}

static uint64_t count_held(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < sim.n_known; i++)
		n += sim.known[i].state == HELD;
	return n;
}

void look_after_stop(void)
{
	const char *broken = table_check(sim.table);

	if (broken)
		fail(__FILE__, __LINE__, broken, 1, 0);
	for (uint32_t i = 0; i < sim.n_known; i++)
		look_at(i);
	EXPECT(table_active(sim.table), count_held()); /* and nothing is invented */
	sim.is_anew = false;
}

void look_after_failure(void)
{
	for (uint32_t i = 0; i < sim.n_known; i++) {
		const struct known *known = &sim.known[i];

		if (known->state == RELEASED)
			EXPECT(stored_version(i), -1);
		if (known->state == HELD && !known->is_release_asked)
			EXPECT(stored_version(i) >= known->version_heard, true);
	}
}

void look_at_end(void)
{
	uint64_t n_stored = 0;

	for (uint32_t i = 0; i < sim.n_known; i++) {
		const struct known *known = &sim.known[i];
		bool is_stored = stored_version(i) >= 0;

		EXPECT(known->state == ASKED, false);
		EXPECT(is_stored, known->state == HELD);
		n_stored += is_stored;
	}
	EXPECT(table_active(sim.table), n_stored);
	EXPECT(sim.durable.sessions.count, n_stored);
}
