/* SPDX-License-Identifier: MIT */
#include "daemon/core/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* With its request id, a malloc header, two map buckets and a heap place a session stays within 400
 * bytes. */
static_assert(sizeof(struct session) <= 304, "struct session has grown");

static char *copy_string(char *to, const char *from, size_t length)
{
	memcpy(to, from, length);
	to[length] = '\0';
	return to;
}

struct session *session_new(const struct session_params *params)
{
	size_t slots_size = params->units * sizeof(uint32_t);
	size_t strings_size =
		params->request_id_length + 1 + (params->label ? params->label_length + 1 : 0);
	struct session *session = malloc(sizeof(*session) + slots_size + strings_size);

	if (!session)
		return NULL;

	char *strings = (char *)(session + 1) + slots_size;

	*session = (struct session){
		.id = params->id,
		.fingerprint = params->fingerprint,
		.request_id = copy_string(strings, params->request_id, params->request_id_length),
		.slots = (uint32_t *)(session + 1),
		.units = params->units,
		.metadata = text_ref(params->metadata),
		.timeout_ms = SESSION_TIMEOUT_NONE,
		.deadline_us = SESSION_NO_DEADLINE,
		.heap_index = SESSION_NOT_IN_HEAP,
	};
	if (params->label)
		session->label = copy_string(strings + params->request_id_length + 1, params->label,
			params->label_length);
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
	text_unref(session->systemd_unit);
	text_unref(session->metadata);
	text_unref(session->result);
	free(session);
	return NULL;
}

void session_view_deinit(struct session_view *view)
{
	text_unref(view->systemd_unit);
	text_unref(view->metadata);
	text_unref(view->result);
	session_unref(view->session);
	*view = (struct session_view){0};
}
