/* SPDX-License-Identifier: MIT */
#include "client/handle.h"

#include <errno.h>

#define STEPS_AT_ONCE 256 /* so that a talkative broker does not keep the program here */

int dispatch_prepare(struct usher *u)
{
	int r = 0;

	if (u->loop.epoll_fd >= 0)
		return 0;
	r = loop_open(&u->loop);
	if (r == 0 && channel_is_open(&u->control))
		r = channel_watch(u, &u->control);
	if (r < 0)
		loop_close(&u->loop);
	else if (u->held)
		loop_wake_at(u, 0); /* they are to be watched */
	return r;
}

int usher_get_fd(struct usher *u)
{
	int r = usher_begin(u);

	if (r == 0)
		r = dispatch_prepare(u);
	return r < 0 ? usher_fail(u, r) : u->loop.epoll_fd;
}

int usher_set_event_handler(struct usher *u, usher_event_fn *on_event, void *userdata)
{
	int r = usher_begin(u);

	if (r < 0)
		return r;
	u->on_event = on_event;
	u->event_userdata = userdata;
	loop_wake_at(u, 0);
	return 0;
}

/* All that time brings. Returns when to come again. */
static int64_t do_due(struct usher *u)
{
	int64_t now = conn_now_ms();
	int64_t next = control_do_due(u, now);

	next = sooner(next, recover_do_due(u, now)); /* first: what is held has least time */
	next = sooner(next, request_do_due(u, now));
	next = sooner(next, held_do_due(u, now));
	return sooner(next, watch_do_due(u, now));
}

/* The program's functions are called first, for what is told may be what the events are about. */
static void run(struct usher *u)
{
	struct channel *c;

	do_due(u);
	for (int i = 0; i < STEPS_AT_ONCE && !u->is_closed; i++) {
		if (deliver_one(u))
			continue;
		if (!loop_next(&u->loop, &c))
			break;
		if (c)
			c->on_ready(u, c);
	}
}

static void plan_next(struct usher *u)
{
	int64_t next = do_due(u);

	loop_wake_at(u, deliver_has_more(u) ? 0 : next);
}

int usher_dispatch(struct usher *u)
{
	int r = usher_begin(u);

	if (r < 0)
		return r;
	r = u->is_dispatching ? -EBUSY : dispatch_prepare(u);
	if (r < 0)
		return usher_fail(u, r);
	usher_enter(u);
	u->is_dispatching = true;
	run(u);
	u->is_dispatching = false;
	if (!u->is_closed)
		plan_next(u);
	return usher_leave(u) ? usher_begin(u) : -ECANCELED;
}
