/* SPDX-License-Identifier: MIT */
/* A session as a row of `who`, `top` and `list`: what is read once, how rows are ordered, and the
 * cells that they have in common. Pure but for the names of users. One thread.
 */
#ifndef USHER_CLI_SESSION_ROW_H
#define USHER_CLI_SESSION_ROW_H

#include "client/cli/table.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

struct session_row {
	const cJSON *session; /* what the texts point into */
	const char *session_id;
	const char *pool;
	const char *command;
	const char *unit;
	const char *label;
	int64_t uid; /* -1: unknown, as below */
	int64_t pid;
	int64_t age_ms; /* of a waiter: how long it has waited */
	int64_t left_ms;
	int64_t first_slot;
	int64_t position; /* of a waiter */
	size_t index;     /* for the caller's use */
	bool is_waiting;
};

/* The process that a session ends with or that has its connection; -1 for none, as that of a
 * detached one, whose maker is of no account any more. */
int64_t session_pid(const cJSON *session);

void session_row_read(const cJSON *session, int64_t now_us, struct session_row *ret);

enum session_order { ORDER_AGE, ORDER_USER, ORDER_POOL, ORDER_SLOT, N_SESSION_ORDERS };

/* "age", "user", "pool", "slot". */
extern const char *const session_order_names[N_SESSION_ORDERS];

/* Holders before waiters; these by pool and place, unless by user. No two sessions are equal. */
int session_row_compare(
	const struct session_row *a, const struct session_row *b, enum session_order order);

/* The slots as "0-3", or the place in the queue as "#3". */
void session_row_add_place(struct table *t, const struct session_row *row);

void session_row_add_user(struct table *t, const struct session_row *row);
void session_row_add_pid(struct table *t, const struct session_row *row);
void session_row_add_age(struct table *t, const struct session_row *row);
void session_row_add_left(struct table *t, const struct session_row *row);

/* What is out of the ordinary: "overdue", "orphaned", "revoking", with SEPARATOR (", " at most)
 * between them; "" if nothing is. Static. */
const char *session_flags(const cJSON *session, const char *separator);
void session_row_add_flags(struct table *t, const struct session_row *row);

#endif
