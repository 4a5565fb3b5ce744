/* SPDX-License-Identifier: MIT */
/* What is done with a session that is there. */
#include "client/handle.h"

#include <errno.h>
#include <string.h>

static int64_t or_none(int64_t value)
{
	return value == MESSAGE_ABSENT ? -1 : value;
}

/* The broker knows best: what it says to have ended is not held any more. */
static int note_refusal(struct usher *u, const char *session_id, int r)
{
	if (r == -USHER_E_SESSION_ENDED || r == -USHER_E_NO_SUCH_SESSION)
		held_forget(u, session_id);
	return r;
}

/* ---- Attach ---- */

static int take_session(
	struct usher *u, const struct json_value *parameters, struct usher_session *ret)
{
	struct json_value value;
	int r;

	if (!json_find_member(parameters, "session", &value) || value.type != JSON_OBJECT)
		return call_misunderstood(u);
	r = grant_decode(&value, ret);
	if (r == -EBADMSG)
		return call_misunderstood(u);
	ret->is_existing = true;
	return r < 0 ? usher_fail(u, r) : 0;
}

static int attach(
	struct usher *u, const char *session_id, enum usher_owner owner, struct usher_session *ret)
{
	struct attach_call in = {message_cstring(session_id), owner_index(owner), MESSAGE_ABSENT};
	struct varlink_reply reply;
	struct call call;
	int r = call_begin(u, USHER_INTERFACE ".Attach", &call);

	if (r < 0)
		return r;
	call.may_resend = true;
	message_encode_members(&attach_in, &in, &call.frame);
	r = call_finish(u, &call, &reply);
	if (r < 0)
		return note_refusal(u, session_id, r);
	return take_session(u, &reply.parameters, ret);
}

int usher_attach(
	struct usher *u, const char *session_id, enum usher_owner owner, struct usher_session *ret)
{
	struct usher_session session;
	struct held *held;
	int r = 0;

	if (!session_id || owner_index(owner) < 0 || !ret || ret->size < sizeof(*ret))
		r = -EINVAL;
	if (r == 0)
		r = held_new(u, owner, &held);
	if (r < 0)
		return usher_fail(u, r);
	r = attach(u, session_id, owner, &session);
	if (r < 0) {
		held_free(held);
		return r;
	}
	held_add(u, held, &session, owner, true);
	grant_give(&session, ret);
	return 0;
}

/* ---- Start and Renew ---- */

/* Both set the deadline. */
static int take_deadline(
	struct usher *u, const char *session_id, int r, int64_t expires_at, int64_t *ret)
{
	if (r < 0)
		return note_refusal(u, session_id, r);
	held_set_deadline(u, session_id, or_none(expires_at));
	if (ret)
		*ret = or_none(expires_at);
	return 0;
}

static bool error_says(const struct usher *u, const char *member, const char *text)
{
	struct json_value object, value;

	return json_parse(u->error.parameters, strlen(u->error.parameters), CLIENT_DEPTH_MAX,
		       &object, NULL) == 0 &&
	       json_find_member(&object, member, &value) && value.type == JSON_STRING &&
	       json_string_is(&value, text, strlen(text));
}

/* A Start that was sent again may find its work done; then the answer that was lost is made up. */
static int take_started(struct usher *u, const char *session_id, struct expires_reply *ret)
{
	struct get_call in = {.session_id = message_cstring(session_id)};
	struct usher_session session;
	struct varlink_reply reply;
	struct json_value value;
	struct call call;
	int r = call_begin(u, USHER_INTERFACE ".Get", &call);

	if (r < 0)
		return r;
	call.may_resend = true;
	message_encode_members(&get_in, &in, &call.frame);
	r = call_finish(u, &call, &reply);
	if (r < 0)
		return r;
	if (!json_find_member(&reply.parameters, "session", &value) || value.type != JSON_OBJECT ||
		grant_decode(&value, &session) < 0)
		return call_misunderstood(u);
	ret->expires_at = session.expires_at_us;
	usher_session_clear(&session);
	return 0;
}

int usher_start(struct usher *u, const char *session_id, int64_t *ret_expires_at_us)
{
	struct session_call in = {message_cstring(session_id)};
	struct expires_reply out = {MESSAGE_ABSENT};
	bool was_resent;
	int r;

	if (!session_id)
		return usher_fail(u, -EINVAL);
	r = call_safe(u, USHER_INTERFACE ".Start", &start_in, &in, &start_out, &out, &was_resent);
	if (r == -USHER_E_INVALID_STATE && was_resent && error_says(u, "state", "processing"))
		r = take_started(u, session_id, &out);
	return take_deadline(u, session_id, r, out.expires_at, ret_expires_at_us);
}

int usher_renew(
	struct usher *u, const char *session_id, int64_t timeout_ms, int64_t *ret_expires_at_us)
{
	struct renew_call in = {
		message_cstring(session_id), timeout_ms ? timeout_ms : MESSAGE_ABSENT};
	struct expires_reply out = {MESSAGE_ABSENT};
	int r;

	if (!session_id)
		return usher_fail(u, -EINVAL);
	r = call_safe(u, USHER_INTERFACE ".Renew", &renew_in, &in, &renew_out, &out, NULL);
	return take_deadline(u, session_id, r, out.expires_at, ret_expires_at_us);
}

/* ---- the others ---- */

int usher_update(
	struct usher *u, const char *session_id, const char *metadata, int64_t *ret_metadata_bytes)
{
	struct update_call in = {.session_id = message_cstring(session_id)};
	struct update_reply out;
	int r;

	if (!session_id || !metadata || find_object(metadata, &in.metadata) < 0)
		return usher_fail(u, -EINVAL);
	r = call_safe(u, USHER_INTERFACE ".Update", &update_in, &in, &update_out, &out, NULL);
	if (r < 0)
		return note_refusal(u, session_id, r);
	if (ret_metadata_bytes)
		*ret_metadata_bytes = out.metadata_bytes;
	return 0;
}

/* Meanwhile the session is not to be attached: it may have ended already, by this very call. */
static int call_release(struct usher *u, const struct release_call *in, const char *session_id,
	struct release_reply *ret, bool *ret_resent)
{
	struct held *h = held_find(u, session_id);
	int r;

	if (h)
		h->is_releasing = true;
	r = call_safe(
		u, USHER_INTERFACE ".Release", &release_in, in, &release_out, ret, ret_resent);
	h = held_find(u, session_id);
	if (h)
		h->is_releasing = false;
	return r;
}

/* The first of two has done it, or so it must be taken: a broker that was killed has no history to
 * tell, and what it does not know any more was there when it was asked for the first time. */
static bool is_released_already(struct usher *u, int r, const char *session_id, int outcome)
{
	if (r == -USHER_E_SESSION_ENDED)
		return error_says(u, "outcome", outcome_names[outcome]);
	return r == -USHER_E_NO_SUCH_SESSION && held_find(u, session_id);
}

int usher_release(struct usher *u, const char *session_id, enum usher_outcome outcome,
	const char *result, int64_t *ret_duration_ms)
{
	static const int outcomes[] = {
		[USHER_COMPLETED] = 0, [USHER_ERROR] = 1, [USHER_CANCELLED] = 2};
	struct release_call in = {
		.session_id = message_cstring(session_id), .result = message_cstring(result)};
	struct release_reply out;
	bool was_resent;
	int r;

	if (!session_id || (unsigned)outcome > USHER_CANCELLED)
		return usher_fail(u, -EINVAL);
	in.outcome = outcomes[outcome];
	r = call_release(u, &in, session_id, &out, &was_resent);
	if (r < 0 && was_resent && is_released_already(u, r, session_id, in.outcome)) {
		out.duration_ms = -1;
		r = usher_begin(u);
	}
	if (r < 0)
		return note_refusal(u, session_id, r);
	held_forget(u, session_id);
	if (ret_duration_ms)
		*ret_duration_ms = out.duration_ms;
	return 0;
}

int usher_forget(struct usher *u, const char *session_id)
{
	int r = usher_begin(u);

	if (r < 0)
		return r;
	if (!session_id || !held_find(u, session_id))
		return usher_fail(u, session_id ? -ESRCH : -EINVAL);
	held_forget(u, session_id);
	return 0;
}

int usher_set_renewal(struct usher *u, const char *session_id, bool is_on)
{
	struct held *h;
	int r = usher_begin(u);

	if (r < 0)
		return r;
	h = session_id ? held_find(u, session_id) : NULL;
	if (!h)
		return usher_fail(u, session_id ? -ESRCH : -EINVAL);
	h->is_renewed = is_on;
	held_set_deadline(u, session_id, h->expires_at_us);
	return 0;
}
