/* SPDX-License-Identifier: MIT */
/* Verify: everything counted anew, in the table and in the store, and held against each other. */
#include "daemon/ops_verify.h"

#include "daemon/commit.h"
#include "daemon/handoff_records.h"
#include "daemon/log.h"
#include "daemon/recount.h"
#include "daemon/store_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FINDINGS_MAX 16
#define FINDING_SIZE 160

struct findings {
	size_t count;
	char texts[FINDINGS_MAX][FINDING_SIZE];
	struct message_text messages[FINDINGS_MAX];
};

/* A Verify in work. */
struct verification {
	struct recount recount; /* of the table, and then: */
	bool is_table_done;
	struct store_check check;
	struct findings findings;
};

static char *add_finding(struct findings *findings)
{
	return findings->texts[findings->count++];
}

static void compare(
	struct findings *findings, const char *what, uint64_t counted, uint64_t recounted)
{
	if (counted != recounted)
		snprintf(add_finding(findings), FINDING_SIZE,
			"%s: counted %" PRIu64 ", found %" PRIu64, what, counted, recounted);
}

/* ---- the table ---- */

static void compare_table(
	const struct table_metrics *metrics, const struct audit *audit, struct findings *findings)
{
	compare(findings, "active sessions", metrics->active, audit->active);
	compare(findings, "used units", metrics->used_units, audit->used_units);
	compare(findings, "overdue sessions", metrics->overdue, audit->overdue);
	compare(findings, "orphaned sessions", metrics->orphaned, audit->orphaned);
	compare(findings, "metadata bytes", metrics->metadata_bytes, audit->metadata_bytes);
	compare(findings, "sessions that cannot be found by their ids", 0, audit->unindexed);
	compare(findings, "slots held but marked free", 0, audit->bad_slots);
	compare(findings, "sessions created against active and ended", metrics->totals.created,
		metrics->active + counters_ended(&metrics->totals));
}

/* A portion; true when all is done. */
static bool verify_table(struct verification *verification)
{
	struct table_metrics metrics;
	struct section section;

	if (!recount_table(&verification->recount, &section))
		return false;
	table_metrics(section.table, section.now, &metrics);
	broker_leave(&section);
	compare_table(&metrics, &verification->recount.audit, &verification->findings);
	return true;
}

/* ---- the store ---- */

static void compare_store(const struct store_check *check, struct findings *findings)
{
	compare(findings, "sessions in the store against active ones as stored", check->active,
		check->found);
	compare(findings, "sessions in the store against those that the table knows as stored",
		check->in_store, check->found);
	compare(findings, "the sum over the sessions in the store", check->recorded_sums,
		check->found_sums);
	compare(findings, "sessions that are missing in the store", 0, check->missing);
	compare(findings, "damaged sessions in the store", 0, check->damaged);
	compare(findings, "sessions that are stored otherwise than they are", 0, check->different);
}

static void say_unreadable(struct findings *findings, const char *why)
{
	snprintf(add_finding(findings), FINDING_SIZE, "the store cannot be read: %s", why);
}

/* With the store's lock, after what was changed before has been stored; STORE is NULL if it could
 * not be. */
static bool verify_portion(
	struct verification *verification, struct broker *broker, struct store *store)
{
	struct store_check *check = &verification->check;
	struct findings *findings = &verification->findings;
	int r = store ? store_check_go_on(check, broker, store) : 0;

	if (r > 0)
		return false;
	if (r == -ENOMEM)
		verification->recount.pending.conn->out.failed = true;
	else if (!store)
		say_unreadable(findings, "it is not available");
	else if (r < 0)
		say_unreadable(findings, store_error(r));
	else
		compare_store(check, findings);
	return true;
}

/* As much of it as there may be; true when all is done. */
static bool verify_store(struct verification *verification)
{
	struct loop *loop = verification->recount.pending.conn->loop;
	struct committer *committer = loop->server->committer;
	struct store *store;
	bool is_done = !committer;

	while (!is_done && recount_may(&verification->recount, STORED_A_PORTION)) {
		verification->recount.is_blocked = !committer_hold_or_wait(committer, loop, &store);
		if (verification->recount.is_blocked)
			return false;
		is_done = verify_portion(verification, loop->server->broker, store);
		committer_let_go(committer);
	}
	return is_done;
}

/* ---- the call ---- */

static void free_verification(struct pending *pending)
{
	struct verification *verification =
		container_of(pending, struct verification, recount.pending);
	struct loop *loop = pending->conn->loop;

	if (loop->last_verification == verification)
		loop->last_verification = NULL;
	recount_end(&verification->recount);
	store_check_end(&verification->check);
	free(verification);
}

/* Whether it is for the log alone. */
static bool is_oneway(const struct verification *verification)
{
	return verification->recount.pending.needs == NEEDS_NOBODY;
}

static void answer(struct verification *verification)
{
	struct findings *findings = &verification->findings;
	struct conn *conn = verification->recount.pending.conn;
	struct request request = request_of(conn);

	for (size_t i = 0; i < findings->count; i++) {
		findings->messages[i] = message_cstring(findings->texts[i]);
		log_error("verify: %s", findings->texts[i]);
	}
	if (!is_oneway(verification))
		reply(&request, &verify_out,
			&(struct verify_reply){
				.ok = findings->count == 0,
				.findings = {findings->messages, findings->count, true},
			});
}

static bool go_on(struct recount *recount)
{
	struct verification *verification = container_of(recount, struct verification, recount);

	if (!verification->is_table_done)
		verification->is_table_done = verify_table(verification);
	if (!verification->is_table_done || !verify_store(verification))
		return false;
	answer(verification);
	return true;
}

static void pack_verification(const struct pending *pending, struct pack_writer *out);

static struct verification *new_verification(bool oneway)
{
	struct verification *verification = calloc(1, sizeof(*verification));

	if (!verification)
		return NULL;
	verification->recount = (struct recount){
		.pending = {.free = free_verification,
			.pack = pack_verification,
			.pack_tag = HANDOFF_PENDING_VERIFY,
			.needs = oneway ? NEEDS_NOBODY : NEEDS_LISTENER},
		.go_on = go_on,
	};
	return verification;
}

/* One for the log that has not begun yet does for another (unless the broker itself closes its
 * connection before). Else many who ask and do not stay would keep the loop at work, and their
 * connections open, for long. */
static bool is_one_to_come(const struct loop *loop)
{
	const struct verification *last = loop->last_verification;

	return last && !last->recount.is_begun && !last->is_table_done;
}

void handle_verify(struct request *request, const void *in)
{
	struct loop *loop = request->conn->loop;
	struct verification *verification;

	(void)in;
	if (request->call->oneway && is_one_to_come(loop))
		return;
	verification = new_verification(request->call->oneway);
	if (verification && is_oneway(verification))
		loop->last_verification = verification;
	recount_begin(request, verification ? &verification->recount : NULL);
}

/* ---- from one daemon to the next: which counts from the beginning ---- */

struct packed_verification {
	bool is_oneway;
};

static const struct pack_item verification_items[] = {
	PACK_ITEM(packed_verification, 1, PACK_BOOL, is_oneway),
	{0},
};

static void pack_verification(const struct pending *pending, struct pack_writer *out)
{
	const struct verification *verification =
		container_of(pending, const struct verification, recount.pending);
	const struct packed_verification packed = {is_oneway(verification)};

	pack_struct(out, verification_items, &packed);
}

int verify_restore(struct conn *conn, struct pack_reader record)
{
	struct packed_verification packed;
	struct verification *verification;

	if (unpack_struct(record, verification_items, &packed, sizeof(packed)) < 0)
		return -EBADMSG;
	verification = new_verification(packed.is_oneway);
	if (!verification)
		return -ENOMEM;
	if (packed.is_oneway)
		conn->loop->last_verification = verification;
	recount_restore(conn, &verification->recount);
	return 0;
}
