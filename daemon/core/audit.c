/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <string.h>

void table_audit_begin(struct table *table, struct audit *audit)
{
	*audit = (struct audit){0};
	list_append(&table->audits, &audit->link);
}

void table_audit_end(struct audit *audit)
{
	list_remove(&audit->link);
}

/* Sums are modulo 2^64: SIGN is 1 or -1. */
static void add(struct audit *audit, const struct session *session, uint64_t sign)
{
	audit->active += sign;
	audit->used_units += sign * session->units;
	audit->overdue += sign * session->is_overdue;
	audit->orphaned += sign * session->is_orphaned;
	audit->metadata_bytes += sign * text_length(session->metadata);
}

static void add_to_all(struct table *table, const struct session *session, uint64_t sign)
{
	if (session->state == SESSION_WAITING)
		return;
	list_for_each(link, &table->audits) {
		struct audit *audit = container_of(link, struct audit, link);

		if (session->sequence <= audit->position)
			add(audit, session, sign);
	}
}

void audits_uncount(struct table *table, const struct session *session)
{
	add_to_all(table, session, UINT64_MAX);
}

void audits_count(struct table *table, const struct session *session)
{
	add_to_all(table, session, 1);
}

/* Where a session has to be found: this is most of the work of an audit. */
static void look_up(const struct table *table, struct audit *audit, const struct session *session)
{
	const struct session *by_request = table_find_by_request(
		table, session->creator_uid, session->request_id, session->request_id_length);

	audit->unindexed +=
		table_find_session(table, session->id) != session || by_request != session;
	if (session->state == SESSION_WAITING)
		return;
	for (uint32_t i = 0; i < session->units; i++)
		audit->bad_slots += !slotmap_is_taken(session->pool->slots, session->slots[i]);
}

static void inspect(const struct table *table, struct audit *audit, const struct session *session)
{
	if (!audit->only_sums)
		look_up(table, audit, session);
	if (session->state != SESSION_WAITING)
		add(audit, session, 1);
}

bool table_audit_step(struct table *table, struct audit *audit, size_t max)
{
	struct order_node *node = order_after(&table->order, audit->position);

	for (; node && max; node = order_next(node), max--) {
		inspect(table, audit, container_of(node, struct session, order_node));
		audit->position = node->key;
		audit->looked_at++;
	}
	return !node;
}
