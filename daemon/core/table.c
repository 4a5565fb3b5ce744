/* SPDX-License-Identifier: MIT */
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
	return buckets;
}

static bool allocate_containers(struct table *table)
{
	void **deadlines = calloc(INITIAL_DEADLINES, sizeof(*deadlines));
	bool has_maps = map_new(&table->by_id, INITIAL_BUCKETS) &&
			map_new(&table->by_request, INITIAL_BUCKETS) &&
			map_new(&table->pools_by_name, POOL_BUCKETS);

	heap_init(&table->deadlines, deadline_is_before, deadline_set_index);
	heap_give(&table->deadlines, deadlines, INITIAL_DEADLINES);
	return has_maps && deadlines;
}

static bool add_default_pool(struct table *table)
{
	struct table_change change;
	struct pool *pool = pool_new(
		POOL_DEFAULT_NAME, strlen(POOL_DEFAULT_NAME), &pool_settings_builtin, POOL_BUILTIN);

	if (!pool)
		return false;
	table_change_init(&change);
	table_set_pool(table, pool, &change);
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
	order_init(&table->order, options->hash_seed[0]);
	if (!allocate_containers(table) || !add_default_pool(table)) {
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

/* Links of owners are left alone: the owners may be dead. */
void table_free(struct table *table)
{
	if (!table)
		return;
	list_for_each_safe(link, &table->pools) {
		struct pool *pool = container_of(link, struct pool, link);

		unref_sessions(&pool->sessions);
		pool_free(pool);
	}
	unref_sessions(&table->history);
	text_unref(table->pause.reason);
	map_deinit(&table->by_id);
	map_deinit(&table->by_request);
	map_deinit(&table->pools_by_name);
	free(table->deadlines.items);
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

/* ---- memory ---- */

static size_t wanted_deadlines(const struct heap *heap)
{
	return heap->count >= heap->capacity / 4 * 3 ? heap->capacity * 2 : 0;
}

bool table_wants(const struct table *table, struct table_wants *ret)
{
	ret->id_buckets = map_wanted(&table->by_id);
	ret->request_buckets = map_wanted(&table->by_request);
	ret->deadlines = wanted_deadlines(&table->deadlines);
	return ret->id_buckets || ret->request_buckets || ret->deadlines || table->by_id.spare ||
	       table->by_request.spare;
}

static void *exchange_buckets(struct map *map, void *buckets, size_t n_buckets)
{
	return buckets ? map_give(map, buckets, n_buckets) : map_take_spare(map);
}

void table_give(struct table *table, const struct table_wants *sizes, struct table_supply *supply)
{
	supply->id_buckets = exchange_buckets(&table->by_id, supply->id_buckets, sizes->id_buckets);
	supply->request_buckets = exchange_buckets(
		&table->by_request, supply->request_buckets, sizes->request_buckets);
	if (supply->deadlines)
		supply->deadlines =
			heap_give(&table->deadlines, supply->deadlines, sizes->deadlines);
}

/* ---- time and lookup ---- */

struct table_time table_clamp(struct table *table, struct table_time now)
{
	if (now.now_us < table->last_now_us)
		now.now_us = table->last_now_us;
	table->last_now_us = now.now_us;
	return now;
}

static uint64_t hash_id(const struct table *table, uint64_t id)
{
	return map_hash(table->hash_seed, &id, sizeof(id));
}

static uint64_t hash_request(
	const struct table *table, uint32_t uid, const char *request_id, size_t length)
{
	char key[sizeof(uid) + SESSION_REQUEST_ID_MAX];

	memcpy(key, &uid, sizeof(uid));
	memcpy(key + sizeof(uid), request_id, length);
	return map_hash(table->hash_seed, key, sizeof(uid) + length);
}

struct session *table_find_session(const struct table *table, uint64_t id)
{
	struct map_node *node = map_first(&table->by_id, hash_id(table, id));

	for (; node; node = map_next(node)) {
		struct session *session = container_of(node, struct session, id_node);

		if (session->id == id)
			return session;
	}
	return NULL;
}

struct session *table_find_by_request(
	const struct table *table, uint32_t uid, const char *request_id, size_t length)
{
	struct map_node *node;

	if (length > SESSION_REQUEST_ID_MAX)
		return NULL;
	node = map_first(&table->by_request, hash_request(table, uid, request_id, length));
	for (; node; node = map_next(node)) {
		struct session *session = container_of(node, struct session, request_node);

		if (session->creator_uid == uid && strlen(session->request_id) == length &&
			!memcmp(session->request_id, request_id, length))
			return session;
	}
	return NULL;
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

bool table_may_act(const struct session *session, const struct owner *caller)
{
	return caller->peer.is_admin || session->owner == caller ||
	       (session->uid == caller->peer.uid && session->uid != SESSION_OVERFLOW_UID);
}

void table_link_session(struct table *table, struct session *session)
{
	order_insert(&table->order, &session->order_node, session->sequence);
	map_insert(&table->by_id, &session->id_node, hash_id(table, session->id));
	map_insert(&table->by_request, &session->request_node,
		hash_request(table, session->creator_uid, session->request_id,
			strlen(session->request_id)));
	list_append(&session->pool->sessions, &session->pool_link);
}

uint64_t table_active(const struct table *table)
{
	return table->active;
}

uint64_t table_next_fence(const struct table *table)
{
	return table->next_fence;
}
