/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <stdlib.h>
#include <string.h>

struct event *event_new(void)
{
	return calloc(1, sizeof(struct event));
}

void event_free(struct event *event)
{
	if (event->session.session)
		session_view_deinit(&event->session);
	pool_view_deinit(&event->pool);
	text_unref(event->reason);
	free(event);
}

/* ---- writing ---- */

static void say_lost(struct table *table, struct table_change *change)
{
	list_for_each(link, &table->readers) {
		struct event_reader *reader = container_of(link, struct event_reader, link);

		reader->has_lost = true;
		change->ring |= UINT64_C(1) << reader->index;
	}
}

/* A new event at the end of the log, for every reader; NULL if nobody reads, or it is lost. */
static struct event *append(struct table *table, enum event_type type, struct table_time now,
	struct table_change *change)
{
	struct event *event = table->spare_events;

	if (!table->n_readers)
		return NULL;
	if (!event || table->n_events >= EVENTS_MAX) {
		say_lost(table, change);
		return NULL;
	}
	table->spare_events = event->next_freed;
	table->n_spare_events--;
	*event = (struct event){.type = type,
		.readers = (unsigned)table->n_readers,
		.section = table->section,
		.wall_us = now.wall_us};
	list_append(&table->events, &event->link);
	table->n_events++;
	list_for_each(link, &table->readers) {
		struct event_reader *reader = container_of(link, struct event_reader, link);

		if (reader->next == &table->events)
			reader->next = &event->link;
		if (reader->held == &table->events)
			reader->held = &event->link;
		change->ring |= UINT64_C(1) << reader->index;
	}
	return event;
}

static const struct owner nobody;

static struct event *append_session(struct table *table, enum event_type type,
	const struct session *session, struct table_time now, struct table_change *change)
{
	struct event *event = append(table, type, now, change);

	if (!event)
		return NULL;
	table_fill_view(session, &nobody, now, &event->session);
	event->session.is_visible = false; /* root's own would be: nobody has uid 0, too */
	return event;
}

void emit_session(struct table *table, enum event_type type, const struct session *session,
	struct table_time now, struct table_change *change)
{
	append_session(table, type, session, now, change);
}

void emit_ended(struct table *table, const struct session *session, enum outcome outcome,
	struct table_time now, struct table_change *change)
{
	struct event *event = append_session(table, EVENT_ENDED, session, now, change);

	if (!event)
		return;
	event->has_outcome = true;
	event->outcome = outcome;
}

void emit_revoking(struct table *table, const struct session *session, struct text *reason,
	struct table_time now, struct table_change *change)
{
	struct event *event = append_session(table, EVENT_REVOKING, session, now, change);

	if (event)
		event->reason = text_ref(reason);
}

void emit_wait_ended(struct table *table, const struct session *session, int status,
	struct table_time now, struct table_change *change)
{
	struct event *event = append_session(table, EVENT_ENDED, session, now, change);

	if (event)
		event->status = status;
}

void emit_refused(struct table *table, const struct create_request *request, int status,
	struct table_time now, struct table_change *change)
{
	struct event *event = append(table, EVENT_REFUSED, now, change);

	if (!event)
		return;
	event->status = status;
	event->uid = request->caller->peer.uid;
	event->pid = request->caller->peer.pid;
	if (pool_name_is_valid(request->pool, request->pool_length))
		memcpy(event->pool_name, request->pool, request->pool_length);
}

void emit_pool(struct table *table, const struct pool *pool, struct table_time now,
	struct table_change *change)
{
	struct event *event = append(table, EVENT_POOL, now, change);

	if (event)
		table_fill_pool_view(table, pool, now, &event->pool);
}

void emit_drain(struct table *table, struct table_time now, struct table_change *change)
{
	struct event *event = append(table, EVENT_DRAIN, now, change);

	if (event)
		event->is_draining = table->is_draining;
}

/* ---- reading ---- */

void table_announce_reader(struct table *table)
{
	table->n_announced++;
}

void table_forget_reader(struct table *table)
{
	table->n_announced--;
}

uint64_t table_begin_reading(struct table *table, struct event_reader *reader, unsigned index)
{
	*reader = (struct event_reader){
		.held = &table->events, .next = &table->events, .index = index};
	list_append(&table->readers, &reader->link);
	table->n_readers++;
	return table->section;
}

/* One reader is done with the events from its first held one up to END. */
static void let_go(struct table *table, struct event_reader *reader, const struct list *end,
	struct table_change *change)
{
	while (reader->held != end) {
		struct event *event = container_of(reader->held, struct event, link);

		reader->held = reader->held->next;
		if (--event->readers > 0)
			continue;
		list_remove(&event->link);
		table->n_events--;
		event->next_freed = change->events;
		change->events = event;
	}
}

size_t table_read_events(struct table *table, struct event_reader *reader,
	const struct event **events, size_t max, struct table_change *change)
{
	size_t n = 0;

	let_go(table, reader, reader->next, change);
	for (; n < max && reader->next != &table->events; reader->next = reader->next->next)
		events[n++] = container_of(reader->next, struct event, link);
	return n;
}

void table_end_reading(
	struct table *table, struct event_reader *reader, struct table_change *change)
{
	let_go(table, reader, &table->events, change);
	list_remove(&reader->link);
	table->n_readers--;
}
