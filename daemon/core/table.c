/* SPDX-License-Identifier: MIT */
#include "daemon/core/persist.h"
#include "daemon/core/table_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define INITIAL_BUCKETS   256
#define INITIAL_DEADLINES 64
#define POOL_BUCKETS      256

/* ---- life ---- */

static bool map_new(struct map *map, size_t n_buckets)
{
	struct map_node **buckets = calloc(n_buckets, sizeof(*buckets));

	map_init(map, buckets, n_buckets);
	return buckets != NULL;
}

static bool allocate_containers(struct table *table)
{
	struct heap_slot *deadlines = calloc(INITIAL_DEADLINES, sizeof(*deadlines));
	struct heap_slot *waits = calloc(INITIAL_DEADLINES, sizeof(*waits));
	bool has_maps = map_new(&table->by_id, INITIAL_BUCKETS) &&
			map_new(&table->by_request, INITIAL_BUCKETS) &&
			map_new(&table->tallies, INITIAL_BUCKETS) &&
			map_new(&table->processes, INITIAL_BUCKETS) &&
			map_new(&table->pools_by_name, POOL_BUCKETS);

	heap_init(&table->deadlines, deadline_is_before, deadline_set_index);
	heap_give(&table->deadlines, deadlines, deadlines ? INITIAL_DEADLINES : 0);
	heap_init(&table->waits, wait_is_before, wait_set_index);
	heap_give(&table->waits, waits, waits ? INITIAL_DEADLINES : 0);
	return has_maps && deadlines && waits;
}

/* So that the first operations need not ask. */
static bool take_first_supply(struct table *table)
{
	struct table_wants wants;
	struct table_supply supply;

	table_wants(table, &wants); /* tallies: it has none yet */
	table_supply_init(&supply, &wants);
	table_give(table, &wants, &supply);
	table_supply_deinit(&supply);
	return !table_lacks_tallies(table);
}

static bool add_default_pool(struct table *table)
{
	struct table_change change;
	struct pool *pool = pool_new(
		POOL_DEFAULT_NAME, strlen(POOL_DEFAULT_NAME), &pool_settings_builtin, POOL_BUILTIN);

	if (!pool)
		return false;
	table_change_init(&change);
	table_set_pool(table, pool, (struct table_time){0}, &change);
	return true;
}

struct table *table_new(const struct table_options *options)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	memcpy(table->hash_seed, options->hash_seed, sizeof(table->hash_seed));
	table->next_fence = options->first_fence;
	table->next_sequence = 1;
	table->history_limit = options->history_limit;
	list_init(&table->pools);
	list_init(&table->history);
	list_init(&table->audits);
	list_init(&table->pumping);
	list_init(&table->readers);
	list_init(&table->dirty_pools);
	table->fence_limit = FENCE_END;
	table->orphans_until_us = INT64_MAX;
	list_init(&table->events);
	table->next_pause_end_us = INT64_MAX;
	table->next_starve_us = INT64_MAX;
	order_init(&table->order, options->hash_seed[0], NULL);
	if (!allocate_containers(table) || !add_default_pool(table) || !take_first_supply(table)) {
		table_free(table);
		return NULL;
	}
	return table;
}

static void unref_sessions(struct list *sessions)
{
	list_for_each_safe(link, sessions)
		session_unref(container_of(link, struct session, pool_link));
}

static void free_tallies_of(struct table *table, struct session *session)
{
	struct table_change change;

	table_change_init(&change);
	list_init(&session->owner_link);
	table_leave_tallies(table, session, &change);
	table_change_deinit(&change);
}

/* Those who wait are the daemon's; their sessions were the table's. */
static void free_waiting(struct table *table, struct pool *pool)
{
	list_for_each_safe(link, &pool->waiters) {
		struct session *session = container_of(link, struct waiter, link)->session;

		free_tallies_of(table, session);
		session_unref(session);
	}
}

/* What was not stored: sessions, and pools that have left. */
static void forget_changes(struct table *table)
{
	while (table->dirty) {
		struct session *session = table->dirty;

		table->dirty = session->next_dirty;
		session_unref(session);
	}
	while (table->dropped_pools) {
		struct pool *pool = table->dropped_pools;

		table->dropped_pools = pool->next_freed;
		pool_free(pool);
	}
}

/* Links of owners are left alone: the owners may be dead. */
void table_free(struct table *table)
{
	list_for_each_safe(link, &table->pools) {
		struct pool *pool = container_of(link, struct pool, link);

		list_for_each(s, &pool->sessions)
			free_tallies_of(table, container_of(s, struct session, pool_link));
		unref_sessions(&pool->sessions);
		free_waiting(table, pool);
		pool_free(pool);
	}
	unref_sessions(&table->history);
	forget_changes(table);
	text_unref(table->pause.reason);
	map_deinit(&table->by_id);
	map_deinit(&table->by_request);
	map_deinit(&table->pools_by_name);
	map_deinit(&table->tallies);
	map_deinit(&table->processes);
	table_free_spares(table);
	free(table->deadlines.slots);
	free(table->waits.slots);
	free(table);
}

/* ---- what an operation leaves ---- */

void table_change_init(struct table_change *change)
{
	*change = (struct table_change){0};
}

static void unref_ended(struct table_change *change)
{
	while (change->ended) {
		struct session *session = change->ended;

		change->ended = session->next_ended;
		session_unref(session);
	}
}

void table_change_deinit(struct table_change *change)
{
	unref_ended(change);
	while (change->sessions) {
		struct session *session = change->sessions;

		change->sessions = session->next_freed;
		session_unref(session);
	}
	while (change->pools) {
		struct pool *pool = change->pools;

		change->pools = pool->next_freed;
		pool_free(pool);
	}
	while (change->texts) {
		struct text *text = change->texts;

		change->texts = text->next_freed;
		text_unref(text);
	}
	while (change->identities) {
		struct identity *identity = change->identities;

		change->identities = identity->next_freed;
		identity_unref(identity);
	}
	change_free_memory(change);
}

/* A text that others hold too, perhaps in changes of their own, has no place in a chain; and it is
 * not freed by giving up this reference. */
void change_add_text(struct table_change *change, struct text *text)
{
	if (!text || text_unref_unless_last(text))
		return;
	text->next_freed = change->texts;
	change->texts = text;
}

void change_add_identity(struct table_change *change, struct identity *identity)
{
	if (!identity || identity_unref_unless_last(identity))
		return;
	identity->next_freed = change->identities;
	change->identities = identity;
}

void change_add_process(struct table_change *change, struct process *process)
{
	process->next_idle = change->processes;
	change->processes = process;
}

void change_add_session(struct table_change *change, struct session *session)
{
	session->next_freed = change->sessions;
	change->sessions = session;
}

void change_add_ended(struct table_change *change, struct session *session)
{
	session_ref(session);
	session->next_ended = NULL;
	if (change->ended)
		change->last_ended->next_ended = session;
	else
		change->ended = session;
	change->last_ended = session;
}

void table_report_ends(struct table *table, bool is_wanted)
{
	table->reports_ends = is_wanted;
}

void change_add_pool(struct table_change *change, struct pool *pool)
{
	pool->next_freed = change->pools;
	change->pools = pool;
}

/* ---- time and lookup ---- */

/* The time of day goes on with it: what is said to have begun, ended and happened, and when a
 * deadline passes, is in the order in which it is. */
struct table_time table_clamp(struct table *table, struct table_time now)
{
	if (now.now_us < table->last_now_us) {
		now.wall_us += table->last_now_us - now.now_us;
		now.now_us = table->last_now_us;
	}
	table->last_now_us = now.now_us;
	return now;
}

/* Ids are random and the broker's own: nobody can choose which ones share a bucket. And each has a
 * hash of its own. */
static uint64_t hash_id(uint64_t id)
{
	return id;
}

uint64_t table_hash_request(
	const struct table *table, uint32_t uid, const char *request_id, size_t length)
{
	char key[sizeof(uid) + SESSION_REQUEST_ID_MAX];

	memcpy(key, &uid, sizeof(uid));
	memcpy(key + sizeof(uid), request_id, length);
	return map_hash(table->hash_seed, key, sizeof(uid) + length);
}

struct session *table_find_session(const struct table *table, uint64_t id)
{
	struct map_node *node = map_first(&table->by_id, hash_id(id));

	return node ? container_of(node, struct session, id_node) : NULL;
}

bool session_has_request_id(const struct session *session, const char *request_id, size_t length)
{
	return session->request_id_length == length &&
	       !memcmp(session->request_id, request_id, length);
}

struct session *table_find_by_request_hash(const struct table *table, uint64_t hash, uint32_t uid,
	const char *request_id, size_t length)
{
	struct map_node *node = map_first(&table->by_request, hash);

	for (; node; node = map_next(node)) {
		struct session *session = container_of(node, struct session, request_node);

		if (session->creator_uid == uid &&
			session_has_request_id(session, request_id, length))
			return session;
	}
	return NULL;
}

struct session *table_find_by_request(
	const struct table *table, uint32_t uid, const char *request_id, size_t length)
{
	if (length > SESSION_REQUEST_ID_MAX)
		return NULL;
	return table_find_by_request_hash(
		table, table_hash_request(table, uid, request_id, length), uid, request_id, length);
}

static uint64_t hash_request_of(const struct table *table, const struct session *session)
{
	return table_hash_request(
		table, session->creator_uid, session->request_id, session->request_id_length);
}

bool table_knows(const struct table *table, const struct session *session)
{
	return table_find_session(table, session->id) ||
	       table_find_by_request(table, session->creator_uid, session->request_id,
		       session->request_id_length);
}

struct pool *table_find_pool(const struct table *table, const char *name, size_t length)
{
	struct map_node *node =
		map_first(&table->pools_by_name, map_hash(table->hash_seed, name, length));

	for (; node; node = map_next(node)) {
		struct pool *pool = container_of(node, struct pool, name_node);

		if (pool->name->length == length && !memcmp(pool->name->bytes, name, length))
			return pool;
	}
	return NULL;
}

bool table_is_own(const struct session *session, const struct owner *caller)
{
	return (session->owner && session->owner == caller) ||
	       (session->uid == caller->peer.uid && session->uid != SESSION_OVERFLOW_UID);
}

bool table_may_act(const struct session *session, const struct owner *caller)
{
	return caller->peer.is_admin || table_is_own(session, caller);
}

void table_link_id(struct table *table, struct session *session)
{
	map_insert(&table->by_id, &session->id_node, hash_id(session->id));
}

void table_link_fresh(struct table *table, struct session *session, uint64_t request_hash)
{
	order_insert(&table->order, &session->order_node, session->sequence);
	table_link_id(table, session);
	map_insert(&table->by_request, &session->request_node, request_hash);
}

void table_link_session(struct table *table, struct session *session)
{
	table_link_fresh(table, session, hash_request_of(table, session));
}

void table_prefetch(const struct table *table, const struct session *session)
{
	map_prefetch(&table->by_id, hash_id(session->id));
	map_prefetch(&table->by_request, hash_request_of(table, session));
}

void table_begin_section(struct table *table)
{
	table->section++;
}

uint64_t table_section(const struct table *table)
{
	return table->section;
}

uint64_t table_active(const struct table *table)
{
	return table->active;
}

uint64_t table_next_sequence(const struct table *table)
{
	return table->next_sequence;
}

uint64_t table_next_fence(const struct table *table)
{
	return table->next_fence;
}
