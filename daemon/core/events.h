/* SPDX-License-Identifier: MIT */
/* What happens in the table, for those who watch it: a log in the order of the lock, with a cursor
 * for each reader (a loop). Nothing is recorded while nobody reads. Under the lock, but for
 * event_free(). */
#ifndef USHER_CORE_EVENTS_H
#define USHER_CORE_EVENTS_H

#include "daemon/core/table.h"

/* The order of the names of io.usher.Broker's EventType. */
enum event_type {
	EVENT_SNAPSHOT, /* not in the log: made by those who read it, as ready is */
	EVENT_READY,
	EVENT_CREATED,
	EVENT_QUEUED,
	EVENT_GRANTED,
	EVENT_STARTED,
	EVENT_RENEWED,
	EVENT_OVERDUE,
	EVENT_REVOKING,
	EVENT_ENDED,
	EVENT_REFUSED,
	EVENT_POOL,
	EVENT_DRAIN,
};

struct event {
	struct list link; /* table.events */
	enum event_type type;
	unsigned readers; /* that have not read it yet */
	uint64_t section; /* the number of the lock section */
	int64_t wall_us;
	struct session_view session; /* of a session; is_visible is not set; as before its end */
	bool has_outcome;            /* EVENT_ENDED: OUTCOME; else STATUS */
	enum outcome outcome;
	int status;                        /* EVENT_REFUSED, and EVENT_ENDED of a wait */
	struct text *reason;               /* EVENT_REVOKING; or NULL */
	struct pool_view pool;             /* EVENT_POOL */
	char pool_name[POOL_NAME_MAX + 1]; /* EVENT_REFUSED; "" for one that is no name */
	uint32_t uid;                      /* EVENT_REFUSED */
	int32_t pid;                       /* EVENT_REFUSED */
	bool is_draining;                  /* EVENT_DRAIN */
	struct event *next_freed;          /* chain in a table_change, and of spare ones */
};

struct event *event_new(void);
void event_free(struct event *event);

/* A loop that reads the log. */
struct event_reader {
	struct list link;  /* table.readers */
	struct list *held; /* the first event it was given and is not done with */
	struct list *next; /* the first it was not given; the log's head: none */
	unsigned index;    /* below 64: its bit in table_change.ring */
	bool has_lost;     /* a gap: the log was full, or no memory. The reader sets it back */
};

/* Somebody is about to read, or is not any more: the table wants memory for events, so that none is
 * lost at the begin. */
void table_announce_reader(struct table *table);
void table_forget_reader(struct table *table);

/* From now on. Returns the number of the present lock section. */
uint64_t table_begin_reading(struct table *table, struct event_reader *reader, unsigned index);
void table_end_reading(
	struct table *table, struct event_reader *reader, struct table_change *change);

/* Be done with the events given before, and get up to MAX of the next ones. They may be read after
 * the lock, until the next call. Returns how many. */
size_t table_read_events(struct table *table, struct event_reader *reader,
	const struct event **events, size_t max, struct table_change *change);

#endif
