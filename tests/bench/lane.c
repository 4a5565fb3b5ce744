/* SPDX-License-Identifier: MIT */
#include "tests/bench/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOTHING (-1)

static const struct operation *operation_of(const struct worker *w)
{
	return w->load->operation;
}

/* ---- what comes next ---- */

static void put_into_stock(struct worker *w, struct lane *lane)
{
	if (w->n_stock < w->stock_room)
		memcpy(w->stock[w->n_stock++], lane->id, ID_LENGTH);
	lane->holds = false;
}

static void take_from_stock(struct worker *w, struct lane *lane)
{
	memcpy(lane->id, w->stock[--w->n_stock], ID_LENGTH);
	lane->holds = true;
}

static int next_of_keeper(struct worker *w, struct lane *lane)
{
	if (w->phase == PHASE_PREPARE && w->wanted > 0) {
		w->wanted--;
		return CALL_CREATE;
	}
	if (w->phase == PHASE_CLEAN && w->n_stock > 0) {
		take_from_stock(w, lane);
		return CALL_RELEASE;
	}
	return NOTHING;
}

static int next_of(struct worker *w, const struct lane *lane)
{
	const struct operation *operation = operation_of(w);

	switch (w->phase) {
	case PHASE_PREPARE:
		return operation->is_prepared && !lane->holds ? (int)operation->idle : NOTHING;
	case PHASE_RUN:
		return (int)(lane->holds ? operation->holding : operation->idle);
	default:
		return lane->holds ? CALL_RELEASE : NOTHING;
	}
}

/* ---- calls ---- */

/* Each lane's ids are its own: its number, and how many it has made. */
static void make_id(struct lane *lane)
{
	char text[ID_LENGTH + 1];

	snprintf(text, sizeof(text), "session_%06x%06x", lane->number & 0xffffff,
		lane->rounds++ & 0xffffff);
	memcpy(lane->id, text, ID_LENGTH);
}

static void mark_dirty(struct worker *w, struct link *link)
{
	if (link->is_dirty)
		return;
	link->is_dirty = true;
	w->dirty[w->n_dirty++] = link;
}

static void make_ready(struct worker *w, struct lane *lane)
{
	size_t last = w->first_ready + w->n_ready++;

	w->ready[last < w->n_lanes ? last : last - w->n_lanes] = lane;
}

static int reopen(struct worker *w, struct link *link)
{
	int r = operation_of(w)->reconnects ? link_open(link, w->load->path) : -ENOTCONN;

	return r < 0 ? r : worker_watch(w, link);
}

/* 0, or a negated errno of the connection that was to be made for it. */
static int call(struct worker *w, struct lane *lane, enum call which)
{
	struct link *link = lane->link;
	int r = link->fd < 0 ? reopen(w, link) : 0;

	if (r < 0)
		return r;
	if (which == CALL_CREATE && w->load->dialect->makes_ids)
		make_id(lane);
	lane->call = which;
	lane->called_ns = w->now_ns;
	link_call(link, lane, &w->load->dialect->requests[which]);
	w->n_calling++;
	mark_dirty(w, link);
	return 0;
}

/* ---- ops ---- */

static bool is_measured(const struct worker *w, int64_t begun_ns)
{
	return begun_ns >= w->from_ns && begun_ns < w->until_ns;
}

static bool take_budget(struct worker *w)
{
	if (w->now_ns < w->from_ns)
		return true;
	if (w->budget == 0)
		return false;
	w->budget--;
	return true;
}

static struct vacancy *vacancy_of(const struct worker *w, int64_t slot)
{
	return slot >= 0 && (uint64_t)slot < w->load->slots ? &w->shared->vacancies[slot] : NULL;
}

static void note_vacancy(struct worker *w, const struct lane *lane)
{
	struct vacancy *vacancy = vacancy_of(w, lane->slot);

	if (!vacancy)
		return;
	atomic_store_explicit(&vacancy->begun_ns, lane->begun_ns, memory_order_relaxed);
	atomic_store_explicit(&vacancy->sent_ns, w->now_ns, memory_order_relaxed);
}

/* An op begins at BEGUN, which is what its latency is measured from. As call(). */
static int begin(struct worker *w, struct lane *lane, enum call which, int64_t begun_ns)
{
	lane->begun_ns = begun_ns;
	if (operation_of(w)->hands_over && which == CALL_RELEASE)
		note_vacancy(w, lane);
	return call(w, lane, which);
}

/* The connection for an op could not be made: later, if only too many come at once. */
static void handle_failure(struct worker *w, struct lane *lane, int error)
{
	if (error == -EAGAIN)
		make_ready(w, lane);
	else if (error != -ENOTCONN)
		lanes_lose(w, lane->link, error);
}

void lane_go(struct worker *w, struct lane *lane)
{
	int which = lane->link->is_keeper ? next_of_keeper(w, lane) : next_of(w, lane), r = 0;

	if (which == NOTHING)
		return;
	if (!(operation_of(w)->begins & BIT(which)))
		r = call(w, lane, (enum call)which);
	else if (w->phase != PHASE_RUN)
		r = begin(w, lane, (enum call)which, INT64_MAX); /* is not measured */
	else if (w->pace.rate > 0)
		make_ready(w, lane);
	else if (take_budget(w))
		r = begin(w, lane, (enum call)which, w->now_ns);
	if (r < 0)
		handle_failure(w, lane, r);
}

static void note_begun(struct worker *w, int64_t due_ns)
{
	if (!is_measured(w, due_ns))
		return;
	w->outcome.begun++;
	if (w->now_ns - due_ns > w->outcome.lag_ns)
		w->outcome.lag_ns = w->now_ns - due_ns;
}

static struct lane *take_ready(struct worker *w)
{
	struct lane *lane = w->ready[w->first_ready];

	w->first_ready = w->first_ready + 1 < w->n_lanes ? w->first_ready + 1 : 0;
	w->n_ready--;
	return lane;
}

/* False if that is for another turn. */
static bool serve(struct worker *w, struct lane *lane)
{
	int64_t due_ns = w->pace.rate > 0 ? pace_due(&w->pace) : w->now_ns;
	int r;

	if (!take_budget(w))
		return true;
	r = begin(w, lane, (enum call)next_of(w, lane), due_ns);
	if (r == 0 && w->pace.rate > 0) {
		w->pace.taken++;
		note_begun(w, due_ns);
	}
	if (r < 0)
		handle_failure(w, lane, r);
	return r == 0 || r == -ENOTCONN;
}

void lanes_serve_ready(struct worker *w)
{
	while (w->n_ready > 0) {
		if (w->pace.rate > 0 && pace_due(&w->pace) > w->now_ns)
			return;
		if (!serve(w, take_ready(w)))
			return;
	}
}

void lanes_account_unsent(struct worker *w)
{
	int64_t due_ns;

	if (w->pace.rate <= 0 || w->budget == 0)
		return;
	while ((due_ns = pace_due(&w->pace)) < w->until_ns) {
		w->pace.taken++;
		if (!is_measured(w, due_ns))
			continue;
		w->outcome.unsent++;
		histogram_add(&w->outcome.latency, w->until_ns - due_ns);
	}
}

/* ---- replies ---- */

/* When the op began that this reply completes; -1 if it completes none: a slot that was free when
 * it was asked for has not been handed over. */
static int64_t begin_of(
	const struct worker *w, const struct lane *lane, const struct answer *answer)
{
	struct vacancy *vacancy;

	if (!operation_of(w)->hands_over)
		return lane->begun_ns;
	vacancy = vacancy_of(w, answer->slot);
	if (!vacancy ||
		atomic_load_explicit(&vacancy->sent_ns, memory_order_relaxed) < lane->called_ns)
		return -1;
	return atomic_load_explicit(&vacancy->begun_ns, memory_order_relaxed);
}

static void measure(struct worker *w, const struct lane *lane, const struct answer *answer)
{
	int64_t begun_ns;

	if (!(operation_of(w)->counted & BIT(lane->call)))
		return;
	begun_ns = begin_of(w, lane, answer);
	if (!is_measured(w, begun_ns))
		return;
	w->outcome.ops++;
	histogram_add(&w->outcome.latency, w->now_ns - begun_ns);
}

static void note_created(struct worker *w, struct lane *lane, const struct answer *answer)
{
	w->outcome.created++;
	lane->holds = true;
	lane->slot = answer->slot;
	if (answer->id)
		memcpy(lane->id, answer->id, ID_LENGTH);
	if (lane->call == CALL_WAIT)
		atomic_fetch_add_explicit(&w->shared->grants, 1, memory_order_relaxed);
	if (lane->link->is_keeper || operation_of(w)->is_stocked)
		put_into_stock(w, lane);
}

static void note_success(struct worker *w, struct lane *lane, const struct answer *answer)
{
	measure(w, lane, answer);
	if (lane->call == CALL_CREATE || lane->call == CALL_WAIT) {
		note_created(w, lane, answer);
	} else if (lane->call == CALL_RELEASE) {
		w->outcome.released++;
		lane->holds = false;
	}
}

void lanes_note_error(struct worker *w, const char *name)
{
	tally_add(&w->outcome.errors, name, strlen(name), w->now_ns, NULL, 0);
}

static void note_refusal(struct worker *w, struct lane *lane, const struct answer *answer,
	const char *reply, size_t length)
{
	tally_add(
		&w->outcome.errors, answer->error, answer->error_length, w->now_ns, reply, length);
	if (answer->is_gone || w->phase == PHASE_CLEAN)
		lane->holds = false;
	if (answer->is_final || w->phase == PHASE_PREPARE)
		worker_fail(w);
}

/* A server that has no room for a connection says so before it is asked. */
static void refuse_unasked(struct worker *w, struct link *link, const char *reply, size_t length)
{
	struct answer answer = {.slot = -1};

	w->load->dialect->judge(w->load->dialect, CALL_CREATE, reply, length, &answer);
	if (answer.error)
		tally_add(&w->outcome.errors, answer.error, answer.error_length, w->now_ns, reply,
			length);
	if (answer.is_final)
		worker_fail(w);
	lanes_lose(w, link, answer.error ? -ECONNRESET : -EPROTO);
}

bool lanes_take_reply(struct worker *w, struct link *link, const char *reply, size_t length)
{
	struct lane *lane = link_answered(link);
	struct answer answer = {.slot = -1};
	bool is_last;

	if (!lane) {
		refuse_unasked(w, link, reply, length);
		return false;
	}
	w->n_calling--;
	w->load->dialect->judge(w->load->dialect, lane->call, reply, length, &answer);
	if (answer.error)
		note_refusal(w, lane, &answer, reply, length);
	else
		note_success(w, lane, &answer);
	is_last = operation_of(w)->reconnects && !link->is_keeper && !lane->holds;
	if (is_last)
		link_close(link);
	lane_go(w, lane);
	return !is_last;
}

static const char *name_of_loss(int error)
{
	const char *name = strerrorname_np(-error);

	if (error == -EPIPE || error == -ECONNRESET)
		return "ConnectionClosed";
	return error == -EPROTO || !name ? "BadReply" : name;
}

void lanes_lose(struct worker *w, struct link *link, int error)
{
	struct lane *lane = &w->lanes[(size_t)(link - w->links) * w->load->depth];

	lanes_note_error(w, name_of_loss(error));
	w->n_calling -= link->n_calling;
	link_close(link);
	for (unsigned i = 0; i < link->depth; i++, lane++) {
		lane->is_calling = false;
		if (lane->holds && w->load->outlive)
			put_into_stock(w, lane);
		lane->holds = false;
		if (w->phase == PHASE_RUN && operation_of(w)->reconnects && error != -ENOENT &&
			error != -ECONNREFUSED)
			make_ready(w, lane);
	}
	w->n_lost += !operation_of(w)->reconnects && !link->is_keeper;
	if (link->is_keeper || error == -ENOENT || error == -ECONNREFUSED)
		worker_fail(w);
}
