/* SPDX-License-Identifier: MIT */
/* Connections, each with what it has said, what it has not been told yet and its call in work; and
 * the sockets that we listen on ourselves. */
#include "daemon/handoff_records.h"

#include "daemon/drain.h"
#include "daemon/log.h"
#include "daemon/monitor.h"
#include "daemon/ops_list.h"
#include "daemon/ops_metrics.h"
#include "daemon/ops_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- listeners ---- */

struct packed_listener {
	uint32_t fd;
	uint32_t lock_fd;
	struct pack_span path;
};

static const struct pack_item listener_items[] = {
	PACK_ITEM(packed_listener, 1, PACK_U32, fd),
	PACK_ITEM(packed_listener, 2, PACK_U32, lock_fd),
	PACK_ITEM(packed_listener, 3, PACK_SPAN, path),
	{0},
};

/* Those that systemd has passed to us it passes to the next one, too. */
void packer_write_listeners(struct packer *packer, const struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++) {
		const struct listener *listener = &listeners->list[i];
		struct packed_listener packed;
		size_t begun;

		if (!listener->path)
			continue;
		packed = (struct packed_listener){
			.fd = packer_add_fd(packer, listener->fd),
			.lock_fd = packer_add_fd(packer, listener->lock_fd),
			.path = {listener->path, strlen(listener->path)},
		};
		begun = pack_begin(&packer->out, HANDOFF_LISTENER);
		pack_struct(&packer->out, listener_items, &packed);
		pack_end(&packer->out, begun);
	}
}

/* One for a path that is not to be served any more stays in the parcel, and is closed with it. */
int unpack_listener(struct handoff_parcel *parcel, struct pack_reader record,
	struct listeners *listeners, const char *socket_path)
{
	struct packed_listener packed;
	int fd, lock_fd;

	if (unpack_struct(record, listener_items, &packed, sizeof(packed)) < 0 ||
		!packed.path.bytes)
		return -EBADMSG;
	if (!socket_path || strlen(socket_path) != packed.path.length ||
		memcmp(socket_path, packed.path.bytes, packed.path.length) != 0)
		return 0;
	fd = parcel_take_fd(parcel, packed.fd);
	lock_fd = fd < 0 ? fd : parcel_take_fd(parcel, packed.lock_fd);
	if (lock_fd >= 0)
		return listeners_adopt(listeners, socket_path, fd, lock_fd);
	if (fd >= 0)
		close(fd);
	return lock_fd;
}

/* ---- connections ---- */

struct packed_conn {
	uint32_t fd;
	uint8_t admission;
	bool is_closing_after_output;
	bool has_owned;
	uint32_t identity;
	struct pack_span input;
	struct pack_span output;
};

enum conn_tag { CONN_OUTPUT = 7 };

static const struct pack_item conn_items[] = {
	PACK_ITEM(packed_conn, 1, PACK_U32, fd),
	PACK_ITEM(packed_conn, 2, PACK_U8, admission),
	PACK_ITEM(packed_conn, 3, PACK_BOOL, is_closing_after_output),
	PACK_ITEM(packed_conn, 4, PACK_BOOL, has_owned),
	PACK_ITEM(packed_conn, 5, PACK_U32, identity),
	PACK_ITEM(packed_conn, 6, PACK_SPAN, input),
	PACK_ITEM(packed_conn, CONN_OUTPUT, PACK_SPAN, output),
	{0},
};

static void write_output(struct pack_writer *out, const struct conn *conn)
{
	size_t rest = conn_unsent_rest(conn);
	size_t begun;

	if (rest + conn->out.length == 0)
		return;
	begun = pack_begin(out, CONN_OUTPUT);
	pack_raw(out, conn->sending.data + (conn->sending.length - rest), rest);
	pack_raw(out, conn->out.data, conn->out.length);
	pack_end(out, begun);
}

static void write_pending(struct pack_writer *out, const struct pending *pending)
{
	size_t begun;

	if (!pending || !pending->pack)
		return;
	begun = pack_begin(out, pending->pack_tag);
	pending->pack(pending, out);
	pack_end(out, begun);
}

static void write_conn(struct packer *packer, struct conn *conn)
{
	struct pack_writer *out = &packer->out;
	struct packed_conn packed = {
		.admission = (uint8_t)conn->admission,
		.is_closing_after_output = conn->is_closing_after_output,
		.has_owned = conn->has_owned,
		.identity = packer_identity(packer, conn->owner.peer.identity),
		.input = {frame_rest(&conn->frames), frame_bytes(&conn->frames)},
	};
	uv_os_fd_t fd = -1;
	size_t begun;

	uv_fileno((const uv_handle_t *)&conn->pipe, &fd);
	packed.fd = packer_add_fd(packer, fd);
	begun = pack_begin(out, HANDOFF_CONN);
	pack_struct(out, conn_items, &packed);
	write_output(out, conn);
	write_pending(out, conn->pending);
	pack_end(out, begun);
}

void packer_write_conns(struct packer *packer)
{
	struct server *server = packer->server;
	uint32_t n = 0;

	for (unsigned i = 0; i < server->n_loops; i++) {
		list_for_each(link, &server->loops[i].conns) {
			struct conn *conn = container_of(link, struct conn, link);

			conn->carried_number = ++n;
			write_conn(packer, conn);
		}
	}
}

/* ---- reading ---- */

static bool has_conns_room(struct unpacker *unpacker)
{
	size_t room = unpacker->conns_room ? unpacker->conns_room * 2 : 64;
	struct conn **conns;

	if (unpacker->n_conns < unpacker->conns_room)
		return true;
	conns = realloc(unpacker->conns, room * sizeof(struct conn *));
	if (!conns)
		return false;
	unpacker->conns = conns;
	unpacker->conns_room = room;
	return true;
}

/* Counted whatever the limits are now: it has been let in. */
static bool keep_count(struct server *server, uint32_t uid, enum admission admission)
{
	if (admission == ADMITTED)
		return peers_force(server->peers, uid);
	atomic_fetch_add(&server->refused_open, 1);
	return true;
}

/* Who is at the other end the kernel says, as it did before. FD and IDENTITY are given up. */
static int make_conn(
	struct unpacker *unpacker, int fd, struct identity *identity, enum admission admission)
{
	struct server *server = unpacker->server;
	struct loop *loop = &server->loops[unpacker->n_conns % server->n_loops];
	struct peer peer;
	struct conn *conn;
	int r = has_conns_room(unpacker) ? peer_from_socket(fd, loop->config, &peer) : -ENOMEM;

	if (r < 0 || !keep_count(server, peer.uid, admission)) {
		if (r == 0)
			peer_deinit(&peer);
		close(fd);
		identity_unref(identity);
		return r < 0 ? r : -ENOMEM;
	}
	peer.identity = identity;
	conn = conn_new(loop, fd, &peer, admission);
	if (!conn) {
		server_leave(server, peer.uid, admission);
		return -ENOMEM;
	}
	unpacker->conns[unpacker->n_conns++] = conn;
	return conn->is_closed ? -EIO : 0;
}

static int fill_conn(struct conn *conn, const struct packed_conn *packed)
{
	conn->has_owned = packed->has_owned;
	conn->is_closing_after_output = packed->is_closing_after_output;
	json_write_bytes(&conn->out, packed->output.bytes, packed->output.length);
	if (packed->input.length > 0)
		frame_feed(&conn->frames, packed->input.bytes, packed->input.length);
	if (json_writer_failed(&conn->out) || frame_keep(&conn->frames) < 0) {
		frame_feed(&conn->frames, "", 0); /* what is borrowed goes soon */
		return -ENOMEM;
	}
	return 0;
}

/* A call in work that only newer daemons know cannot go on. */
static void give_up_call(struct conn *conn)
{
	log_info("a call of uid %" PRIu32 " pid %" PRId32
		 " is not known to this version: its connection ends",
		conn->owner.peer.uid, conn->owner.peer.pid);
	conn->is_closing_after_output = true;
}

static int restore_pending(struct conn *conn, const struct pack_field *field)
{
	if (field->tag < HANDOFF_PENDING_FIRST || field->tag > HANDOFF_PENDING_LAST)
		return 0; /* no call */
	if (conn->pending)
		return -EBADMSG;
	switch (field->tag) {
	case HANDOFF_PENDING_LIST:
		return listing_restore(conn, pack_inner(field));
	case HANDOFF_PENDING_MONITOR:
		return monitor_restore(conn, pack_inner(field));
	case HANDOFF_PENDING_DRAIN:
		return drain_restore(conn, pack_inner(field));
	case HANDOFF_PENDING_METRICS:
		return get_metrics_restore(conn, pack_inner(field));
	case HANDOFF_PENDING_VERIFY:
		return verify_restore(conn, pack_inner(field));
	default:
		give_up_call(conn);
		return 0;
	}
}

static int restore_pendings(struct conn *conn, struct pack_reader record)
{
	struct pack_field field;
	int r;

	while ((r = pack_next(&record, &field)) > 0) {
		r = restore_pending(conn, &field);
		if (r < 0)
			break;
	}
	return r;
}

int unpack_conn(struct unpacker *unpacker, struct pack_reader record)
{
	struct packed_conn packed;
	struct identity *identity = NULL;
	struct conn *conn;
	int fd, r = unpack_struct(record, conn_items, &packed, sizeof(packed));

	if (r == 0 && packed.admission > REFUSED_BY_USER)
		r = -EBADMSG;
	if (r == 0)
		r = unpacker_identity(unpacker, packed.identity, &identity);
	fd = r == 0 ? parcel_take_fd(unpacker->parcel, packed.fd) : r;
	r = fd < 0 ? fd : make_conn(unpacker, fd, identity_ref(identity), packed.admission);
	if (r < 0)
		return unpacker_fail(unpacker, r, "a connection");
	conn = unpacker->conns[unpacker->n_conns - 1];
	r = fill_conn(conn, &packed);
	if (r == 0)
		r = restore_pendings(conn, record);
	if (r < 0)
		return unpacker_fail(unpacker, r, "a connection's call");
	conn_wake(conn);
	return 0;
}
