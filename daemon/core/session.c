/* SPDX-License-Identifier: MIT */
#include "daemon/core/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* With its request id, a malloc header, two map buckets and a heap place a session stays within 400
 * bytes. */
static_assert(sizeof(struct session) <= 312, "struct session has grown");

static char *copy_string(char *to, const char *from, size_t length)
{
	memcpy(to, from, length);
	to[length] = '\0';
	return to;
}

struct session *session_new(const struct session_params *params)
{
	size_t slots_size = params->units * sizeof(uint32_t);
	struct session *session =
		malloc(sizeof(*session) + slots_size + params->request_id_length + 1);

	if (!session)
		return NULL;

	char *request_id = (char *)(session + 1) + slots_size;

	*session = (struct session){
		.id = params->id,
		.fingerprint = params->fingerprint,
		.request_id =
			copy_string(request_id, params->request_id, params->request_id_length),
		.request_id_length = (uint8_t)params->request_id_length,
		.slots = (uint32_t *)(session + 1),
		.units = params->units,
		.priority = params->priority,
		.label = text_ref(params->label),
		.metadata = text_ref(params->metadata),
		.state = SESSION_IDLE,
		.timeout_ms = SESSION_TIMEOUT_NONE,
		.deadline_us = SESSION_NO_DEADLINE,
		.heap_index = SESSION_NOT_IN_HEAP,
	};
	list_init(&session->owner_link);
	list_init(&session->pool_link);
	atomic_init(&session->references, 1);
	return session;
}

struct session *session_ref(struct session *session)
{
	atomic_fetch_add_explicit(&session->references, 1, memory_order_relaxed);
	return session;
}

struct session *session_unref(struct session *session)
{
	if (!session ||
		atomic_fetch_sub_explicit(&session->references, 1, memory_order_acq_rel) > 1)
		return NULL;
	text_unref(session->pool_name);
	text_unref(session->label);
	text_unref(session->metadata);
	identity_unref(session->identity);
	identity_unref(session->creator);
	if (session->state == SESSION_ENDED)
		text_unref(session->result);
	free(session);
	return NULL;
}

void session_view_deinit(struct session_view *view)
{
	identity_unref(view->identity);
	identity_unref(view->creator);
	text_unref(view->metadata);
	text_unref(view->result);
	session_unref(view->session);
	*view = (struct session_view){0};
}
