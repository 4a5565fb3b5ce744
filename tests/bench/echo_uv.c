/* SPDX-License-Identifier: MIT */
/* echo-uv --socket PATH [--reply-bytes N] [--per-frame]: answers each NUL-ended frame with one of N
 * (90) bytes, NUL included.
 *
 * What talking costs in one libuv loop: no JSON, no table, one write a client and read event; or
 * one a frame, as servers do that write where they handle a request. It ends by a signal. */
#include "tests/bench/echo.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

static void on_close(uv_handle_t *handle)
{
	free(handle);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	static char input[ECHO_READ];

	(void)handle;
	(void)suggested;
	*ret = uv_buf_init(input, sizeof(input));
}

static void close_client(uv_stream_t *client)
{
	if (!uv_is_closing((uv_handle_t *)client))
		uv_close((uv_handle_t *)client, on_close);
}

static void on_written(uv_write_t *write, int status)
{
	if (status < 0)
		close_client(write->handle);
	free(write);
}

/* What the socket did not take at once. The bytes stay where they are. */
static void write_later(uv_stream_t *client, size_t unsent)
{
	while (unsent > 0) {
		size_t bytes;
		const char *from = echo_replies(unsent, &bytes);
		uv_buf_t buf = uv_buf_init((char *)from, (unsigned)bytes);
		uv_write_t *write = malloc(sizeof(*write));

		if (!write || uv_write(write, client, &buf, 1, on_written) < 0)
			echo_fail("uv_write");
		unsent -= bytes;
	}
}

static void answer(uv_stream_t *client, size_t unsent)
{
	size_t bytes;
	const char *from = echo_replies(unsent, &bytes);
	uv_buf_t buf = uv_buf_init((char *)from, (unsigned)bytes);
	int n = uv_stream_get_write_queue_size(client) > 0 ? UV_EAGAIN
							   : uv_try_write(client, &buf, 1);

	if (n < 0 && n != UV_EAGAIN)
		close_client(client);
	else
		write_later(client, unsent - (n > 0 ? (size_t)n : 0));
}

static void on_read(uv_stream_t *client, ssize_t n, const uv_buf_t *buf)
{
	size_t frames;

	if (n < 0) {
		close_client(client);
		return;
	}
	frames = echo_count(buf->base, (size_t)n);
	if (!echo_is_per_frame && frames > 0)
		answer(client, frames * echo_reply_bytes);
	for (; echo_is_per_frame && frames > 0 && !uv_is_closing((uv_handle_t *)client); frames--)
		answer(client, echo_reply_bytes);
}

static void on_connection(uv_stream_t *listener, int status)
{
	uv_pipe_t *client = status == 0 ? malloc(sizeof(*client)) : NULL;

	if (!client)
		return;
	uv_pipe_init(listener->loop, client, 0);
	if (uv_accept(listener, (uv_stream_t *)client) < 0)
		uv_close((uv_handle_t *)client, on_close);
	else
		uv_read_start((uv_stream_t *)client, allocate, on_read);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	int fd = echo_listen(argc, argv);
	uv_pipe_t listener;

	if (!loop)
		echo_fail("uv_default_loop");
	uv_pipe_init(loop, &listener, 0);
	if (uv_pipe_open(&listener, fd) < 0 ||
		uv_listen((uv_stream_t *)&listener, 4096, on_connection) < 0)
		echo_fail("uv_listen");
	return uv_run(loop, UV_RUN_DEFAULT);
}
