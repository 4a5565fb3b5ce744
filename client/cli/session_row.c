/* SPDX-License-Identifier: MIT */
#include "client/cli/session_row.h"

#include "client/cli/format.h"
#include "client/cli/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const session_order_names[N_SESSION_ORDERS] = {"age", "user", "pool", "slot"};

int64_t session_pid(const cJSON *session)
{
	if (!strcmp(tree_text(session, "owner"), "detached"))
		return -1;
	return tree_int(session, "pid", -1);
}

void session_row_read(const cJSON *session, int64_t now_us, struct session_row *ret)
{
	int64_t created_at = tree_int(session, "created_at", -1);

	*ret = (struct session_row){
		.session = session,
		.session_id = tree_text(session, "session_id"),
		.pool = tree_text(session, "pool"),
		.command = tree_text(session, "comm"),
		.unit = tree_text(session, "systemd_unit"),
		.label = tree_text(session, "label"),
		.uid = tree_int(session, "uid", -1),
		.pid = session_pid(session),
		.age_ms = created_at < 0        ? -1
			  : now_us < created_at ? 0
						: (now_us - created_at) / 1000,
		.left_ms = tree_int(session, "remaining_ms", -1),
		.first_slot = tree_first_int(session, "slots", -1),
		.position = tree_int(tree_member(session, "queued"), "position", -1),
		.is_waiting = !strcmp(tree_text(session, "state"), "waiting"),
	};
}

/* ---- order ---- */

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare_users(int64_t a, int64_t b)
{
	char name[FORMAT_MAX];

	if (a == b)
		return 0;
	strcpy(name, format_user(a));
	return strcmp(name, format_user(b));
}

static int compare_places(const struct session_row *a, const struct session_row *b)
{
	return a->is_waiting ? compare_numbers(a->position, b->position)
			     : compare_numbers(a->first_slot, b->first_slot);
}

static int compare_by(
	const struct session_row *a, const struct session_row *b, enum session_order order)
{
	int r = 0;

	if (a->is_waiting && order != ORDER_USER)
		order = ORDER_POOL;
	switch (order) {
	case ORDER_AGE:
		return compare_numbers(b->age_ms, a->age_ms);
	case ORDER_USER:
		r = compare_users(a->uid, b->uid);
		return r ? r : compare_numbers(b->age_ms, a->age_ms);
	case ORDER_SLOT:
		return compare_places(a, b);
	default:
		r = strcmp(a->pool, b->pool);
		return r ? r : compare_places(a, b);
	}
}

int session_row_compare(
	const struct session_row *a, const struct session_row *b, enum session_order order)
{
	int r = compare_numbers(a->is_waiting, b->is_waiting);

	if (r == 0)
		r = compare_by(a, b, order);
	if (r == 0)
		r = strcmp(a->pool, b->pool);
	if (r == 0)
		r = compare_places(a, b);
	return r ? r : strcmp(a->session_id, b->session_id);
}

/* ---- cells ---- */

void session_row_add_place(struct table *t, const struct session_row *row)
{
	char *slots;

	if (row->is_waiting && row->position > 0) {
		table_add(t, "#%" PRId64, row->position);
		return;
	}
	if (row->is_waiting) {
		table_add(t, "#?");
		return;
	}
	slots = format_slots(tree_member(row->session, "slots"), false);
	table_add(t, "%s", slots ? slots : "?");
	free(slots);
}

void session_row_add_user(struct table *t, const struct session_row *row)
{
	table_add(t, "%s", format_user(row->uid));
}

void session_row_add_pid(struct table *t, const struct session_row *row)
{
	table_add(t, row->pid > 0 ? "%" PRId64 : "-", row->pid);
}

void session_row_add_age(struct table *t, const struct session_row *row)
{
	char text[FORMAT_MAX];

	table_add(t, "%s", format_span(row->age_ms, text));
}

void session_row_add_left(struct table *t, const struct session_row *row)
{
	char text[FORMAT_MAX];

	table_add(t, "%s", format_span(row->left_ms, text));
}

const char *session_flags(const cJSON *session, const char *separator)
{
	static const char *const names[] = {"overdue", "orphaned", "revoking"};
	static char text[64];
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (tree_bool(session, names[i]))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
				used ? separator : "", names[i]);
	}
	return text;
}

void session_row_add_flags(struct table *t, const struct session_row *row)
{
	table_add(t, "%s", session_flags(row->session, ","));
}
