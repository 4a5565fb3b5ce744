/* SPDX-License-Identifier: MIT */
/* A pool: its settings, its slot numbers, the sessions that hold them or wait for them, its
 * counters. Made outside the lock (pool_new) and handed to the table, which owns it from then on.
 */
#ifndef USHER_CORE_POOL_H
#define USHER_CORE_POOL_H

#include "daemon/core/list.h"
#include "daemon/core/map.h"
#include "daemon/core/slotmap.h"
#include "daemon/core/stats.h"
#include "daemon/core/tally.h"
#include "daemon/core/text.h"

#include <stdbool.h>
#include <stdint.h>

#define POOL_NAME_MAX     40 /* bytes; what fits an INI section line of inih */
#define POOL_LIMIT_MAX    SLOTMAP_MAX
#define POOL_METADATA_MAX (16 << 20) /* bytes */
#define POOL_DEFAULT_NAME "default"
#define POOL_NO_QUOTA     (-1)

enum timeout_policy { ON_TIMEOUT_RELEASE, ON_TIMEOUT_HOLD };

enum pool_source { POOL_BUILTIN, POOL_FILE, POOL_RUNTIME };

#define POOL_ALLOW_MAX 64 /* entries of an allow list */

/* Who may have sessions of a pool: immutable, counted. */
struct allow_list {
	atomic_uint references;
	size_t count;
	struct allowed {
		struct text *name; /* counted: the user's name, or "@" and the group's */
		bool is_group;
		uint32_t id;
	} entries[];
};

/* Room for COUNT entries, zeroed, which the caller fills in; one reference; NULL without memory. */
struct allow_list *allow_list_new(size_t count);
struct allow_list *allow_list_ref(struct allow_list *list); /* NULL stays NULL */
struct allow_list *allow_list_unref(struct allow_list *list);

/* Times are -1 for "infinity", quotas POOL_NO_QUOTA for none. */
struct pool_settings {
	uint32_t limit;              /* 1 to POOL_LIMIT_MAX */
	uint32_t max_metadata_bytes; /* 0 to POOL_METADATA_MAX */
	int64_t default_timeout_ms;
	int64_t max_timeout_ms;
	int64_t max_duration_ms;
	enum timeout_policy on_timeout;
	uint32_t max_waiters;
	int64_t per_uid_waiters;
	int64_t quotas[DIMENSIONS]; /* units, by enum dimension */
	enum dimension fair_by;
	int64_t age_step_ms;
	int64_t starve_after_ms;
	bool enforce;
	struct allow_list *allow; /* NULL: everybody. A pool's own is counted */
};

/* limit 200, max_metadata_bytes 10240, max_waiters 1000, age_step 10 s, starve_after 5 min, no
 * other times, no quotas, release, fair by uid, enforced, for everybody. */
extern const struct pool_settings pool_settings_builtin;

struct pause {
	bool is_on;
	int64_t until_us;    /* table clock; INT64_MAX until Resume */
	struct text *reason; /* counted; or NULL */
};

struct pool {
	struct text *name; /* counted */
	uint32_t number;   /* given by the table, never reused */
	struct pool_settings settings;
	enum pool_source source;
	bool is_removed;    /* gone from the files: drains, then goes */
	bool is_kept;       /* only within table_remove_pools() */
	struct pause pause; /* of this pool by name */
	struct slotmap *slots;
	struct list link;          /* table.pools, by name */
	struct map_node name_node; /* table.pools_by_name */
	struct list sessions;      /* session.pool_link of live ones, oldest first */
	struct list waiters;       /* waiter.link, in the order of arrival */
	struct list pump_link;     /* table.pumping: waiters may be due */
	struct list dirty_link;    /* table.dirty_pools */
	struct tally all;          /* BY_NONE */
	struct tally unlabelled;   /* BY_LABEL without one */
	struct order keys;         /* tally.key_node */
	uint64_t active;           /* live sessions */
	uint64_t waiting;
	uint64_t used_units;
	uint64_t overdue;
	uint64_t orphaned;
	uint64_t metadata_bytes;
	struct counters counters;    /* since the start */
	struct histogram durations;  /* ns, created to ended, since the start */
	struct histogram queue_wait; /* ns, queued to granted, since the start */
	struct pool *next_freed;     /* chain in a table_change */
};

/* True for 1 to POOL_NAME_MAX bytes of A-Z a-z 0-9 . _ - that begin with a letter or digit. */
bool pool_name_is_valid(const char *name, size_t length);

/* A pool with free slots for SETTINGS->limit, whose allow list it references; NULL without memory.
 * The name must be valid. */
struct pool *pool_new(const char *name, size_t length, const struct pool_settings *settings,
	enum pool_source source);

/* The same with SLOTS slot numbers, if those are more. */
struct pool *pool_new_sized(const char *name, size_t length, const struct pool_settings *settings,
	enum pool_source source, uint32_t slots);

/* Frees a pool that no table holds. */
void pool_free(struct pool *pool);

/* A copy of what ListPools and the metrics show, with references. */
struct pool_view {
	struct text *name;
	struct pool_settings settings; /* its allow list is referenced */
	enum pool_source source;
	bool is_removed;
	bool is_paused;               /* by name or with all */
	int64_t paused_until_wall_us; /* 0: until Resume */
	struct text *pause_reason;
	uint64_t active;
	uint64_t waiting;
	uint64_t used_units;
	uint64_t over;
	uint64_t overdue;
	uint64_t orphaned;
	uint64_t metadata_bytes;
	int64_t oldest_age_us;  /* -1 if empty */
	int64_t oldest_wait_us; /* -1 if nobody waits */
	struct counters counters;
};

void pool_view_deinit(struct pool_view *view);

#endif
