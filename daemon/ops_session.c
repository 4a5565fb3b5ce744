/* SPDX-License-Identifier: MIT */
/* The life of a session: Create, Start, Renew, Update, Release, Attach, Revoke. */
#include "daemon/config.h"
#include "daemon/ops.h"
#include "daemon/ops_view.h"
#include "daemon/session_log.h"

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

static void refuse_timeout(struct request *request, int64_t timeout_ms, int64_t max_timeout_ms)
{
	struct timeout_error error = {.timeout_ms = timeout_ms, .max_timeout_ms = max_timeout_ms};

	refuse(request, STATUS_TIMEOUT_OUT_OF_RANGE, &timeout_out_of_range_error, &error);
}

static void identify(struct conn *conn)
{
	if (conn->is_identified)
		return;
	peer_identify(&conn->owner.peer);
	conn->is_identified = true;
}

/* ---- Create ---- */

static struct message_text pool_of(const struct create_call *call)
{
	return call->pool.text ? call->pool : message_cstring(POOL_DEFAULT_NAME);
}

/* What makes a repeated Create the same one: all parameters but the request id itself. */
static uint64_t fingerprint(const struct broker *broker, const struct create_call *call)
{
	uint64_t seed[2] = {broker_seed(broker)[0], broker_seed(broker)[1]};
	const struct message_text texts[] = {pool_of(call), call->metadata, call->label};
	const int64_t numbers[] = {call->timeout_ms, call->units, call->owner};

	for (size_t i = 0; i < 3; i++) {
		seed[0] ^= map_hash(seed, texts[i].text ? texts[i].text : "", texts[i].length);
		seed[1] += texts[i].text ? texts[i].length + 1 : 0;
	}
	return map_hash(seed, numbers, sizeof(numbers));
}

static struct session *make_session(struct request *request, const struct create_call *call)
{
	struct id_source *ids = &request->conn->loop->ids;
	char made[REQUEST_ID_SIZE];
	struct session_params params = {
		.id = id_new_session(ids),
		.fingerprint = fingerprint(request->broker, call),
		.request_id = call->request_id.text,
		.request_id_length = call->request_id.length,
		.label = call->label.text,
		.label_length = call->label.length,
		.units = call->units == MESSAGE_ABSENT ? 1 : (uint32_t)call->units,
	};
	struct session *session;

	if (!params.request_id) {
		params.request_id_length =
			id_new_request(ids, broker_time(request->broker).wall_us, made);
		params.request_id = made;
	}
	if (call->metadata.text) {
		params.metadata = text_new(call->metadata.text, call->metadata.length);
		if (!params.metadata)
			return NULL;
	}
	session = session_new(&params);
	text_unref(params.metadata);
	return session;
}

static void reply_created(struct request *request, const struct create_result *result)
{
	struct view_texts texts;
	struct session_message session;
	struct create_reply out;

	session_to_message(&result->session, &texts, &session);
	out = (struct create_reply){
		.session_id = session.session_id,
		.request_id = session.request_id,
		.pool = session.pool,
		.slots = session.slots,
		.fence = session.fence,
		.expires_at = session.expires_at,
		.metadata_bytes = session.metadata_bytes,
		.existing = result->is_existing,
	};
	reply(request, &create_out, &out);
}

static void refuse_capacity(
	struct request *request, const struct create_call *call, const struct create_refusal *why)
{
	struct view_texts texts[CREATE_HOLDERS_MAX];
	struct holder_message holders[CREATE_HOLDERS_MAX];
	struct capacity_error error = {
		.pool = message_from_text(why->pool.name),
		.limit = why->pool.settings.limit,
		.used_units = (int64_t)why->pool.used_units,
		.requested_units = call->units == MESSAGE_ABSENT ? 1 : call->units,
		.active_sessions = (int64_t)why->pool.active,
		.holders = {holders, why->n_holders, true},
		.retry_after_ms =
			why->retry_after_us < 0 ? MESSAGE_ABSENT : why->retry_after_us / 1000,
	};

	for (size_t i = 0; i < why->n_holders; i++)
		holder_to_message(&why->holders[i], &texts[i], &holders[i]);
	refuse(request, STATUS_CAPACITY_REACHED, &capacity_reached_error, &error);
}

static void refuse_paused(struct request *request, const struct pool_view *pool)
{
	struct paused_error error = {
		.pool = message_from_text(pool->name),
		.paused_until = message_wall(pool->paused_until_wall_us),
		.reason = message_from_text(pool->pause_reason),
	};

	refuse(request, STATUS_PAUSED, &paused_error_fields, &error);
}

static void refuse_metadata(struct request *request, size_t size, uint32_t limit)
{
	struct metadata_error error = {.size = (int64_t)size, .limit = limit};

	refuse(request, STATUS_METADATA_TOO_LARGE, &metadata_too_large_error, &error);
}

static void refuse_request_id(
	struct request *request, const struct create_call *call, uint64_t other_id)
{
	char id[SESSION_ID_SIZE];
	struct request_error error = {.request_id = call->request_id, .session_id = {id, 0}};

	id_format_session(other_id, id);
	error.session_id.length = strlen(id);
	refuse(request, STATUS_REQUEST_ID_IN_USE, &request_id_in_use_error, &error);
}

static void refuse_units(struct request *request, uint32_t limit)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "at most %" PRIu32 ", the limit of the pool", limit);
	refuse_parameter(request, "units", expected);
}

static void refuse_create(struct request *request, const struct create_call *call, int status,
	const struct create_refusal *why)
{
	struct pool_error no_such_pool = {.pool = pool_of(call)};

	switch (status) {
	case STATUS_CAPACITY_REACHED:
		refuse_capacity(request, call, why);
		break;
	case STATUS_PAUSED:
		refuse_paused(request, &why->pool);
		break;
	case STATUS_METADATA_TOO_LARGE:
		refuse_metadata(
			request, call->metadata.length, why->pool.settings.max_metadata_bytes);
		break;
	case STATUS_TIMEOUT_OUT_OF_RANGE:
		refuse_timeout(request, why->timeout_ms, why->pool.settings.max_timeout_ms);
		break;
	case STATUS_NO_SUCH_POOL:
		refuse(request, status, &no_such_pool_error, &no_such_pool);
		break;
	case STATUS_REQUEST_ID_IN_USE:
		refuse_request_id(request, call, why->other_id);
		break;
	case STATUS_INVALID_PARAMETER:
		refuse_units(request, why->pool.settings.limit);
		break;
	default:
		refuse(request, status, NULL, NULL);
		break;
	}
}

/* Enter until the random id is a free one and the table has room for another deadline. */
static int create(struct request *request, const struct create_call *call,
	struct create_request *create, struct create_result *result)
{
	struct section section;
	int r;

	for (int tries = 0;; tries++) {
		broker_enter(request->broker, &section);
		r = table_create(section.table, create, section.now, result, &section.change);
		broker_leave(&section);
		if ((r != -EEXIST && r != -ENOBUFS) || tries == 8)
			break;
		if (r == -EEXIST) {
			session_unref(create->fresh);
			create->fresh = make_session(request, call);
			if (!create->fresh)
				return -ENOMEM;
		}
	}
	if (r == -EEXIST || r == -ENOBUFS) /* all else has taken it over */
		session_unref(create->fresh);
	return r;
}

static void fail_create(struct request *request)
{
	struct section section;

	broker_enter(request->broker, &section);
	table_count_rejection(section.table, REJECTED_CREATION_ERROR);
	broker_leave(&section);
	fail_request(request);
}

void handle_create(struct request *request, const void *in)
{
	const struct create_call *call = in;
	struct conn *conn = request->conn;
	struct message_text pool = pool_of(call);
	int64_t log_sessions = conn->loop->config->log_sessions;
	struct create_result result;
	struct create_request create_request = {
		.pool = pool.text,
		.pool_length = pool.length,
		.caller = &conn->owner,
		.owner_kind = call->owner < 0 ? OWNER_CONNECTION : (enum owner_kind)call->owner,
		.timeout_ms = call->timeout_ms,
	};
	int r;

	identify(conn);
	create_request.fresh = make_session(request, call);
	conn->has_owned = true;
	r = create_request.fresh ? create(request, call, &create_request, &result) : -ENOMEM;
	if (r < 0) {
		fail_create(request);
		return;
	}
	if (r == 0) {
		reply_created(request, &result);
		if (log_sessions == LOG_SESSIONS_ALL && !result.is_existing)
			log_session_created(&result.session, &conn->owner.peer);
		session_view_deinit(&result.session);
		conn->n_created++;
		return;
	}
	refuse_create(request, call, r, &result.refusal);
	if (log_sessions != LOG_SESSIONS_NONE)
		log_session_refused(pool.text, pool.length, &conn->owner.peer, r);
	create_refusal_deinit(&result.refusal);
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
			r = table_start(section.table, &ref, section.now, &expires_wall_us);
			broker_leave(&section);
		} while (is_worth_retrying(r, &tries));
	if (r == 0)
		reply_expires(request, expires_wall_us);
	else
		refuse_session(request, r, call->session_id, &ref);
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
				&expires_wall_us);
			broker_leave(&section);
		} while (is_worth_retrying(r, &tries));
	if (r == 0)
		reply_expires(request, expires_wall_us);
	else if (r == STATUS_TIMEOUT_OUT_OF_RANGE)
		refuse_timeout(request, call->timeout_ms, ref.max_timeout_ms);
	else
		refuse_session(request, r, call->session_id, &ref);
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
		r = table_update(section.table, &ref, metadata, &limit, &section.change);
		broker_leave(&section);
	}
	text_unref(metadata);
	if (r == 0)
		reply(request, &update_out, &out);
	else if (r == STATUS_METADATA_TOO_LARGE)
		refuse_metadata(request, call->metadata.length, limit);
	else
		refuse_session(request, r, call->session_id, &ref);
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
		out.duration_ms = duration_us / 1000;
		reply(request, &release_out, &out);
	} else {
		refuse_session(request, r, call->session_id, &ref);
	}
}

/* ---- Attach, Revoke ---- */

void handle_attach(struct request *request, const void *in)
{
	const struct attach_call *call = in;
	enum owner_kind kind = call->owner < 0 ? OWNER_CONNECTION : (enum owner_kind)call->owner;
	struct session_message message;
	struct session_reply out = {&message};
	struct view_texts texts;
	struct session_view view;
	struct session_ref ref;
	struct section section;
	int r = STATUS_NO_SUCH_SESSION, tries = 0;

	identify(request->conn);
	request->conn->has_owned = true;
	if (refer(request, call->session_id, &ref))
		do {
			broker_enter(request->broker, &section);
			r = table_attach(
				section.table, &ref, kind, section.now, &view, &section.change);
			broker_leave(&section);
		} while (is_worth_retrying(r, &tries));
	if (r) {
		refuse_session(request, r, call->session_id, &ref);
		return;
	}
	session_to_message(&view, &texts, &message);
	reply(request, &attach_out, &out);
	session_view_deinit(&view);
}

void handle_revoke(struct request *request, const void *in)
{
	const struct revoke_call *call = in;
	struct session_ref ref;
	struct section section;
	int r = STATUS_NO_SUCH_SESSION;

	if (refer(request, call->session_id, &ref)) {
		broker_enter(request->broker, &section);
		r = table_revoke(section.table, &ref, call->force, section.now, &section.change);
		broker_leave(&section);
	}
	if (r) {
		refuse_session(request, r, call->session_id, &ref);
		return;
	}
	log_admin(request, NULL, call->reason, "revoked %.*s%s", (int)call->session_id.length,
		call->session_id.text, call->force ? " with force" : "");
	reply(request, &revoke_out, NULL);
}
