/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <stdlib.h>
#include <string.h>

/* Keys with fewer units first; among them, whose first waiter came first. */
static bool key_is_before(const struct order_node *a, const struct order_node *b)
{
	const struct tally *one = container_of(a, struct tally, key_node);
	const struct tally *other = container_of(b, struct tally, key_node);

	if (one->held_units != other->held_units)
		return one->held_units < other->held_units;
	return one->waiters.is_before(order_first(&one->waiters), order_first(&other->waiters));
}

static bool waiter_is_before(const struct order_node *a, const struct order_node *b)
{
	const struct waiter *one = container_of(a, struct waiter, queue_node);
	const struct waiter *other = container_of(b, struct waiter, queue_node);

	return one->rank_us != other->rank_us ? one->rank_us < other->rank_us : a->key < b->key;
}

void tally_init(struct tally *tally, struct pool *pool, enum dimension dimension)
{
	*tally = (struct tally){.pool = pool, .dimension = (uint8_t)dimension};
	order_init(&tally->waiters, 0, waiter_is_before);
}

void pool_init_keys(struct pool *pool)
{
	order_init(&pool->keys, 0, key_is_before);
}

struct tally *tally_new(void)
{
	return calloc(1, sizeof(struct tally));
}

void tally_free(struct tally *tally)
{
	if (!tally)
		return;
	text_unref(tally->label);
	free(tally);
}

/* ---- finding ---- */

/* A user has a uid, a process a pid and a start time, a label its hash. */
struct tally_key {
	uint32_t pool;
	uint32_t dimension;
	uint64_t who;
	uint64_t since;
};

static uint64_t hash_key(const struct table *table, const struct tally *tally)
{
	struct tally_key key = {
		.pool = tally->pool->number,
		.dimension = tally->dimension,
		.who = (uint64_t)(uint32_t)tally->pid << 32 | tally->uid,
		.since = tally->start_time,
	};

	if (tally->label)
		key.who = map_hash(table->hash_seed, tally->label->bytes, tally->label->length);
	return map_hash(table->hash_seed, &key, sizeof(key));
}

static bool is_same_label(const struct text *a, const struct text *b)
{
	if (!a || !b)
		return a == b;
	return a->length == b->length && !memcmp(a->bytes, b->bytes, a->length);
}

static bool is_same_tally(const struct tally *a, const struct tally *b)
{
	return a->pool == b->pool && a->dimension == b->dimension && a->uid == b->uid &&
	       a->pid == b->pid && a->start_time == b->start_time &&
	       is_same_label(a->label, b->label);
}

static struct tally *find(const struct table *table, const struct tally *wanted, uint64_t hash)
{
	struct map_node *node = map_first(&table->tallies, hash);

	for (; node; node = map_next(node)) {
		struct tally *tally = container_of(node, struct tally, node);

		if (is_same_tally(tally, wanted))
			return tally;
	}
	return NULL;
}

/* What a session counts in, as a tally to look for. An unknown process is one for each user. */
static struct tally wanted_tally(struct pool *pool, enum dimension dimension, uint32_t uid,
	const struct identity *identity, struct text *label)
{
	struct tally wanted = {.pool = pool, .dimension = (uint8_t)dimension};
	bool is_known = identity && identity->pid != IDENTITY_PID_UNKNOWN;

	if (dimension == BY_UID || (dimension == BY_PROCESS && !is_known))
		wanted.uid = uid;
	if (dimension == BY_PROCESS && is_known) {
		wanted.pid = identity->pid;
		wanted.start_time = identity->start_time;
	}
	if (dimension == BY_LABEL)
		wanted.label = label;
	return wanted;
}

static struct tally_place find_place(const struct table *table, const struct tally *wanted)
{
	struct tally_place place;

	if (wanted->dimension == BY_LABEL && !wanted->label)
		return (struct tally_place){.tally = &wanted->pool->unlabelled};
	place.hash = hash_key(table, wanted);
	place.tally = find(table, wanted, place.hash);
	return place;
}

static struct tally wanted_by(const struct session *session, enum dimension dimension)
{
	return wanted_tally(
		session->pool, dimension, session->uid, session->identity, session->label);
}

/* There must be one to spare. */
static struct tally *take_spare(
	struct table *table, const struct session *session, enum dimension dimension, uint64_t hash)
{
	struct tally wanted = wanted_by(session, dimension);
	struct tally *tally = table->spare_tallies;

	table->spare_tallies = tally->next_free;
	table->n_spare_tallies--;
	tally_init(tally, session->pool, dimension);
	tally->uid = wanted.uid;
	tally->pid = wanted.pid;
	tally->start_time = wanted.start_time;
	tally->label = text_ref(wanted.label);
	map_insert(&table->tallies, &tally->node, hash);
	return tally;
}

/* ---- counting ---- */

void tally_add_held(struct pool *pool, struct tally *tally, int64_t units)
{
	bool is_key = !order_is_empty(&tally->waiters);

	if (is_key)
		order_remove(&pool->keys, &tally->key_node);
	tally->held_units += (uint64_t)units;
	if (is_key)
		order_insert(&pool->keys, &tally->key_node, tally->key_node.key);
}

static void join_at(struct table *table, struct session *session, enum dimension dimension,
	const struct tally_place *place)
{
	struct tally *tally =
		place->tally ? place->tally : take_spare(table, session, dimension, place->hash);

	session->tallies[dimension] = tally;
	if (session->state == SESSION_WAITING) {
		tally->waiting++;
		return;
	}
	tally->live++;
	tally_add_held(session->pool, tally, session->units);
}

static void join(struct table *table, struct session *session, enum dimension dimension)
{
	struct tally wanted = wanted_by(session, dimension);
	struct tally_place place = find_place(table, &wanted);

	join_at(table, session, dimension, &place);
}

static void put_back(struct table *table, struct tally *tally, struct table_change *change)
{
	map_remove(&table->tallies, &tally->node);
	change_add_text(change, tally->label);
	tally->label = NULL;
	if (table->n_spare_tallies >= 2 * TALLIES_SPARE) {
		tally->next_free = change->tallies;
		change->tallies = tally;
		return;
	}
	tally->next_free = table->spare_tallies;
	table->spare_tallies = tally;
	table->n_spare_tallies++;
}

static void leave(struct table *table, struct session *session, enum dimension dimension,
	struct table_change *change)
{
	struct tally *tally = session->tallies[dimension];

	if (session->state == SESSION_WAITING) {
		tally->waiting--;
	} else {
		tally->live--;
		tally_add_held(session->pool, tally, -(int64_t)session->units);
	}
	session->tallies[dimension] = NULL;
	if (tally->live == 0 && tally->waiting == 0 && tally != &session->pool->unlabelled)
		put_back(table, tally, change);
}

static void join_all(struct session *session)
{
	if (session->state != SESSION_WAITING)
		tally_add_held(session->pool, &session->pool->all, session->units);
}

void table_join_tallies(struct table *table, struct session *session)
{
	for (int i = 0; i < DIMENSIONS; i++)
		join(table, session, (enum dimension)i);
	join_all(session);
}

void table_join_found_tallies(
	struct table *table, struct session *session, const struct tally_place *places)
{
	for (int i = 0; i < DIMENSIONS; i++)
		join_at(table, session, (enum dimension)i, &places[i]);
	join_all(session);
}

void table_leave_tallies(struct table *table, struct session *session, struct table_change *change)
{
	if (session->state != SESSION_WAITING)
		tally_add_held(session->pool, &session->pool->all, -(int64_t)session->units);
	for (int i = 0; i < DIMENSIONS; i++)
		leave(table, session, (enum dimension)i, change);
}

void table_promote_in_tallies(struct table *table, struct session *session)
{
	(void)table;
	for (int i = 0; i < DIMENSIONS; i++) {
		session->tallies[i]->waiting--;
		session->tallies[i]->live++;
		tally_add_held(session->pool, session->tallies[i], session->units);
	}
	tally_add_held(session->pool, &session->pool->all, session->units);
}

void table_move_process_tally(
	struct table *table, struct session *session, struct table_change *change)
{
	leave(table, session, BY_PROCESS, change);
	join(table, session, BY_PROCESS);
}

struct tally *table_key_of(const struct session *session)
{
	enum dimension by = session->pool->settings.fair_by;

	return by == BY_NONE ? &session->pool->all : session->tallies[by];
}

/* ---- quotas ---- */

enum dimension quota_exceeded(
	const struct pool_settings *settings, bool has_label, const uint64_t *held, uint32_t units)
{
	for (int i = 0; i < DIMENSIONS; i++) {
		if (settings->quotas[i] == POOL_NO_QUOTA || (i == BY_LABEL && !has_label))
			continue;
		if (held[i] + units > (uint64_t)settings->quotas[i])
			return (enum dimension)i;
	}
	return DIMENSIONS;
}

void table_find_tallies(const struct table *table, struct pool *pool, const struct session *session,
	const struct identity *identity, uint32_t uid, struct tally_place *ret_places)
{
	for (int i = 0; i < DIMENSIONS; i++) {
		struct tally wanted =
			wanted_tally(pool, (enum dimension)i, uid, identity, session->label);

		ret_places[i] = find_place(table, &wanted);
	}
}

uint64_t table_user_waiting(const struct table *table, const struct pool *pool, uint32_t uid)
{
	struct tally wanted = wanted_tally((struct pool *)pool, BY_UID, uid, NULL, NULL);
	struct tally_place place = find_place(table, &wanted);

	return place.tally ? place.tally->waiting : 0;
}
