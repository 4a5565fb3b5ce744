/* SPDX-License-Identifier: MIT */
#include "daemon/recount.h"

#define A_LOCK  256  /* sessions */
#define A_TURN  1024 /* the same */
#define UNKNOWN UINT64_MAX

/* ---- the portion ---- */

/* With as many more as have come since the last turn, or the end might never be reached. */
void recounts_begin_turn(struct loop *loop)
{
	struct section section;
	uint64_t next;

	loop->recounts_left = A_TURN;
	if (list_is_empty(&loop->recounts))
		return;
	broker_enter(loop->server->broker, &section);
	next = table_next_sequence(section.table);
	broker_leave(&section);
	if (loop->recounts_sequence != UNKNOWN)
		loop->recounts_left += next - loop->recounts_sequence;
	loop->recounts_sequence = next;
}

bool recount_may(struct recount *recount, uint64_t n)
{
	uint64_t *left = &recount->pending.conn->loop->recounts_left;

	if (*left == 0)
		return false;
	*left -= n < *left ? n : *left;
	return true;
}

static bool step(struct recount *recount, struct table *table)
{
	uint64_t *left = &recount->pending.conn->loop->recounts_left, before;
	bool is_done;

	if (!recount->is_begun) {
		table_audit_begin(table, &recount->audit);
		recount->audit.only_sums = recount->only_sums;
		recount->is_begun = true;
	}
	before = recount->audit.looked_at;
	is_done = table_audit_step(table, &recount->audit, *left < A_LOCK ? *left : A_LOCK);
	*left -= recount->audit.looked_at - before;
	return is_done;
}

bool recount_table(struct recount *recount, struct section *section)
{
	struct loop *loop = recount->pending.conn->loop;

	while (loop->recounts_left > 0) {
		broker_enter(loop->server->broker, section);
		if (step(recount, section->table)) {
			table_audit_end(&recount->audit);
			recount->is_begun = false;
			return true;
		}
		broker_leave(section);
	}
	return false;
}

/* ---- the calls ---- */

static void queue(struct recount *recount)
{
	struct loop *loop = recount->pending.conn->loop;

	if (list_is_empty(&loop->recounts))
		loop->recounts_sequence = UNKNOWN;
	list_append(&loop->recounts, &recount->link);
	conn_begin_pending(recount->pending.conn, &recount->pending);
	loop_spin(loop);
}

static void set_up(struct recount *recount, struct conn *conn)
{
	recount->pending.conn = conn;
	list_init(&recount->link);
}

void recount_begin(struct request *request, struct recount *recount)
{
	if (!recount) {
		fail_request(request);
		return;
	}
	set_up(recount, request->conn);
	if (list_is_empty(&request->conn->loop->recounts) && recount->go_on(recount))
		recount->pending.free(&recount->pending);
	else
		queue(recount);
}

void recount_restore(struct conn *conn, struct recount *recount)
{
	set_up(recount, conn);
	queue(recount);
}

void recount_end(struct recount *recount)
{
	struct section section;

	list_remove(&recount->link);
	if (!recount->is_begun)
		return;
	broker_enter(recount->pending.conn->loop->server->broker, &section);
	table_audit_end(&recount->audit);
	broker_leave(&section);
}

/* No event tells that a peer who has closed its sending side has closed altogether. */
static bool is_given_up(struct conn *conn)
{
	if (conn->is_end_near && conn_is_fully_closed(conn))
		conn_lose_listener(conn);
	return !conn->pending;
}

void recounts_go_on(struct loop *loop)
{
	while (!list_is_empty(&loop->recounts)) {
		struct recount *first = container_of(loop->recounts.next, struct recount, link);

		if (is_given_up(first->pending.conn))
			continue;
		first->is_blocked = false;
		if (!first->go_on(first))
			return;
		conn_finish_pending(first->pending.conn);
	}
}

bool recounts_may_go_on(const struct loop *loop)
{
	return !list_is_empty(&loop->recounts) &&
	       !container_of(loop->recounts.next, const struct recount, link)->is_blocked;
}
