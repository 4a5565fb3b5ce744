/* SPDX-License-Identifier: MIT */
/* Sessions as they come out of replies. */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNITS_MAX 4096 /* of one session, by the interface */

/* What Create and Attach say of a session, as far as it is wanted here: a newer broker may say
 * more, and have new states and owners. */
struct grant {
	struct message_text session_id;
	struct message_text request_id;
	struct message_text pool;
	struct message_numbers slots;
	int64_t fence;
	int64_t expires_at;
	int64_t metadata_bytes;
	struct message_text metadata;
	bool existing;
};

#define GRANT(field, k, required)                                                                  \
	{                                                                                          \
		MESSAGE_NAME(#field), .kind = k, .is_required = required,                          \
				      .offset = offsetof(struct grant, field), .min = 0,           \
				      .max = INT64_MAX                                             \
	}

static const struct message_field grant_fields[] = {
	GRANT(session_id, FIELD_STRING, true),
	GRANT(request_id, FIELD_STRING, true),
	GRANT(pool, FIELD_STRING, true),
	GRANT(slots, FIELD_NUMBERS, true),
	GRANT(fence, FIELD_INT, true),
	GRANT(expires_at, FIELD_INT, false),
	GRANT(metadata_bytes, FIELD_INT, true),
	GRANT(metadata, FIELD_OBJECT, false),
	GRANT(existing, FIELD_BOOL, false),
};
static const struct message grant_table = {"Session", sizeof(struct grant), grant_fields,
	sizeof(grant_fields) / sizeof(grant_fields[0])};

int copy_text(const struct message_text *text, char *buf, size_t size)
{
	if (text->length >= size || memchr(text->text, '\0', text->length))
		return -EBADMSG;
	memcpy(buf, text->text, text->length);
	buf[text->length] = '\0';
	return 0;
}

static int copy_slots(const struct message_numbers *slots, struct usher_session *ret)
{
	if (slots->count == 0 || slots->count > slots->capacity)
		return -EBADMSG;
	ret->slots = malloc(slots->count * sizeof(*ret->slots));
	if (!ret->slots)
		return -ENOMEM;
	memcpy(ret->slots, slots->values, slots->count * sizeof(*ret->slots));
	ret->n_slots = slots->count;
	return 0;
}

static int fill_session(const struct grant *grant, struct usher_session *ret)
{
	int r = copy_text(&grant->session_id, ret->session_id, sizeof(ret->session_id));

	if (r == 0)
		r = copy_text(&grant->request_id, ret->request_id, sizeof(ret->request_id));
	if (r == 0)
		r = copy_text(&grant->pool, ret->pool, sizeof(ret->pool));
	if (r == 0)
		r = copy_slots(&grant->slots, ret);
	if (r < 0)
		return r;
	ret->fence = grant->fence;
	ret->expires_at_us = grant->expires_at == MESSAGE_ABSENT ? -1 : grant->expires_at;
	ret->metadata_bytes = grant->metadata_bytes;
	ret->is_existing = grant->existing;
	if (grant->metadata.text) {
		ret->metadata = copy_text_of(grant->metadata.text, grant->metadata.length);
		if (!ret->metadata)
			return -ENOMEM;
	}
	return 0;
}

int grant_decode(const struct json_value *value, struct usher_session *ret)
{
	uint32_t slots[UNITS_MAX];
	struct grant grant = {.slots = {.values = slots, .capacity = UNITS_MAX}};
	struct message_scratch scratch = {malloc(value->length), value->length};
	char *decoded = scratch.next;
	struct varlink_fault fault;
	int r = decoded ? 0 : -ENOMEM;

	*ret = (struct usher_session){.size = sizeof(*ret)};
	if (r == 0 && message_decode(&grant_table, value, MESSAGE_IGNORE_UNKNOWN, &scratch, &grant,
			      &fault) != 0)
		r = -EBADMSG;
	if (r == 0)
		r = fill_session(&grant, ret);
	if (r < 0)
		usher_session_clear(ret);
	free(decoded);
	return r;
}

static bool find_int(const struct json_value *object, const char *name, int64_t *ret)
{
	struct json_value value;

	return json_find_member(object, name, &value) && json_get_int(&value, ret) == 0;
}

bool grant_decode_queued(
	const struct json_value *value, int64_t *ret_position, int64_t *ret_waiting)
{
	struct json_value queued;

	return json_find_member(value, "queued", &queued) && queued.type == JSON_OBJECT &&
	       find_int(&queued, "position", ret_position) &&
	       find_int(&queued, "waiting", ret_waiting);
}

void grant_give(struct usher_session *session, struct usher_session *ret)
{
	size_t size = ret->size, known = sizeof(*session);

	session->size = size;
	memcpy(ret, session, size < known ? size : known);
}

void usher_session_clear(struct usher_session *session)
{
	size_t size = session->size;

	free(session->slots);
	free(session->metadata);
	memset(session, 0, sizeof(*session));
	session->size = size;
}
