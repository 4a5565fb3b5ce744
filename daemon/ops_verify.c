/* SPDX-License-Identifier: MIT */
/* Verify: everything counted anew, in the table and in the store, and held against each other. */
#include "daemon/commit.h"
#include "daemon/core/persist.h"
#include "daemon/log.h"
#include "daemon/ops.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define AUDITED_A_LOCK 256
#define STORED_A_LOCK  256
#define FINDINGS_MAX   16
#define FINDING_SIZE   160

struct findings {
	size_t count;
	char texts[FINDINGS_MAX][FINDING_SIZE];
	struct message_text messages[FINDINGS_MAX];
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

/* What it counts, and the same counted anew to the same instant. */
static void audit_table(struct broker *broker, struct table_metrics *ret, struct audit *ret_audit)
{
	struct section section;

	broker_enter(broker, &section);
	table_audit_begin(section.table, ret_audit);
	while (!table_audit_step(section.table, ret_audit, AUDITED_A_LOCK)) {
		broker_leave(&section);
		broker_enter(broker, &section);
	}
	table_metrics(section.table, section.now, ret);
	table_audit_end(ret_audit);
	broker_leave(&section);
}

static void verify_table(struct broker *broker, struct findings *findings)
{
	struct table_metrics metrics;
	struct audit audit;

	audit_table(broker, &metrics, &audit);
	compare(findings, "active sessions", metrics.active, audit.active);
	compare(findings, "used units", metrics.used_units, audit.used_units);
	compare(findings, "overdue sessions", metrics.overdue, audit.overdue);
	compare(findings, "orphaned sessions", metrics.orphaned, audit.orphaned);
	compare(findings, "metadata bytes", metrics.metadata_bytes, audit.metadata_bytes);
	compare(findings, "sessions that cannot be found by their ids", 0, audit.unindexed);
	compare(findings, "slots held but marked free", 0, audit.bad_slots);
	compare(findings, "sessions created against active and ended", metrics.totals.created,
		metrics.active + counters_ended(&metrics.totals));
}

/* ---- the store ---- */

struct stored {
	uint64_t id;
	uint32_t sum;
};

/* Nothing is committed while this goes on, so that the sums of live sessions stay what they are in
 * the store; what ends meanwhile waits to be deleted. */
struct comparison {
	struct stored items[STORED_A_LOCK];
	size_t n_items;
	uint64_t stored;
	uint64_t session_sums;
	uint64_t damaged;
	uint64_t different; /* live, but not as stored */
	uint64_t ended;     /* stored, and not live */
};

static int collect(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct comparison *c = context;
	struct stored *item = &c->items[c->n_items];

	c->stored++;
	if (record_check(bytes, size, &sequence, sizeof(sequence), &item->sum) < 0 ||
		record_read_session_id(bytes, size, &item->id) < 0) {
		c->damaged++;
		return 0;
	}
	c->session_sums += item->sum;
	c->n_items++;
	return 0;
}

static void match(struct broker *broker, struct comparison *c)
{
	struct section section;

	broker_enter(broker, &section);
	for (size_t i = 0; i < c->n_items; i++) {
		uint32_t sum;

		if (!table_stored_sum(section.table, c->items[i].id, &sum))
			c->ended++;
		else if (sum != c->items[i].sum)
			c->different++;
	}
	broker_leave(&section);
	c->n_items = 0;
}

static int scan(struct broker *broker, struct store *store, struct comparison *c)
{
	struct store_scan *stored;
	bool is_end = false;
	int r = store_scan_begin(store, &stored);

	while (r == 0 && !is_end) {
		r = store_scan_next(stored, STORED_A_LOCK, collect, c, &is_end);
		match(broker, c);
	}
	store_scan_end(stored);
	return r;
}

static uint64_t count_to_delete(struct broker *broker)
{
	struct section section;
	uint64_t n;

	broker_enter(broker, &section);
	n = table_count_stored_ends(section.table);
	broker_leave(&section);
	return n;
}

static int compare_store(
	struct broker *broker, struct store *store, struct comparison *c, struct findings *findings)
{
	struct saved_table table;
	struct record_totals totals;
	uint64_t to_delete;
	int r = store_read_table(store, &table, &totals);

	if (r == 0)
		r = scan(broker, store, c);
	if (r < 0)
		return r;
	to_delete = count_to_delete(broker);
	compare(findings, "sessions in the store against active ones as stored", table.active,
		c->stored);
	compare(findings, "the sum over the sessions in the store", totals.session_sums,
		c->session_sums);
	compare(findings, "damaged sessions in the store", 0, c->damaged);
	compare(findings, "sessions that are stored otherwise than they are", 0, c->different);
	if (c->ended > to_delete)
		compare(findings, "ended sessions that are in the store", to_delete, c->ended);
	saved_table_deinit(&table);
	return 0;
}

static int verify_store(struct loop *loop, struct findings *findings)
{
	struct committer *committer = loop->server->committer;
	struct comparison *c;
	struct store *store;
	int r = 0;

	if (!committer)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	store = committer_hold(committer, loop);
	if (store)
		r = compare_store(loop->server->broker, store, c, findings);
	committer_let_go(committer);
	free(c);
	if (!store || r < 0)
		snprintf(add_finding(findings), FINDING_SIZE, "the store cannot be read: %s",
			store ? store_error(r) : "it is not available");
	return 0;
}

/* ---- the call ---- */

void handle_verify(struct request *request, const void *in)
{
	struct findings findings = {0};
	struct verify_reply out;

	(void)in;
	verify_table(request->broker, &findings);
	if (verify_store(request->conn->loop, &findings) < 0) {
		fail_request(request);
		return;
	}
	for (size_t i = 0; i < findings.count; i++) {
		findings.messages[i] = message_cstring(findings.texts[i]);
		log_error("verify: %s", findings.texts[i]);
	}
	out = (struct verify_reply){
		.ok = findings.count == 0,
		.findings = {findings.messages, findings.count, true},
	};
	reply(request, &verify_out, &out);
}
