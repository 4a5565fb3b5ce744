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
	text_unref(tally->label);
	free(tally);
}

/* ---- finding ---- */

/* Of whom a tally is: a user has a uid, a known process a pid and a start time, a label its text.
 */
struct tally_name {
	struct pool *pool;
	enum dimension dimension;
	uint32_t uid;
	int32_t pid;
	uint64_t start_time;
	struct text *label;
};

/* Word by word, each bit of which moves all that are above it and then those below (the odd numbers
 * are those of MurmurHash's end). */
static uint64_t stir(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
	return (hash ^ hash >> 32) * UINT64_C(0xc4ceb9fe1a85ec53);
}

/* Numbers that nobody can choose freely, so this need not be as strong as map_hash(); for a label,
 * it is. */
static uint64_t hash_name(const struct table *table, const struct tally_name *name)
{
	uint64_t where = (uint64_t)name->pool->number << 8 | name->dimension;
	uint64_t who = (uint64_t)(uint32_t)name->pid << 32 | name->uid;
	uint64_t hash;

	if (name->label)
		who = map_hash(table->hash_seed, name->label->bytes, name->label->length);
	hash = stir(stir(stir(table->hash_seed[0], where), who), name->start_time);
	return hash ^ hash >> 32;
}

static bool is_same_label(const struct text *a, const struct text *b)
{
	if (!a || !b)
		return a == b;
	return a->length == b->length && !memcmp(a->bytes, b->bytes, a->length);
}

static bool is_named(const struct tally *tally, const struct tally_name *name)
{
	return tally->pool == name->pool && tally->dimension == name->dimension &&
	       tally->uid == name->uid && tally->pid == name->pid &&
	       tally->start_time == name->start_time && is_same_label(tally->label, name->label);
}

static struct tally *find(const struct table *table, const struct tally_name *name, uint64_t hash)
{
	struct map_node *node = map_first(&table->tallies, hash);

	for (; node; node = map_next(node)) {
		struct tally *tally = container_of(node, struct tally, node);

		if (is_named(tally, name))
			return tally;
	}
	return NULL;
}

/* What a session counts in. An unknown process is one for each user. */
static void set_name(struct tally_name *ret, struct pool *pool, enum dimension dimension,
	uint32_t uid, const struct identity *identity, struct text *label)
{
	bool is_known = identity && identity->pid != IDENTITY_PID_UNKNOWN;

	*ret = (struct tally_name){.pool = pool, .dimension = dimension};
	if (dimension == BY_UID || (dimension == BY_PROCESS && !is_known))
		ret->uid = uid;
	if (dimension == BY_PROCESS && is_known) {
		ret->pid = identity->pid;
		ret->start_time = identity->start_time;
	}
	if (dimension == BY_LABEL)
		ret->label = label;
}

static struct tally_place find_place(const struct table *table, const struct tally_name *name)
{
	struct tally_place place;

	if (name->dimension == BY_LABEL && !name->label)
		return (struct tally_place){.tally = &name->pool->unlabelled};
	place.hash = hash_name(table, name);
	place.tally = find(table, name, place.hash);
	return place;
}

static void set_name_by(
	struct tally_name *ret, const struct session *session, enum dimension dimension)
{
	set_name(ret, session->pool, dimension, session->uid, session->identity, session->label);
}

/* There must be one to spare. */
static struct tally *take_spare(
	struct table *table, const struct session *session, enum dimension dimension, uint64_t hash)
{
	struct tally *tally = table->spare_tallies;
	struct tally_name name;

	set_name_by(&name, session, dimension);
	table->spare_tallies = tally->next_free;
	table->n_spare_tallies--;
	tally_init(tally, session->pool, dimension);
	tally->uid = name.uid;
	tally->pid = name.pid;
	tally->start_time = name.start_time;
	tally->label = text_ref(name.label);
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
	struct tally_name name;
	struct tally_place place;

	set_name_by(&name, session, dimension);
	place = find_place(table, &name);
	join_at(table, session, dimension, &place);
}

static void put_back(struct table *table, struct tally *tally, struct table_change *change)
{
	map_remove(&table->tallies, &tally->node);
	change_add_text(change, tally->label);
	tally->label = NULL;
	if (table->n_spare_tallies / 2 >= TALLIES_SPARE) {
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
	struct tally_name name;

	for (int i = 0; i < DIMENSIONS; i++) {
		set_name(&name, pool, (enum dimension)i, uid, identity, session->label);
		ret_places[i] = find_place(table, &name);
	}
}

uint64_t table_user_waiting(const struct table *table, const struct pool *pool, uint32_t uid)
{
	struct tally_name name;
	struct tally_place place;

	set_name(&name, (struct pool *)pool, BY_UID, uid, NULL, NULL);
	place = find_place(table, &name);
	return place.tally ? place.tally->waiting : 0;
}
