/* SPDX-License-Identifier: MIT */
#include "daemon/monitor.h"

#include "daemon/event_reply.h"
#include "daemon/handoff_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_A_LOCK   64
#define TELLINGS_A_TURN 4096
#define ROWS_A_LOCK     32
#define SCANNED_A_LOCK  512
#define LOCKS_A_TURN    16
#define STREAM_BYTES    32768 /* of a snapshot, written before the client has to read */

#define BURST_FACTOR 16 /* times max_output, for one that reads */
#define PATIENCE_NS  INT64_C(250000000)

enum phase { PHASE_POOLS, PHASE_SESSIONS, PHASE_LIVE };

struct monitor {
	struct pending pending; /* first: freed through it */
	struct list link;       /* loop.monitors */
	enum phase phase;
	uint64_t begun; /* the number of the lock section */
	uint64_t after; /* the snapshot's place */
	char after_pool[POOL_NAME_MAX + 1];
	bool is_of_pool;
	char pool[POOL_NAME_MAX + 1];
	bool is_of_session;
	bool has_ended; /* the session it is about has */
	uint64_t session_id;
	bool is_own;
	struct json_writer held; /* events that came during the snapshot: told after it */
};

/* ---- what a call is told ---- */

static bool is_of_caller(const struct conn *conn, const struct session_view *view)
{
	const struct peer *peer = &conn->owner.peer;

	if (view->uid != peer->uid)
		return view->owner == &conn->owner;
	return (view->identity && view->identity->pid == peer->pid) ||
	       (view->creator && view->creator->pid == peer->pid);
}

static bool wants_session(const struct monitor *monitor, const struct session_view *view)
{
	if (monitor->is_of_session && view->session->id != monitor->session_id)
		return false;
	if (monitor->is_of_pool && strcmp(monitor->pool, view->session->pool_name->bytes) != 0)
		return false;
	return !monitor->is_own || is_of_caller(monitor->pending.conn, view);
}

static bool wants_pool(const struct monitor *monitor, const char *name)
{
	if (monitor->is_of_session || monitor->is_own)
		return false;
	return !monitor->is_of_pool || strcmp(monitor->pool, name) == 0;
}

static bool wants(const struct monitor *monitor, const struct event *event)
{
	switch (event->type) {
	case EVENT_REFUSED:
		return wants_pool(monitor, event->pool_name);
	case EVENT_POOL:
		return wants_pool(monitor, event->pool.name->bytes);
	case EVENT_DRAIN:
		return !monitor->is_of_session && !monitor->is_own;
	default:
		return wants_session(monitor, &event->session);
	}
}

/* As table_may_act() would have it. */
static bool may_see(const struct conn *conn, const struct session_view *view)
{
	const struct peer *peer = &conn->owner.peer;

	return peer->is_admin || view->owner == &conn->owner ||
	       (view->uid == peer->uid && view->uid != SESSION_OVERFLOW_UID);
}

/* ---- events as texts ---- */

/* An event as text, made once for all who may see all of it, and once for the others. */
struct rendering {
	const struct event *event;
	struct json_writer texts[2]; /* by is_visible; empty until wanted */
};

static void append_event(struct rendering *rendering, bool is_visible, struct json_writer *out)
{
	struct json_writer *text = &rendering->texts[is_visible];

	if (!text->length)
		write_event(rendering->event, is_visible, true, text);
	if (json_writer_failed(text))
		write_event(rendering->event, is_visible, true, out);
	else
		json_write_bytes(out, text->data, text->length);
}

/* ---- the log ---- */

static void stop_reading(struct loop *loop)
{
	struct section section;

	broker_enter(loop->server->broker, &section);
	table_end_reading(section.table, &loop->reader, &section.change);
	broker_leave(&section);
	list_init(&loop->reader.link);
}

static void free_monitor(struct pending *pending)
{
	struct monitor *monitor = container_of(pending, struct monitor, pending);
	struct loop *loop = monitor->pending.conn->loop;

	list_remove(&monitor->link);
	atomic_fetch_sub(&loop->server->watchers, 1);
	if (list_is_empty(&loop->monitors))
		stop_reading(loop);
	json_writer_deinit(&monitor->held);
	free(monitor);
}

static size_t unsent(const struct monitor *monitor)
{
	const struct conn *conn = monitor->pending.conn;

	return conn->out.length + (conn->is_sending ? conn->sending.length : 0) +
	       monitor->held.length;
}

/* What came in a burst is forgiven to one that goes on reading, or has had nothing to read yet. */
static bool is_forgiven(const struct conn *conn, size_t left, size_t max)
{
	return left <= max * BURST_FACTOR &&
	       (!conn->is_sending || loop_peers_ns(conn->loop) - conn->progress_ns < PATIENCE_NS);
}

/* One that does not read is cut off: holding on to what it has not read would be without end. What
 * we have not tried to send yet is not its doing, so it is tried as soon as it may be. True if it
 * is still there. */
static bool has_room(struct monitor *monitor)
{
	struct conn *conn = monitor->pending.conn;
	size_t max = (size_t)conn->loop->config->max_output_bytes;
	size_t left;

	if (conn->out.length > STREAM_BYTES && !conn->is_sending && loop_may_write(conn->loop))
		conn_flush(conn);
	if (conn->is_closed) /* and the monitor is freed */
		return false;
	left = unsent(monitor);
	if ((left <= max || is_forgiven(conn, left, max)) && !json_writer_failed(&conn->out) &&
		!json_writer_failed(&monitor->held))
		return true;
	conn_close(conn, "it does not read its events");
	return false;
}

static void tell(struct monitor *monitor, struct rendering *rendering)
{
	const struct event *event = rendering->event;
	struct conn *conn = monitor->pending.conn;
	bool is_live = monitor->phase == PHASE_LIVE;
	bool is_visible;

	/* Where another call reads on this loop already, unread events may be older than this one.
	 */
	if (event->section < monitor->begun || monitor->has_ended || !wants(monitor, event) ||
		!has_room(monitor))
		return;
	is_visible = event->session.session && may_see(conn, &event->session);
	monitor->has_ended = event->type == EVENT_ENDED && monitor->is_of_session;
	if (monitor->has_ended)
		write_event(event, is_visible, false, is_live ? &conn->out : &monitor->held);
	else
		append_event(rendering, is_visible, is_live ? &conn->out : &monitor->held);
	if (is_live)
		conn_touch(conn);
}

/* Returns how many were asked whether they want it. */
static size_t tell_all(struct loop *loop, const struct event *event)
{
	struct rendering rendering = {.event = event};
	size_t n = 0;

	json_writer_init(&rendering.texts[0]);
	json_writer_init(&rendering.texts[1]);
	list_for_each_safe(link, &loop->monitors) {
		tell(container_of(link, struct monitor, link), &rendering);
		n++;
	}
	json_writer_deinit(&rendering.texts[0]);
	json_writer_deinit(&rendering.texts[1]);
	return n;
}

static void finish_ended(struct loop *loop)
{
	list_for_each_safe(link, &loop->monitors) {
		struct monitor *monitor = container_of(link, struct monitor, link);

		if (monitor->has_ended && monitor->phase == PHASE_LIVE)
			conn_finish_pending(monitor->pending.conn);
	}
}

static void cut_off_all(struct loop *loop)
{
	list_for_each_safe(link, &loop->monitors)
		conn_close(container_of(link, struct monitor, link)->pending.conn,
			"events were lost: they came faster than they could be told");
}

static size_t read_events(struct loop *loop, const struct event **events, size_t max)
{
	struct section section;
	size_t n;

	broker_enter(loop->server->broker, &section);
	n = table_read_events(section.table, &loop->reader, events, max, &section.change);
	broker_leave(&section);
	return n;
}

static size_t events_a_lock(const struct loop *loop)
{
	size_t n_monitors = 0, n;

	list_for_each(link, &loop->monitors)
		n_monitors++;
	n = TELLINGS_A_TURN / (n_monitors ? n_monitors : 1);
	return n < 1 ? 1 : n > EVENTS_A_LOCK ? EVENTS_A_LOCK : n;
}

/* Events stay readable until the next call; with the last monitor the reader goes, and they with
 * it. Many calls that watch make few events a lot of work, which others' turns have to come
 * between. */
void monitors_take_events(struct loop *loop)
{
	const struct event *events[EVENTS_A_LOCK];
	size_t max = events_a_lock(loop), n = max, told = 0;

	while (n == max && told < TELLINGS_A_TURN && !list_is_empty(&loop->monitors)) {
		n = read_events(loop, events, max);
		for (size_t i = 0; i < n && !list_is_empty(&loop->monitors); i++)
			told += tell_all(loop, events[i]);
		if (!list_is_empty(&loop->monitors) && loop->reader.has_lost)
			cut_off_all(loop);
		finish_ended(loop);
	}
	if (n == max && !list_is_empty(&loop->monitors))
		loop_order(loop, ORDER_TAKE);
}

/* ---- the snapshot ---- */

static bool snapshot_pools(struct monitor *monitor, struct json_writer *out)
{
	struct pool_view views[ROWS_A_LOCK];
	struct section section;
	struct event_message message;
	size_t n;

	broker_enter(monitor->pending.conn->loop->server->broker, &section);
	n = table_view_pools(section.table, monitor->after_pool[0] ? monitor->after_pool : NULL,
		section.now, views, ROWS_A_LOCK);
	broker_leave(&section);
	message = new_event_message(EVENT_SNAPSHOT, monitor->begun, section.now.wall_us);
	for (size_t i = 0; i < n; i++) {
		struct pool_message pool;
		struct pool_texts texts;

		memcpy(monitor->after_pool, views[i].name->bytes, views[i].name->length + 1);
		if (wants_pool(monitor, views[i].name->bytes)) {
			pool_to_message(&views[i], &texts, &pool);
			message.pool = &pool;
			write_event_message(out, &message, true);
		}
		pool_view_deinit(&views[i]);
	}
	return n < ROWS_A_LOCK;
}

/* All that were looked up are written at once: what was read of the table comes before any event
 * that is later than it. */
static bool snapshot_sessions(struct monitor *monitor, struct json_writer *out)
{
	const struct list_filter filter = {
		.pool = monitor->is_of_pool ? monitor->pool : NULL,
		.pool_length = strlen(monitor->pool),
		.uid = -1,
		.pid = -1,
		.state = -1,
	};
	struct session_view views[ROWS_A_LOCK];
	struct section section;
	size_t n;

	broker_enter(monitor->pending.conn->loop->server->broker, &section);
	n = table_page(section.table, &monitor->pending.conn->owner, &filter, monitor->after,
		SCANNED_A_LOCK, section.now, views, ROWS_A_LOCK, &monitor->after);
	broker_leave(&section);
	for (size_t i = 0; i < n; i++) {
		struct event_message message =
			new_event_message(EVENT_SNAPSHOT, monitor->begun, section.now.wall_us);

		views[i].position = 0;
		if (wants_session(monitor, &views[i]))
			write_session_event(&views[i], may_see(monitor->pending.conn, &views[i]),
				&message, true, out);
		session_view_deinit(&views[i]);
	}
	return monitor->after == 0;
}

static void go_live(struct monitor *monitor, struct json_writer *out)
{
	struct broker *broker = monitor->pending.conn->loop->server->broker;
	struct event_message ready =
		new_event_message(EVENT_READY, monitor->begun, broker_time(broker).wall_us);

	write_event_message(out, &ready, true);
	json_write_bytes(out, monitor->held.data, monitor->held.length);
	json_writer_deinit(&monitor->held);
	monitor->phase = PHASE_LIVE;
}

/* True when the call is done: the one session has ended during the snapshot. */
static bool resume_monitor(struct pending *pending, struct conn *conn)
{
	struct monitor *monitor = container_of(pending, struct monitor, pending);

	for (int locks = 0; monitor->phase != PHASE_LIVE && conn->out.length < STREAM_BYTES &&
			    locks < LOCKS_A_TURN;
		locks++) {
		if (monitor->phase == PHASE_POOLS) {
			if (snapshot_pools(monitor, &conn->out))
				monitor->phase = PHASE_SESSIONS;
		} else if (snapshot_sessions(monitor, &conn->out)) {
			go_live(monitor, &conn->out);
			pending->resume = NULL;
		}
	}
	return monitor->phase == PHASE_LIVE && monitor->has_ended;
}

/* ---- the call ---- */

/* 0 if there are such a pool and session; else the status. */
static int check_subject(
	struct request *request, const struct monitor *monitor, struct session_ref *ref)
{
	struct session_view session = {0};
	struct pool_view pool = {0};
	struct section section;
	int r = 0;

	broker_enter(request->broker, &section);
	if (monitor->is_of_pool)
		r = table_view_pool(
			section.table, monitor->pool, strlen(monitor->pool), section.now, &pool);
	if (r == 0 && monitor->is_of_session)
		r = table_get(section.table, ref, section.now, &session);
	broker_leave(&section);
	if (session.session)
		session_view_deinit(&session);
	pool_view_deinit(&pool);
	return r;
}

static void begin_reading(struct loop *loop, struct monitor *monitor)
{
	struct section section;

	broker_enter(loop->server->broker, &section);
	table_announce_reader(section.table); /* leaving brings the memory for events */
	broker_leave(&section);
	broker_enter(loop->server->broker, &section);
	table_forget_reader(section.table);
	monitor->begun = list_is_empty(&loop->monitors)
				 ? table_begin_reading(section.table, &loop->reader, loop->index)
				 : table_section(section.table);
	broker_leave(&section);
	list_append(&loop->monitors, &monitor->link);
	atomic_fetch_add(&loop->server->watchers, 1);
}

static void pack_monitor(const struct pending *pending, struct pack_writer *out);

static struct monitor *allocate(struct conn *conn)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));

	if (!monitor)
		return NULL;
	monitor->pending = (struct pending){.resume = resume_monitor,
		.free = free_monitor,
		.pack = pack_monitor,
		.pack_tag = HANDOFF_PENDING_MONITOR};
	monitor->pending.conn = conn;
	list_init(&monitor->link);
	json_writer_init(&monitor->held);
	return monitor;
}

static struct monitor *new_monitor(struct conn *conn, const struct monitor_call *call)
{
	struct monitor *monitor = allocate(conn);

	if (!monitor)
		return NULL;
	monitor->is_own = call->own;
	monitor->is_of_pool = call->pool.text;
	monitor->is_of_session = call->session_id.text;
	if (call->pool.text && call->pool.length <= POOL_NAME_MAX)
		memcpy(monitor->pool, call->pool.text, call->pool.length);
	return monitor;
}

static void refuse_subject(struct request *request, const struct monitor_call *call, int r,
	const struct session_ref *ref)
{
	struct ended_error ended = {.session_id = call->session_id, .outcome = (int)ref->outcome};

	if (r == STATUS_NO_SUCH_POOL)
		refuse(request, r, &no_such_pool_error, &(struct pool_error){call->pool});
	else if (r == STATUS_SESSION_ENDED)
		refuse(request, r, &session_ended_error, &ended);
	else
		refuse(request, STATUS_NO_SUCH_SESSION, &no_such_session_error,
			&(struct session_error){call->session_id});
}

void handle_monitor(struct request *request, const void *in)
{
	const struct monitor_call *call = in;
	struct conn *conn = request->conn;
	struct session_ref ref = {.caller = &conn->owner};
	struct monitor *monitor;
	int r = 0;

	if (!request->call->more) {
		refuse(request, STATUS_EXPECTED_MORE, NULL, NULL);
		return;
	}
	monitor = new_monitor(conn, call);
	if (!monitor || (call->own && peer_identify(&conn->owner.peer) < 0)) {
		free(monitor);
		fail_request(request);
		return;
	}
	if (call->session_id.text &&
		id_parse_session(call->session_id.text, call->session_id.length, &ref.id) < 0)
		r = STATUS_NO_SUCH_SESSION;
	monitor->session_id = ref.id;
	begin_reading(conn->loop, monitor); /* first, so that nothing happens in between */
	if (r == 0)
		r = check_subject(request, monitor, &ref);
	if (r) {
		refuse_subject(request, call, r, &ref);
		free_monitor(&monitor->pending);
		return;
	}
	conn_begin_pending(conn, &monitor->pending);
	resume_monitor(&monitor->pending, conn);
}

/* ---- from one daemon to the next ---- */

struct packed_monitor {
	uint8_t phase;
	uint64_t begun;
	uint64_t after;
	struct pack_span after_pool;
	struct pack_span pool;
	bool is_of_session;
	bool has_ended;
	uint64_t session_id;
	bool is_own;
	struct pack_span held;
};

static const struct pack_item monitor_items[] = {
	PACK_ITEM(packed_monitor, 1, PACK_U8, phase),
	PACK_ITEM(packed_monitor, 2, PACK_U64, begun),
	PACK_ITEM(packed_monitor, 3, PACK_U64, after),
	PACK_ITEM(packed_monitor, 4, PACK_SPAN, after_pool),
	PACK_ITEM(packed_monitor, 5, PACK_SPAN, pool),
	PACK_ITEM(packed_monitor, 6, PACK_BOOL, is_of_session),
	PACK_ITEM(packed_monitor, 7, PACK_BOOL, has_ended),
	PACK_ITEM(packed_monitor, 8, PACK_U64, session_id),
	PACK_ITEM(packed_monitor, 9, PACK_BOOL, is_own),
	PACK_ITEM(packed_monitor, 10, PACK_SPAN, held),
	{0},
};

/* All events of the log have been told, or are held, by then. */
static void pack_monitor(const struct pending *pending, struct pack_writer *out)
{
	const struct monitor *monitor = container_of(pending, const struct monitor, pending);
	const struct packed_monitor packed = {
		.phase = (uint8_t)monitor->phase,
		.begun = monitor->begun,
		.after = monitor->after,
		.after_pool = {monitor->after_pool, strlen(monitor->after_pool)},
		.pool = {monitor->is_of_pool ? monitor->pool : NULL, strlen(monitor->pool)},
		.is_of_session = monitor->is_of_session,
		.has_ended = monitor->has_ended,
		.session_id = monitor->session_id,
		.is_own = monitor->is_own,
		.held = {monitor->held.data, monitor->held.length},
	};

	pack_struct(out, monitor_items, &packed);
}

static bool copy_name(struct pack_span span, char name[POOL_NAME_MAX + 1])
{
	if (span.length > POOL_NAME_MAX)
		return false;
	if (span.length > 0)
		memcpy(name, span.bytes, span.length);
	return true;
}

static bool fill_monitor(struct monitor *monitor, const struct packed_monitor *packed)
{
	monitor->phase = packed->phase;
	monitor->after = packed->after;
	monitor->is_of_pool = packed->pool.bytes;
	monitor->is_of_session = packed->is_of_session;
	monitor->has_ended = packed->has_ended;
	monitor->session_id = packed->session_id;
	monitor->is_own = packed->is_own;
	if (monitor->phase == PHASE_LIVE)
		monitor->pending.resume = NULL;
	json_write_bytes(&monitor->held, packed->held.bytes, packed->held.length);
	return packed->phase <= PHASE_LIVE && copy_name(packed->pool, monitor->pool) &&
	       copy_name(packed->after_pool, monitor->after_pool) &&
	       !json_writer_failed(&monitor->held);
}

int monitor_restore(struct conn *conn, struct pack_reader record)
{
	struct packed_monitor packed;
	struct monitor *monitor;
	int r = unpack_struct(record, monitor_items, &packed, sizeof(packed));

	if (r < 0)
		return r;
	monitor = allocate(conn);
	if (!monitor)
		return -ENOMEM;
	if (!fill_monitor(monitor, &packed)) {
		json_writer_deinit(&monitor->held);
		free(monitor);
		return -EBADMSG;
	}
	begin_reading(conn->loop, monitor);
	monitor->begun = packed.begun; /* events go on from where they were left */
	conn_begin_pending(conn, &monitor->pending);
	return 0;
}
