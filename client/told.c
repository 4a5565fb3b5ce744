/* SPDX-License-Identifier: MIT */
/* What the broker says of a session that is held, in events and in answers: it is compared with
 * what the program knows, so that it may be told twice, and late. */
#include "client/handle.h"

#include <stdlib.h>

/* Names that a newer broker adds do no harm. */
#define TOLD(field, k, required)                                                                   \
	{                                                                                          \
		MESSAGE_NAME(#field), .kind = k, .is_required = required,                          \
				      .offset = offsetof(struct told_session, field), .min = 0,    \
				      .max = INT64_MAX                                             \
	}

static const struct message_field fields[] = {
	TOLD(session_id, FIELD_STRING, true),
	TOLD(expires_at, FIELD_INT, false),
	TOLD(overdue, FIELD_BOOL, false),
	TOLD(revoking, FIELD_BOOL, false),
};

const struct message told_session_table = {
	"Session", sizeof(struct told_session), fields, sizeof(fields) / sizeof(fields[0])};

static void take_state(struct usher *u, struct held *h, const struct told_session *session,
	const struct message_text *reason)
{
	if (session->revoking && !h->is_revoking) {
		free(h->reason);
		h->reason =
			reason && reason->text ? copy_text_of(reason->text, reason->length) : NULL;
		held_tell(u, h, USHER_EVENT_REVOKING);
	}
	if (session->overdue && !h->is_overdue)
		held_tell(u, h, USHER_EVENT_OVERDUE);
	h->is_revoking = session->revoking;
	h->is_overdue = session->overdue;
}

/* A Renew by somebody else moves the deadline, too. */
static void take_deadline(struct usher *u, struct held *h, const struct told_session *session)
{
	int64_t expires_at = session->expires_at == MESSAGE_ABSENT ? -1 : session->expires_at;

	if (expires_at != h->expires_at_us && !h->is_renewing)
		held_set_deadline(u, h->session_id, expires_at);
}

void told_take(struct usher *u, struct held *h, const struct told_session *session,
	const struct message_text *reason)
{
	take_state(u, h, session, reason);
	take_deadline(u, h, session);
}

void told_take_answer(struct usher *u, struct held *h, const struct json_value *parameters)
{
	struct message_scratch scratch;
	struct told_session session;
	struct varlink_fault fault;
	struct json_value value;
	char *decoded;

	if (!json_find_member(parameters, "session", &value) || value.type != JSON_OBJECT)
		return;
	decoded = malloc(value.length);
	if (!decoded)
		return;
	scratch = (struct message_scratch){decoded, value.length};
	if (message_decode(&told_session_table, &value, MESSAGE_IGNORE_UNKNOWN, &scratch, &session,
		    &fault) == 0)
		told_take(u, h, &session, NULL);
	free(decoded);
}
