/* SPDX-License-Identifier: MIT */
/* What a connection's client is told: written, held back until it is true, waited for. */
#include "daemon/conn.h"

#include "daemon/failpoint.h"
#include "daemon/ops_refuse.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#define OUTPUT_KEPT     16384 /* bytes of output buffer that an idle connection may keep */
#define UNHEARD_WAIT_NS INT64_C(20000000)   /* at least, for the rest of a close that has begun */
#define REFUSED_WAIT_NS INT64_C(5000000000) /* for the first call of a refused connection */

/* ---- writing ---- */

/* If nobody is there to read it, what else was asked for is still to be done, and the peer's end to
 * be read. A close begins with EPIPE (unix_release_sock() in Linux marks the one end first, and
 * then the other), so that no hangup may be seen yet. Any other failure is the connection's. False:
 * it is closed. */
static bool survives(struct conn *conn, int failure)
{
	if ((failure == UV_EPIPE || failure == UV_ECONNRESET) && conn_is_fully_closed(conn))
		conn_lose_listener(conn);
	else if (failure != UV_EPIPE)
		conn_close(conn, NULL);
	else if (!conn->unheard_ns) {
		conn->unheard_ns = loop_peers_ns(conn->loop);
		loop_watch(conn->loop, &conn->watch_link);
	}
	return !conn->is_closed;
}

static void on_written(uv_write_t *write, int status)
{
	struct conn *conn = write->data;

	conn->is_sending = false;
	json_writer_deinit(&conn->sending);
	if (conn->is_closed || (status < 0 && !survives(conn, status)))
		return;
	conn_touch(conn);
	conn_put_into_backlog(conn);
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
	conn->progress_ns = loop_peers_ns(conn->loop);
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
		conn_put_into_backlog(conn); /* it had to wait for its output to go */
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
		if (!survives(conn, n))
			return;
		json_writer_truncate(&conn->out, 0);
		n = 0;
	}
	count_sent(conn);
	note_created(conn);
	if (!frame_is_whole(&conn->frames))
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

/* The close that seemed to have begun has gone on, or it is none. */
static void look_at_close(struct conn *conn, int64_t now_ns)
{
	if (conn_is_fully_closed(conn)) {
		conn->unheard_ns = 0;
		conn_lose_listener(conn);
	} else if (now_ns - conn->unheard_ns > UNHEARD_WAIT_NS) {
		conn_close(conn, NULL);
	}
}

void conn_check_progress(struct conn *conn, int64_t now_ns)
{
	int64_t frame_ns = conn->admission == ADMITTED
				   ? conn->loop->config->frame_timeout_ms * 1000000
				   : REFUSED_WAIT_NS;

	if (conn->unheard_ns)
		look_at_close(conn, now_ns);
	if (conn->is_closed)
		return;
	if (conn->is_sending && is_output_stuck(conn, now_ns))
		conn_close(conn, "it does not read its replies");
	else if (conn->begun_ns && now_ns - conn->begun_ns > frame_ns && conn_unread(conn) == 0)
		conn_close(conn, "it does not finish its message");
	else if (!conn->is_sending && !conn->begun_ns && !conn->unheard_ns)
		list_remove(&conn->watch_link);
}
