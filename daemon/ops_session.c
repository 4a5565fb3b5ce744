/* SPDX-License-Identifier: MIT */
/* The life of a session: Start, Renew, Update, Release, Attach, Cancel, Revoke. */
#include "daemon/ops.h"
#include "daemon/ops_create.h"
#include "daemon/ops_view.h"
#include "daemon/owners.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- what all share ---- */

/* The session a call is about. False if the text is no session id: then no session can have it. */
static bool refer(struct request *request, struct message_text id, struct session_ref *ret)
{
	*ret = (struct session_ref){.caller = &request->conn->owner};
	return id_parse_session(id.text, id.length, &ret->id) == 0;
}

/* The table wanted more room for deadlines and was given some, if there is memory. */
static bool is_worth_retrying(int r, int *tries)
{
	return r == -ENOBUFS && (*tries)++ < 8;
}

static void refuse_session(
	struct request *request, int status, struct message_text id, const struct session_ref *ref)
{
	struct session_error no_such = {.session_id = id};
	struct ended_error ended = {.session_id = id, .outcome = (int)ref->outcome};
	struct state_error state = {.session_id = id, .state = (int)ref->state};

	if (status < 0) {
		fail_request(request);
		return;
	}
	switch (status) {
	case STATUS_NO_SUCH_SESSION:
		refuse(request, status, &no_such_session_error, &no_such);
		break;
	case STATUS_SESSION_ENDED:
		refuse(request, status, &session_ended_error, &ended);
		break;
	case STATUS_INVALID_STATE:
		refuse(request, status, &invalid_state_error, &state);
		break;
	default:
		refuse(request, status, NULL, NULL);
		break;
	}
}

/* What an admin does to a session of somebody else. */
static void log_act(struct request *request, const struct session_ref *ref, struct message_text id,
	const char *what)
{
	if (ref->is_anothers)
		log_admin(request, NULL, (struct message_text){NULL, 0}, "%s %.*s of uid %" PRIu32,
			what, (int)id.length, id.text, ref->uid);
}

/* ---- Start, Renew ---- */

static void reply_expires(struct request *request, int64_t expires_wall_us)
{
	struct expires_reply out = {.expires_at = message_wall(expires_wall_us)};

	reply(request, &start_out, &out);
}

void handle_start(struct request *request, const void *in)
{
	const struct session_call *call = in;
	struct session_ref ref;
	struct section section;
	int64_t expires_wall_us = 0;
	int r = STATUS_NO_SUCH_SESSION, tries = 0;

	if (refer(request, call->session_id, &ref))
		do {
			broker_enter(request->broker, &section);
			r = table_start(section.table, &ref, section.now, &expires_wall_us,
				&section.change);
			broker_leave(&section);
		} while (is_worth_retrying(r, &tries));
	if (r == 0) {
		log_act(request, &ref, call->session_id, "started");
		reply_expires(request, expires_wall_us);
	} else {
		refuse_session(request, r, call->session_id, &ref);
	}
}

void handle_renew(struct request *request, const void *in)
{
	const struct renew_call *call = in;
	struct session_ref ref;
	struct section section;
	int64_t expires_wall_us = 0;
	int r = STATUS_NO_SUCH_SESSION, tries = 0;

	if (refer(request, call->session_id, &ref))
		do {
			broker_enter(request->broker, &section);
			r = table_renew(section.table, &ref, call->timeout_ms, section.now,
				&expires_wall_us, &section.change);
			broker_leave(&section);
		} while (is_worth_retrying(r, &tries));
	if (r == 0) {
		log_act(request, &ref, call->session_id, "renewed");
		reply_expires(request, expires_wall_us);
	} else if (r == STATUS_TIMEOUT_OUT_OF_RANGE) {
		refuse_timeout(request, call->timeout_ms, ref.max_timeout_ms);
	} else {
		refuse_session(request, r, call->session_id, &ref);
	}
}

/* ---- Update, Release ---- */

void handle_update(struct request *request, const void *in)
{
	const struct update_call *call = in;
	struct update_reply out = {.metadata_bytes = (int64_t)call->metadata.length};
	struct text *metadata = text_new(call->metadata.text, call->metadata.length);
	struct session_ref ref;
	struct section section;
	uint32_t limit = 0;
	int r = STATUS_NO_SUCH_SESSION;

	if (!metadata) {
		fail_request(request);
		return;
	}
	if (refer(request, call->session_id, &ref)) {
		broker_enter(request->broker, &section);
		r = table_update(
			section.table, &ref, metadata, section.now, &limit, &section.change);
		broker_leave(&section);
	}
	text_unref(metadata);
	if (r == 0) {
		log_act(request, &ref, call->session_id, "updated");
		reply(request, &update_out, &out);
	} else if (r == STATUS_METADATA_TOO_LARGE) {
		refuse_metadata(request, call->metadata.length, limit);
	} else {
		refuse_session(request, r, call->session_id, &ref);
	}
}

void handle_release(struct request *request, const void *in)
{
	const struct release_call *call = in;
	enum outcome outcome = call->outcome < 0 ? OUTCOME_COMPLETED : (enum outcome)call->outcome;
	struct text *result = NULL;
	struct release_reply out;
	struct session_ref ref;
	struct section section;
	int64_t duration_us = 0;
	int r = STATUS_NO_SUCH_SESSION;

	if (call->result.text) {
		result = text_new(call->result.text, call->result.length);
		if (!result) {
			fail_request(request);
			return;
		}
	}
	if (refer(request, call->session_id, &ref)) {
		broker_enter(request->broker, &section);
		r = table_release(section.table, &ref, outcome, result, section.now, &duration_us,
			&section.change);
		broker_leave(&section);
	}
	text_unref(result);
	if (r == 0) {
		log_act(request, &ref, call->session_id, "released");
		out.duration_ms = duration_us / 1000;
		reply(request, &release_out, &out);
	} else {
		refuse_session(request, r, call->session_id, &ref);
	}
}

/* ---- Attach ---- */

static int attach_session(struct request *request, struct session_ref *ref, enum owner_kind kind,
	struct process *process, struct session_view *ret)
{
	struct section section;
	bool is_process_new;
	int r, tries = 0;

	do {
		broker_enter(request->broker, &section);
		r = table_attach(section.table, ref, kind, process, section.now, ret,
			&is_process_new, &section.change);
		broker_leave(&section);
	} while (is_worth_retrying(r, &tries));
	if (r == -ENOBUFS && process)
		owners_free(process);
	if (r == 0 && is_process_new)
		owners_watch(process);
	return r;
}

void handle_attach(struct request *request, const void *in)
{
	const struct attach_call *call = in;
	enum owner_kind kind = call->owner < 0 ? OWNER_CONNECTION : (enum owner_kind)call->owner;
	struct session_message message;
	struct session_reply out = {&message};
	struct process *process = NULL;
	struct view_texts texts;
	struct session_view view;
	struct session_ref ref;
	int r = STATUS_NO_SUCH_SESSION;

	if (!owner_fits(request, kind, call->pid))
		return;
	if (peer_identify(&request->conn->owner.peer) < 0) {
		fail_request(request);
		return;
	}
	request->conn->has_owned = true;
	if (refer(request, call->session_id, &ref)) {
		if (kind == OWNER_PROCESS && owners_make(request, call->pid, &process) < 0)
			return;
		r = attach_session(request, &ref, kind, process, &view);
	}
	if (r) {
		refuse_session(request, r, call->session_id, &ref);
		return;
	}
	log_act(request, &ref, call->session_id, "attached");
	session_to_message(&view, &texts, &message);
	reply(request, &attach_out, &out);
	session_view_deinit(&view);
}

/* ---- Cancel, Revoke ---- */

void handle_cancel(struct request *request, const void *in)
{
	const struct cancel_call *call = in;
	struct message_text no_reason = {NULL, 0};
	char id[SESSION_ID_SIZE];
	struct session_ref ref = {.caller = &request->conn->owner};
	struct section section;
	int r;

	broker_enter(request->broker, &section);
	r = table_cancel(section.table, ref.caller, call->request_id.text, call->request_id.length,
		section.now, &ref.id, &ref.state, &section.change);
	broker_leave(&section);
	if (r == STATUS_INVALID_PARAMETER) {
		refuse_parameter(request, "request_id",
			"an id that one user only waits with; Revoke takes a session_id");
	} else if (r == STATUS_INVALID_STATE) {
		id_format_session(ref.id, id);
		refuse_session(request, r, message_cstring(id), &ref);
	} else if (r) {
		refuse_session(request, r, call->request_id, &ref);
	} else {
		log_admin(request, NULL, no_reason, "cancelled the wait of \"%.*s\"",
			(int)call->request_id.length, call->request_id.text);
		reply(request, &cancel_out, NULL);
	}
}

static int revoke_session(
	struct request *request, struct session_ref *ref, const struct revoke_call *call)
{
	struct text *reason = NULL;
	struct section section;
	int r;

	if (call->reason.text) {
		reason = text_new(call->reason.text, call->reason.length);
		if (!reason)
			return -ENOMEM;
	}
	broker_enter(request->broker, &section);
	r = table_revoke(section.table, ref, call->force, reason, section.now, &section.change);
	broker_leave(&section);
	text_unref(reason);
	return r;
}

void handle_revoke(struct request *request, const void *in)
{
	const struct revoke_call *call = in;
	struct session_ref ref;
	int r = STATUS_NO_SUCH_SESSION;

	if (refer(request, call->session_id, &ref))
		r = revoke_session(request, &ref, call);
	if (r) {
		refuse_session(request, r, call->session_id, &ref);
		return;
	}
	log_admin(request, NULL, call->reason, "revoked %.*s%s", (int)call->session_id.length,
		call->session_id.text, call->force ? " with force" : "");
	reply(request, &revoke_out, NULL);
}
