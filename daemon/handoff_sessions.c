/* SPDX-License-Identifier: MIT */
/* Sessions: live ones, those that wait, and the history. */
#include "daemon/handoff_records.h"

#include "daemon/owners.h"
#include "daemon/wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct packed_session {
	uint64_t id;
	uint64_t sequence;
	uint64_t fence;
	uint64_t fingerprint;
	int64_t created_us;
	int64_t created_wall_us;
	struct pack_span pool;
	struct pack_span request_id;
	struct pack_span label;
	struct pack_span slots;
	struct pack_span metadata;
	uint32_t units;
	uint32_t creator_uid;
	uint32_t uid;
	uint8_t priority;
	uint8_t state;
	uint8_t owner_kind;
	bool is_overdue;
	bool is_revoking;
	bool is_orphaned;
	uint32_t stored_sum; /* what the store knows of it */
	int64_t timeout_ms;
	int64_t started_wall_us;
	int64_t deadline_us;
	uint32_t identity; /* numbers of identities */
	uint32_t creator;
	uint32_t process;     /* the identity of the process that owns it, as far as we know */
	uint32_t process_uid; /* whose watch that is */
	uint32_t conn;        /* the number of the connection that owns it */
	struct pack_span wait;
	uint8_t outcome;
	struct pack_span result;
	int64_t ended_us;
	int64_t ended_wall_us;
};

enum session_tag { SESSION_SLOTS = 12, SESSION_WAIT = 30 };

static const struct pack_item session_items[] = {
	PACK_ITEM(packed_session, 1, PACK_U64, id),
	PACK_ITEM(packed_session, 2, PACK_U64, sequence),
	PACK_ITEM(packed_session, 3, PACK_U64, fence),
	PACK_ITEM(packed_session, 4, PACK_U64, fingerprint),
	PACK_ITEM(packed_session, 5, PACK_I64, created_us),
	PACK_ITEM(packed_session, 6, PACK_I64, created_wall_us),
	PACK_ITEM(packed_session, 7, PACK_SPAN, pool),
	PACK_ITEM(packed_session, 8, PACK_SPAN, request_id),
	PACK_ITEM(packed_session, 9, PACK_SPAN, label),
	PACK_ITEM(packed_session, 10, PACK_SPAN, metadata),
	PACK_ITEM(packed_session, 11, PACK_U32, units),
	PACK_ITEM(packed_session, SESSION_SLOTS, PACK_SPAN, slots),
	PACK_ITEM(packed_session, 13, PACK_U32, creator_uid),
	PACK_ITEM(packed_session, 14, PACK_U32, uid),
	PACK_ITEM(packed_session, 15, PACK_U8, priority),
	PACK_ITEM(packed_session, 16, PACK_U8, state),
	PACK_ITEM(packed_session, 17, PACK_U8, owner_kind),
	PACK_ITEM(packed_session, 18, PACK_BOOL, is_overdue),
	PACK_ITEM(packed_session, 19, PACK_BOOL, is_revoking),
	PACK_ITEM(packed_session, 20, PACK_BOOL, is_orphaned),
	PACK_ITEM(packed_session, 21, PACK_U32, stored_sum),
	PACK_ITEM(packed_session, 22, PACK_I64, timeout_ms),
	PACK_ITEM(packed_session, 23, PACK_I64, started_wall_us),
	PACK_ITEM(packed_session, 24, PACK_I64, deadline_us),
	PACK_ITEM(packed_session, 25, PACK_U32, identity),
	PACK_ITEM(packed_session, 26, PACK_U32, creator),
	PACK_ITEM(packed_session, 27, PACK_U32, process),
	PACK_ITEM(packed_session, 28, PACK_U32, process_uid),
	PACK_ITEM(packed_session, 29, PACK_U32, conn),
	PACK_ITEM(packed_session, SESSION_WAIT, PACK_SPAN, wait),
	PACK_ITEM(packed_session, 31, PACK_U8, outcome),
	PACK_ITEM(packed_session, 32, PACK_SPAN, result),
	PACK_ITEM(packed_session, 33, PACK_I64, ended_us),
	PACK_ITEM(packed_session, 34, PACK_I64, ended_wall_us),
	{0},
};

struct packed_wait {
	uint32_t conn; /* that waits: it need not be the owner */
	int64_t since_us;
	int64_t since_wall_us;
	int64_t deadline_us;
	struct carried_wait call;
};

static const struct pack_item wait_items[] = {
	PACK_ITEM(packed_wait, 1, PACK_U32, conn),
	PACK_ITEM(packed_wait, 2, PACK_I64, since_us),
	PACK_ITEM(packed_wait, 3, PACK_I64, since_wall_us),
	PACK_ITEM(packed_wait, 4, PACK_I64, deadline_us),
	PACK_ITEM(packed_wait, 5, PACK_BOOL, call.is_oneway),
	PACK_ITEM(packed_wait, 6, PACK_BOOL, call.wants_progress),
	PACK_ITEM(packed_wait, 7, PACK_U64, call.position),
	PACK_ITEM(packed_wait, 8, PACK_U64, call.waiting),
	{0},
};

/* ---- writing ---- */

static uint32_t conn_number(const struct owner *owner)
{
	return container_of(owner, struct conn, owner)->carried_number;
}

/* A process owns what is its own, and the orphans of connections it had. */
static void describe_owner(
	struct packer *packer, const struct session *session, struct packed_session *packed)
{
	const struct owner *owner = session->owner;

	if (!owner)
		return;
	if (session->owner_kind == OWNER_CONNECTION && !session->is_orphaned) {
		packed->conn = conn_number(owner);
		return;
	}
	packed->process = packer_identity(packer, owner->peer.identity);
	packed->process_uid = owners_uid(container_of(owner, struct process, owner));
}

/* What is fixed, or shown of live and ended ones alike. */
static struct packed_session describe(struct packer *packer, const struct session *session)
{
	return (struct packed_session){
		.id = session->id,
		.sequence = session->sequence,
		.fence = session->fence,
		.fingerprint = session->fingerprint,
		.created_us = session->created_us,
		.created_wall_us = session->created_wall_us,
		.pool = span_of_text(session->pool_name),
		.request_id = {session->request_id, strlen(session->request_id)},
		.label = span_of_text(session->label),
		.metadata = span_of_text(session->metadata),
		.units = session->units,
		.creator_uid = session->creator_uid,
		.uid = session->uid,
		.priority = session->priority,
		.state = session->state,
		.owner_kind = session->owner_kind,
		.is_overdue = session->is_overdue,
		.is_revoking = session->is_revoking,
		.is_orphaned = session->is_orphaned,
		.timeout_ms = session->timeout_ms,
		.started_wall_us = session->started_wall_us,
		.identity = packer_identity(packer, session->identity),
		.creator = packer_identity(packer, session->creator),
	};
}

static void write_wait(struct pack_writer *out, const struct waiter *waiter)
{
	struct packed_wait packed = {
		.conn = conn_number(waiter->caller),
		.since_us = waiter->since_us,
		.since_wall_us = waiter->since_wall_us,
		.deadline_us = waiter->deadline_us,
	};
	size_t begun = pack_begin(out, SESSION_WAIT);

	create_wait_carry_out(waiter, &packed.call);
	pack_struct(out, wait_items, &packed);
	pack_end(out, begun);
}

static void write_session(struct packer *packer, enum handoff_tag tag,
	const struct session *session, const struct packed_session *packed)
{
	struct pack_writer *out = &packer->out;
	size_t begun = pack_begin(out, tag);

	pack_struct(out, session_items, packed);
	if (session->state == SESSION_WAITING)
		write_wait(out, session->waiter);
	else if (session->fence)
		pack_u32s(out, SESSION_SLOTS, session->slots, session->units);
	pack_end(out, begun);
}

void packer_write_sessions(struct packer *packer)
{
	const struct session *session;
	uint64_t after = 0;

	for (; (session = table_carry_session_after(packer->table, after));
		after = session->sequence) {
		struct packed_session packed = describe(packer, session);

		packed.deadline_us = session->deadline_us;
		packed.stored_sum = session->stored_sum;
		describe_owner(packer, session, &packed);
		write_session(packer, HANDOFF_SESSION, session, &packed);
	}
}

void packer_write_ended(struct packer *packer)
{
	const struct session *session = NULL;

	while ((session = table_carry_ended_after(packer->table, session))) {
		struct packed_session packed = describe(packer, session);

		packed.outcome = session->outcome;
		packed.result = span_of_text(session->result);
		packed.ended_us = session->ended_us;
		packed.ended_wall_us = session->ended_wall_us;
		write_session(packer, HANDOFF_ENDED, session, &packed);
	}
}

/* ---- reading ---- */

static bool is_sound(const struct packed_session *packed)
{
	return packed->id >> 48 == 0 && packed->units >= 1 && packed->units <= SESSION_UNITS_MAX &&
	       packed->request_id.length >= 1 &&
	       packed->request_id.length <= SESSION_REQUEST_ID_MAX &&
	       packed->label.length <= SESSION_LABEL_MAX &&
	       packed->priority <= SESSION_PRIORITY_MAX && packed->state <= SESSION_ENDED &&
	       packed->owner_kind <= OWNER_DETACHED && packed->outcome < OUTCOME_COUNT &&
	       packed->timeout_ms >= SESSION_TIMEOUT_NONE && packed->fence >> 53 == 0 &&
	       packed->created_us >= 0 && packed->ended_us >= 0 &&
	       (packed->owner_kind != OWNER_DETACHED ||
		       packed->timeout_ms != SESSION_TIMEOUT_NONE) &&
	       (!packed->is_orphaned || packed->owner_kind == OWNER_CONNECTION) &&
	       !memchr(packed->request_id.bytes, '\0', packed->request_id.length);
}

static struct session *new_session(const struct packed_session *packed)
{
	struct session_params params = {
		.id = packed->id,
		.fingerprint = packed->fingerprint,
		.request_id = packed->request_id.bytes,
		.request_id_length = packed->request_id.length,
		.units = packed->units,
		.priority = packed->priority,
	};
	struct session *session = NULL;

	if (text_of_span(packed->label, &params.label) == 0 &&
		text_of_span(packed->metadata, &params.metadata) == 0)
		session = session_new(&params);
	text_unref(params.label);
	text_unref(params.metadata);
	return session;
}

/* All that does not need the table. */
static int make_session(
	struct unpacker *unpacker, const struct packed_session *packed, struct session **ret)
{
	struct identity *identity = NULL, *creator = NULL;
	struct session *session;
	int r = unpacker_identity(unpacker, packed->identity, &identity);

	if (r == 0)
		r = unpacker_identity(unpacker, packed->creator, &creator);
	if (r < 0)
		return r;
	session = new_session(packed);
	if (!session)
		return -ENOMEM;
	session->sequence = packed->sequence;
	session->fence = packed->fence;
	session->created_us = packed->created_us;
	session->created_wall_us = packed->created_wall_us;
	session->creator_uid = packed->creator_uid;
	session->uid = packed->uid;
	session->owner_kind = packed->owner_kind;
	session->is_revoking = packed->is_revoking;
	session->timeout_ms = packed->timeout_ms;
	session->started_wall_us = packed->started_wall_us;
	session->identity = identity_ref(identity);
	session->creator = identity_ref(creator);
	*ret = session;
	return 0;
}

/* What a session needs of the others. */
struct relations {
	struct pool *pool;
	struct conn *conn; /* that owns it */
	struct process *process;
	bool is_process_new;
};

static int find_conn(struct unpacker *unpacker, uint32_t number, struct conn **ret)
{
	if (number > unpacker->n_conns)
		return unpacker_fail(unpacker, -EBADMSG, "a connection that is not there");
	*ret = number ? unpacker->conns[number - 1] : NULL;
	if (*ret) /* whatever its own record says: they must not outlive it */
		(*ret)->has_owned = true;
	return 0;
}

static struct process *known_process(struct broker *broker, const struct identity *identity)
{
	struct section section;
	struct process *process;

	broker_enter(broker, &section);
	process = table_find_process(section.table, identity);
	broker_leave(&section);
	return process;
}

/* As describe_owner() has it. */
static bool is_of_process(const struct packed_session *packed)
{
	return packed->owner_kind == OWNER_PROCESS || packed->is_orphaned;
}

/* Watched by one loop after the other, as connections are. */
static int find_process(
	struct unpacker *unpacker, const struct packed_session *packed, struct relations *relations)
{
	struct server *server = unpacker->server;
	struct loop *loop = &server->loops[packed->process % server->n_loops];
	struct identity *identity;
	int r = unpacker_identity(unpacker, packed->process, &identity);

	if (r < 0 || !identity)
		return r;
	relations->process = known_process(server->broker, identity);
	if (!relations->process)
		relations->process = owners_restore(loop, identity, packed->process_uid);
	return relations->process ? 0 : -ENOMEM;
}

static int relate(
	struct unpacker *unpacker, const struct packed_session *packed, struct relations *ret)
{
	struct section section;
	int r;

	*ret = (struct relations){0};
	if (!packed->pool.bytes)
		return -EBADMSG;
	broker_enter(unpacker->server->broker, &section);
	ret->pool = table_find_pool(section.table, packed->pool.bytes, packed->pool.length);
	broker_leave(&section);
	if (!ret->pool)
		return unpacker_fail(unpacker, -EBADMSG, "a session of no pool");
	r = find_conn(unpacker, packed->conn, &ret->conn);
	if (r == 0 && packed->owner_kind == OWNER_CONNECTION && !packed->is_orphaned && !ret->conn)
		return unpacker_fail(unpacker, -EBADMSG, "a session of no connection");
	if (r == 0 && packed->process && !is_of_process(packed))
		return unpacker_fail(unpacker, -EBADMSG, "a process that owns nothing");
	if (r == 0)
		r = find_process(unpacker, packed, ret);
	if (r == 0 && packed->owner_kind == OWNER_PROCESS && !ret->process)
		return unpacker_fail(unpacker, -EBADMSG, "a session of no process");
	return r;
}

/* ---- live ones ---- */

static int enter_live(struct broker *broker, struct session *session, struct relations *relations,
	const struct carried_live *carried)
{
	struct section section;
	int r;

	broker_enter(broker, &section);
	r = table_restore_session(section.table, session, relations->pool, relations->process,
		section.now, &relations->is_process_new, &section.change);
	if (r == 0)
		table_carry_live(section.table, session, carried, &section.change);
	broker_leave(&section);
	return r;
}

static int restore_live(struct unpacker *unpacker, const struct packed_session *packed,
	struct session *session, struct relations *relations)
{
	const struct carried_live carried = {
		.deadline_us = packed->deadline_us,
		.is_overdue = packed->is_overdue,
		.connection =
			packed->is_orphaned || !relations->conn ? NULL : &relations->conn->owner,
	};
	int r = unpack_u32s(packed->slots, session->slots, session->units);

	if (r < 0 || !session->fence ||
		(packed->state != SESSION_IDLE && packed->state != SESSION_PROCESSING))
		return -EBADMSG;
	session->state = packed->state;
	session->stored_sum = packed->stored_sum;
	for (int tries = 0; tries < 8; tries++) { /* leaving brings the memory that was missing */
		r = enter_live(unpacker->server->broker, session, relations, &carried);
		if (r != -ENOBUFS)
			break;
	}
	return r;
}

/* ---- those that wait ---- */

static int enter_waiting(struct broker *broker, struct session *session,
	struct relations *relations, struct waiter *waiter)
{
	struct owner *owner = NULL;
	struct section section;
	int r;

	if (session->owner_kind == OWNER_CONNECTION)
		owner = &relations->conn->owner;
	broker_enter(broker, &section);
	r = table_carry_waiting(section.table, session, relations->pool, owner, relations->process,
		waiter, section.now, &relations->is_process_new, &section.change);
	broker_leave(&section);
	return r;
}

static int begin_wait(struct unpacker *unpacker, const struct packed_wait *packed,
	struct conn *conn, struct session *session, struct relations *relations)
{
	struct create_wait *wait = create_wait_new(conn);
	struct waiter *waiter;
	int r = -ENOMEM;

	if (!wait)
		return r;
	waiter = create_wait_waiter(wait);
	waiter->inbox = &conn->loop->inbox;
	waiter->caller = &conn->owner;
	waiter->since_us = packed->since_us;
	waiter->since_wall_us = packed->since_wall_us;
	waiter->deadline_us = packed->deadline_us;
	for (int tries = 0; tries < 8; tries++) {
		r = enter_waiting(unpacker->server->broker, session, relations, waiter);
		if (r != -ENOBUFS)
			break;
	}
	if (r == 0)
		create_wait_carry_in(wait, &packed->call);
	else
		create_wait_free(wait);
	return r;
}

static int restore_waiting(struct unpacker *unpacker, const struct packed_session *packed,
	struct session *session, struct relations *relations)
{
	struct packed_wait wait;
	struct conn *conn = NULL;
	int r = unpack_struct(pack_reader_of(packed->wait.bytes, packed->wait.length), wait_items,
		&wait, sizeof(wait));

	if (r == 0)
		r = find_conn(unpacker, wait.conn, &conn);
	if (r == 0 && (!conn || conn->pending || wait.since_us < 0 || packed->is_orphaned))
		return unpacker_fail(unpacker, -EBADMSG, "a wait of no connection");
	session->fence = 0;
	return r ? r : begin_wait(unpacker, &wait, conn, session, relations);
}

int unpack_session(struct unpacker *unpacker, struct pack_reader record)
{
	struct packed_session packed;
	struct relations relations = {0};
	struct session *session = NULL;
	int r = unpack_struct(record, session_items, &packed, sizeof(packed));

	if (r == 0 && !is_sound(&packed))
		r = -EBADMSG;
	if (r == 0)
		r = relate(unpacker, &packed, &relations);
	if (r == 0)
		r = make_session(unpacker, &packed, &session);
	if (r == 0 && session)
		r = packed.wait.bytes ? restore_waiting(unpacker, &packed, session, &relations)
				      : restore_live(unpacker, &packed, session, &relations);
	if (r < 0) {
		session_unref(session);
		return unpacker_fail(unpacker, r, "a session");
	}
	if (relations.is_process_new)
		owners_watch(relations.process);
	return 0;
}

/* ---- ended ones ---- */

static int enter_ended(struct broker *broker, struct session *session)
{
	struct section section;
	int r;

	broker_enter(broker, &section);
	r = table_carry_ended(section.table, session, &section.change);
	broker_leave(&section);
	return r;
}

static int restore_ended(
	struct unpacker *unpacker, const struct packed_session *packed, struct session *session)
{
	int r = 0;

	session->state = SESSION_ENDED; /* what a deadline was is the result's place now */
	session->result = NULL;
	session->outcome = packed->outcome;
	if (packed->fence)
		r = unpack_u32s(packed->slots, session->slots, session->units);
	if (r == 0)
		r = text_of_span(packed->pool, &session->pool_name);
	if (r == 0 && !session->pool_name)
		r = -EBADMSG;
	if (r < 0)
		return r;
	session->ended_us = packed->ended_us;
	session->ended_wall_us = packed->ended_wall_us;
	r = text_of_span(packed->result, &session->result);
	return r < 0 ? r : enter_ended(unpacker->server->broker, session);
}

int unpack_ended(struct unpacker *unpacker, struct pack_reader record)
{
	struct packed_session packed;
	struct session *session = NULL;
	int r = unpack_struct(record, session_items, &packed, sizeof(packed));

	if (r == 0 && !is_sound(&packed))
		r = -EBADMSG;
	packed.metadata = (struct pack_span){NULL, 0}; /* the history has none */
	if (r == 0)
		r = make_session(unpacker, &packed, &session);
	if (r == 0)
		r = restore_ended(unpacker, &packed, session);
	if (r < 0) {
		session_unref(session);
		return unpacker_fail(unpacker, r, "an ended session");
	}
	return 0;
}
