/* SPDX-License-Identifier: MIT */
#include "daemon/conn.h"

#include "daemon/core/persist.h"
#include "daemon/failpoint.h"
#include "daemon/log.h"
#include "daemon/ops.h"
#include "daemon/ops_refuse.h"
#include "proto/message.h"
#include "proto/varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FRAMES_A_TURN   64    /* calls of one client served before others have their turn */
#define SESSIONS_A_LOCK 64    /* abandoned in one lock section */
#define SESSIONS_A_TURN 4096  /* abandoned in one turn of the loop */
#define OUTPUT_KEPT     16384 /* bytes of output buffer that an idle connection may keep */
#define REFUSED_WAIT_NS INT64_C(5000000000) /* for the first call of a refused connection */

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

static void put_into_backlog(struct conn *conn)
{
	if (list_is_empty(&conn->backlog_link))
		list_append(&conn->loop->backlog, &conn->backlog_link);
	loop_spin(conn->loop);
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

static bool is_fully_closed(const struct conn *conn)
{
	struct pollfd state = {.events = 0}; /* POLLHUP and POLLERR are told unasked */

	return uv_fileno((const uv_handle_t *)&conn->pipe, &state.fd) < 0 ||
	       (poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)));
}

/* The peer sends no more, and that is the end of the call in work: there is nobody to wait for. */
static bool is_cancelled_by_end(const struct conn *conn)
{
	return conn->pending && (!conn->pending->ends_by_itself || is_fully_closed(conn));
}

/* The peer may only have closed its sending side (POLLRDHUP without POLLHUP): then it still waits
 * for the replies to what it sent before. */
static void on_hangup(uv_poll_t *handle, int status, int events)
{
	struct conn *conn = handle->data;

	(void)status;
	(void)events;
	if (is_cancelled_by_end(conn) || is_fully_closed(conn))
		conn_close(conn, NULL);
	else
		unwatch_hangup(conn);
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

	for (int n = 0; n < FRAMES_A_TURN; n++) {
		int r;

		if (conn->pending || conn->is_closed || conn->is_closing_after_output ||
			is_choked(conn))
			return 0;
		r = frame_next(&conn->frames, &frame, &length);
		if (r <= 0)
			return r;
		conn->begun_ns = 0;
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

static void note_begun_frame(struct conn *conn)
{
	if (!frame_is_begun(&conn->frames) || conn->pending || !conn->is_reading) {
		conn->begun_ns = 0;
		return;
	}
	if (!conn->begun_ns)
		conn->begun_ns = monotonic_ns();
	loop_watch(conn->loop, &conn->watch_link);
}

/* What is to be done next with what lies in the reader. */
static void settle(struct conn *conn)
{
	size_t max = (size_t)conn->loop->config->max_pipelined;
	bool has_frames = frame_count(&conn->frames, 1) > 0;

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
			put_into_backlog(conn);
	}
	note_begun_frame(conn);
	if (conn->is_ended && !conn->pending && !has_frames)
		conn->is_closing_after_output = true;
	conn_touch(conn);
}

static void resume_pending(struct conn *conn)
{
	struct pending *pending = conn->pending;

	if (!pending || !pending->resume || unsent(conn) > 0)
		return;
	if (pending->resume(pending, conn)) {
		conn->pending = NULL;
		pending->free(pending);
	}
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
}

void conn_finish_pending(struct conn *conn)
{
	struct pending *pending = conn->pending;

	conn->pending = NULL;
	pending->free(pending);
	conn_wake(conn);
}

void conn_wake(struct conn *conn)
{
	put_into_backlog(conn);
	conn_touch(conn);
}

/* What has come before the end is still answered. */
static void on_end(struct conn *conn, ssize_t why)
{
	conn->is_ended = true;
	conn->is_reading = false;
	uv_read_stop((uv_stream_t *)&conn->pipe);
	if (why != UV_EOF || is_cancelled_by_end(conn))
		conn_close(conn, NULL);
	else
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

/* ---- writing ---- */

static void on_written(uv_write_t *write, int status)
{
	struct conn *conn = write->data;

	conn->is_sending = false;
	json_writer_deinit(&conn->sending);
	if (conn->is_closed)
		return;
	if (status < 0) {
		conn_close(conn, NULL);
		return;
	}
	conn_touch(conn);
	put_into_backlog(conn);
}

/* One write at a time, so what libuv still has to write is the end of it. */
size_t conn_unsent_rest(const struct conn *conn)
{
	size_t left = uv_stream_get_write_queue_size((const uv_stream_t *)&conn->pipe);

	return conn->is_sending && left <= conn->sending.length ? left : 0;
}

/* libuv writes the rest as the peer reads. */
static void send_rest(struct conn *conn, size_t sent)
{
	uv_buf_t rest;

	conn->sending = conn->out;
	json_writer_init(&conn->out);
	rest = uv_buf_init(conn->sending.data + sent, (unsigned)(conn->sending.length - sent));
	conn->write.data = conn;
	if (uv_write(&conn->write, (uv_stream_t *)&conn->pipe, &rest, 1, on_written) < 0) {
		json_writer_deinit(&conn->sending);
		conn_close(conn, NULL);
		return;
	}
	conn->is_sending = true;
	conn->progress_ns = monotonic_ns();
	conn->progress_left = rest.len;
	loop_watch(conn->loop, &conn->watch_link);
}

static void note_created(struct conn *conn)
{
	if (conn->n_created)
		histogram_add(&conn->loop->stats.creation_ns, monotonic_ns() - conn->read_ns,
			conn->n_created);
	conn->n_created = 0;
}

/* Frames end with the only NULs there are. */
static void count_sent(struct conn *conn)
{
	const char *at = conn->out.data, *end;
	uint64_t frames = 0;

	if (!conn->out.length)
		return;
	end = at + conn->out.length;
	for (; at < end && (at = memchr(at, '\0', (size_t)(end - at))); at++)
		frames++;
	loop_count(&conn->loop->stats.frames_sent, frames);
	loop_count(&conn->loop->stats.bytes_sent, conn->out.length);
}

static void on_all_sent(struct conn *conn)
{
	if (conn->out.capacity > OUTPUT_KEPT)
		json_writer_deinit(&conn->out);
	else
		json_writer_truncate(&conn->out, 0);
	if (conn->is_closing_after_output)
		conn_close(conn, NULL);
	else if (conn->pending ? conn->pending->resume != NULL : !conn->is_reading)
		put_into_backlog(conn); /* it had to wait for its output to go */
}

/* For tests: half of it on its way, and then something happens; or it does not, and the rest
 * follows. */
static void write_half(struct conn *conn)
{
	uv_buf_t half = uv_buf_init(conn->out.data, (unsigned)(conn->out.length / 2));
	int n = uv_try_write((uv_stream_t *)&conn->pipe, &half, 1);

	FAILPOINT("conn.mid-reply");
	if (n <= 0)
		return;
	conn->out.length -= (size_t)n;
	memmove(conn->out.data, conn->out.data + n, conn->out.length);
}

void conn_flush(struct conn *conn)
{
	uv_buf_t buffer;
	int n = 0;

	if (conn->is_closed || conn->is_sending)
		return;
	if (json_writer_failed(&conn->out)) { /* half a reply, or none */
		conn_close(conn, "out of memory");
		return;
	}
	promises_keep(&conn->promises);
	if (conn->out.length > 0 && failpoint_is_armed("conn.mid-reply"))
		write_half(conn);
	if (conn->out.length > 0) {
		buffer = uv_buf_init(conn->out.data, (unsigned)conn->out.length);
		n = uv_try_write((uv_stream_t *)&conn->pipe, &buffer, 1);
		if (n == UV_EAGAIN)
			n = 0;
	}
	if (n < 0) {
		conn_close(conn, NULL);
		return;
	}
	count_sent(conn);
	note_created(conn);
	if (!frame_is_begun(&conn->frames) || frame_count(&conn->frames, 1) == 0)
		conn->read_ns = 0; /* else calls that came then are still to be served */
	if ((size_t)n < conn->out.length)
		send_rest(conn, (size_t)n);
	else
		on_all_sent(conn);
}

/* ---- promises ---- */

void conn_promise(struct conn *conn, size_t begin, struct session *session)
{
	if (conn->loop->server->committer &&
		promises_add(&conn->promises, begin, conn->out.length, session) < 0)
		conn->out.failed = true;
}

void conn_break_promises(struct conn *conn)
{
	struct server *server = conn->loop->server;
	struct json_writer refusal;
	struct section section;

	if (!conn->promises.count)
		return;
	broker_enter(server->broker, &section);
	for (size_t i = 0; i < conn->promises.count; i++)
		conn->promises.items[i].is_broken = conn->promises.items[i].session->is_undone;
	broker_leave(&section);
	json_writer_init(&refusal);
	write_store_refusal(server, &refusal);
	promises_break(&conn->promises, &refusal, &conn->out);
	json_writer_deinit(&refusal);
	if (json_writer_failed(&conn->out))
		conn_close(conn, "out of memory");
}

/* ---- progress ---- */

/* What the peer has not taken yet; libuv's queue gets shorter only when much of that has gone. */
static size_t in_kernel(const struct conn *conn)
{
	uv_os_fd_t fd;
	int bytes = 0;

	if (uv_fileno((const uv_handle_t *)&conn->pipe, &fd) < 0 || ioctl(fd, SIOCOUTQ, &bytes) < 0)
		return 0;
	return (size_t)bytes;
}

static bool is_output_stuck(struct conn *conn, int64_t now_ns)
{
	size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&conn->pipe) + in_kernel(conn);

	if (left != conn->progress_left) {
		conn->progress_left = left;
		conn->progress_ns = now_ns;
	}
	return now_ns - conn->progress_ns > conn->loop->config->io_timeout_ms * 1000000;
}

void conn_check_progress(struct conn *conn, int64_t now_ns)
{
	int64_t frame_ns = conn->admission == ADMITTED
				   ? conn->loop->config->frame_timeout_ms * 1000000
				   : REFUSED_WAIT_NS;

	if (conn->is_sending && is_output_stuck(conn, now_ns))
		conn_close(conn, "it does not read its replies");
	else if (conn->begun_ns && now_ns - conn->begun_ns > frame_ns)
		conn_close(conn, "it does not finish its message");
	else if (!conn->is_sending && !conn->begun_ns)
		list_remove(&conn->watch_link);
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
		conn->begun_ns = monotonic_ns();
		loop_watch(conn->loop, &conn->watch_link);
	}
	set_reading(conn, true);
	return conn;
}

static void stop_working(struct conn *conn)
{
	if (conn->pending) {
		conn->pending->free(conn->pending);
		conn->pending = NULL;
	}
	list_remove(&conn->dirty_link);
	list_remove(&conn->backlog_link);
	list_remove(&conn->watch_link);
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
