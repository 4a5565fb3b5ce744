/* SPDX-License-Identifier: MIT */
/* A Create that blocks and does not wait, and the choice between that and the one that does. */
#include "client/handle.h"

#include <errno.h>

static int create_now(struct usher *u, const struct wish *wish, struct usher_session *ret)
{
	struct varlink_reply reply;
	struct call call;
	int r = call_begin(u, USHER_INTERFACE ".Create", &call);

	if (r < 0)
		return r;
	call.may_resend = true; /* by the request id it is one and the same */
	message_encode_members(&create_in, &wish->call, &call.frame);
	r = call_finish(u, &call, &reply);
	if (r < 0)
		return r;
	r = grant_decode(&reply.parameters, ret);
	if (r == -EBADMSG)
		return call_misunderstood(u);
	return r < 0 ? usher_fail(u, r) : 0;
}

int usher_create(
	struct usher *u, const struct usher_create_options *options, struct usher_session *ret)
{
	struct usher_session session = {.size = sizeof(session)};
	struct held *held = NULL;
	struct wish wish;
	int r = wish_prepare(options, &wish);

	if (r == 0 && (!ret || ret->size < sizeof(*ret)))
		r = -EINVAL;
	if (r == 0)
		r = held_new(u, wish.options.owner, &held);
	if (r < 0)
		return usher_fail(u, r);
	r = wish.options.wait_ms ? create_waiting(u, &wish, &session)
				 : create_now(u, &wish, &session);
	if (r < 0) {
		held_free(held);
		return r;
	}
	if (wish.request_id[0])
		session.is_existing = false; /* it is this very request's, sent twice */
	held_add(u, held, &session, wish.options.owner, !wish.options.no_renewal);
	grant_give(&session, ret);
	return 0;
}
