/* SPDX-License-Identifier: MIT */
/* Random operations on the session table, held against a naive implementation after each:
 *
 *     model [OPERATIONS [SEED]]      or USHER_SEED=SEED model
 *
 * A failure prints its seed, with which the same operations come again. */
#include "tests/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPERATIONS 1000000
#define WORLD      20000 /* operations on one table */
#define SMALL      24    /* tables up to here are compared after every operation, */
#define MIDDLE     64    /* up to here after every fourth one, else after every sixteenth */
#define PHASE      4000  /* operations between changes of mood */

struct model model;

_Noreturn void fail(const char *file, int line, const char *what, int64_t is, int64_t expected)
{
	printf("%s:%d: %s: is %lld, expected %lld\n", file, line, what, (long long)is,
		(long long)expected);
	printf("seed %llu, operation %llu: %s\n", (unsigned long long)model.seed,
		(unsigned long long)model.step, model.operation);
	exit(1);
}

/* ---- time ---- */

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
	if (chance(5))
		step_us = 1;
	if (model.is_crowded)
		step_us /= 4;
	model.now_us = naive.now_us + step_us;
	naive_clock(
		model.now_us, INT64_C(1000000000000000) + naive.now_us / 2 + (int64_t)draw(1000));
	/* Not every operation takes the time, and the table is to have seen the same ones. */
	table_expire(model.table, model_now(), 0, &model.change);
}

/* Where the time alone lets somebody in, by a pause that is over or by starvation, the daemon's
 * timer comes first. */
static void wake_in_time(void)
{
	bool is_due = false;

	for (int p = 0; p < N_POOLS; p++)
		is_due = is_due || naive_can_pump(p) || naive_lacks_memory(p);
	if (!is_due)
		return;
	expire_steps(1000000);
	settle();
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
	{"process_gone", 8, run_process_gone},
	{"abandon", 15, run_abandon},
	{"cancel", 12, run_cancel},
	{"collect", 200, run_collect},
	{"commit", 60, run_commit},
	{"fail_commit", 4, run_fail_commit},
	{"store_trouble", 20, run_store_trouble},
	{"crash", 3, run_crash},
	{"read_events", 60, run_read_events},
	{"toggle_reader", 1, run_toggle_reader},
	{"set_pool", 15, run_set_pool},
	{"remove_pools", 1, run_remove_pools},
	{"pause", 5, run_pause},
	{"resume", 30, run_resume},
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

static bool is_of(const struct operation *operation, void (*const *list)(void), size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (operation->run == list[i])
			return true;
	return false;
}

static bool is_skipped(const struct operation *operation)
{
	static void (*const ends_many[])(void) = {run_owner_gone, run_process_gone, run_release,
		run_cancel, run_abandon, run_drain, run_remove_pools, run_expire, run_crash,
		run_fail_commit, run_store_trouble};
	static void (*const disturbs[])(void) = {run_set_pool, run_drain, run_remove_pools,
		run_pause, run_owner_gone, run_cancel, run_abandon, run_crash, run_store_trouble};

	if (model.is_crowded)
		return is_of(operation, ends_many, sizeof(ends_many) / sizeof(ends_many[0])) &&
		       chance(85);
	if (model.is_contested && operation->run == run_release)
		return chance(50);
	return model.is_contested &&
	       is_of(operation, disturbs, sizeof(disturbs) / sizeof(disturbs[0])) && chance(90);
}

static void check(void)
{
	uint64_t every = naive.n_live < SMALL ? 1 : naive.n_live < MIDDLE ? 4 : 16;
	const char *broken;

	if (model.step % every && !model.is_checked_always)
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
		model.is_contested = !model.is_crowded && chance(70);
		model.contested_pool = (int)draw(N_POOLS);
		model.is_stingy = model.is_crowded && chance(50);
	}
	model.operation = operation->name;
	table_begin_section(model.table);
	pass_time();
	wake_in_time();
	if (!is_skipped(operation))
		operation->run();
	settle();
	check();
}

static uint64_t n_created, n_ended, n_refused, n_granted;

static void run_world(uint64_t end)
{
	begin_world();
	for (; model.step < end; model.step++)
		run_step();
	n_created += naive.totals.created;
	n_granted += naive.totals.granted_waits;
	for (int i = 0; i < OUTCOME_COUNT; i++)
		n_ended += naive.totals.ended[i];
	for (int i = 0; i < REJECTED_COUNT; i++)
		n_refused += naive.totals.rejected[i];
	end_world();
}

int main(int argc, char **argv)
{
	const char *seed = argc > 2 ? argv[2] : getenv("USHER_SEED");
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : OPERATIONS;

	model.seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	model.is_checked_always = seed != NULL;
	model.random = model.seed;
	model.next_id = 1;
	printf("%llu operations, seed %llu\n", (unsigned long long)n,
		(unsigned long long)model.seed);
	fflush(stdout);
	while (model.step < n)
		run_world(n - model.step < WORLD ? n : model.step + WORLD);
	printf("%llu created, %llu of them after a wait, %llu ended, %llu refused\n",
		(unsigned long long)n_created, (unsigned long long)n_granted,
		(unsigned long long)n_ended, (unsigned long long)n_refused);
	return 0;
}
