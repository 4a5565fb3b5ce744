/* SPDX-License-Identifier: MIT */
/* Create: from the call to a session, a wait (wait.c goes on), or a refusal (refuse_create.c). */
#include "daemon/ops_create.h"

#include "daemon/config.h"
#include "daemon/ops_refuse.h"
#include "daemon/ops_view.h"
#include "daemon/owners.h"
#include "daemon/session_log.h"
#include "daemon/wait.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

bool owner_fits(struct request *request, enum owner_kind kind, int64_t pid)
{
	if (pid == MESSAGE_ABSENT || kind == OWNER_PROCESS)
		return true;
	refuse_parameter(request, "pid", "no pid unless owner is process");
	return false;
}

static enum owner_kind owner_of(const struct create_call *call)
{
	return call->owner < 0 ? OWNER_CONNECTION : (enum owner_kind)call->owner;
}

static int64_t units_of(const struct create_call *call)
{
	return call->units == MESSAGE_ABSENT ? 1 : call->units;
}

static int64_t priority_of(const struct create_call *call)
{
	return call->priority == MESSAGE_ABSENT ? 0 : call->priority;
}

/* What makes a repeated Create the same one: all parameters, what is not given as its default, but
 * the request id itself and how long to wait. */
static uint64_t fingerprint(const struct broker *broker, const struct create_call *call)
{
	const struct message_text texts[] = {create_pool(call), call->metadata, call->label};
	const int64_t numbers[] = {call->timeout_ms, call->pid,
		units_of(call) << 16 | priority_of(call) << 8 | owner_of(call)};
	uint64_t sum = XXH3_64bits_withSeed(numbers, sizeof(numbers), broker_seed(broker)[0]);

	for (size_t i = 0; i < 3; i++)
		if (texts[i].text)
			sum = XXH3_64bits_withSeed(texts[i].text, texts[i].length, sum + i);
	return sum;
}

/* ---- the session ---- */

static int make_text(struct message_text from, struct text **ret)
{
	*ret = from.text ? text_new(from.text, from.length) : NULL;
	return from.text && !*ret ? -ENOMEM : 0;
}

static struct session *make_with(struct request *request, const struct create_call *call,
	struct text *metadata, struct text *label)
{
	struct id_source *ids = &request->conn->loop->ids;
	char made[REQUEST_ID_SIZE];
	struct session_params params = {
		.id = id_new_session(ids),
		.fingerprint = fingerprint(request->broker, call),
		.request_id = call->request_id.text,
		.request_id_length = call->request_id.length,
		.label = label,
		.metadata = metadata,
		.units = (uint32_t)units_of(call),
		.priority = (uint8_t)priority_of(call),
	};

	if (!params.request_id) {
		params.request_id_length =
			id_new_request(ids, broker_wall_us(request->conn->read_ns), made);
		params.request_id = made;
	}
	return session_new(&params);
}

static struct session *make_session(struct request *request, const struct create_call *call)
{
	struct text *metadata = NULL, *label = NULL;
	struct session *session = NULL;

	if (make_text(call->metadata, &metadata) == 0 && make_text(call->label, &label) == 0)
		session = make_with(request, call, metadata, label);
	text_unref(metadata);
	text_unref(label);
	return session;
}

/* ---- replies ---- */

void reply_created(struct request *request, const struct session_view *view, bool is_existing)
{
	struct view_texts texts;
	struct session_message session;
	struct create_reply out;
	size_t begin = request->out->length;

	session_to_message(view, &texts, &session);
	out = (struct create_reply){
		.session_id = session.session_id,
		.request_id = session.request_id,
		.pool = session.pool,
		.slots = session.slots,
		.fence = session.fence,
		.expires_at = session.expires_at,
		.metadata_bytes = session.metadata_bytes,
		.existing = is_existing,
	};
	reply(request, &create_out, &out);
	conn_promise(request->conn, begin, view->session);
}

void reply_queued(struct request *request, uint64_t position, uint64_t waiting)
{
	struct queued_message queued = {(int64_t)position, (int64_t)waiting};
	struct create_reply out;

	message_clear(&create_out, &out);
	out.queued = &queued;
	varlink_reply_begin(request->out);
	message_encode_members(&create_out, &out, request->out);
	varlink_reply_end(request->out, true);
}

/* ---- the call ---- */

/* All that a call brings to the table. */
struct creation {
	struct create_request request;
	struct create_wait *wait;    /* NULL: it does not wait */
	struct create_result result; /* table_create()'s */
};

/* Enter until the random id is a free one and the table has the memory it needs. */
static int enter(struct request *request, const struct create_call *call, struct creation *c)
{
	struct section section;
	int r;

	for (int tries = 0;; tries++) {
		broker_enter(request->broker, &section);
		r = table_create(
			section.table, &c->request, section.now, &c->result, &section.change);
		broker_leave(&section);
		if ((r != -EEXIST && r != -ENOBUFS) || tries == 8)
			return r;
		if (r == -EEXIST) {
			session_unref(c->request.fresh);
			c->request.fresh = make_session(request, call);
			if (!c->request.fresh)
				return -ENOMEM;
		}
	}
}

static void fail_create(struct request *request)
{
	struct section section;

	broker_enter(request->broker, &section);
	table_count_rejection(section.table, REJECTED_CREATION_ERROR);
	broker_leave(&section);
	fail_request(request);
}

static void log_created(const struct request *request, const struct creation *c)
{
	if (request->conn->loop->config->log_sessions == LOG_SESSIONS_ALL && !c->result.is_existing)
		log_session_created(&c->result.session, &request->conn->owner.peer);
}

static void finish_granted(struct request *request, struct creation *c)
{
	if (!request->call->oneway) /* whose reply would be taken back, but not its promise */
		reply_created(request, &c->result.session, c->result.is_existing);
	log_created(request, c);
	session_view_deinit(&c->result.session);
	request->conn->n_created++;
}

static void finish_waiting(struct request *request, struct creation *c)
{
	uint64_t position = c->result.session.position, waiting = c->result.session.waiting;

	session_view_deinit(&c->result.session);
	if (request->call->more && !request->call->oneway)
		reply_queued(request, position, waiting);
	create_wait_begin(c->wait, request, position, waiting);
	c->wait = NULL;
}

static void finish_refused(
	struct request *request, const struct create_call *call, int status, struct creation *c)
{
	refuse_create(request, call, status, &c->result.refusal);
	create_refusal_deinit(&c->result.refusal);
}

/* What is not the table's after R. */
static void clean_up(struct creation *c, int r)
{
	if (r == -EEXIST || r == -ENOBUFS) /* all else has taken them over */
		session_unref(c->request.fresh);
	if ((r == -EEXIST || r == -ENOBUFS || r == -ENOMEM) && c->request.process)
		owners_free(c->request.process);
	create_wait_free(c->wait);
}

static int64_t wait_us_of(const struct create_call *call)
{
	if (call->wait_ms == MESSAGE_ABSENT)
		return 0;
	return call->wait_ms < 0 ? WAIT_FOR_EVER : call->wait_ms * 1000;
}

/* 0, -ENOMEM, or 1: the call is over, a reply has been written. */
static int prepare(struct request *request, const struct create_call *call, struct creation *ret)
{
	struct conn *conn = request->conn;
	struct message_text pool = create_pool(call);

	ret->wait = NULL;
	ret->request = (struct create_request){
		.pool = pool.text,
		.pool_length = pool.length,
		.caller = &conn->owner,
		.owner_kind = owner_of(call),
		.timeout_ms = call->timeout_ms,
		.wait_us = wait_us_of(call),
		.inbox = &conn->loop->inbox,
	};
	if (!owner_fits(request, owner_of(call), call->pid))
		return 1;
	if (peer_identify(&conn->owner.peer) < 0)
		return -ENOMEM;
	if (ret->request.wait_us != 0) {
		ret->wait = create_wait_new(conn);
		if (!ret->wait)
			return -ENOMEM;
		ret->request.waiter = create_wait_waiter(ret->wait);
	}
	if (owner_of(call) == OWNER_PROCESS &&
		owners_make(request, call->pid, &ret->request.process) < 0)
		return 1;
	ret->request.fresh = make_session(request, call);
	return ret->request.fresh ? 0 : -ENOMEM;
}

void handle_create(struct request *request, const void *in)
{
	const struct create_call *call = in;
	struct creation c;
	int r = prepare(request, call, &c);

	if (r > 0) {
		create_wait_free(c.wait);
		return;
	}
	request->conn->has_owned = true;
	if (r == 0)
		r = enter(request, call, &c);
	if (r == 0 && c.result.is_process_new)
		owners_watch(c.request.process);
	if (r < 0)
		fail_create(request);
	else if (r > 0)
		finish_refused(request, call, r, &c);
	else if (c.result.is_waiting)
		finish_waiting(request, &c);
	else
		finish_granted(request, &c);
	clean_up(&c, r);
}
