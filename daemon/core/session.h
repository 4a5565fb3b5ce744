/* SPDX-License-Identifier: MIT */
/* A session: the record of who holds which slots of which pool, and why.
 *
 * It is made outside the lock (session_new), filled and linked by the table under the lock, and
 * counted: the table holds one reference while the session is live or in the history, a view one
 * more. What is fixed at creation may be read by whoever holds a reference, without the lock; the
 * rest belongs to the table and is read under the lock only, or from a view's copy.
 */
#ifndef USHER_CORE_SESSION_H
#define USHER_CORE_SESSION_H

#include "daemon/core/identity.h"
#include "daemon/core/list.h"
#include "daemon/core/map.h"
#include "daemon/core/order.h"
#include "daemon/core/owner.h"
#include "daemon/core/tally.h"
#include "daemon/core/text.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_UNITS_MAX      4096
#define SESSION_REQUEST_ID_MAX 128  /* bytes */
#define SESSION_LABEL_MAX      128  /* bytes */
#define SESSION_RESULT_MAX     1024 /* bytes */
#define SESSION_PRIORITY_MAX   9
#define SESSION_TIMEOUT_NONE   (-1)
#define SESSION_OVERFLOW_UID   65534 /* what a uid without a mapping reads as: nobody's */
#define SESSION_NO_DEADLINE    INT64_MAX
#define SESSION_NOT_IN_HEAP    UINT32_MAX

/* The order of the names in io.usher.Broker.varlink. */
enum session_state { SESSION_WAITING, SESSION_IDLE, SESSION_PROCESSING, SESSION_ENDED };

enum owner_kind { OWNER_CONNECTION, OWNER_PROCESS, OWNER_DETACHED };

enum outcome {
	OUTCOME_COMPLETED,
	OUTCOME_ERROR,
	OUTCOME_CANCELLED,
	OUTCOME_TIMEOUT,
	OUTCOME_ABANDONED,
	OUTCOME_REVOKED,
	OUTCOME_COUNT,
};

struct pool;
struct waiter;

struct session {
	/* Fixed at creation; what is of the grant, at the grant. */
	uint64_t id;       /* 48 bits; written as "session_" and 12 hex digits */
	uint64_t sequence; /* order of creation; never reused. A grant gives a waiter a new one */
	uint64_t fence;    /* of the grant */
	uint64_t fingerprint; /* of the create parameters; the caller's hash */
	int64_t created_us;   /* table clock; of the grant, or of the begin of the wait */
	int64_t created_wall_us;
	struct text *pool_name;
	const char *request_id; /* NUL-ended, in the same allocation */
	struct text *label;     /* counted; or NULL */
	uint32_t *slots;        /* in the same allocation; ascending; of the grant */
	uint32_t units;
	uint32_t creator_uid; /* with request_id the key of idempotent creation */
	uint8_t request_id_length;
	uint8_t priority;

	/* Under the lock. */
	uint8_t state;      /* enum session_state */
	uint8_t owner_kind; /* enum owner_kind */
	uint8_t outcome;    /* enum outcome; once ended */
	bool is_overdue : 1;
	bool is_revoking : 1;
	bool is_orphaned : 1; /* its owner was lost with an earlier run of the daemon */
	bool is_undone : 1;   /* it could not be stored, and has ended for that */
	bool is_dirty : 1;    /* in table.dirty */
	uint32_t uid;
	uint32_t stored_sum;       /* the store's, not under the lock; 0: not stored */
	struct identity *identity; /* of the owner; counted; NULL if unknown */
	struct identity *creator;  /* of who created or attached to it last; counted; or NULL */
	struct text *metadata;     /* counted; or NULL */
	int64_t timeout_ms;        /* what Start and Renew set; -1 none */
	int64_t started_wall_us;   /* 0: not started */
	struct pool *pool;         /* NULL once ended */
	struct owner *owner;       /* NULL if detached or ended */
	union {
		struct {
			int64_t deadline_us;               /* table clock; INT64_MAX none */
			struct tally *tallies[DIMENSIONS]; /* of pool, by enum dimension */
			struct waiter *waiter;             /* while SESSION_WAITING */
		};
		struct {                     /* SESSION_ENDED */
			struct text *result; /* counted; or NULL */
			int64_t ended_us;    /* table clock */
			int64_t ended_wall_us;
		};
	};

	/* Containers. */
	union {
		struct list owner_link;     /* owner.sessions */
		struct session *next_ended; /* chain in a table_change, once ended */
	};
	union {
		struct list pool_link; /* pool.sessions, oldest first; table.history once ended */
		struct session *next_freed; /* chain in a table_change */
	};
	struct map_node id_node;      /* table.by_id; also once ended */
	struct map_node request_node; /* table.by_request */
	struct order_node order_node; /* table.order */
	struct session *next_dirty;   /* table.dirty */
	uint32_t heap_index;          /* table.deadlines; SESSION_NOT_IN_HEAP */

	atomic_uint references;
};

/* What session_new() copies. */
struct session_params {
	uint64_t id;
	uint64_t fingerprint;
	const char *request_id;
	size_t request_id_length; /* 1 to SESSION_REQUEST_ID_MAX */
	uint32_t units;           /* 1 to SESSION_UNITS_MAX */
	uint8_t priority;         /* 0 to SESSION_PRIORITY_MAX */
	struct text *label;       /* or NULL; takes a reference of its own */
	struct text *metadata;    /* or NULL; takes a reference of its own */
};

/* One allocation with all that is fixed, one reference; NULL without memory. No lock needed. */
struct session *session_new(const struct session_params *params);

struct session *session_ref(struct session *session);

/* The last reference frees the session and drops its texts. Call it outside the lock. */
struct session *session_unref(struct session *session);

/* A place in the queue is counted up to here; further back it is said to be this. */
#define POSITION_MAX 4096

/* A copy of what is under the lock, with references that keep it alive after the lock. */
struct session_view {
	struct session *session; /* for what is fixed */
	enum session_state state;
	enum owner_kind owner_kind;
	enum outcome outcome;
	bool has_slots; /* session->slots, units, fence are of a grant */
	bool is_overdue;
	bool is_revoking;
	bool is_orphaned;
	bool is_visible;           /* the peer that asked may act: show metadata, label, result */
	const struct owner *owner; /* only to compare with: it may be gone */
	uint32_t uid;
	struct identity *identity; /* of the owner; NULL if unknown */
	struct identity *creator;
	struct text *metadata; /* also if not visible: metadata_bytes is for everyone */
	struct text *result;
	int64_t timeout_ms;
	int64_t remaining_us;    /* to the deadline, >= 0; -1 without one */
	int64_t expires_wall_us; /* 0 without a deadline */
	int64_t started_wall_us;
	int64_t ended_wall_us;
	int64_t age_us; /* now - created, or ended - created */
	uint64_t sequence;
	uint64_t fence; /* if has_slots */
	int64_t created_wall_us;
	uint64_t position; /* while waiting: 1 and up, at most POSITION_MAX; else 0 */
	uint64_t waiting;  /* while waiting: how many do in the pool */
};

/* Drop the view's references; outside the lock. */
void session_view_deinit(struct session_view *view);

#endif
