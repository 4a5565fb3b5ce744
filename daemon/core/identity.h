/* SPDX-License-Identifier: MIT */
/* A process as the broker saw it: immutable and counted, so that the sessions of one process share
 * it and a view may read it after the lock. Made outside the lock. */
#ifndef USHER_CORE_IDENTITY_H
#define USHER_CORE_IDENTITY_H

#include "daemon/core/text.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define IDENTITY_COMM_SIZE   16 /* TASK_COMM_LEN, its NUL included */
#define IDENTITY_PID_UNKNOWN 0  /* what SO_PEERCRED gives for a foreign pid namespace */

struct identity {
	atomic_uint references;
	int32_t pid;         /* IDENTITY_PID_UNKNOWN if it means no process to us */
	uint64_t start_time; /* clock ticks since boot: a recycled pid has another; 0 unknown */
	char comm[IDENTITY_COMM_SIZE];
	struct text *systemd_unit;   /* counted; or NULL */
	struct identity *next_freed; /* chain in a table_change; for the only holder */
};

/* With one reference; takes one of its own of SYSTEMD_UNIT, which may be NULL. COMM is cut to fit.
 * NULL without memory. */
struct identity *identity_new(
	int32_t pid, uint64_t start_time, const char *comm, struct text *systemd_unit);

struct identity *identity_ref(struct identity *identity); /* NULL stays NULL */
struct identity *identity_unref(struct identity *identity);

/* As text_unref_unless_last(): may be called inside the lock. */
bool identity_unref_unless_last(struct identity *identity);

/* Both known, and one and the same process. */
bool identity_is_same(const struct identity *a, const struct identity *b);

/* The group ids of a peer. */
struct groups {
	size_t count;
	uint32_t gids[]; /* as gid_t */
};

/* Room for COUNT gids, which the caller fills in; NULL without memory. */
struct groups *groups_new(size_t count);
void groups_free(struct groups *groups);                     /* may be NULL */
bool groups_have(const struct groups *groups, uint32_t gid); /* GROUPS may be NULL */

#endif
