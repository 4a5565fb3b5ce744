/* SPDX-License-Identifier: MIT */
/* Readers of the log that replay it: what they make of it must be what a List shows. */
#include "tests/model/model.h"

#include <string.h>

#define N_READERS 2
#define PORTION   64

struct known {
	uint64_t id, sequence;
	enum session_state state;
	enum owner_kind kind;
	bool is_overdue, is_revoking;
	uint32_t metadata_bytes;
};

static struct replay {
	bool is_on;
	struct event_reader reader;
	struct known known[2 * NAIVE_LIVE];
	size_t n;
	uint64_t section, refused;
	bool has_drain, is_draining;
	bool has_pool[N_POOLS], is_removed[N_POOLS];
	uint32_t limits[N_POOLS];
} replays[N_READERS];

/* ---- what a reader knows ---- */

static uint32_t bytes_of(const struct naive_session *session)
{
	return session->metadata == NO_TEXT ? 0 : (uint32_t)session->metadata;
}

static void snapshot(struct replay *replay)
{
	for (replay->n = 0; replay->n < naive.n_live; replay->n++) {
		const struct naive_session *session = &naive.live[replay->n];

		replay->known[replay->n] = (struct known){.id = session->id,
			.sequence = session->sequence,
			.state = session->state,
			.kind = session->kind,
			.is_overdue = session->is_overdue,
			.is_revoking = session->is_revoking,
			.metadata_bytes = bytes_of(session)};
	}
	replay->refused = naive.n_refused;
	replay->has_drain = false;
	memset(replay->has_pool, 0, sizeof(replay->has_pool));
}

static struct known *find(struct replay *replay, uint64_t id)
{
	for (size_t i = 0; i < replay->n; i++)
		if (replay->known[i].id == id)
			return &replay->known[i];
	return NULL;
}

static void learn(struct known *known, const struct session_view *view)
{
	*known = (struct known){.id = view->session->id,
		.sequence = view->sequence,
		.state = view->state,
		.kind = view->owner_kind,
		.is_overdue = view->is_overdue,
		.is_revoking = view->is_revoking,
		.metadata_bytes = text_length(view->metadata)};
}

/* ---- replaying ---- */

static void end_known(struct replay *replay, struct known *known, const struct event *event)
{
	EXPECT(event->has_outcome, known->state != SESSION_WAITING);
	EXPECT(event->status != 0, known->state == SESSION_WAITING);
	*known = replay->known[--replay->n];
}

static void replay_session(struct replay *replay, const struct event *event)
{
	struct known *known = find(replay, event->session.session->id);
	bool is_first = event->type == EVENT_CREATED || event->type == EVENT_QUEUED;

	EXPECT(known != NULL, !is_first);
	EXPECT(event->session.is_visible, false);
	if (event->type == EVENT_ENDED) {
		end_known(replay, known, event);
		return;
	}
	if (event->type == EVENT_GRANTED)
		EXPECT(known->state, SESSION_WAITING);
	if (event->type == EVENT_STARTED)
		EXPECT(known->state, SESSION_IDLE);
	if (is_first)
		known = &replay->known[replay->n++];
	learn(known, &event->session);
}

static void replay_pool(struct replay *replay, const struct event *event)
{
	for (int p = 0; p < N_POOLS; p++) {
		if (strcmp(event->pool.name->bytes, naive_pool_names[p]))
			continue;
		replay->has_pool[p] = true;
		replay->limits[p] = event->pool.settings.limit;
		replay->is_removed[p] = event->pool.is_removed;
	}
}

static void replay_event(struct replay *replay, const struct event *event)
{
	EXPECT(event->section >= replay->section && event->section <= table_section(model.table),
		true);
	replay->section = event->section;
	switch (event->type) {
	case EVENT_REFUSED:
		replay->refused++;
		break;
	case EVENT_DRAIN:
		replay->has_drain = true;
		replay->is_draining = event->is_draining;
		break;
	case EVENT_POOL:
		replay_pool(replay, event);
		break;
	default:
		replay_session(replay, event);
	}
}

/* ---- comparing ---- */

/* What was overdue where that is not held any more is due again, and about to say what becomes of
 * it. */
static bool is_due_now(const struct naive_session *session)
{
	return !session->is_overdue && session->deadline_us <= naive.now_us;
}

static void compare_known(struct replay *replay)
{
	EXPECT(replay->n, naive.n_live);
	for (size_t i = 0; i < naive.n_live; i++) {
		const struct naive_session *session = &naive.live[i];
		const struct known *known = find(replay, session->id);

		EXPECT(known != NULL, true);
		EXPECT(known->state, session->state);
		EXPECT(known->sequence, session->sequence);
		EXPECT(known->kind, session->kind);
		EXPECT(known->is_revoking, session->is_revoking);
		EXPECT(known->metadata_bytes, bytes_of(session));
		if (!is_due_now(session))
			EXPECT(known->is_overdue, session->is_overdue);
	}
	EXPECT(replay->refused, naive.n_refused);
	if (replay->has_drain)
		EXPECT(replay->is_draining, naive.is_draining);
	for (int p = 0; p < N_POOLS; p++) {
		if (!replay->has_pool[p] || !naive.pools[p].is_there)
			continue;
		EXPECT(replay->limits[p], naive.pools[p].settings.limit);
		EXPECT(replay->is_removed[p], naive.pools[p].is_removed);
	}
}

static size_t read_portion(struct replay *replay, size_t max, bool is_replayed)
{
	const struct event *events[PORTION];
	size_t n = table_read_events(model.table, &replay->reader, events, max, &model.change);

	for (size_t i = 0; i < n && is_replayed; i++)
		replay_event(replay, events[i]);
	return n;
}

/* A gap: all is thrown away and seen anew. */
static void recover(struct replay *replay)
{
	met(CASE_EVENTS_LOST);
	while (read_portion(replay, PORTION, false))
		;
	replay->reader.has_lost = false;
	snapshot(replay);
}

static void read_all(struct replay *replay, size_t portion)
{
	while (read_portion(replay, portion, true))
		;
	compare_known(replay);
}

void run_read_events(void)
{
	struct replay *replay = &replays[DECIDE("reader", 0, chance(97) ? 0 : 1)];
	bool is_part = DECIDE("is_part", false, chance(30));
	size_t portion = (size_t)DECIDE("portion", PORTION, 1 + draw(is_part ? 4 : PORTION));

	if (!replay->is_on)
		return;
	if (replay->reader.has_lost)
		recover(replay);
	else if (is_part)
		came(read_portion(replay, portion, true) == portion ? CAME_TRUE : CAME_FALSE);
	else
		read_all(replay, portion ? portion : 1);
}

/* ---- readers come and go ---- */

static void begin_reader(struct replay *replay, unsigned index)
{
	table_announce_reader(model.table);
	if (model.gives_memory)
		give_memory();
	table_forget_reader(model.table);
	replay->section = table_begin_reading(model.table, &replay->reader, index);
	EXPECT(replay->section, table_section(model.table));
	replay->is_on = true;
	snapshot(replay);
}

static void end_reader(struct replay *replay)
{
	table_end_reading(model.table, &replay->reader, &model.change);
	replay->is_on = false;
}

void run_toggle_reader(void)
{
	unsigned i = (unsigned)DECIDE("reader", 0, draw(N_READERS));

	if (replays[i].is_on)
		end_reader(&replays[i]);
	else
		begin_reader(&replays[i], 10 + i);
}

void begin_readers(void)
{
	if (DECIDE("is_read", true, chance(70)))
		begin_reader(&replays[0], 10);
}

void end_readers(void)
{
	for (int i = 0; i < N_READERS; i++)
		if (replays[i].is_on)
			end_reader(&replays[i]);
}
