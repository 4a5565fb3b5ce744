/* SPDX-License-Identifier: MIT */
#include "client/channel.h"

#include "client/handle.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* ---- the loop ---- */

void loop_init(struct loop *l)
{
	*l = (struct loop){.epoll_fd = -1, .timer_fd = -1, .armed_at = -1};
}

static int add_timer(struct loop *l)
{
	struct epoll_event event = {.events = EPOLLIN};

	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->timer_fd < 0)
		return -errno;
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->timer_fd, &event) < 0 ? -errno : 0;
}

int loop_open(struct loop *l)
{
	int r;

	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return -errno;
	r = add_timer(l);
	if (r < 0)
		loop_close(l);
	return r;
}

void loop_close(struct loop *l)
{
	if (l->timer_fd >= 0)
		close(l->timer_fd);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	loop_init(l);
}

/* A timer that is set earlier than needed fires once in vain, which is cheaper than setting it
 * anew at each change. */
void loop_wake_at(struct usher *u, int64_t at)
{
	struct loop *l = &u->loop;
	struct itimerspec when = {0};

	/* usher_dispatch() looks at all that is due before it returns. */
	if (u->is_dispatching || l->epoll_fd < 0 || at < 0 ||
		(l->armed_at >= 0 && l->armed_at <= at))
		return;
	when.it_value.tv_sec = at / 1000;
	when.it_value.tv_nsec = at % 1000 * 1000000 + 1; /* all zeros would disarm it */
	if (timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0)
		l->armed_at = at;
}

static void take_timer(struct loop *l)
{
	uint64_t count;

	if (read(l->timer_fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
		l->armed_at = -1;
}

/* One at a time, for what is done about one may close the others. */
int loop_next(struct loop *l, struct channel **ret)
{
	struct epoll_event event;

	if (epoll_wait(l->epoll_fd, &event, 1, 0) != 1)
		return 0;
	*ret = event.data.ptr;
	if (!*ret)
		take_timer(l);
	return 1;
}

/* ---- channels ---- */

void channel_init(struct channel *c, channel_fn *on_ready)
{
	conn_init(&c->conn);
	json_writer_init(&c->out);
	c->sent = 0;
	c->watched = 0;
	c->on_ready = on_ready;
}

bool channel_is_open(const struct channel *c)
{
	return c->conn.fd >= 0;
}

int channel_watch(struct usher *u, struct channel *c)
{
	uint32_t wanted = EPOLLIN | EPOLLRDHUP | (c->out.length > c->sent ? EPOLLOUT : 0u);
	struct epoll_event event = {.events = wanted, .data.ptr = c};

	if (u->loop.epoll_fd < 0 || c->watched == wanted)
		return 0;
	if (epoll_ctl(u->loop.epoll_fd, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->conn.fd,
		    &event) < 0)
		return -errno;
	c->watched = wanted;
	return 0;
}

/* Not left to close(2): a forked child may have the socket open, too, and then the set keeps it.
 * The child itself must leave the set alone, which is the parent's. */
void channel_unwatch(struct usher *u, struct channel *c)
{
	if (c->watched && !u->is_foreign)
		epoll_ctl(u->loop.epoll_fd, EPOLL_CTL_DEL, c->conn.fd, NULL);
	c->watched = 0;
}

int channel_open(struct usher *u, struct channel *c)
{
	int r = conn_try_open(&c->conn, u->socket_path);

	u->was_reached |= r == 0;
	if (r == 0)
		r = channel_watch(u, c);
	if (r < 0)
		conn_close(&c->conn);
	return r;
}

void channel_close(struct usher *u, struct channel *c)
{
	channel_unwatch(u, c);
	conn_close(&c->conn);
	json_writer_deinit(&c->out);
	c->sent = 0;
}

int channel_move(struct usher *u, struct channel *from, struct channel *to)
{
	bool is_watched = from->watched;

	conn_move(&from->conn, &to->conn);
	from->watched = 0;
	to->watched = is_watched ? EPOLLIN : 0; /* unlike what it is to be: it is set anew */
	return channel_watch(u, to);
}

static void drop_sent(struct channel *c)
{
	if (c->sent == c->out.length) {
		json_writer_truncate(&c->out, 0);
		c->sent = 0;
	}
}

int channel_flush(struct usher *u, struct channel *c)
{
	size_t sent;
	int r;

	if (c->out.length == c->sent)
		return channel_watch(u, c);
	r = conn_try_send(&c->conn, c->out.data + c->sent, c->out.length - c->sent, &sent);
	c->sent += sent;
	drop_sent(c);
	return r < 0 ? r : channel_watch(u, c);
}

int channel_send_all(struct usher *u, struct channel *c, int64_t deadline)
{
	int r;

	if (c->out.length == c->sent)
		return 0;
	r = conn_send(&c->conn, c->out.data + c->sent, c->out.length - c->sent, deadline);
	if (r < 0)
		return r;
	c->sent = c->out.length;
	drop_sent(c);
	return channel_watch(u, c);
}
