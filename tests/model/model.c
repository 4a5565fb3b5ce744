/* SPDX-License-Identifier: MIT */
/* Random operations on the session table, held against a naive implementation after each: all that
 * the daemon calls of the core, in all states that it can come to, with a fake clock, memory that
 * comes late, a store that is a list, crashes, and tables that are handed over.
 *
 *     model [OPERATIONS [SEED]]      or USHER_SEED=SEED model
 *     model --forever                or --seconds N
 *     model --replay SCRIPT          or a directory of them, or the seed of a run
 *
 * What fails is made shorter, printed, and kept (script_run.h). */
#include "tests/model/model.h"
#include "tests/model/script_run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONGEST 16000 /* operations on one table */
#define SMALL   24    /* tables up to here are compared after every operation, */
#define MIDDLE  64    /* up to here after every fourth one, else after every sixteenth */
#define PHASE   4000  /* operations between changes of mood */
#define SHORT   2000  /* what is played is compared always, unless it is longer than this */

struct model model;

_Noreturn void fail(const char *file, int line, const char *what, int64_t is, int64_t expected)
{
	printf("\n%s:%d: %s: is %lld, expected %lld (%s)\n", file, line, what, (long long)is,
		(long long)expected, model.operation);
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

/* ---- time ---- */

struct table_time model_now(void)
{
	return (struct table_time){.now_us = model.now_us, .wall_us = model.wall_us};
}

/* Half milliseconds, so that deadlines are met exactly; now and then back, or far. */
static int64_t draw_passing(void)
{
	int64_t step_us = (int64_t)draw(4) * 500;

	if (chance(3))
		step_us = chance(50) ? -3000 : 20000;
	if (chance(5))
		step_us = 1;
	return model.is_crowded ? step_us / 4 : step_us;
}

#define YEAR_US (INT64_C(365) * 86400 * 1000000)

/* The time of day is only shown: it goes its own way, and is set now and then. */
static int64_t wall_at(int64_t now_us)
{
	int64_t error_us = DECIDE("clock_error_us", model.clock_error_us,
		draw(500) ? model.clock_error_us
			  : (int64_t)draw(20 * (uint64_t)YEAR_US) - 10 * YEAR_US);

	if (error_us != model.clock_error_us)
		met(CASE_WALL_JUMPED);
	model.clock_error_us = error_us;
	return INT64_C(1000000000000000) + now_us / 2 + now_us % 997 + error_us;
}

static void pass_time(void)
{
	int64_t step_us = DECIDE("after", 0, draw_passing());

	if (step_us < 0)
		met(CASE_CLOCK_WENT_BACK);
	model.now_us = naive.now_us + step_us;
	model.wall_us = wall_at(model.now_us);
	naive_clock(model.now_us, model.wall_us);
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

/* ---- operations ---- */

void run_nothing(void)
{
}

#define TO(status) (UINT64_C(1) << (status))
#define TO_ANY_SESSION                                                                             \
	(TO(STATUS_OK) | TO(STATUS_NO_SUCH_SESSION) | TO(STATUS_SESSION_ENDED) |                   \
		TO(STATUS_PERMISSION_DENIED))
#define TO_LIVE_ONE (TO_ANY_SESSION | TO(STATUS_INVALID_STATE))

static const struct operation {
	const char *name;
	unsigned weight;
	void (*run)(void);
	uint64_t must; /* come to, in a long run */
} operations[] = {
	{"world", 0, begin_world, 0},
	{"nothing", 0, run_nothing, 0},
	[OPERATION_WAIT] = {"(a wait)", 0, run_nothing,
		TO(STATUS_OK) | TO(STATUS_WAIT_TIMEOUT) | TO(STATUS_CANCELLED) |
			TO(STATUS_SHUTTING_DOWN) | TO(STATUS_NO_SUCH_POOL) |
			TO(STATUS_INVALID_PARAMETER) | TO(STATUS_QUOTA_EXCEEDED) |
			TO(STATUS_PERMISSION_DENIED) | TO(STATUS_STORE_UNAVAILABLE)},
	{"create", 400, run_create,
		TO(STATUS_OK) | TO(STATUS_CAPACITY_REACHED) | TO(STATUS_QUEUE_FULL) |
			TO(STATUS_QUOTA_EXCEEDED) | TO(STATUS_METADATA_TOO_LARGE) |
			TO(STATUS_TIMEOUT_OUT_OF_RANGE) | TO(STATUS_NO_SUCH_POOL) |
			TO(STATUS_REQUEST_ID_IN_USE) | TO(STATUS_SHUTTING_DOWN) |
			TO(STATUS_PAUSED) | TO(STATUS_STORE_UNAVAILABLE) |
			TO(STATUS_INVALID_PARAMETER) | TO(STATUS_PERMISSION_DENIED) |
			TO(CAME_EEXIST) | TO(CAME_ENOBUFS) | TO(CAME_EOVERFLOW)},
	{"start", 60, run_start, TO_LIVE_ONE},
	{"renew", 80, run_renew, TO_LIVE_ONE | TO(STATUS_TIMEOUT_OUT_OF_RANGE) | TO(CAME_ENOBUFS)},
	{"update", 60, run_update, TO_LIVE_ONE | TO(STATUS_METADATA_TOO_LARGE)},
	{"release", 90, run_release, TO_LIVE_ONE},
	{"attach", 40, run_attach, TO_LIVE_ONE},
	{"revoke", 20, run_revoke, TO_ANY_SESSION},
	{"get", 20, run_get, TO(STATUS_OK) | TO(STATUS_NO_SUCH_SESSION) | TO(STATUS_SESSION_ENDED)},
	{"find_request", 20, run_find_request, TO(STATUS_OK) | TO(STATUS_NO_SUCH_SESSION)},
	{"owner_gone", 4, run_owner_gone, TO(CAME_TRUE) | TO(CAME_FALSE)},
	{"process_gone", 8, run_process_gone, TO(CAME_TRUE) | TO(CAME_FALSE)},
	{"expire", 60, run_expire, 0},
	{"abandon", 15, run_abandon, 0},
	{"cancel", 20, run_cancel,
		TO(STATUS_OK) | TO(STATUS_NO_SUCH_SESSION) | TO(STATUS_PERMISSION_DENIED) |
			TO(STATUS_INVALID_STATE) | TO(STATUS_INVALID_PARAMETER)},
	{"collect", 200, run_collect, 0},
	{"commit", 60, run_commit, TO(STATUS_OK)},
	{"fail_commit", 4, run_fail_commit, TO(STATUS_OK)},
	{"store_trouble", 25, run_store_trouble, 0},
	{"begin_anew", 2, run_begin_anew, TO(STATUS_OK)},
	{"verify", 5, run_verify, TO(STATUS_OK)},
	{"crash", 3, run_crash, TO(STATUS_OK)},
	{"hand_over", 6, run_hand_over, TO(STATUS_OK)},
	{"edit_file", 4, run_edit_file, 0},
	{"read_events", 60, run_read_events, TO(CAME_TRUE) | TO(CAME_FALSE)},
	{"toggle_reader", 1, run_toggle_reader, 0},
	{"set_pool", 15, run_set_pool, 0},
	{"remove_pools", 2, run_remove_pools, 0},
	{"pause", 5, run_pause, TO(STATUS_OK) | TO(STATUS_NO_SUCH_POOL)},
	{"resume", 30, run_resume, TO(STATUS_OK) | TO(STATUS_NO_SUCH_POOL)},
	{"drain", 1, run_drain, 0},
	{"view_pools", 5, run_view_pools, TO(STATUS_OK) | TO(STATUS_NO_SUCH_POOL)},
	{"page", 30, run_page, TO(CAME_TRUE) | TO(CAME_FALSE)},
	{"history", 10, run_history, 0},
	{"audit", 40, run_audit, TO(CAME_TRUE) | TO(CAME_FALSE)},
	{"reset", 2, run_reset, 0},
	{"report_ends", 1, run_report_ends, 0},
	{"count_rejection", 2, run_reject, 0},
};
#define N_OPERATIONS ((int)(sizeof(operations) / sizeof(operations[0])))

static const char *names[N_OPERATIONS];
static uint64_t musts[N_OPERATIONS];

static int draw_any_operation(void)
{
	uint64_t total = 0;
	int i = 0;

	for (int k = 0; k < N_OPERATIONS; k++)
		total += operations[k].weight;
	for (uint64_t left = draw(total); left >= operations[i].weight; i++)
		left -= operations[i].weight;
	return i;
}

static int number_of(void (*run)(void))
{
	int i = 0;

	while (operations[i].run != run)
		i++;
	return i;
}

/* ---- moods ---- */

static bool is_of(int operation, void (*const *list)(void), size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (operations[operation].run == list[i])
			return true;
	return false;
}

static bool is_skipped(int operation)
{
	static void (*const ends_many[])(void) = {run_owner_gone, run_process_gone, run_release,
		run_cancel, run_abandon, run_drain, run_remove_pools, run_expire, run_crash,
		run_hand_over, run_fail_commit, run_store_trouble, run_begin_anew};
	static void (*const disturbs[])(void) = {run_set_pool, run_drain, run_remove_pools,
		run_pause, run_owner_gone, run_cancel, run_abandon, run_crash, run_hand_over,
		run_store_trouble, run_begin_anew};

	if (model.is_crowded)
		return is_of(operation, ends_many, sizeof(ends_many) / sizeof(ends_many[0])) &&
		       chance(85);
	if (model.is_contested && operations[operation].run == run_release)
		return chance(50);
	return model.is_contested &&
	       is_of(operation, disturbs, sizeof(disturbs) / sizeof(disturbs[0])) && chance(90);
}

static int draw_operation(void)
{
	int operation = draw_any_operation();

	if (model.is_stingy && chance(25)) /* which may want memory */
		operation = number_of(run_renew);
	return is_skipped(operation) ? OPERATION_NOTHING : operation;
}

static void change_mood(void)
{
	model.is_crowded = chance(20);
	model.is_contested = !model.is_crowded && chance(70);
	model.contested_pool = (int)draw(N_POOLS);
	model.is_stingy = model.is_crowded && chance(50);
}

/* ---- the run ---- */

static bool is_to_be_checked(void)
{
	uint32_t every = naive.n_live < SMALL ? 1 : naive.n_live < MIDDLE ? 4 : 16;

	if (script_is_played && script->n_steps <= SHORT)
		return true;
	return script_position() % every == 0 || script_is_last();
}

static void check(void)
{
	const char *broken;

	if (!is_to_be_checked())
		return;
	broken = table_check(model.table);
	if (broken)
		fail(__FILE__, __LINE__, broken, 1, 0);
	for (int peer = 0; script_is_played && script_is_last() && peer < N_PEERS; peer++)
		compare_all(peer);
	compare_all((int)draw_aside(N_PEERS));
}

/* Bits of table_supply's arrays, and one for all else. */
static uint64_t draw_missing(void)
{
	return chance(4) ? 1 + draw((UINT64_C(2) << ARRAY_COUNT) - 1) : 0;
}

static void run_step(int operation)
{
	model.operation = operations[operation].name;
	count_operation(operation);
	table_begin_section(model.table);
	model.gives_memory = DECIDE("memory", true, !model.is_stingy || !draw(1000));
	model.is_missing = (uint64_t)DECIDE("missing", 0, draw_missing());
	pass_time();
	wake_in_time();
	operations[operation].run();
	settle();
	check();
}

static void begin(uint64_t seed)
{
	model = (struct model){.random = seed, .random_aside = seed, .next_id = 1};
	model.operation = "world";
	model.gives_memory = true;
	script_next(OPERATION_WORLD);
	count_operation(OPERATION_WORLD);
	begin_world();
}

static void make(uint64_t seed, uint32_t length)
{
	begin(seed);
	for (uint32_t i = 0; i < length; i++) {
		if (i % PHASE == 0)
			change_mood();
		run_step(script_next(draw_operation()));
	}
	end_world();
}

static void play(void)
{
	int operation;

	begin(1);
	while ((operation = script_next(0)) >= 0)
		run_step(operation);
	end_world();
}

static const struct counted_operations counted = {names, musts, N_OPERATIONS};

static bool has_met_all(void)
{
	return counts_have_met_all(&counted);
}

static void report(bool is_complete)
{
	counts_report(&counted, is_complete);
}

/* ---- its language ---- */

static const char *const peers[] = {"alice", "alice-again", "alice-other", "bob", "root", "admin",
	"nobody", "nobody-else", "foreign", "recycled"};
static const char *const kinds[] = {"connection", "process", "detached"};
static const char *const outcomes[] = {"completed", "error", "cancelled"};
static const char *const policies[] = {"release", "hold"};
static const char *const sources[] = {"builtin", "file", "runtime"};
static const char *const keys[] = {"uid", "process", "label", "all"};

int main(int argc, char **argv)
{
	static const struct script_words words[] = {
		{"peer", peers, N_PEERS},
		{"process", peers, N_PEERS},
		{"pool", naive_pool_names, N_POOLS},
		{"kind", kinds, 3},
		{"outcome", outcomes, 3},
		{"on_timeout", policies, 2},
		{"source", sources, 3},
		{"fair_by", keys, 4},
		{0},
	};
	static const struct script_program program = {
		.name = "model",
		.language = {names, N_OPERATIONS, words},
		.longest = LONGEST,
		.complete = 1000000,
		.make = make,
		.play = play,
		.has_met_all = has_met_all,
		.report = report,
	};

	for (int i = 0; i < N_OPERATIONS; i++) {
		names[i] = operations[i].name;
		musts[i] = operations[i].must;
	}
	counts_init();
	return script_main(&program, argc, argv);
}
