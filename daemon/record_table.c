/* SPDX-License-Identifier: MIT */
#include "daemon/record_bytes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- the fixed parts: fields are only ever added at the end ---- */

struct counters_fields {
	uint64_t created;
	uint64_t queued;
	uint64_t granted_waits;
	uint64_t refused_waits;
	uint64_t cancelled_waits;
	uint64_t shadow_capacity;
	uint64_t shadow_quota;
	uint64_t ended[8]; /* by enum outcome; room for more of them */
	uint64_t rejected[16];
};

struct pause_fields {
	int64_t until_us;
	uint32_t reason_length;
	uint32_t is_on;
};

struct pool_fields {
	struct counters_fields counters;
	struct pause_fields pause;
	int64_t default_timeout_ms;
	int64_t max_timeout_ms;
	int64_t max_duration_ms;
	int64_t per_uid_waiters;
	int64_t quotas[4]; /* by enum dimension */
	int64_t age_step_ms;
	int64_t starve_after_ms;
	uint32_t limit;
	uint32_t slots;
	uint32_t max_metadata_bytes;
	uint32_t max_waiters;
	uint32_t n_allowed; /* ALLOW_EVERYBODY: there is no list */
	uint32_t name_length;
	uint8_t source;
	uint8_t is_removed;
	uint8_t on_timeout;
	uint8_t fair_by;
	uint8_t enforce;
	uint8_t padding[3];
};

struct allowed_fields {
	uint32_t id;
	uint32_t is_group;
	uint32_t name_length;
};

struct table_fields {
	struct counters_fields totals;
	struct counters_fields base;
	struct pause_fields pause;
	uint64_t next_sequence;
	uint64_t next_fence;
	uint64_t active;
	uint64_t peak;
	uint64_t session_sums;
	int64_t stalled_us;
	uint64_t pool_sums;
};

#define ALLOW_EVERYBODY UINT32_MAX

static_assert(OUTCOME_COUNT <= 8 && REJECTED_COUNT <= 16, "counters have outgrown their record");

/* ---- counters and pauses ---- */

static void fill_counters(const struct counters *counters, struct counters_fields *ret)
{
	*ret = (struct counters_fields){
		.created = counters->created,
		.queued = counters->queued,
		.granted_waits = counters->granted_waits,
		.refused_waits = counters->refused_waits,
		.cancelled_waits = counters->cancelled_waits,
		.shadow_capacity = counters->shadow_capacity,
		.shadow_quota = counters->shadow_quota,
	};
	memcpy(ret->ended, counters->ended, sizeof(counters->ended));
	memcpy(ret->rejected, counters->rejected, sizeof(counters->rejected));
}

static void read_counters(const struct counters_fields *fields, struct counters *ret)
{
	*ret = (struct counters){
		.created = fields->created,
		.queued = fields->queued,
		.granted_waits = fields->granted_waits,
		.refused_waits = fields->refused_waits,
		.cancelled_waits = fields->cancelled_waits,
		.shadow_capacity = fields->shadow_capacity,
		.shadow_quota = fields->shadow_quota,
	};
	memcpy(ret->ended, fields->ended, sizeof(ret->ended));
	memcpy(ret->rejected, fields->rejected, sizeof(ret->rejected));
}

static void fill_pause(const struct pause *pause, struct pause_fields *ret)
{
	ret->is_on = pause->is_on;
	ret->until_us = pause->until_us;
	ret->reason_length = record_length_of(pause->reason);
}

static int read_pause(
	const struct pause_fields *fields, struct record_cursor *cursor, struct pause *ret)
{
	ret->is_on = fields->is_on;
	ret->until_us = fields->until_us;
	return record_read_text(cursor, fields->reason_length, &ret->reason);
}

/* ---- pools ---- */

static size_t allow_size(const struct allow_list *list)
{
	size_t size = 0;

	for (size_t i = 0; list && i < list->count; i++)
		size += sizeof(struct allowed_fields) + text_length(list->entries[i].name);
	return size;
}

size_t record_pool_size(const struct saved_pool *saved)
{
	return sizeof(struct record_head) + sizeof(struct pool_fields) + text_length(saved->name) +
	       text_length(saved->pause.reason) + allow_size(saved->settings.allow);
}

static void fill_pool(const struct saved_pool *saved, struct pool_fields *ret)
{
	const struct pool_settings *settings = &saved->settings;

	*ret = (struct pool_fields){
		.default_timeout_ms = settings->default_timeout_ms,
		.max_timeout_ms = settings->max_timeout_ms,
		.max_duration_ms = settings->max_duration_ms,
		.per_uid_waiters = settings->per_uid_waiters,
		.age_step_ms = settings->age_step_ms,
		.starve_after_ms = settings->starve_after_ms,
		.limit = settings->limit,
		.slots = saved->slots,
		.max_metadata_bytes = settings->max_metadata_bytes,
		.max_waiters = settings->max_waiters,
		.n_allowed = settings->allow ? (uint32_t)settings->allow->count : ALLOW_EVERYBODY,
		.name_length = text_length(saved->name),
		.source = (uint8_t)saved->source,
		.is_removed = saved->is_removed,
		.on_timeout = (uint8_t)settings->on_timeout,
		.fair_by = (uint8_t)settings->fair_by,
		.enforce = settings->enforce,
	};
	for (int i = 0; i < DIMENSIONS; i++)
		ret->quotas[i] = settings->quotas[i];
	fill_counters(&saved->counters, &ret->counters);
	fill_pause(&saved->pause, &ret->pause);
}

static char *put_allowed(char *at, const struct allow_list *list)
{
	for (size_t i = 0; list && i < list->count; i++) {
		const struct allowed *entry = &list->entries[i];
		struct allowed_fields fields = {
			entry->id, entry->is_group, text_length(entry->name)};

		at = record_put(at, &fields, sizeof(fields));
		at = record_put_text(at, entry->name);
	}
	return at;
}

uint32_t record_pool(const struct saved_pool *saved, void *ret)
{
	struct pool_fields fields;
	char *at = (char *)ret + sizeof(struct record_head);

	fill_pool(saved, &fields);
	at = record_put(at, &fields, sizeof(fields));
	at = record_put_text(at, saved->name);
	at = record_put_text(at, saved->pause.reason);
	at = put_allowed(at, saved->settings.allow);
	return record_seal(ret, (size_t)(at - (char *)ret), sizeof(fields), saved->name->bytes,
		saved->name->length);
}

static bool is_duration(int64_t ms)
{
	return ms >= -1;
}

static bool pool_is_sound(const struct pool_fields *fields)
{
	return fields->limit >= 1 && fields->limit <= POOL_LIMIT_MAX && fields->slots >= 1 &&
	       fields->slots <= SLOTMAP_MAX && fields->max_metadata_bytes <= POOL_METADATA_MAX &&
	       fields->source <= POOL_RUNTIME && fields->on_timeout <= ON_TIMEOUT_HOLD &&
	       fields->fair_by <= BY_NONE && is_duration(fields->default_timeout_ms) &&
	       is_duration(fields->max_timeout_ms) && is_duration(fields->max_duration_ms) &&
	       is_duration(fields->per_uid_waiters) && is_duration(fields->age_step_ms) &&
	       is_duration(fields->starve_after_ms) &&
	       (fields->n_allowed <= POOL_ALLOW_MAX || fields->n_allowed == ALLOW_EVERYBODY);
}

static void read_settings(const struct pool_fields *fields, struct pool_settings *ret)
{
	*ret = (struct pool_settings){
		.limit = fields->limit,
		.max_metadata_bytes = fields->max_metadata_bytes,
		.default_timeout_ms = fields->default_timeout_ms,
		.max_timeout_ms = fields->max_timeout_ms,
		.max_duration_ms = fields->max_duration_ms,
		.on_timeout = fields->on_timeout,
		.max_waiters = fields->max_waiters,
		.per_uid_waiters = fields->per_uid_waiters,
		.fair_by = fields->fair_by,
		.age_step_ms = fields->age_step_ms,
		.starve_after_ms = fields->starve_after_ms,
		.enforce = fields->enforce,
	};
	for (int i = 0; i < DIMENSIONS; i++)
		ret->quotas[i] = fields->quotas[i];
}

static int read_allowed(struct record_cursor *cursor, uint32_t count, struct allow_list **ret)
{
	struct allow_list *list;
	int r = 0;

	if (count == ALLOW_EVERYBODY)
		return 0;
	list = allow_list_new(count);
	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < count && r == 0; i++) {
		struct allowed_fields fields;
		const char *bytes = record_take(cursor, sizeof(fields));

		if (!bytes) {
			r = -EBADMSG;
			break;
		}
		memcpy(&fields, bytes, sizeof(fields));
		list->entries[i].id = fields.id;
		list->entries[i].is_group = fields.is_group;
		r = record_read_text(cursor, fields.name_length, &list->entries[i].name);
	}
	if (r < 0)
		list = allow_list_unref(list);
	*ret = list;
	return r;
}

int record_read_pool(const void *bytes, size_t size, struct saved_pool *ret)
{
	struct pool_fields fields;
	struct record_cursor cursor = record_read_fixed(bytes, size, &fields, sizeof(fields));
	int r;

	*ret = (struct saved_pool){0};
	if (cursor.is_short || !pool_is_sound(&fields))
		return -EBADMSG;
	read_settings(&fields, &ret->settings);
	read_counters(&fields.counters, &ret->counters);
	ret->source = fields.source;
	ret->is_removed = fields.is_removed;
	ret->slots = fields.slots;
	r = record_read_text(&cursor, fields.name_length, &ret->name);
	if (r == 0 && (!ret->name || !pool_name_is_valid(ret->name->bytes, ret->name->length)))
		r = -EBADMSG;
	if (r == 0)
		r = read_pause(&fields.pause, &cursor, &ret->pause);
	if (r == 0)
		r = read_allowed(&cursor, fields.n_allowed, &ret->settings.allow);
	if (r < 0)
		saved_pool_deinit(ret);
	return r;
}

/* ---- the table ---- */

size_t record_table_size(const struct saved_table *saved)
{
	return sizeof(struct record_head) + sizeof(struct table_fields) +
	       text_length(saved->pause.reason);
}

void record_table(const struct saved_table *saved, const struct record_totals *totals, void *ret)
{
	struct table_fields fields = {
		.next_sequence = saved->next_sequence,
		.next_fence = saved->next_fence,
		.active = saved->active,
		.peak = saved->peak,
		.session_sums = totals->session_sums,
		.stalled_us = totals->stalled_us,
		.pool_sums = totals->pool_sums,
	};
	char *at = (char *)ret + sizeof(struct record_head);

	fill_counters(&saved->totals, &fields.totals);
	fill_counters(&saved->base, &fields.base);
	fill_pause(&saved->pause, &fields.pause);
	at = record_put(at, &fields, sizeof(fields));
	at = record_put_text(at, saved->pause.reason);
	record_seal(ret, (size_t)(at - (char *)ret), sizeof(fields), RECORD_TABLE_KEY,
		strlen(RECORD_TABLE_KEY));
}

int record_read_table(
	const void *bytes, size_t size, struct saved_table *ret, struct record_totals *ret_totals)
{
	struct table_fields fields;
	struct record_cursor cursor = record_read_fixed(bytes, size, &fields, sizeof(fields));

	*ret = (struct saved_table){0};
	if (cursor.is_short)
		return -EBADMSG;
	ret->next_sequence = fields.next_sequence;
	ret->next_fence = fields.next_fence;
	ret->active = fields.active;
	ret->peak = fields.peak;
	read_counters(&fields.totals, &ret->totals);
	read_counters(&fields.base, &ret->base);
	ret_totals->session_sums = fields.session_sums;
	ret_totals->stalled_us = fields.stalled_us;
	ret_totals->pool_sums = fields.pool_sums;
	return read_pause(&fields.pause, &cursor, &ret->pause);
}
