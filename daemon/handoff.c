/* SPDX-License-Identifier: MIT */
#include "daemon/handoff.h"

#include "daemon/commit.h"
#include "daemon/failpoint.h"
#include "daemon/handoff_records.h"
#include "daemon/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define FORGET_US      (2 * UINT64_C(1000000))
#define RECORDS_A_BEAT 1024

/* ---- out ---- */

/* What the loops have begun for each other comes to its end: what is decided is told, who has hung
 * up is gone, watchers are told all events. */
static bool settle(struct server *server)
{
	bool is_busy = true;

	for (unsigned i = 0; i < server->n_loops; i++)
		loop_order(&server->loops[i], ORDER_PUMP | ORDER_TAKE);
	while (is_busy) {
		is_busy = false;
		for (unsigned i = 0; i < server->n_loops; i++)
			is_busy = loop_settle(&server->loops[i]) || is_busy;
	}
	for (unsigned i = 0; i < server->n_loops; i++)
		if (server->loops[i].is_stopping)
			return false;
	return true;
}

/* Everything is committed; whether the store has it. */
static bool is_all_stored(struct server *server)
{
	bool is_stored =
		server->committer && committer_hold(server->committer, &server->loops[0]) != NULL;

	if (server->committer)
		committer_let_go(server->committer);
	return is_stored;
}

static void describe(struct packer *packer, bool is_stored, const struct listeners *listeners)
{
	packer_write_broker(packer, is_stored);
	packer_write_table(packer);
	packer_write_pools(packer);
	packer_write_listeners(packer, listeners);
	packer_write_conns(packer);
	packer_write_sessions(packer);
	packer_write_ended(packer);
	pack_end(&packer->out, pack_begin(&packer->out, HANDOFF_END));
}

static int describe_and_send(struct server *server, bool is_stored,
	const struct listeners *listeners, char *message, size_t size)
{
	struct packer packer;
	int r = packer_init(&packer, server);

	if (r < 0) {
		snprintf(message, size, "%s", strerror(-r));
		return r;
	}
	describe(&packer, is_stored, listeners);
	FAILPOINT("handoff.before-push");
	r = handoff_send(&packer.out, packer.fds, packer.n_fds, message, size);
	FAILPOINT("handoff.after-push");
	packer_deinit(&packer);
	return r;
}

int handoff_push(struct server *server, const struct listeners *listeners)
{
	char message[256] = "it is to end for good";
	bool is_stored;
	int r = -ECANCELED;

	if (settle(server)) {
		is_stored = is_all_stored(server);
		settle(server); /* a commit that failed has taken back what it was to store */
		r = describe_and_send(server, is_stored, listeners, message, sizeof(message));
	}
	if (r < 0)
		log_warning("cannot hand over to the next usherd: %s", message);
	return r;
}

/* ---- in ---- */

static int unpack_end(struct unpacker *unpacker, struct pack_reader record)
{
	(void)record;
	unpacker->is_complete = true;
	broker_set_drain(unpacker->server->broker, &unpacker->drain);
	return failpoint_error("handoff.end");
}

static int unpack_record(struct unpacker *unpacker, const struct pack_field *field)
{
	static int (*const readers[])(struct unpacker *, struct pack_reader) = {
		[HANDOFF_IDENTITY] = unpack_identity,
		[HANDOFF_BROKER] = unpack_broker,
		[HANDOFF_TABLE] = unpack_table,
		[HANDOFF_POOL] = unpack_pool,
		[HANDOFF_CONN] = unpack_conn,
		[HANDOFF_SESSION] = unpack_session,
		[HANDOFF_ENDED] = unpack_ended,
		[HANDOFF_END] = unpack_end,
	};

	if (field->tag >= sizeof(readers) / sizeof(readers[0]) || !readers[field->tag])
		return 0; /* of a newer daemon */
	return readers[field->tag](unpacker, pack_inner(field));
}

static int unpack_all(struct unpacker *unpacker)
{
	struct pack_reader all =
		pack_reader_of(unpacker->parcel->description, unpacker->parcel->description_size);
	struct pack_field field;
	int r;

	for (unsigned n = 1; (r = pack_next(&all, &field)) > 0; n++) {
		r = unpack_record(unpacker, &field);
		if (n % RECORDS_A_BEAT == 0)
			broker_keep_beating(unpacker->server->broker);
		if (r < 0)
			return r;
	}
	if (r == 0 && !unpacker->is_complete)
		r = -EBADMSG;
	return r < 0 ? unpacker_fail(unpacker, r, "its end") : 0;
}

/* ---- before there is a server ---- */

static int look_at(struct handover *handover, const struct pack_field *field,
	struct listeners *listeners, const char *socket_path)
{
	if (field->tag == HANDOFF_BROKER)
		return unpack_past(pack_inner(field), &handover->past);
	if (field->tag == HANDOFF_LISTENER)
		return unpack_listener(
			&handover->parcel, pack_inner(field), listeners, socket_path);
	return 0;
}

static int look(struct handover *handover, struct listeners *listeners, const char *socket_path)
{
	struct pack_reader all =
		pack_reader_of(handover->parcel.description, handover->parcel.description_size);
	struct pack_field field;
	int r;

	while ((r = pack_next(&all, &field)) > 0) {
		r = look_at(handover, &field, listeners, socket_path);
		if (r < 0)
			return r;
	}
	return r;
}

void handoff_open(struct handover *ret, struct listeners *listeners, const char *socket_path,
	int64_t max_files)
{
	char message[256] = "";
	size_t max_fds = (size_t)max_files + (size_t)2 * LISTENERS_MAX;
	int r;

	*ret = (struct handover){.listeners = listeners, .parcel.memfd = -1};
	if (listeners->n_handed == 0)
		return;
	r = handoff_receive(listeners->handed_fds, listeners->n_handed, max_fds, &ret->parcel,
		message, sizeof(message));
	if (r > 0 && look(ret, listeners, socket_path) < 0) {
		snprintf(message, sizeof(message), "its description cannot be read");
		r = -EBADMSG;
	}
	ret->is_there = r > 0;
	if (r <= 0)
		handoff_give_up(ret, r < 0 ? message : "it was taken before");
}

/* ---- not to be taken ---- */

static void close_passed(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n_handed; i++)
		close(listeners->handed_fds[i]);
	listeners->n_handed = 0;
}

/* The manager's copies go, too: in the queue are sockets and locks, which are in the way as long as
 * it is there. */
void handoff_give_up(struct handover *handover, const char *why)
{
	struct listeners *listeners = handover->listeners;

	log_warning("cannot take over what the last usherd left: %s; its connections are closed, "
		    "and its sessions recovered as after a crash",
		why);
	handoff_consume(listeners->handed_fds, listeners->n_handed);
	listeners_drop_adopted(listeners);
	handoff_parcel_deinit(&handover->parcel);
	close_passed(listeners);
	handover->is_there = false;
	sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" HANDOFF_NAME);
	sd_notify_barrier(0, FORGET_US);
}

static int compare(const struct handoff_past *past, struct store *store)
{
	struct record_totals totals = {0};
	struct saved_table saved = {0};
	bool is_same;
	int r = store_read_table(store, &saved, &totals);

	if (r < 0)
		return r;
	is_same = past->is_stored ? totals.session_sums == past->session_sums &&
					    store_count(store) == past->n_sessions
				  : saved.next_fence <= past->next_fence;
	saved_table_deinit(&saved);
	return is_same ? 0 : -ESTALE;
}

bool handoff_fits(struct handover *handover, struct store *store)
{
	if (compare(&handover->past, store) == 0)
		return true;
	handoff_give_up(handover, "the stored state is not the one that it left");
	return false;
}

/* ---- taking it ---- */

static void say_taken(struct server *server, size_t n_conns)
{
	struct table_metrics metrics;
	struct section section;

	broker_enter(server->broker, &section);
	table_metrics(section.table, section.now, &metrics);
	broker_leave(&section);
	log_notice("took over %zu connections, %" PRIu64 " sessions and %" PRIu64
		   " who wait from the last usherd",
		n_conns, metrics.active, metrics.waiting);
}

int handoff_unpack(struct handover *handover, struct server *server)
{
	struct unpacker unpacker = {.server = server, .parcel = &handover->parcel};
	char why[256];
	int r = unpack_all(&unpacker);

	FAILPOINT("handoff.unpacked");
	if (r < 0) {
		snprintf(why, sizeof(why), "its description: %s: %s",
			unpacker.fault ? unpacker.fault : "a record", strerror(-r));
		handoff_give_up(handover, why);
	} else {
		say_taken(server, unpacker.n_conns);
		handoff_parcel_deinit(&handover->parcel);
	}
	unpacker_deinit(&unpacker);
	return r;
}

void handoff_accept(struct handover *handover, struct server *server)
{
	struct listeners *listeners = handover->listeners;
	struct section section;
	int r;

	r = handoff_consume(listeners->handed_fds, listeners->n_handed);
	if (r < 0)
		log_warning("cannot mark what the last usherd left as taken: %s", strerror(-r));
	close_passed(listeners);
	broker_enter(server->broker, &section);
	table_carry_end(section.table, section.now, &section.change);
	broker_leave(&section);
}
