/* SPDX-License-Identifier: MIT */
#include "daemon/record_bytes.h"

#include <errno.h>
#include <string.h>

/* ---- the fixed part: fields are only ever added at the end ---- */

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

#define SAME_IDENTITY 2

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
		.label_length = record_length_of(session->label),
		.metadata_length = record_length_of(saved->metadata),
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
	at = record_put(at, &fields, sizeof(fields));
	at = record_put(at, session->slots, session->units * sizeof(uint32_t));
	at = record_put(at, session->request_id, fields.request_id_length);
	at = record_put_text(at, session->pool_name);
	at = record_put_text(at, session->label);
	at = record_put_text(at, unit_of(saved->identity));
	if (has_other_creator(saved))
		at = record_put_text(at, unit_of(saved->creator));
	at = record_put_text(at, saved->metadata);
	return record_seal(ret, (size_t)(at - (char *)ret), sizeof(fields), &session->sequence,
		sizeof(session->sequence));
}

static void read_identity(const struct identity_fields *fields, struct record_cursor *cursor,
	struct record_identity *ret)
{
	ret->is_known = fields->is_known != 0;
	ret->pid = fields->pid;
	ret->start_time = fields->start_time;
	memcpy(ret->comm, fields->comm, sizeof(ret->comm));
	ret->unit_length = fields->unit_length;
	ret->unit = record_take(cursor, fields->unit_length);
}

static bool session_is_sound(const struct session_fields *fields)
{
	return fields->units >= 1 && fields->units <= SESSION_UNITS_MAX &&
	       fields->request_id_length >= 1 &&
	       fields->request_id_length <= SESSION_REQUEST_ID_MAX &&
	       fields->priority <= SESSION_PRIORITY_MAX &&
	       (fields->state == SESSION_IDLE || fields->state == SESSION_PROCESSING) &&
	       fields->owner_kind <= OWNER_DETACHED && fields->fence && fields->timeout_ms >= -1 &&
	       fields->timeout_ms != 0 && fields->created_us >= 0 &&
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
	struct record_cursor cursor = record_read_fixed(bytes, size, &fields, sizeof(fields));

	*ret = fields.id;
	return cursor.is_short ? -EBADMSG : 0;
}

/* What is in RECORD, but for the session, and its texts; false if it is not sound. */
static bool parse_session(const void *bytes, size_t size, struct session_fields *fields,
	struct session_texts *texts, struct record_session_view *record)
{
	struct record_cursor cursor = record_read_fixed(bytes, size, fields, sizeof(*fields));

	*record = (struct record_session_view){.sequence = fields->sequence};
	if (cursor.is_short || !session_is_sound(fields))
		return false;
	texts->slots = record_take(&cursor, fields->units * sizeof(uint32_t));
	texts->request_id = record_take(&cursor, fields->request_id_length);
	record->pool = record_take(&cursor, fields->pool_length);
	record->pool_length = fields->pool_length;
	texts->label = record_take(
		&cursor, fields->label_length == TEXT_ABSENT ? 0 : fields->label_length);
	read_identity(&fields->identity, &cursor, &record->identity);
	read_identity(&fields->creator, &cursor, &record->creator);
	texts->metadata = record_take(
		&cursor, fields->metadata_length == TEXT_ABSENT ? 0 : fields->metadata_length);
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
