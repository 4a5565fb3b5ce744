/* SPDX-License-Identifier: MIT */
/* Pools: their settings, pauses and counts. */
#include "daemon/handoff_parts.h"
#include "daemon/handoff_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct packed_pool {
	struct pack_span name;
	uint8_t source;
	bool is_removed;
	uint32_t slots;
	uint32_t limit;
	uint32_t max_metadata_bytes;
	int64_t default_timeout_ms;
	int64_t max_timeout_ms;
	int64_t max_duration_ms;
	uint8_t on_timeout;
	uint32_t max_waiters;
	int64_t per_uid_waiters;
	int64_t quotas[DIMENSIONS];
	uint8_t fair_by;
	int64_t age_step_ms;
	int64_t starve_after_ms;
	bool enforce;
	struct pack_span allow;
	struct pack_span pause;
	struct pack_span counters;
	struct pack_span durations;
	struct pack_span queue_wait;
};

enum pool_tag {
	POOL_ALLOW = 21,
	POOL_PAUSE = 22,
	POOL_COUNTERS = 23,
	POOL_DURATIONS = 24,
	POOL_QUEUE_WAIT = 25,
};

static const struct pack_item pool_items[] = {
	PACK_ITEM(packed_pool, 1, PACK_SPAN, name),
	PACK_ITEM(packed_pool, 2, PACK_U8, source),
	PACK_ITEM(packed_pool, 3, PACK_BOOL, is_removed),
	PACK_ITEM(packed_pool, 4, PACK_U32, slots),
	PACK_ITEM(packed_pool, 5, PACK_U32, limit),
	PACK_ITEM(packed_pool, 6, PACK_U32, max_metadata_bytes),
	PACK_ITEM(packed_pool, 7, PACK_I64, default_timeout_ms),
	PACK_ITEM(packed_pool, 8, PACK_I64, max_timeout_ms),
	PACK_ITEM(packed_pool, 9, PACK_I64, max_duration_ms),
	PACK_ITEM(packed_pool, 10, PACK_U8, on_timeout),
	PACK_ITEM(packed_pool, 11, PACK_U32, max_waiters),
	PACK_ITEM(packed_pool, 12, PACK_I64, per_uid_waiters),
	PACK_ITEM(packed_pool, 13, PACK_I64, quotas[BY_UID]),
	PACK_ITEM(packed_pool, 14, PACK_I64, quotas[BY_PROCESS]),
	PACK_ITEM(packed_pool, 15, PACK_I64, quotas[BY_LABEL]),
	PACK_ITEM(packed_pool, 16, PACK_U8, fair_by),
	PACK_ITEM(packed_pool, 17, PACK_I64, age_step_ms),
	PACK_ITEM(packed_pool, 18, PACK_I64, starve_after_ms),
	PACK_ITEM(packed_pool, 19, PACK_BOOL, enforce),
	PACK_ITEM(packed_pool, POOL_ALLOW, PACK_SPAN, allow),
	PACK_ITEM(packed_pool, POOL_PAUSE, PACK_SPAN, pause),
	PACK_ITEM(packed_pool, POOL_COUNTERS, PACK_SPAN, counters),
	PACK_ITEM(packed_pool, POOL_DURATIONS, PACK_SPAN, durations),
	PACK_ITEM(packed_pool, POOL_QUEUE_WAIT, PACK_SPAN, queue_wait),
	{0},
};

struct packed_allowed {
	struct pack_span name;
	bool is_group;
	uint32_t id;
};

static const struct pack_item allowed_items[] = {
	PACK_ITEM(packed_allowed, 1, PACK_SPAN, name),
	PACK_ITEM(packed_allowed, 2, PACK_BOOL, is_group),
	PACK_ITEM(packed_allowed, 3, PACK_U32, id),
	{0},
};
#define ALLOWED 1 /* tag of an entry */

static void write_allow(struct pack_writer *out, const struct allow_list *list)
{
	size_t begun, entry;

	if (!list)
		return;
	begun = pack_begin(out, POOL_ALLOW);
	for (size_t i = 0; i < list->count; i++) {
		const struct allowed *allowed = &list->entries[i];

		entry = pack_begin(out, ALLOWED);
		pack_struct(out, allowed_items,
			&(struct packed_allowed){
				span_of_text(allowed->name), allowed->is_group, allowed->id});
		pack_end(out, entry);
	}
	pack_end(out, begun);
}

static struct packed_pool describe_pool(const struct pool *pool)
{
	const struct pool_settings *settings = &pool->settings;
	struct packed_pool packed = {
		.name = span_of_text(pool->name),
		.source = (uint8_t)pool->source,
		.is_removed = pool->is_removed,
		.slots = slotmap_capacity(pool->slots),
		.limit = settings->limit,
		.max_metadata_bytes = settings->max_metadata_bytes,
		.default_timeout_ms = settings->default_timeout_ms,
		.max_timeout_ms = settings->max_timeout_ms,
		.max_duration_ms = settings->max_duration_ms,
		.on_timeout = (uint8_t)settings->on_timeout,
		.max_waiters = settings->max_waiters,
		.per_uid_waiters = settings->per_uid_waiters,
		.fair_by = (uint8_t)settings->fair_by,
		.age_step_ms = settings->age_step_ms,
		.starve_after_ms = settings->starve_after_ms,
		.enforce = settings->enforce,
	};

	memcpy(packed.quotas, settings->quotas, sizeof(packed.quotas));
	return packed;
}

static void write_pool(struct pack_writer *out, const struct pool *pool)
{
	const struct packed_pool packed = describe_pool(pool);
	size_t begun = pack_begin(out, HANDOFF_POOL);

	pack_struct(out, pool_items, &packed);
	write_allow(out, pool->settings.allow);
	pack_pause(out, POOL_PAUSE, &pool->pause);
	pack_counters(out, POOL_COUNTERS, &pool->counters);
	pack_live_histogram(out, POOL_DURATIONS, &pool->durations);
	pack_live_histogram(out, POOL_QUEUE_WAIT, &pool->queue_wait);
	pack_end(out, begun);
}

void packer_write_pools(struct packer *packer)
{
	const struct pool *pool = NULL;

	while ((pool = table_carry_pool_after(packer->table, pool)))
		write_pool(&packer->out, pool);
}

static int read_allowed(struct pack_reader record, struct allowed *ret)
{
	struct packed_allowed packed;
	int r = unpack_struct(record, allowed_items, &packed, sizeof(packed));

	if (r < 0 || !packed.name.bytes)
		return -EBADMSG;
	ret->is_group = packed.is_group;
	ret->id = packed.id;
	return text_of_span(packed.name, &ret->name);
}

static size_t count_fields(struct pack_reader record)
{
	struct pack_field field;
	size_t n = 0;

	while (pack_next(&record, &field) > 0)
		n += field.tag == ALLOWED;
	return n;
}

static int read_allow(struct pack_span span, struct allow_list **ret)
{
	struct pack_reader record = pack_reader_of(span.bytes, span.length);
	struct allow_list *list;
	struct pack_field field;
	size_t n = 0;
	int r;

	*ret = NULL;
	if (!span.bytes)
		return 0;
	list = allow_list_new(count_fields(record));
	if (!list)
		return -ENOMEM;
	while ((r = pack_next(&record, &field)) > 0) {
		if (field.tag == ALLOWED)
			r = read_allowed(pack_inner(&field), &list->entries[n++]);
		if (r < 0)
			break;
	}
	if (r < 0)
		list = allow_list_unref(list);
	*ret = list;
	return r;
}

static bool has_sound_times(const struct packed_pool *packed)
{
	return packed->default_timeout_ms >= SESSION_TIMEOUT_NONE &&
	       packed->max_timeout_ms >= SESSION_TIMEOUT_NONE &&
	       packed->max_duration_ms >= SESSION_TIMEOUT_NONE && packed->age_step_ms >= -1 &&
	       packed->starve_after_ms >= -1;
}

static bool is_sound(const struct packed_pool *packed)
{
	return packed->name.bytes && pool_name_is_valid(packed->name.bytes, packed->name.length) &&
	       packed->limit >= 1 && packed->limit <= POOL_LIMIT_MAX &&
	       packed->slots <= SLOTMAP_MAX && packed->source <= POOL_RUNTIME &&
	       packed->on_timeout <= ON_TIMEOUT_HOLD && packed->fair_by <= BY_NONE &&
	       packed->max_metadata_bytes <= POOL_METADATA_MAX && has_sound_times(packed);
}

static int read_saved_pool(const struct packed_pool *packed, struct saved_pool *ret)
{
	struct pool_settings *settings = &ret->settings;
	int r;

	*ret = (struct saved_pool){
		.settings =
			{
				.limit = packed->limit,
				.max_metadata_bytes = packed->max_metadata_bytes,
				.default_timeout_ms = packed->default_timeout_ms,
				.max_timeout_ms = packed->max_timeout_ms,
				.max_duration_ms = packed->max_duration_ms,
				.on_timeout = packed->on_timeout,
				.max_waiters = packed->max_waiters,
				.per_uid_waiters = packed->per_uid_waiters,
				.fair_by = packed->fair_by,
				.age_step_ms = packed->age_step_ms,
				.starve_after_ms = packed->starve_after_ms,
				.enforce = packed->enforce,
			},
		.source = packed->source,
		.is_removed = packed->is_removed,
		.slots = packed->slots,
	};
	memcpy(settings->quotas, packed->quotas, sizeof(settings->quotas));
	r = text_of_span(packed->name, &ret->name);
	if (r == 0)
		r = unpack_counters(packed->counters, &ret->counters);
	if (r == 0)
		r = unpack_pause(packed->pause, &ret->pause);
	return r == 0 ? read_allow(packed->allow, &settings->allow) : r;
}

struct pool_histograms {
	struct histogram_copy durations;
	struct histogram_copy queue_wait;
};

static int restore_pool(
	struct broker *broker, const struct saved_pool *saved, const struct packed_pool *packed)
{
	struct pool_histograms *histograms = calloc(1, sizeof(*histograms));
	struct pool *fresh = NULL;
	struct section section;
	int r = histograms ? unpack_histogram(packed->durations, &histograms->durations) : -ENOMEM;

	if (r == 0)
		r = unpack_histogram(packed->queue_wait, &histograms->queue_wait);
	if (r == 0)
		fresh = pool_new_sized(saved->name->bytes, saved->name->length, &saved->settings,
			saved->source, saved->slots);
	if (r == 0 && !fresh)
		r = -ENOMEM;
	if (r == 0) {
		broker_enter(broker, &section);
		table_restore_pool(section.table, fresh, saved, section.now, &section.change);
		table_carry_histograms(section.table,
			table_find_pool(section.table, saved->name->bytes, saved->name->length),
			&histograms->durations, &histograms->queue_wait);
		broker_leave(&section);
	}
	free(histograms);
	return r;
}

int unpack_pool(struct unpacker *unpacker, struct pack_reader record)
{
	struct packed_pool packed;
	struct saved_pool saved = {0};
	int r = unpack_struct(record, pool_items, &packed, sizeof(packed));

	if (r == 0 && !is_sound(&packed))
		r = -EBADMSG;
	if (r == 0)
		r = read_saved_pool(&packed, &saved);
	if (r == 0)
		r = restore_pool(unpacker->server->broker, &saved, &packed);
	saved_pool_deinit(&saved);
	return r < 0 ? unpacker_fail(unpacker, r, "a pool") : 0;
}
