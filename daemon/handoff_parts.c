/* SPDX-License-Identifier: MIT */
#include "daemon/handoff_parts.h"

#include "daemon/handoff_records.h"

/* ---- histograms: a field for each cell that counts anything ---- */

#define FIRST_CELL        1 /* tag of cell 0 */
#define HISTOGRAM_COUNT   0xfff0
#define HISTOGRAM_SUM     0xfff1
#define HISTOGRAM_LARGEST 0xfff2

void pack_histogram(struct pack_writer *out, uint16_t tag, const struct histogram_copy *copy)
{
	size_t begun = pack_begin(out, tag);

	pack_number(out, HISTOGRAM_COUNT, copy->count);
	pack_number(out, HISTOGRAM_SUM, copy->sum);
	pack_number(out, HISTOGRAM_LARGEST, copy->max);
	for (size_t i = 0; i < HISTOGRAM_CELLS; i++)
		pack_number(out, (uint16_t)(FIRST_CELL + i), copy->cells[i]);
	pack_end(out, begun);
}

void pack_live_histogram(struct pack_writer *out, uint16_t tag, const struct histogram *histogram)
{
	struct histogram_copy copy = {0};

	histogram_copy_add(&copy, histogram);
	pack_histogram(out, tag, &copy);
}

static void set_cell(struct histogram_copy *copy, uint16_t tag, uint64_t value)
{
	if (tag == HISTOGRAM_COUNT)
		copy->count = value;
	else if (tag == HISTOGRAM_SUM)
		copy->sum = value;
	else if (tag == HISTOGRAM_LARGEST)
		copy->max = value;
	else if (tag >= FIRST_CELL && tag < FIRST_CELL + HISTOGRAM_CELLS)
		copy->cells[tag - FIRST_CELL] = value;
}

int unpack_histogram(struct pack_span span, struct histogram_copy *ret)
{
	struct pack_reader record = pack_reader_of(span.bytes, span.length);
	struct pack_field field;
	uint64_t value;
	int r;

	*ret = (struct histogram_copy){0};
	while ((r = pack_next(&record, &field)) > 0) {
		r = pack_get_number(&field, &value);
		if (r < 0)
			break;
		set_cell(ret, field.tag, value);
	}
	return r;
}

/* ---- counters ---- */

#define FIRST_OUTCOME   32 /* tags of arrays: enum outcome and enum rejection only ever grow */
#define FIRST_REJECTION 64

static const struct pack_item counter_items[] = {
	PACK_ITEM(counters, 1, PACK_U64, created),
	PACK_ITEM(counters, 2, PACK_U64, queued),
	PACK_ITEM(counters, 3, PACK_U64, granted_waits),
	PACK_ITEM(counters, 4, PACK_U64, refused_waits),
	PACK_ITEM(counters, 5, PACK_U64, cancelled_waits),
	PACK_ITEM(counters, 6, PACK_U64, shadow_capacity),
	PACK_ITEM(counters, 7, PACK_U64, shadow_quota),
	{0},
};

void pack_counters(struct pack_writer *out, uint16_t tag, const struct counters *counters)
{
	size_t begun = pack_begin(out, tag);

	pack_struct(out, counter_items, counters);
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		pack_number(out, (uint16_t)(FIRST_OUTCOME + i), counters->ended[i]);
	for (unsigned i = 0; i < REJECTED_COUNT; i++)
		pack_number(out, (uint16_t)(FIRST_REJECTION + i), counters->rejected[i]);
	pack_end(out, begun);
}

int unpack_counters(struct pack_span span, struct counters *ret)
{
	struct pack_reader record = pack_reader_of(span.bytes, span.length);
	struct pack_field field;
	int r = unpack_struct(record, counter_items, ret, sizeof(*ret));

	while (r == 0 && pack_next(&record, &field) > 0) {
		unsigned outcome = (unsigned)field.tag - FIRST_OUTCOME;
		unsigned rejection = (unsigned)field.tag - FIRST_REJECTION;

		if (outcome < OUTCOME_COUNT)
			r = pack_get_number(&field, &ret->ended[outcome]);
		else if (rejection < REJECTED_COUNT)
			r = pack_get_number(&field, &ret->rejected[rejection]);
	}
	return r;
}

/* ---- pauses ---- */

struct packed_pause {
	bool is_on;
	int64_t until_us;
	struct pack_span reason;
};

static const struct pack_item pause_items[] = {
	PACK_ITEM(packed_pause, 1, PACK_BOOL, is_on),
	PACK_ITEM(packed_pause, 2, PACK_I64, until_us),
	PACK_ITEM(packed_pause, 3, PACK_SPAN, reason),
	{0},
};

void pack_pause(struct pack_writer *out, uint16_t tag, const struct pause *pause)
{
	const struct packed_pause packed = {
		pause->is_on, pause->until_us, span_of_text(pause->reason)};
	size_t begun;

	if (!pause->is_on)
		return;
	begun = pack_begin(out, tag);
	pack_struct(out, pause_items, &packed);
	pack_end(out, begun);
}

int unpack_pause(struct pack_span span, struct pause *ret)
{
	struct packed_pause packed;
	int r = unpack_struct(
		pack_reader_of(span.bytes, span.length), pause_items, &packed, sizeof(packed));

	*ret = (struct pause){0};
	if (r < 0 || !packed.is_on)
		return r;
	ret->is_on = true;
	ret->until_us = packed.until_us;
	return text_of_span(packed.reason, &ret->reason);
}
