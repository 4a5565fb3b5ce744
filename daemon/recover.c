/* SPDX-License-Identifier: MIT */
#include "daemon/recover.h"

#include "daemon/core/persist.h"
#include "daemon/failpoint.h"
#include "daemon/log.h"
#include "daemon/owners.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES    32   /* into the table in one lock section */
#define IDENTITIES 1024 /* remembered: a power of two */

/* A session on its way into the table. */
struct entry {
	struct session *session;
	struct process *process; /* made for it; or NULL */
	bool is_process_new;     /* the table has taken it */
	int result;
	char pool[POOL_NAME_MAX + 1];
};

struct recovery {
	struct server *server;
	struct entry entries[ENTRIES];
	size_t n_entries;
	struct loop *first;
	struct identity *identities[IDENTITIES]; /* by pid: sessions of a process share one */
	uint64_t restored;
	uint64_t contradictions;
};

/* ---- pools ---- */

static int restore_pool(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct recovery *recovery = context;
	struct saved_pool saved;
	struct section section;
	struct pool *fresh;
	int r = record_read_pool(bytes, size, &saved);

	(void)sequence;
	if (r < 0)
		return r;
	fresh = pool_new_sized(
		saved.name->bytes, saved.name->length, &saved.settings, saved.source, saved.slots);
	if (fresh) {
		broker_enter(recovery->server->broker, &section);
		table_restore_pool(section.table, fresh, &saved, section.now, &section.change);
		broker_leave(&section);
	}
	saved_pool_deinit(&saved);
	return fresh ? 0 : -ENOMEM;
}

/* ---- identities ---- */

static bool is_same_text(const struct text *text, const char *bytes, size_t length)
{
	return text_length(text) == length && (!length || !memcmp(text->bytes, bytes, length));
}

static bool is_it(const struct identity *identity, const struct record_identity *record)
{
	return identity && identity->pid == record->pid &&
	       identity->start_time == record->start_time &&
	       memcmp(identity->comm, record->comm, sizeof(identity->comm)) == 0 &&
	       is_same_text(identity->systemd_unit, record->unit, record->unit_length);
}

static struct identity *make_identity(const struct record_identity *record)
{
	struct text *unit =
		record->unit_length ? text_new(record->unit, record->unit_length) : NULL;
	char comm[IDENTITY_COMM_SIZE];
	struct identity *identity = NULL;

	memcpy(comm, record->comm, sizeof(comm));
	comm[sizeof(comm) - 1] = '\0';
	if (unit || !record->unit_length)
		identity = identity_new(record->pid, record->start_time, comm, unit);
	text_unref(unit);
	return identity;
}

/* A reference; NULL if there is none, or (-ENOMEM) no memory. */
static int find_identity(
	struct recovery *recovery, const struct record_identity *record, struct identity **ret)
{
	struct identity **place = &recovery->identities[(uint32_t)record->pid % IDENTITIES];

	*ret = NULL;
	if (!record->is_known)
		return 0;
	if (!is_it(*place, record)) {
		identity_unref(*place);
		*place = make_identity(record);
	}
	*ret = identity_ref(*place);
	return *ret ? 0 : -ENOMEM;
}

static void forget_identities(struct recovery *recovery)
{
	for (size_t i = 0; i < IDENTITIES; i++)
		identity_unref(recovery->identities[i]);
}

/* ---- sessions: their sums have been checked when the store was opened ---- */

/* Whose exit ends the session. */
static bool has_process(const struct session *session)
{
	return session->owner_kind != OWNER_DETACHED && session->identity &&
	       session->identity->pid != IDENTITY_PID_UNKNOWN;
}

static bool is_watched(struct recovery *recovery, const struct identity *identity)
{
	struct section section;
	bool is_watched;

	broker_enter(recovery->server->broker, &section);
	is_watched = table_find_process(section.table, identity) != NULL;
	broker_leave(&section);
	return is_watched;
}

/* The table needs a process that it does not have. */
static int make_process(struct recovery *recovery, struct entry *entry)
{
	struct session *session = entry->session;

	if (!has_process(session) || is_watched(recovery, session->identity))
		return 0;
	entry->process = owners_restore(recovery->first, session->identity, session->uid);
	return entry->process ? 0 : -ENOMEM;
}

static int enter_one(struct section *section, struct entry *entry)
{
	struct process *process = entry->process;
	struct pool *pool = table_find_pool(section->table, entry->pool, strlen(entry->pool));

	if (!pool)
		return -EINVAL;
	if (!process && has_process(entry->session))
		process = table_find_process(section->table, entry->session->identity);
	return table_restore_session(section->table, entry->session, pool, process, section->now,
		&entry->is_process_new, &section->change);
}

/* From the Nth on, as far as the table has memory; returns how far. Where they go is looked up for
 * all of them first: most of the time it takes is spent waiting for memory. */
static size_t enter(struct recovery *recovery, size_t n)
{
	struct section section;

	broker_enter(recovery->server->broker, &section);
	for (size_t i = n; i < recovery->n_entries; i++)
		table_prefetch(section.table, recovery->entries[i].session);
	for (; n < recovery->n_entries; n++) {
		recovery->entries[n].result = enter_one(&section, &recovery->entries[n]);
		if (recovery->entries[n].result == -ENOBUFS)
			break;
	}
	broker_leave(&section);
	return n;
}

/* -EINVAL is a contradiction, which is dropped. */
static int settle_entry(struct recovery *recovery, struct entry *entry)
{
	if (entry->result == 0) { /* a process that was not needed has been handed back */
		if (entry->is_process_new)
			owners_watch(entry->process);
		recovery->restored++;
		return 0;
	}
	if (entry->process)
		owners_free(entry->process);
	session_unref(entry->session);
	if (entry->result != -EINVAL)
		return entry->result;
	recovery->contradictions++;
	return 0;
}

/* Leaving a section brings the memory that the table lacked. */
static int enter_all(struct recovery *recovery)
{
	size_t n = 0;
	int r = 0;

	for (int tries = 0; n < recovery->n_entries && tries < 8; tries++)
		n = enter(recovery, n);
	for (size_t i = 0; i < recovery->n_entries; i++) {
		int settled = settle_entry(recovery, &recovery->entries[i]);

		r = r == 0 ? settled : r;
	}
	recovery->n_entries = 0;
	return r;
}

/* The next one, with all that it needs from RECORD. */
static int add_entry(struct recovery *recovery, const struct record_session_view *record)
{
	struct entry *entry = &recovery->entries[recovery->n_entries++];
	int r;

	*entry = (struct entry){.session = record->session, .result = -ENOBUFS};
	if (record->pool_length <= POOL_NAME_MAX)
		memcpy(entry->pool, record->pool, record->pool_length);
	r = find_identity(recovery, &record->identity, &record->session->identity);
	if (r == 0)
		r = find_identity(recovery, &record->creator, &record->session->creator);
	return r == 0 ? make_process(recovery, entry) : r;
}

static int restore_session(void *context, uint64_t sequence, const void *bytes, size_t size)
{
	struct recovery *recovery = context;
	struct record_session_view record;
	int r = record_read_session(bytes, size, &record);

	(void)sequence;
	FAILPOINT("recovery.middle");
	if (r < 0)
		return r;
	record.session->stored_sum = record_sum(bytes);
	r = add_entry(recovery, &record);
	return r == 0 && recovery->n_entries == ENTRIES ? enter_all(recovery) : r;
}

static int restore_sessions(struct recovery *recovery, struct store *store)
{
	struct store_scan *scan;
	bool is_end;
	int r = store_scan_begin(store, &scan);

	if (r == 0)
		r = store_scan_next(scan, SIZE_MAX, restore_session, recovery, &is_end);
	store_scan_end(scan);
	if (r == 0)
		return enter_all(recovery);
	enter_all(recovery); /* to be freed with the table */
	return r;
}

/* ---- all of it ---- */

static int restore_globals(struct recovery *recovery, struct store *store)
{
	struct record_totals totals;
	struct saved_table saved;
	struct section section;
	int r = store_read_table(store, &saved, &totals);

	if (r < 0)
		return r;
	broker_expect(recovery->server->broker, saved.active);
	broker_enter(recovery->server->broker, &section);
	table_restore_globals(section.table, &saved, &section.change);
	broker_leave(&section);
	saved_table_deinit(&saved);
	return 0;
}

static uint64_t finish(struct recovery *recovery)
{
	struct config *config = recovery->server->config;
	struct table_metrics metrics;
	struct section section;

	broker_enter(recovery->server->broker, &section);
	table_keep_changes(section.table); /* what leaves now has to leave the store, too */
	table_end_restoring(section.table, section.now.now_us + config->reattach_grace_ms * 1000,
		section.now, &section.change);
	table_metrics(section.table, section.now, &metrics);
	broker_leave(&section);
	return metrics.orphaned;
}

static void say(const struct recovery *recovery, uint64_t orphaned)
{
	struct log_field fields[] = {{LOG_MESSAGE_ID, LOG_ID_RECOVERED}};

	if (recovery->restored)
		log_entry(LOG_NOTICE, fields, 1,
			"%" PRIu64 " sessions of an earlier run are held still, %" PRIu64
			" of them without their connection",
			recovery->restored, orphaned);
	if (recovery->contradictions)
		log_error("%" PRIu64 " stored sessions contradict others and were dropped",
			recovery->contradictions);
}

int recover(struct server *server, struct store *store, struct loop *first)
{
	struct recovery *recovery = calloc(1, sizeof(*recovery));
	int r;

	if (!recovery)
		return -ENOMEM;
	recovery->server = server;
	recovery->first = first;
	FAILPOINT("recovery.begin");
	r = restore_globals(recovery, store);
	if (r == 0)
		r = store_each_pool(store, restore_pool, recovery);
	if (r == 0)
		r = restore_sessions(recovery, store);
	if (r == -ENOENT) /* killed before its first commit */
		r = 0;
	if (r == 0)
		say(recovery, finish(recovery));
	forget_identities(recovery);
	free(recovery);
	return r;
}
