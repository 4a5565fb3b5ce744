/* SPDX-License-Identifier: MIT */
/* Calls of the program's functions, each the last thing that is done with what it is about: it may
 * release, cancel or close whatever it likes. */
#include "client/handle.h"

#include <stdlib.h>
#include <string.h>

static enum usher_event_type take_bit(unsigned *bits)
{
	int type = __builtin_ctz(*bits);

	*bits &= *bits - 1;
	return (enum usher_event_type)type;
}

/* That it is there still comes before what is to be done about it. */
static enum usher_event_type take_type(struct held *h)
{
	unsigned reattached = 1u << USHER_EVENT_REATTACHED;

	if (!(h->due_events & reattached))
		return take_bit(&h->due_events);
	h->due_events &= ~reattached;
	return USHER_EVENT_REATTACHED;
}

static struct held *find_told(const struct usher *u)
{
	struct held *h = u->held;

	while (h && !h->due_events)
		h = h->next;
	return h;
}

static void deliver_held(struct usher *u, struct held *h)
{
	struct usher_event event = {
		.size = sizeof(event),
		.type = take_type(h),
		.outcome = -1,
		.expires_at_us = h->expires_at_us,
	};
	char session_id[SESSION_ID_SIZE], *reason = NULL;

	memcpy(session_id, h->session_id, sizeof(session_id));
	event.session_id = session_id;
	if (event.type == USHER_EVENT_REVOKING) {
		event.reason = reason = h->reason;
		h->reason = NULL;
	} else if (event.type == USHER_EVENT_RENEW_FAILED || event.type == USHER_EVENT_LOST) {
		event.error = h->error;
	}
	if (event.type == USHER_EVENT_LOST) {
		event.outcome = h->outcome;
		held_remove(u, h);
	}
	if (u->on_event)
		u->on_event(u->event_userdata, &event);
	free(reason);
}

static void deliver_own(struct usher *u)
{
	struct usher_event event = {
		.size = sizeof(event),
		.type = take_bit(&u->due_events),
		.outcome = -1,
		.expires_at_us = -1,
	};

	if (event.type == USHER_EVENT_BROKER_LOST)
		event.error = u->due_error;
	if (u->on_event)
		u->on_event(u->event_userdata, &event);
}

/* Results before events: a session is not spoken of before the program has it. */
bool deliver_one(struct usher *u)
{
	struct held *h;

	if (request_deliver(u))
		return true;
	h = find_told(u);
	if (h)
		deliver_held(u, h);
	else if (u->due_events)
		deliver_own(u);
	else
		return false;
	return true;
}

bool deliver_has_more(const struct usher *u)
{
	return request_has_news(u) || find_told(u) || u->due_events;
}
