/* SPDX-License-Identifier: MIT */
/* Random operations on the session table, held against a naive implementation after each:
 *
 *     model [OPERATIONS [SEED]]      or USHER_SEED=SEED model
 *
 * A failure prints its seed, with which the same operations come again. */
#include "tests/model/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPERATIONS 1000000
#define WORLD      20000 /* operations on one table */
#define SMALL      64    /* tables up to here are compared after every operation */
#define N_HELD     16    /* views kept for a while, as readers outside the lock do */
#define PHASE      4000  /* operations between changes of mood */

struct model model;

static struct session_view held[N_HELD];
static struct naive_session held_sessions[N_HELD];

_Noreturn void fail(const char *file, int line, const char *what, int64_t is, int64_t expected)
{
	printf("%s:%d: %s: is %lld, expected %lld\n", file, line, what, (long long)is,
		(long long)expected);
	printf("seed %llu, operation %llu: %s\n", (unsigned long long)model.seed,
		(unsigned long long)model.step, model.operation);
	exit(1);
}

/* ---- time and memory ---- */

struct table_time model_now(void)
{
	return (struct table_time){.now_us = model.now_us, .wall_us = naive.wall_us};
}

/* Half milliseconds, so that deadlines are met exactly; now and then back, or far. */
static void pass_time(void)
{
	int64_t step_us = (int64_t)draw(4) * 500;

	if (chance(3))
		step_us = chance(50) ? -3000 : 20000;
	if (model.is_crowded)
		step_us /= 4;
	model.now_us = naive.now_us + step_us;
	naive_clock(
		model.now_us, INT64_C(1000000000000000) + naive.now_us / 2 + (int64_t)draw(1000));
	/* Not every operation takes the time, and the table is to have seen the same ones. */
	table_expire(model.table, model_now(), 0, &model.change);
}

static void *allocate(size_t n)
{
	return n ? calloc(n, sizeof(void *)) : NULL;
}

static void give_memory(void)
{
	struct table_wants wants;
	struct table_supply supply;

	if (!table_wants(model.table, &wants) || (model.is_stingy && draw(300)))
		return;
	supply.id_buckets = allocate(wants.id_buckets);
	supply.request_buckets = allocate(wants.request_buckets);
	supply.deadlines = allocate(wants.deadlines);
	table_give(model.table, &wants, &supply);
	if (wants.deadlines > naive.heap_capacity)
		naive.heap_capacity = wants.deadlines;
	free(supply.id_buckets);
	free(supply.request_buckets);
	free(supply.deadlines);
}

static void compare_ended(void)
{
	size_t n = 0;

	for (struct session *s = model.change.ended; s; s = s->next_ended, n++)
		EXPECT(s->id, n < naive.n_ended ? naive.ended_ids[n] : 0);
	EXPECT(n, model.is_told_ends ? naive.n_ended : 0);
	naive.n_ended = 0;
}

static void take_change(void)
{
	size_t n_sessions = 0, n_pools = 0;

	for (struct session *s = model.change.sessions; s; s = s->next_freed)
		n_sessions++;
	for (struct pool *p = model.change.pools; p; p = p->next_freed)
		n_pools++;
	EXPECT(n_sessions, naive.n_freed_sessions);
	EXPECT(n_pools, naive.n_freed_pools);
	naive.n_freed_sessions = naive.n_freed_pools = 0;
	compare_ended();
	table_change_deinit(&model.change);
}

void hold_view(const struct session_view *view, const struct naive_session *session)
{
	size_t i = draw(N_HELD);

	if (held[i].session) {
		struct text *metadata = make_text(held_sessions[i].metadata);

		EXPECT(held[i].session->id, held_sessions[i].id);
		EXPECT(text_length(held[i].metadata), text_length(metadata));
		if (metadata)
			EXPECT(strcmp(held[i].metadata->bytes, metadata->bytes), 0);
		text_unref(metadata);
	}
	session_view_deinit(&held[i]);
	held[i] = *view;
	held_sessions[i] = *session;
}

/* ---- the run ---- */

static const struct operation {
	const char *name;
	unsigned weight;
	void (*run)(void);
} operations[] = {
	{"create", 400, run_create},
	{"start", 60, run_start},
	{"renew", 80, run_renew},
	{"update", 60, run_update},
	{"release", 90, run_release},
	{"attach", 40, run_attach},
	{"revoke", 20, run_revoke},
	{"get", 20, run_get},
	{"find_request", 20, run_find_request},
	{"owner_gone", 4, run_owner_gone},
	{"expire", 60, run_expire},
	{"set_pool", 15, run_set_pool},
	{"remove_pools", 3, run_remove_pools},
	{"pause", 5, run_pause},
	{"resume", 20, run_resume},
	{"drain", 1, run_drain},
	{"view_pools", 5, run_view_pools},
	{"page", 30, run_page},
	{"history", 10, run_history},
	{"audit", 40, run_audit},
	{"reset", 2, run_reset},
	{"count_rejection", 2, run_reject},
};
#define N_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static const struct operation *draw_operation(void)
{
	uint64_t total = 0;
	size_t i = 0;

	for (size_t k = 0; k < N_OPERATIONS; k++)
		total += operations[k].weight;
	for (uint64_t left = draw(total); left >= operations[i].weight; i++)
		left -= operations[i].weight;
	return &operations[i];
}

static bool is_skipped(const struct operation *operation)
{
	return model.is_crowded && chance(85) &&
	       (operation->run == run_owner_gone || operation->run == run_release ||
		       operation->run == run_drain || operation->run == run_remove_pools ||
		       operation->run == run_expire);
}

static void check(void)
{
	const char *broken;

	if (naive.n_live >= SMALL && model.step % 64)
		return;
	broken = table_check(model.table);
	if (broken)
		fail(__FILE__, __LINE__, broken, 1, 0);
	compare_all(draw_peer());
}

static void run_step(void)
{
	const struct operation *operation = draw_operation();

	if (model.step % PHASE == 0) {
		model.is_crowded = chance(20);
		model.is_stingy = model.is_crowded && chance(50);
	}
	model.operation = operation->name;
	pass_time();
	if (!is_skipped(operation))
		operation->run();
	take_change();
	give_memory();
	check();
}

static void init_owners(void)
{
	for (int i = 0; i < N_PEERS; i++) {
		struct peer *peer = &model.owners[i].peer;

		owner_init(&model.owners[i]);
		peer->uid = naive_peers[i].uid;
		peer->pid = naive_peers[i].pid;
		peer->is_admin = naive_peers[i].is_admin;
		make_name("peer", i, peer->comm, sizeof(peer->comm));
		peer->systemd_unit = text_new(peer->comm, strlen(peer->comm));
	}
}

/* A new table, now and then without a history, or soon without fences. */
static void begin(void)
{
	struct table_options options;

	options.hash_seed[0] = draw(UINT64_MAX);
	options.hash_seed[1] = draw(UINT64_MAX);
	options.first_fence = chance(5) ? (UINT64_C(1) << 53) - 500 : draw(UINT64_C(1) << 52);
	options.history_limit = chance(10) ? 0 : (uint32_t)draw(NAIVE_HISTORY + 1);
	model.table = table_new(&options);
	naive_init(options.first_fence, options.history_limit);
	model.is_told_ends = chance(70);
	table_report_ends(model.table, model.is_told_ends);
	table_change_init(&model.change);
	memset(model.is_auditing, 0, sizeof(model.is_auditing));
	for (int i = 0; i < N_SHARED; i++)
		model.shared[i] = make_text(i);
	init_owners();
}

/* With live sessions, owners and views, as it happens to be. */
static void finish(void)
{
	table_free(model.table);
	for (int i = 0; i < N_HELD; i++)
		session_view_deinit(&held[i]);
	for (int i = 0; i < N_SHARED; i++)
		text_unref(model.shared[i]);
	for (int i = 0; i < N_PEERS; i++)
		text_unref(model.owners[i].peer.systemd_unit);
}

static uint64_t n_created, n_ended, n_refused;

static void run_world(uint64_t end)
{
	begin();
	for (; model.step < end; model.step++)
		run_step();
	n_created += naive.totals.created;
	n_ended += naive.n_durations;
	for (int i = 0; i < REJECTED_COUNT; i++)
		n_refused += naive.totals.rejected[i];
	finish();
}

int main(int argc, char **argv)
{
	const char *seed = argc > 2 ? argv[2] : getenv("USHER_SEED");
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : OPERATIONS;

	model.seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	model.random = model.seed;
	model.next_id = 1;
	printf("%llu operations, seed %llu\n", (unsigned long long)n,
		(unsigned long long)model.seed);
	fflush(stdout);
	while (model.step < n)
		run_world(n - model.step < WORLD ? n : model.step + WORLD);
	printf("%llu created, %llu ended, %llu refused\n", (unsigned long long)n_created,
		(unsigned long long)n_ended, (unsigned long long)n_refused);
	return 0;
}
