/* SPDX-License-Identifier: MIT */
#include "daemon/conn.h"

#include "daemon/core/persist.h"
#include "daemon/log.h"
#include "daemon/ops.h"
#include "proto/message.h"
#include "proto/varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FRAMES_A_TURN   64   /* calls of one client served before others have their turn */
#define SESSIONS_A_LOCK 64   /* abandoned in one lock section */
#define SESSIONS_A_TURN 4096 /* abandoned in one turn of the loop */

static size_t unsent(const struct conn *conn)
{
	return conn->out.length + (conn->is_sending ? conn->sending.length : 0);
}

/* A client that does not read gets no further calls served. */
static bool is_choked(const struct conn *conn)
{
	return unsent(conn) > (size_t)conn->loop->config->max_output_bytes / 4;
}

void conn_touch(struct conn *conn)
{
	if (!conn->is_closed && list_is_empty(&conn->dirty_link))
		list_append(&conn->loop->dirty, &conn->dirty_link);
}

void conn_put_into_backlog(struct conn *conn)
{
	if (list_is_empty(&conn->backlog_link))
		list_append(&conn->loop->backlog, &conn->backlog_link);
	loop_spin(conn->loop);
}

size_t conn_unread(const struct conn *conn)
{
	uv_os_fd_t fd;
	int bytes = 0;

	if (uv_fileno((const uv_handle_t *)&conn->pipe, &fd) < 0 || ioctl(fd, FIONREAD, &bytes) < 0)
		return 0;
	return (size_t)bytes;
}

/* What there is for barriers to wait for. Of one that is read from that is known when the loop has
 * polled, unless its reading has begun since, or it has passed descriptors: a read ends there
 * (unix(7)). It matters while a barrier is up, and to who is not waited for. */
static void note_rest(struct conn *conn, bool has_frames)
{
	bool is_asked = conn->loop->barrier.is_up || conn->is_waited_out;
	bool may_have_unread =
		!conn->is_ended && (!conn->is_reading || (is_asked && conn_unread(conn) > 0));
	bool has_rest = has_frames || may_have_unread;
	bool waits = conn->pending && conn->pending->needs == NEEDS_SPEAKER;

	barrier_note(conn, has_rest && !waits && !conn->is_closing_after_output, !has_rest);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct conn *conn = handle->data;

	(void)suggested;
	*ret = uv_buf_init(conn->loop->read_buffer, sizeof(conn->loop->read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer);

static void on_hangup_closed(uv_handle_t *handle);

static void unwatch_hangup(struct conn *conn);

bool conn_is_fully_closed(const struct conn *conn)
{
	struct pollfd state = {.events = 0}; /* POLLHUP and POLLERR are told unasked */

	return uv_fileno((const uv_handle_t *)&conn->pipe, &state.fd) < 0 ||
	       (poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)));
}

void conn_lose_listener(struct conn *conn)
{
	conn->is_end_near = true;
	if (!conn->pending || conn->pending->needs == NEEDS_NOBODY)
		return;
	if (conn->pending->needs == NEEDS_LISTENER)
		conn_finish_pending(conn);
	else
		conn_close(conn, NULL);
}

static void free_pending(struct conn *conn)
{
	struct pending *pending = conn->pending;

	conn->pending = NULL;
	pending->free(pending);
}

/* A call that waits has nobody to wait for; what has come before it is still answered. */
static void give_up_wait(struct conn *conn)
{
	free_pending(conn);
	conn->is_closing_after_output = true;
	conn_touch(conn);
}

/* The peer sends no more. If it has only closed its sending side (POLLRDHUP without POLLHUP) it
 * still waits for the replies to what it sent before. */
static void lose_speaker(struct conn *conn)
{
	conn->is_end_near = true;
	if (!conn->pending)
		return;
	if (conn_is_fully_closed(conn))
		conn_lose_listener(conn);
	else if (conn->pending->needs == NEEDS_SPEAKER)
		give_up_wait(conn);
}

static void on_hangup(uv_poll_t *handle, int status, int events)
{
	struct conn *conn = handle->data;

	(void)status;
	(void)events;
	unwatch_hangup(conn);
	lose_speaker(conn);
}

/* A stream whose reading is stopped does not notice that the peer is gone (libuv): a second
 * descriptor of the same socket is watched for it. Without one the end is seen at the next write.
 */
static void watch_for_hangup(struct conn *conn)
{
	uv_os_fd_t fd;
	int copy;

	if (conn->hangup || uv_fileno((uv_handle_t *)&conn->pipe, &fd) < 0)
		return;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	conn->hangup = copy < 0 ? NULL : malloc(sizeof(*conn->hangup));
	if (!conn->hangup || uv_poll_init(&conn->loop->uv, conn->hangup, copy) < 0) {
		free(conn->hangup);
		conn->hangup = NULL;
		if (copy >= 0)
			close(copy);
		return;
	}
	conn->hangup->data = conn;
	conn->open_handles++;
	uv_poll_start(conn->hangup, UV_DISCONNECT, on_hangup);
}

static void unwatch_hangup(struct conn *conn)
{
	uv_os_fd_t fd;

	if (!conn->hangup)
		return;
	uv_fileno((uv_handle_t *)conn->hangup, &fd);
	uv_poll_stop(conn->hangup);
	uv_close((uv_handle_t *)conn->hangup, on_hangup_closed);
	close(fd); /* after uv_poll_stop() took it out of the poll set; uv_poll does not own it */
	conn->hangup = NULL;
}

static void set_reading(struct conn *conn, bool is_wanted)
{
	if (conn->is_closed || conn->is_ended || conn->is_reading == is_wanted)
		return;
	conn->is_reading = is_wanted;
	if (is_wanted) {
		unwatch_hangup(conn);
		uv_read_start((uv_stream_t *)&conn->pipe, on_alloc, on_read);
	} else {
		uv_read_stop((uv_stream_t *)&conn->pipe);
		watch_for_hangup(conn);
	}
}

/* ---- serving ---- */

/* The peer broke the protocol: say what was expected, then close. */
static void refuse_frame(struct conn *conn, const struct varlink_fault *fault)
{
	varlink_invalid_parameter(&conn->out, fault);
	loop_count(&conn->loop->stats.connections_dropped, 1);
	log_debug("closing a connection of uid %" PRIu32 " pid %" PRId32 ": %s: expected %s",
		conn->owner.peer.uid, conn->owner.peer.pid, fault->parameter, fault->expected);
	conn->is_closing_after_output = true;
}

static void refuse_connection(struct conn *conn)
{
	const struct config *config = conn->loop->config;
	bool is_user = conn->admission == REFUSED_BY_USER;
	struct connections_error error = {
		.limit = is_user ? config->max_connections_per_uid
				 : conn->loop->server->max_connections,
		.scope = is_user,
	};

	varlink_error_begin(&conn->out, status_error_name(STATUS_TOO_MANY_CONNECTIONS));
	message_encode_members(&too_many_connections_error, &error, &conn->out);
	varlink_error_end(&conn->out);
	conn->is_closing_after_output = true;
}

static void serve_frame(struct conn *conn, const char *frame, size_t length)
{
	struct varlink_fault fault;
	struct varlink_call call;

	loop_count(&conn->loop->stats.frames_received, 1);
	if (conn->admission != ADMITTED)
		refuse_connection(conn);
	else if (varlink_call_decode(
			 frame, length, (unsigned)conn->loop->config->max_depth, &call, &fault) < 0)
		refuse_frame(conn, &fault);
	else
		ops_serve(conn, &call);
}

/* Serve frames until there are none, a call stays in work, too much is unsent, or the turn is up.
 */
static int serve_frames(struct conn *conn)
{
	const char *frame;
	size_t length;

	if (conn->turn != conn->loop->turn)
		conn->served_in_turn = 0;
	conn->turn = conn->loop->turn;
	while (conn->served_in_turn < FRAMES_A_TURN) {
		int r;

		if (conn->pending || conn->is_closed || conn->is_closing_after_output ||
			is_choked(conn))
			return 0;
		r = frame_next(&conn->frames, &frame, &length);
		if (r <= 0)
			return r;
		conn->begun_ns = 0;
		conn->served_in_turn++;
		conn->served_bytes += length + 1;
		serve_frame(conn, frame, length);
		if (json_writer_failed(&conn->out))
			return -ENOMEM;
	}
	return 0;
}

static void refuse_long_frame(struct conn *conn)
{
	struct varlink_fault fault;

	varlink_fault_set(
		&fault, "message", "at most %zu bytes before the NUL", conn->frames.limit);
	refuse_frame(conn, &fault);
}

/* One that is refused has had its time since it came: conn_new(). */
static void note_begun_frame(struct conn *conn)
{
	if (conn->admission != ADMITTED)
		return;
	if (!frame_is_begun(&conn->frames) || conn->pending || !conn->is_reading) {
		conn->begun_ns = 0;
		return;
	}
	if (!conn->begun_ns)
		conn->begun_ns = loop_peers_ns(conn->loop);
	loop_watch(conn->loop, &conn->watch_link);
}

/* What is to be done next with what lies in the reader. */
static void settle(struct conn *conn)
{
	size_t max = (size_t)conn->loop->config->max_pipelined;
	bool has_frames = frame_is_whole(&conn->frames);

	if (conn->is_closing_after_output)
		set_reading(conn, false);
	else if (conn->pending) /* what is said meanwhile has a bound in calls and in bytes */
		set_reading(conn, frame_count(&conn->frames, max) < max &&
					  frame_bytes(&conn->frames) <= conn->frames.limit);
	else if (!has_frames)
		set_reading(conn, !is_choked(conn));
	else {
		set_reading(conn, false);
		if (!is_choked(conn))
			conn_put_into_backlog(conn);
	}
	note_rest(conn, has_frames);
	note_begun_frame(conn);
	if (conn->pending && conn->pending->needs == NEEDS_SPEAKER && conn->is_end_near)
		give_up_wait(conn);
	else if (!conn->pending && conn->is_ended && !has_frames)
		conn->is_closing_after_output = true;
	conn_touch(conn);
}

static void resume_pending(struct conn *conn)
{
	struct pending *pending = conn->pending;

	if (!pending || !pending->resume || unsent(conn) > 0)
		return;
	if (pending->resume(pending, conn))
		free_pending(conn);
}

void conn_work(struct conn *conn)
{
	int r;

	if (conn->is_closed)
		return;
	if (!conn->read_ns)
		conn->read_ns = loop_polled_ns(conn->loop);
	frame_set_limit(&conn->frames, atomic_load(&conn->loop->server->frame_limit));
	broker_begin_turn();
	resume_pending(conn);
	r = serve_frames(conn);
	broker_end_turn();
	if (r == -EMSGSIZE)
		refuse_long_frame(conn);
	if (r == -ENOMEM || frame_keep(&conn->frames) < 0 || json_writer_failed(&conn->out)) {
		conn_close(conn, "out of memory");
		return;
	}
	if (!conn->is_closed)
		settle(conn);
}

void conn_begin_pending(struct conn *conn, struct pending *pending)
{
	conn->pending = pending;
	pending->conn = conn;
}

void conn_finish_pending(struct conn *conn)
{
	free_pending(conn);
	conn_wake(conn);
}

void conn_wake(struct conn *conn)
{
	conn_put_into_backlog(conn);
	conn_touch(conn);
}

/* libuv also tells the end after a read that was short, if the peer has hung up; and a read ends
 * where descriptors are passed (unix(7)). What lies behind is read here: not more than the socket
 * held. */
static int read_rest(struct conn *conn)
{
	struct loop *loop = conn->loop;
	uv_os_fd_t fd;
	ssize_t n;
	int r = uv_fileno((const uv_handle_t *)&conn->pipe, &fd);

	while (r == 0 && (n = read(fd, loop->read_buffer, sizeof(loop->read_buffer))) > 0) {
		loop_count(&loop->stats.bytes_received, (uint64_t)n);
		frame_feed(&conn->frames, loop->read_buffer, (size_t)n);
		r = frame_keep(&conn->frames);
	}
	return r;
}

/* What has come before the end is still done, also if the peer has not read all its replies: of
 * that (ECONNRESET) a Unix domain socket tells when everything has been read from it. */
static void on_end(struct conn *conn, ssize_t why)
{
	conn->is_ended = true;
	conn->is_reading = false;
	uv_read_stop((uv_stream_t *)&conn->pipe);
	if (why != UV_EOF && why != UV_ECONNRESET) {
		conn_close(conn, NULL);
		return;
	}
	if (read_rest(conn) < 0) {
		conn_close(conn, "out of memory");
		return;
	}
	lose_speaker(conn);
	conn_work(conn);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct conn *conn = stream->data;

	if (n < 0) {
		on_end(conn, n);
		return;
	}
	if (n == 0)
		return;
	loop_count(&conn->loop->stats.bytes_received, (uint64_t)n);
	frame_feed(&conn->frames, buffer->base, (size_t)n);
	conn_work(conn);
}

/* ---- begin and end ---- */

static void free_when_done(struct conn *conn)
{
	if (conn->open_handles > 0 || !list_is_empty(&conn->link) || !conn->is_closed)
		return;
	frame_reader_deinit(&conn->frames);
	json_writer_deinit(&conn->out);
	json_writer_deinit(&conn->sending);
	promises_deinit(&conn->promises);
	peer_deinit(&conn->owner.peer);
	free(conn);
}

static void on_pipe_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	conn->open_handles--;
	free_when_done(conn);
}

static void on_hangup_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	free(handle);
	conn->open_handles--;
	free_when_done(conn);
}

struct conn *conn_new(struct loop *loop, int fd, struct peer *peer, enum admission admission)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn || uv_pipe_init(&loop->uv, &conn->pipe, 0) < 0) {
		free(conn);
		close(fd);
		peer_deinit(peer);
		return NULL;
	}
	conn->loop = loop;
	conn->admission = admission;
	owner_init(&conn->owner);
	conn->owner.peer = *peer;
	list_init(&conn->dirty_link);
	list_init(&conn->backlog_link);
	list_init(&conn->watch_link);
	list_init(&conn->behind_link);
	list_init(&conn->awaited_link);
	list_append(&loop->conns, &conn->link);
	frame_reader_init(&conn->frames, atomic_load(&loop->server->frame_limit));
	json_writer_init(&conn->out);
	json_writer_init(&conn->sending);
	conn->pipe.data = conn;
	conn->open_handles = 1;
	loop_count(&loop->stats.connections, 1);
	loop_count(&loop->stats.connections_total, 1);
	if (uv_pipe_open(&conn->pipe, fd) < 0) {
		close(fd);
		conn_close(conn, NULL);
		return conn;
	}
	if (admission != ADMITTED) {
		conn->begun_ns = loop_peers_ns(conn->loop);
		loop_watch(conn->loop, &conn->watch_link);
	}
	set_reading(conn, true);
	return conn;
}

static void stop_working(struct conn *conn)
{
	if (conn->pending)
		free_pending(conn);
	list_remove(&conn->dirty_link);
	list_remove(&conn->backlog_link);
	list_remove(&conn->watch_link);
	barrier_forget(conn);
	unwatch_hangup(conn);
	if (conn->is_reading)
		uv_read_stop((uv_stream_t *)&conn->pipe);
	conn->is_reading = false;
}

void conn_close(struct conn *conn, const char *why)
{
	struct loop *loop = conn->loop;

	if (conn->is_closed)
		return;
	conn->is_closed = true;
	if (why) {
		loop_count(&loop->stats.connections_dropped, 1);
		log_info("closed a connection of uid %" PRIu32 " pid %" PRId32 ": %s",
			conn->owner.peer.uid, conn->owner.peer.pid, why);
	}
	stop_working(conn);
	uv_close((uv_handle_t *)&conn->pipe, on_pipe_closed);
	loop_count(&loop->stats.connections, (uint64_t)-1);
	server_leave(loop->server, conn->owner.peer.uid, conn->admission);
	list_remove(&conn->link);
	list_append(&loop->leaving, &conn->link);
	loop_spin(loop);
}

bool conn_leave(struct conn *conn)
{
	struct server *server = conn->loop->server;
	bool is_kept = conn->loop->is_stopping && server->committer;
	bool has_more = conn->has_owned;

	for (int n = 0; has_more && n < SESSIONS_A_TURN / SESSIONS_A_LOCK; n++) {
		struct section section;

		broker_enter(server->broker, &section);
		if (is_kept)
			has_more = table_orphan(section.table, &conn->owner, SESSIONS_A_LOCK);
		else
			has_more = table_owner_gone(section.table, &conn->owner, section.now,
				SESSIONS_A_LOCK, &section.change);
		broker_leave(&section);
	}
	if (has_more)
		return false;
	list_remove(&conn->link);
	free_when_done(conn);
	return true;
}
