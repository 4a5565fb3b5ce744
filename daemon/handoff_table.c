/* SPDX-License-Identifier: MIT */
/* The clock and the table as a whole. */
#include "daemon/handoff_parts.h"
#include "daemon/handoff_records.h"
#include "daemon/metrics.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what has to be known before there is a table; and the drain, which goes on only for those
 * who wait for it ---- */

struct packed_broker {
	struct handoff_past past;
	bool is_draining;
	int64_t drain_began_us;
	uint64_t initial_active;
	uint64_t total_created;
};

static const struct pack_item broker_items[] = {
	PACK_ITEM(packed_broker, 1, PACK_U64, past.seed[0]),
	PACK_ITEM(packed_broker, 2, PACK_U64, past.seed[1]),
	PACK_ITEM(packed_broker, 3, PACK_I64, past.stalled_us),
	PACK_ITEM(packed_broker, 4, PACK_BOOL, is_draining),
	PACK_ITEM(packed_broker, 5, PACK_I64, drain_began_us),
	PACK_ITEM(packed_broker, 6, PACK_U64, initial_active),
	PACK_ITEM(packed_broker, 7, PACK_U64, total_created),
	PACK_ITEM(packed_broker, 8, PACK_BOOL, past.is_stored),
	PACK_ITEM(packed_broker, 9, PACK_U64, past.session_sums),
	PACK_ITEM(packed_broker, 10, PACK_U64, past.n_sessions),
	PACK_ITEM(packed_broker, 11, PACK_U64, past.next_fence),
	{0},
};

#define LEAST_SESSION 64 /* bytes of its record */

static bool is_drain_awaited(const struct server *server)
{
	for (unsigned i = 0; i < server->n_loops; i++)
		if (!list_is_empty(&server->loops[i].drains))
			return true;
	return false;
}

/* What the store has of the live sessions, by which the next daemon knows that it is the same one.
 */
static void sum_up(const struct table *table, struct handoff_past *past)
{
	const struct session *session;
	uint64_t after = 0;

	for (; (session = table_carry_session_after(table, after)); after = session->sequence) {
		past->session_sums += session->stored_sum;
		past->n_sessions += session->state != SESSION_WAITING;
	}
}

void packer_write_broker(struct packer *packer, bool is_stored)
{
	struct broker *broker = packer->server->broker;
	struct drain drain = broker_drain(broker);
	struct packed_broker packed = {
		.past =
			{
				.seed = {broker_seed(broker)[0], broker_seed(broker)[1]},
				.stalled_us = broker_stalled_us(broker),
				.is_stored = is_stored,
				.next_fence = table_next_fence(packer->table),
			},
	};
	size_t begun;

	sum_up(packer->table, &packed.past);
	if (drain.is_on && is_drain_awaited(packer->server)) {
		packed.is_draining = true;
		packed.drain_began_us = drain.began_us;
		packed.initial_active = drain.initial_active;
		packed.total_created = drain.total_created;
	}
	begun = pack_begin(&packer->out, HANDOFF_BROKER);
	pack_struct(&packer->out, broker_items, &packed);
	pack_end(&packer->out, begun);
}

int unpack_past(struct pack_reader record, struct handoff_past *ret)
{
	struct packed_broker packed;
	int r = unpack_struct(record, broker_items, &packed, sizeof(packed));

	*ret = packed.past;
	return r;
}

int unpack_broker(struct unpacker *unpacker, struct pack_reader record)
{
	struct packed_broker packed;

	if (unpack_struct(record, broker_items, &packed, sizeof(packed)) < 0)
		return unpacker_fail(unpacker, -EBADMSG, "the drain");
	if (packed.past.n_sessions <= unpacker->parcel->description_size / LEAST_SESSION)
		broker_expect(unpacker->server->broker, packed.past.n_sessions);
	unpacker->drain = (struct drain){
		.is_on = packed.is_draining,
		.began_us = packed.drain_began_us,
		.initial_active = packed.initial_active,
		.total_created = packed.total_created,
	};
	return 0;
}

/* ---- the table ---- */

struct packed_table {
	struct carried_state state;
	uint64_t next_sequence;
	uint64_t next_fence;
	uint64_t peak;
	struct pack_span pause;
	struct pack_span totals;
	struct pack_span base;
	struct pack_span durations;
	struct pack_span queue_wait;
	struct pack_span durations_at_reset;
	struct pack_span queue_wait_at_reset;
};

enum table_tag {
	TABLE_PAUSE = 11,
	TABLE_TOTALS = 12,
	TABLE_BASE = 13,
	TABLE_DURATIONS = 14,
	TABLE_QUEUE_WAIT = 15,
	TABLE_DURATIONS_AT_RESET = 16,
	TABLE_QUEUE_WAIT_AT_RESET = 17,
};

static const struct pack_item table_items[] = {
	PACK_ITEM(packed_table, 2, PACK_U64, state.section),
	PACK_ITEM(packed_table, 3, PACK_I64, state.duration_max_ns),
	PACK_ITEM(packed_table, 4, PACK_I64, state.queue_wait_max_ns),
	PACK_ITEM(packed_table, 6, PACK_BOOL, state.are_orphans_due),
	PACK_ITEM(packed_table, 7, PACK_I64, state.orphans_until_us),
	PACK_ITEM(packed_table, 8, PACK_U64, next_sequence),
	PACK_ITEM(packed_table, 9, PACK_U64, next_fence),
	PACK_ITEM(packed_table, 10, PACK_U64, peak),
	PACK_ITEM(packed_table, TABLE_PAUSE, PACK_SPAN, pause),
	PACK_ITEM(packed_table, TABLE_TOTALS, PACK_SPAN, totals),
	PACK_ITEM(packed_table, TABLE_BASE, PACK_SPAN, base),
	PACK_ITEM(packed_table, TABLE_DURATIONS, PACK_SPAN, durations),
	PACK_ITEM(packed_table, TABLE_QUEUE_WAIT, PACK_SPAN, queue_wait),
	PACK_ITEM(packed_table, TABLE_DURATIONS_AT_RESET, PACK_SPAN, durations_at_reset),
	PACK_ITEM(packed_table, TABLE_QUEUE_WAIT_AT_RESET, PACK_SPAN, queue_wait_at_reset),
	{0},
};

void packer_write_table(struct packer *packer)
{
	const struct distributions *at_reset = &packer->server->metrics_base->at_reset;
	struct pack_writer *out = &packer->out;
	struct packed_table packed = {0};
	struct saved_table saved;
	size_t begun;

	table_save_globals(packer->table, &saved);
	table_carry_state_out(packer->table, &packed.state);
	packed.next_sequence = saved.next_sequence;
	packed.next_fence = saved.next_fence;
	packed.peak = saved.peak;
	begun = pack_begin(out, HANDOFF_TABLE);
	pack_struct(out, table_items, &packed);
	pack_pause(out, TABLE_PAUSE, &saved.pause);
	pack_counters(out, TABLE_TOTALS, &saved.totals);
	pack_counters(out, TABLE_BASE, &saved.base);
	pack_live_histogram(out, TABLE_DURATIONS, table_durations(packer->table));
	pack_live_histogram(out, TABLE_QUEUE_WAIT, table_queue_waits(packer->table));
	pack_histogram(out, TABLE_DURATIONS_AT_RESET, &at_reset->duration_ns);
	pack_histogram(out, TABLE_QUEUE_WAIT_AT_RESET, &at_reset->queue_wait_ns);
	pack_end(out, begun);
	saved_table_deinit(&saved);
}

struct table_histograms {
	struct histogram_copy durations;
	struct histogram_copy queue_wait;
};

static int read_histograms(
	const struct packed_table *packed, struct unpacker *unpacker, struct table_histograms *ret)
{
	struct distributions *at_reset = &unpacker->server->metrics_base->at_reset;
	int r = unpack_histogram(packed->durations, &ret->durations);

	if (r == 0)
		r = unpack_histogram(packed->queue_wait, &ret->queue_wait);
	if (r == 0)
		r = unpack_histogram(packed->durations_at_reset, &at_reset->duration_ns);
	if (r == 0)
		r = unpack_histogram(packed->queue_wait_at_reset, &at_reset->queue_wait_ns);
	return r;
}

static int read_saved_table(
	struct pack_reader record, struct packed_table *packed, struct saved_table *saved)
{
	int r = unpack_struct(record, table_items, packed, sizeof(*packed));

	*saved = (struct saved_table){
		.next_sequence = packed->next_sequence,
		.next_fence = packed->next_fence,
		.peak = packed->peak,
	};
	if (r == 0)
		r = unpack_counters(packed->totals, &saved->totals);
	if (r == 0)
		r = unpack_counters(packed->base, &saved->base);
	if (r == 0)
		r = unpack_pause(packed->pause, &saved->pause);
	return r;
}

int unpack_table(struct unpacker *unpacker, struct pack_reader record)
{
	struct broker *broker = unpacker->server->broker;
	struct table_histograms *histograms = calloc(1, sizeof(*histograms));
	struct packed_table packed;
	struct saved_table saved = {0};
	struct section section;
	int r = histograms ? read_saved_table(record, &packed, &saved) : -ENOMEM;

	if (r == 0)
		r = read_histograms(&packed, unpacker, histograms);
	if (r == 0) {
		packed.state.is_draining = unpacker->drain.is_on;
		broker_enter(broker, &section);
		table_restore_globals(section.table, &saved, &section.change);
		table_carry_state(section.table, &packed.state);
		table_carry_histograms(
			section.table, NULL, &histograms->durations, &histograms->queue_wait);
		broker_leave(&section);
	}
	saved_table_deinit(&saved);
	free(histograms);
	return r < 0 ? unpacker_fail(unpacker, r, "the table") : 0;
}
