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

#include "daemon/core/list.h"
#include "daemon/core/map.h"
#include "daemon/core/order.h"
#include "daemon/core/text.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_UNITS_MAX      4096
#define SESSION_REQUEST_ID_MAX 128  /* bytes */
#define SESSION_LABEL_MAX      128  /* bytes */
#define SESSION_RESULT_MAX     1024 /* bytes */
#define SESSION_COMM_SIZE      16   /* TASK_COMM_LEN, its NUL included */
#define SESSION_TIMEOUT_NONE   (-1)
#define SESSION_OVERFLOW_UID   65534 /* what a uid without a mapping reads as: nobody's */
#define SESSION_PID_UNKNOWN    0     /* what SO_PEERCRED gives for a foreign pid namespace */
#define SESSION_NO_DEADLINE    INT64_MAX
#define SESSION_NOT_IN_HEAP    UINT32_MAX

/* The order of the names in io.usher.Broker.varlink. */
enum session_state { SESSION_IDLE, SESSION_PROCESSING, SESSION_ENDED };

enum owner_kind { OWNER_CONNECTION, OWNER_DETACHED };

enum outcome {
	OUTCOME_COMPLETED,
	OUTCOME_ERROR,
	OUTCOME_CANCELLED,
	OUTCOME_TIMEOUT,
	OUTCOME_ABANDONED,
	OUTCOME_REVOKED,
	OUTCOME_COUNT,
};

/* Who owns a session or makes a call: taken from the socket, not from what the peer says. */
struct peer {
	uint32_t uid;
	int32_t pid;   /* SESSION_PID_UNKNOWN if it means no process to us */
	bool is_admin; /* root, the daemon's uid, or in admin_group */
	char comm[SESSION_COMM_SIZE];
	struct text *systemd_unit; /* or NULL; the peer's owner holds the reference */
};

/* What a connection owns. Embedded in the connection; the table links sessions into it. */
struct owner {
	struct list sessions; /* session.owner_link */
	struct peer peer;
};

static inline void owner_init(struct owner *owner)
{
	list_init(&owner->sessions);
	owner->peer = (struct peer){0};
}

struct pool;

struct session {
	/* Fixed at creation. */
	uint64_t id;       /* 48 bits; written as "session_" and 12 hex digits */
	uint64_t sequence; /* order of creation; never reused */
	uint64_t fence;
	uint64_t fingerprint; /* of the create parameters; the caller's hash */
	int64_t created_us;   /* table clock */
	int64_t created_wall_us;
	struct text *pool_name;
	const char *request_id; /* NUL-ended, in the same allocation */
	const char *label;      /* NUL-ended, in the same allocation; NULL for none */
	uint32_t *slots;        /* in the same allocation; ascending */
	uint32_t units;
	uint32_t creator_uid; /* with request_id the key of idempotent creation */

	/* Under the lock. */
	uint8_t state;      /* enum session_state */
	uint8_t owner_kind; /* enum owner_kind */
	uint8_t outcome;    /* enum outcome; once ended */
	bool is_overdue;
	bool is_revoking;
	uint32_t uid;
	int32_t pid;
	char comm[SESSION_COMM_SIZE];
	struct text *systemd_unit; /* counted; or NULL */
	struct text *metadata;     /* counted; or NULL */
	struct text *result;       /* counted; once ended, or NULL */
	int64_t timeout_ms;        /* what Start and Renew set; -1 none */
	int64_t deadline_us;       /* table clock; INT64_MAX none */
	int64_t started_wall_us;   /* 0: not started */
	int64_t ended_us;          /* table clock; once ended */
	int64_t ended_wall_us;
	struct pool *pool;   /* NULL once ended */
	struct owner *owner; /* NULL unless owner_kind is OWNER_CONNECTION */

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
	uint32_t heap_index;          /* table.deadlines; SESSION_NOT_IN_HEAP */

	atomic_uint references;
};

/* What session_new() copies. */
struct session_params {
	uint64_t id;
	uint64_t fingerprint;
	const char *request_id;
	size_t request_id_length; /* 1 to SESSION_REQUEST_ID_MAX */
	const char *label;        /* NULL for none */
	size_t label_length;      /* up to SESSION_LABEL_MAX */
	uint32_t units;           /* 1 to SESSION_UNITS_MAX */
	struct text *metadata;    /* or NULL; takes a reference of its own */
};

/* One allocation with all that is fixed, one reference; NULL without memory. No lock needed. */
struct session *session_new(const struct session_params *params);

struct session *session_ref(struct session *session);

/* The last reference frees the session and drops its texts. Call it outside the lock. */
struct session *session_unref(struct session *session);

/* A copy of what is under the lock, with references that keep it alive after the lock. */
struct session_view {
	struct session *session; /* for what is fixed */
	enum session_state state;
	enum owner_kind owner_kind;
	enum outcome outcome;
	bool is_overdue;
	bool is_revoking;
	bool is_visible; /* the peer that asked may act: show metadata, label, result */
	uint32_t uid;
	int32_t pid;
	char comm[SESSION_COMM_SIZE];
	struct text *systemd_unit;
	struct text *metadata; /* also if not visible: metadata_bytes is for everyone */
	struct text *result;
	int64_t timeout_ms;
	int64_t remaining_us;    /* to the deadline, >= 0; -1 without one */
	int64_t expires_wall_us; /* 0 without a deadline */
	int64_t started_wall_us;
	int64_t ended_wall_us;
	int64_t age_us; /* now - created, or ended - created */
};

/* Drop the view's references; outside the lock. */
void session_view_deinit(struct session_view *view);

#endif
