/* SPDX-License-Identifier: MIT */
/* A Create as the program wants it: checked, kept, and its time. */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int owner_index(enum usher_owner owner)
{
	const char *name = owner == USHER_OWNER_CONNECTION ? "connection"
			   : owner == USHER_OWNER_PROCESS  ? "process"
			   : owner == USHER_OWNER_DETACHED ? "detached"
							   : "";

	for (int i = 0; owner_names[i]; i++) {
		if (!strcmp(owner_names[i], name))
			return i;
	}
	return -1;
}

/* A JSON object goes into the frame as it is, so it must be one, and no more than that: what
 * stands around it, as a file's last line end, does not belong to it. */
int find_object(const char *text, struct message_text *ret)
{
	struct json_value value;

	*ret = message_cstring(NULL);
	if (!text)
		return 0;
	if (json_parse(text, strlen(text), CLIENT_DEPTH_MAX, &value, NULL) < 0 ||
		value.type != JSON_OBJECT)
		return -EINVAL;
	*ret = message_text_of(value.text, value.length);
	return 0;
}

static bool is_sensible(const struct usher_create_options *o)
{
	if (owner_index(o->owner) < 0 || o->wait_ms < -1 || o->priority > 9 || o->pid < 0)
		return false;
	return o->pid == 0 || o->owner == USHER_OWNER_PROCESS;
}

int wish_prepare(const struct usher_create_options *options, struct wish *ret)
{
	struct usher_create_options *o = &ret->options;
	struct message_text metadata;
	int r = copy_sized(options, offsetof(struct usher_create_options, wait_ms), sizeof(*o), o);

	if (r == 0)
		r = is_sensible(o) ? find_object(o->metadata, &metadata) : -EINVAL;
	ret->request_id[0] = '\0';
	if (r == 0 && !o->request_id)
		r = request_id_make(ret->request_id);
	if (r < 0)
		return r;
	ret->call = (struct create_call){
		.pool = message_cstring(o->pool),
		.request_id = message_cstring(o->request_id ? o->request_id : ret->request_id),
		.metadata = metadata,
		.timeout_ms = o->timeout_ms ? o->timeout_ms : MESSAGE_ABSENT,
		.wait_ms = o->wait_ms ? o->wait_ms : MESSAGE_ABSENT,
		.priority = o->priority ? o->priority : MESSAGE_ABSENT,
		.label = message_cstring(o->label),
		.units = o->units ? o->units : MESSAGE_ABSENT,
		.owner = owner_index(o->owner),
		.pid = o->pid ? o->pid : MESSAGE_ABSENT,
	};
	return 0;
}

/* ---- kept ---- */

static struct message_text keep_text(const struct message_text *text, char **at)
{
	struct message_text copy = *text;

	if (!text->text)
		return copy;
	memcpy(*at, text->text, text->length);
	copy.text = *at;
	*at += text->length;
	return copy;
}

int wish_keep(const struct create_call *call, struct create_call *ret, char **ret_texts)
{
	char *texts = malloc(call->pool.length + call->request_id.length + call->metadata.length +
			     call->label.length + 1);
	char *at = texts;

	if (!texts)
		return -ENOMEM;
	*ret = *call;
	ret->pool = keep_text(&call->pool, &at);
	ret->request_id = keep_text(&call->request_id, &at);
	ret->metadata = keep_text(&call->metadata, &at);
	ret->label = keep_text(&call->label, &at);
	*ret_texts = texts;
	return 0;
}

/* ---- its time ---- */

/* NOW and both; -1 if one of them has no end. */
static int64_t end_of(int64_t now, int64_t wait_ms, int64_t more_ms)
{
	int64_t all_ms, end;

	if (wait_ms < 0 || more_ms <= 0 || __builtin_add_overflow(wait_ms, more_ms, &all_ms) ||
		__builtin_add_overflow(now, all_ms, &end))
		return -1;
	return end;
}

void wish_clock_start(const struct usher *u, int64_t wait_ms, struct wish_clock *ret)
{
	int64_t now = conn_now_ms(), call_ms = u->call_timeout_ms;

	ret->until = conn_deadline(wait_ms);
	ret->answer_at = end_of(now, wait_ms, call_ms);
	ret->give_up_at = end_of(now, wait_ms, call_ms > 0 ? call_ms : RETURN_MS);
}

void wish_clock_set(const struct wish_clock *clock, struct create_call *call)
{
	int64_t left;

	if (clock->until < 0)
		return;
	left = clock->until - conn_now_ms();
	call->wait_ms = left > 0 ? left : 1;
}
