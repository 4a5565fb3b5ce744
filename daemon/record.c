/* SPDX-License-Identifier: MIT */
#include "daemon/record.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the fixed parts: fields are only ever added at the end ---- */

struct identity_fields {
	uint64_t start_time;
	int32_t pid;
	uint32_t is_known;
	uint32_t unit_length;
	uint32_t padding;
	char comm[IDENTITY_COMM_SIZE];
};

struct session_fields {
	uint64_t sequence;
	uint64_t id;
	uint64_t fence;
	uint64_t fingerprint;
	int64_t created_us;
	int64_t created_wall_us;
	int64_t timeout_ms;
	int64_t started_wall_us;
	uint32_t uid;
	uint32_t creator_uid;
	uint32_t units;
	uint32_t request_id_length;
	uint32_t label_length; /* TEXT_ABSENT: there is none */
	uint32_t metadata_length;
	uint32_t pool_length;
	uint8_t priority;
	uint8_t state;
	uint8_t owner_kind;
	uint8_t is_revoking;
	struct identity_fields identity;
	struct identity_fields creator; /* is_known 2: the same as identity */
};

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
	uint64_t transaction;
};

#define TEXT_ABSENT     UINT32_MAX
#define ALLOW_EVERYBODY UINT32_MAX
#define SAME_IDENTITY   2

static_assert(OUTCOME_COUNT <= 8 && REJECTED_COUNT <= 16, "counters have outgrown their record");

/* ---- the head ---- */

/* Not a secret: it tells damage, not forgery. */
static const uint64_t sum_key[2] = {0x7573686572207265, 0x636f726420763120};

/* Of the key and all but the sum itself: a head that was damaged is not to be believed either. */
static uint32_t sum_of(const struct record_head *head, const void *bytes, size_t size,
	const void *key, size_t key_size)
{
	uint64_t seed[2] = {sum_key[0] ^ map_hash(sum_key, key, key_size),
		sum_key[1] ^ ((uint64_t)head->version << 16 | head->fixed_size)};
	const char *rest = (const char *)bytes + sizeof(*head);
	uint64_t sum = map_hash(seed, rest, size - sizeof(*head));

	sum ^= sum >> 32;
	return (uint32_t)sum ? (uint32_t)sum : 1;
}

uint32_t record_seal(void *bytes, size_t size, size_t fixed_size, const void *key, size_t key_size)
{
	struct record_head head = {
		.version = RECORD_VERSION,
		.fixed_size = (uint16_t)fixed_size,
	};

	head.sum = sum_of(&head, bytes, size, key, key_size);
	memcpy(bytes, &head, sizeof(head));
	return head.sum;
}

int record_check(
	const void *bytes, size_t size, const void *key, size_t key_size, uint32_t *ret_sum)
{
	struct record_head head;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, bytes, sizeof(head));
	if (head.fixed_size > size - sizeof(head) ||
		head.sum != sum_of(&head, bytes, size, key, key_size))
		return -EBADMSG;
	if (head.version > RECORD_VERSION)
		return -EPROTONOSUPPORT;
	if (ret_sum)
		*ret_sum = head.sum;
	return 0;
}

uint32_t record_sum(const void *bytes)
{
	struct record_head head;

	memcpy(&head, bytes, sizeof(head));
	return head.sum;
}

/* ---- reading with bounds ---- */

struct cursor {
	const char *at;
	size_t left;
	bool is_short;
};

/* The fixed part as this version knows it; RET is zero where the record is older. */
static struct cursor read_fixed(const void *bytes, size_t size, void *ret, size_t known)
{
	struct record_head head;
	struct cursor cursor = {.is_short = size < sizeof(head)};

	memset(ret, 0, known);
	if (cursor.is_short)
		return cursor;
	memcpy(&head, bytes, sizeof(head));
	cursor.is_short = head.fixed_size > size - sizeof(head);
	if (cursor.is_short)
		return cursor;
	memcpy(ret, (const char *)bytes + sizeof(head),
		head.fixed_size < known ? head.fixed_size : known);
	cursor.at = (const char *)bytes + sizeof(head) + head.fixed_size;
	cursor.left = size - sizeof(head) - head.fixed_size;
	return cursor;
}

static const char *take(struct cursor *cursor, size_t length)
{
	const char *at = cursor->at;

	if (cursor->is_short || length > cursor->left) {
		cursor->is_short = true;
		return NULL;
	}
	cursor->at += length;
	cursor->left -= length;
	return at;
}

static char *put(char *at, const void *bytes, size_t length)
{
	if (length)
		memcpy(at, bytes, length);
	return at + length;
}

static char *put_text(char *at, const struct text *text)
{
	return text ? put(at, text->bytes, text->length) : at;
}

/* ---- sessions ---- */

static uint32_t length_or_absent(const struct text *text)
{
	return text ? text->length : TEXT_ABSENT;
}

static void fill_identity(const struct identity *identity, struct identity_fields *ret)
{
	if (!identity)
		return;
	ret->is_known = 1;
	ret->pid = identity->pid;
	ret->start_time = identity->start_time;
	ret->unit_length = text_length(identity->systemd_unit);
	memcpy(ret->comm, identity->comm, sizeof(ret->comm));
}

static const struct text *unit_of(const struct identity *identity)
{
	return identity ? identity->systemd_unit : NULL;
}

static bool has_other_creator(const struct saved_session *saved)
{
	return saved->creator != saved->identity;
}

size_t record_session_size(const struct saved_session *saved)
{
	const struct session *session = saved->session;
	size_t creator_unit = has_other_creator(saved) ? text_length(unit_of(saved->creator)) : 0;

	return sizeof(struct record_head) + sizeof(struct session_fields) +
	       session->units * sizeof(uint32_t) + strlen(session->request_id) +
	       text_length(session->pool_name) + text_length(session->label) +
	       text_length(unit_of(saved->identity)) + creator_unit + text_length(saved->metadata);
}

static void fill_session(const struct saved_session *saved, struct session_fields *ret)
{
	const struct session *session = saved->session;

	*ret = (struct session_fields){
		.sequence = session->sequence,
		.id = session->id,
		.fence = session->fence,
		.fingerprint = session->fingerprint,
		.created_us = session->created_us,
		.created_wall_us = session->created_wall_us,
		.timeout_ms = saved->timeout_ms,
		.started_wall_us = saved->started_wall_us,
		.uid = saved->uid,
		.creator_uid = session->creator_uid,
		.units = session->units,
		.request_id_length = (uint32_t)strlen(session->request_id),
		.label_length = length_or_absent(session->label),
		.metadata_length = length_or_absent(saved->metadata),
		.pool_length = text_length(session->pool_name),
		.priority = session->priority,
		.state = (uint8_t)saved->state,
		.owner_kind = (uint8_t)saved->owner_kind,
		.is_revoking = saved->is_revoking,
	};
	fill_identity(saved->identity, &ret->identity);
	if (has_other_creator(saved))
		fill_identity(saved->creator, &ret->creator);
	else if (saved->creator)
		ret->creator.is_known = SAME_IDENTITY;
}

uint32_t record_session(const struct saved_session *saved, void *ret)
{
	const struct session *session = saved->session;
	struct session_fields fields;
	char *at = (char *)ret + sizeof(struct record_head);

	fill_session(saved, &fields);
	at = put(at, &fields, sizeof(fields));
	at = put(at, session->slots, session->units * sizeof(uint32_t));
	at = put(at, session->request_id, fields.request_id_length);
	at = put_text(at, session->pool_name);
	at = put_text(at, session->label);
	at = put_text(at, unit_of(saved->identity));
	if (has_other_creator(saved))
		at = put_text(at, unit_of(saved->creator));
	at = put_text(at, saved->metadata);
	return record_seal(ret, (size_t)(at - (char *)ret), sizeof(fields), &session->sequence,
		sizeof(session->sequence));
}

static void read_identity(
	const struct identity_fields *fields, struct cursor *cursor, struct record_identity *ret)
{
	ret->is_known = fields->is_known != 0;
	ret->pid = fields->pid;
	ret->start_time = fields->start_time;
	memcpy(ret->comm, fields->comm, sizeof(ret->comm));
	ret->unit_length = fields->unit_length;
	ret->unit = take(cursor, fields->unit_length);
}

static bool session_is_sound(const struct session_fields *fields)
{
	return fields->units >= 1 && fields->units <= SESSION_UNITS_MAX &&
	       fields->request_id_length >= 1 &&
	       fields->request_id_length <= SESSION_REQUEST_ID_MAX &&
	       fields->priority <= SESSION_PRIORITY_MAX &&
	       (fields->state == SESSION_IDLE || fields->state == SESSION_PROCESSING) &&
	       fields->owner_kind <= OWNER_DETACHED && fields->fence && fields->timeout_ms >= -1 &&
	       fields->timeout_ms != 0 &&
	       (fields->owner_kind != OWNER_DETACHED || fields->timeout_ms > 0);
}

struct session_texts {
	const char *slots, *request_id, *label, *metadata;
};

/* The session with its texts; NULL without memory. */
static struct session *make_session(
	const struct session_fields *fields, const struct session_texts *texts)
{
	bool has_label = fields->label_length != TEXT_ABSENT;
	bool has_metadata = fields->metadata_length != TEXT_ABSENT;
	struct session_params params = {
		.id = fields->id,
		.fingerprint = fields->fingerprint,
		.request_id = texts->request_id,
		.request_id_length = fields->request_id_length,
		.units = fields->units,
		.priority = fields->priority,
		.label = has_label ? text_new(texts->label, fields->label_length) : NULL,
		.metadata =
			has_metadata ? text_new(texts->metadata, fields->metadata_length) : NULL,
	};
	struct session *session = NULL;

	if (!has_label == !params.label && !has_metadata == !params.metadata)
		session = session_new(&params);
	text_unref(params.label);
	text_unref(params.metadata);
	if (session)
		memcpy(session->slots, texts->slots, fields->units * sizeof(uint32_t));
	return session;
}

static void set_session(const struct session_fields *fields, struct session *session)
{
	session->sequence = fields->sequence;
	session->fence = fields->fence;
	session->created_us = fields->created_us;
	session->created_wall_us = fields->created_wall_us;
	session->creator_uid = fields->creator_uid;
	session->uid = fields->uid;
	session->state = fields->state;
	session->owner_kind = fields->owner_kind;
	session->timeout_ms = fields->timeout_ms;
	session->started_wall_us = fields->started_wall_us;
	session->is_revoking = fields->is_revoking;
}

int record_read_session_id(const void *bytes, size_t size, uint64_t *ret)
{
	struct session_fields fields;
	struct cursor cursor = read_fixed(bytes, size, &fields, sizeof(fields));

	*ret = fields.id;
	return cursor.is_short ? -EBADMSG : 0;
}

/* What is in RECORD, but for the session, and its texts; false if it is not sound. */
static bool parse_session(const void *bytes, size_t size, struct session_fields *fields,
	struct session_texts *texts, struct record_session_view *record)
{
	struct cursor cursor = read_fixed(bytes, size, fields, sizeof(*fields));

	*record = (struct record_session_view){.sequence = fields->sequence};
	if (cursor.is_short || !session_is_sound(fields))
		return false;
	texts->slots = take(&cursor, fields->units * sizeof(uint32_t));
	texts->request_id = take(&cursor, fields->request_id_length);
	record->pool = take(&cursor, fields->pool_length);
	record->pool_length = fields->pool_length;
	texts->label =
		take(&cursor, fields->label_length == TEXT_ABSENT ? 0 : fields->label_length);
	read_identity(&fields->identity, &cursor, &record->identity);
	read_identity(&fields->creator, &cursor, &record->creator);
	texts->metadata =
		take(&cursor, fields->metadata_length == TEXT_ABSENT ? 0 : fields->metadata_length);
	if (fields->creator.is_known == SAME_IDENTITY)
		record->creator = record->identity;
	return !cursor.is_short && !memchr(texts->request_id, 0, fields->request_id_length);
}

int record_check_session(const void *bytes, size_t size, uint64_t *ret_sequence)
{
	struct record_session_view record;
	struct session_fields fields;
	struct session_texts texts;
	bool is_sound = parse_session(bytes, size, &fields, &texts, &record);

	*ret_sequence = record.sequence;
	return is_sound ? 0 : -EBADMSG;
}

int record_read_session(const void *bytes, size_t size, struct record_session_view *ret)
{
	struct session_fields fields;
	struct session_texts texts;

	if (!parse_session(bytes, size, &fields, &texts, ret))
		return -EBADMSG;
	ret->session = make_session(&fields, &texts);
	if (!ret->session)
		return -ENOMEM;
	set_session(&fields, ret->session);
	return 0;
}

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
	ret->reason_length = length_or_absent(pause->reason);
}

/* -EBADMSG or -ENOMEM. */
static int read_text(struct cursor *cursor, uint32_t length, struct text **ret)
{
	const char *bytes;

	*ret = NULL;
	if (length == TEXT_ABSENT)
		return 0;
	bytes = take(cursor, length);
	if (!bytes)
		return -EBADMSG;
	*ret = text_new(bytes, length);
	return *ret ? 0 : -ENOMEM;
}

static int read_pause(const struct pause_fields *fields, struct cursor *cursor, struct pause *ret)
{
	ret->is_on = fields->is_on;
	ret->until_us = fields->until_us;
	return read_text(cursor, fields->reason_length, &ret->reason);
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

		at = put(at, &fields, sizeof(fields));
		at = put_text(at, entry->name);
	}
	return at;
}

uint32_t record_pool(const struct saved_pool *saved, void *ret)
{
	struct pool_fields fields;
	char *at = (char *)ret + sizeof(struct record_head);

	fill_pool(saved, &fields);
	at = put(at, &fields, sizeof(fields));
	at = put_text(at, saved->name);
	at = put_text(at, saved->pause.reason);
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

static int read_allowed(struct cursor *cursor, uint32_t count, struct allow_list **ret)
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
		const char *bytes = take(cursor, sizeof(fields));

		if (!bytes) {
			r = -EBADMSG;
			break;
		}
		memcpy(&fields, bytes, sizeof(fields));
		list->entries[i].id = fields.id;
		list->entries[i].is_group = fields.is_group;
		r = read_text(cursor, fields.name_length, &list->entries[i].name);
	}
	if (r < 0)
		list = allow_list_unref(list);
	*ret = list;
	return r;
}

int record_read_pool(const void *bytes, size_t size, struct saved_pool *ret)
{
	struct pool_fields fields;
	struct cursor cursor = read_fixed(bytes, size, &fields, sizeof(fields));
	int r;

	*ret = (struct saved_pool){0};
	if (cursor.is_short || !pool_is_sound(&fields))
		return -EBADMSG;
	read_settings(&fields, &ret->settings);
	read_counters(&fields.counters, &ret->counters);
	ret->source = fields.source;
	ret->is_removed = fields.is_removed;
	ret->slots = fields.slots;
	r = read_text(&cursor, fields.name_length, &ret->name);
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
		.transaction = totals->transaction,
	};
	char *at = (char *)ret + sizeof(struct record_head);

	fill_counters(&saved->totals, &fields.totals);
	fill_counters(&saved->base, &fields.base);
	fill_pause(&saved->pause, &fields.pause);
	at = put(at, &fields, sizeof(fields));
	at = put_text(at, saved->pause.reason);
	record_seal(ret, (size_t)(at - (char *)ret), sizeof(fields), RECORD_TABLE_KEY,
		strlen(RECORD_TABLE_KEY));
}

int record_read_table(
	const void *bytes, size_t size, struct saved_table *ret, struct record_totals *ret_totals)
{
	struct table_fields fields;
	struct cursor cursor = read_fixed(bytes, size, &fields, sizeof(fields));

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
	ret_totals->transaction = fields.transaction;
	return read_pause(&fields.pause, &cursor, &ret->pause);
}
