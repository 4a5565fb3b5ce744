/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

struct waiter *table_take_decided(
	struct table *table, struct inbox *inbox, struct table_time now, struct session_view *ret)
{
	struct waiter *waiter;

	now = table_clamp(table, now);
	if (list_is_empty(&inbox->decided))
		return NULL;
	waiter = container_of(inbox->decided.next, struct waiter, link);
	list_remove(&waiter->link);
	if (waiter->status == 0 && waiter->session->is_undone)
		waiter->status = STATUS_STORE_UNAVAILABLE; /* before anyone was told */
	if (waiter->status == 0)
		table_fill_view(waiter->session, waiter->caller, now, ret);
	return waiter;
}

void table_abandon_wait(struct table *table, struct waiter *waiter, struct table_time now,
	struct table_change *change)
{
	now = table_clamp(table, now);
	if (!waiter->is_decided)
		table_refuse_waiter(table, waiter, STATUS_CANCELLED, now, change);
	list_remove(&waiter->link);
}

/* All that wait with this request id, whosever. Returns how many, RET is one of them. */
static size_t find_of_anybody(
	const struct table *table, const char *request_id, size_t length, struct session **ret)
{
	size_t n = 0;

	list_for_each(pool_link, &table->pools) {
		const struct pool *pool = container_of(pool_link, struct pool, link);

		list_for_each(link, &pool->waiters) {
			struct session *session = container_of(link, struct waiter, link)->session;

			if (!session_has_request_id(session, request_id, length))
				continue;
			*ret = session;
			n++;
		}
	}
	return n;
}

/* The caller's own that waits; for an admin, else, the only one of others; else the caller's own
 * that does not wait any more. */
static int find_to_cancel(const struct table *table, const struct owner *caller,
	const char *request_id, size_t length, struct session **ret)
{
	struct session *own = table_find_by_request(table, caller->peer.uid, request_id, length);
	size_t n = 1;

	*ret = own;
	if (caller->peer.is_admin && (!own || own->state != SESSION_WAITING))
		n = find_of_anybody(table, request_id, length, ret);
	if (n > 1)
		return STATUS_INVALID_PARAMETER;
	return *ret ? 0 : STATUS_NO_SUCH_SESSION;
}

int table_cancel(struct table *table, const struct owner *caller, const char *request_id,
	size_t length, struct table_time now, uint64_t *ret_id, enum session_state *ret_state,
	struct table_change *change)
{
	struct session *session;
	int status = find_to_cancel(table, caller, request_id, length, &session);

	now = table_clamp(table, now);
	if (status)
		return status;
	if (!table_may_act(session, caller))
		return STATUS_PERMISSION_DENIED;
	*ret_id = session->id;
	*ret_state = session->state;
	if (session->state != SESSION_WAITING)
		return STATUS_INVALID_STATE;
	table_refuse_waiter(table, session->waiter, STATUS_CANCELLED, now, change);
	return 0;
}
