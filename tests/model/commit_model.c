/* SPDX-License-Identifier: MIT */
/* Nothing is told before it is stored, and nothing that was told is lost: random calls, turns,
 * failures and stops, around the committer as it is (commit_model.h). The command line is that of
 * the model of the table. */
#include "tests/model/commit_model.h"
#include "tests/model/script_run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define LONGEST 2000
#define TOO_FEW 5
#define ROUNDS  20 /* after which nothing may be left to do */
#define NOBODY  (-1)
#define STEP_US 1000
#define OF_LATE 24 /* sessions that something is done to */

struct sim sim;

static const char *operation_name;
static uint64_t *counts; /* of cases; shared */

void fail(const char *file, int line, const char *what, int64_t is, int64_t expected)
{
	printf("\n%s:%d: %s: is %" PRId64 ", expected %" PRId64 " (%s)\n", file, line, what, is,
		expected, operation_name);
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

void met(enum sim_case which)
{
	counts[which]++;
}

/* ---- chance ---- */

static uint64_t draw(uint64_t below)
{
	return script_mix(&sim.random) % below;
}

static bool chance(unsigned percent)
{
	return draw(100) < percent;
}

static int64_t draw_stage(unsigned percent)
{
	return chance(percent) ? (int64_t)draw(N_STAGES) : NEVER;
}

/* One that a client holds, of the last ones. */
static int64_t draw_held(void)
{
	uint32_t n = sim.n_known < OF_LATE ? sim.n_known : OF_LATE;

	for (int tries = 0; n && tries < 12; tries++) {
		uint32_t number = sim.n_known - 1 - (uint32_t)draw(n);

		if (sim.known[number].state == HELD && !sim.known[number].is_release_asked)
			return number;
	}
	return NOBODY;
}

/* ---- steps ---- */

static unsigned decide_loop(void)
{
	unsigned loop = (unsigned)DECIDE("loop", 0, draw(N_LOOPS));

	sim.current = loop;
	return loop;
}

static void run_create(void)
{
	unsigned loop = decide_loop();
	uint32_t units = (uint32_t)DECIDE("units", 1, chance(75) ? 1 : 2);

	create(loop, units == 2 ? 2 : 1, DECIDE("waits", false, chance(40)));
}

static void run_release(void)
{
	unsigned loop = decide_loop();

	release(loop, DECIDE("session", NOBODY, draw_held()));
}

static void run_update(void)
{
	unsigned loop = decide_loop();

	update(loop, DECIDE("session", NOBODY, draw_held()));
}

static void run_turn(void)
{
	turn(decide_loop());
}

enum other { OTHER_CREATES, OTHER_WAITS, OTHER_RELEASES, OTHER_UPDATES, N_OTHERS };

void do_meanwhile(void)
{
	unsigned before = sim.current;
	unsigned loop = (unsigned)DECIDE(
		"other_loop", (before + 1) % N_LOOPS, (before + 1 + draw(2)) % N_LOOPS);
	enum other what = (enum other)DECIDE("other_does", OTHER_CREATES, draw(N_OTHERS));
	int64_t number = DECIDE("other_session", NOBODY, draw_held());

	if (loop == before)
		return;
	sim.current = loop;
	if (what <= OTHER_WAITS)
		create(loop, 1, what == OTHER_WAITS);
	else if (what == OTHER_RELEASES)
		release(loop, number);
	else
		update(loop, number);
	turn(loop);
	sim.current = before;
}

static void run_break(void)
{
	static const int errors[] = {-EIO, -ENOSPC, -EUCLEAN};

	sim.fails_at = (enum stage)DECIDE("at", AT_COMMIT, draw(AFTER_COMMIT));
	sim.error = errors[DECIDE("error", 0, chance(20) ? 2 : draw(2)) % 3];
	sim.growth = DECIDE("growth", 0, chance(50));
}

static void run_mend(void)
{
	sim.fails_at = NEVER;
	sim.is_full = sim.cannot_mark_fences = false;
}

static void run_fill(void)
{
	sim.is_full = true;
	sim.growth = DECIDE("growth", 0, chance(30));
}

/* As after many grants: few fences are left, and the next commit has to reserve more. */
static void run_fences(void)
{
	struct section section;
	uint64_t left = (uint64_t)DECIDE("left", 1, 1 + draw(5));

	sim.cannot_mark_fences = DECIDE("fails", true, chance(60));
	enter(&section);
	sim.state.fence_mark = table_next_fence(section.table) + (left ? left : 1);
	table_set_fence_limit(section.table, sim.state.fence_mark);
	broker_leave(&section);
}

static void run_stop(void)
{
	met(sim.has_failed ? SIM_STOPPED_DOWN : SIM_STOPPED_IDLE);
	stop_machine();
}

static void run_nothing(void)
{
}

static const struct operation {
	const char *name;
	unsigned weight;
	void (*run)(void);
} operations[] = {
	{"world", 0, run_nothing},
	{"create", 200, run_create},
	{"release", 120, run_release},
	{"update", 80, run_update},
	{"turn", 400, run_turn},
	{"retry", 60, fire},
	{"break", 6, run_break},
	{"mend", 30, run_mend},
	{"fill", 3, run_fill},
	{"fences", 3, run_fences},
	{"stop", 4, run_stop},
};
#define N_OPERATIONS ((int)(sizeof(operations) / sizeof(operations[0])))

static const char *names[N_OPERATIONS];

static int draw_operation(void)
{
	uint64_t total = 0;
	int i = 0;

	for (int k = 0; k < N_OPERATIONS; k++)
		total += operations[k].weight;
	for (uint64_t left = draw(total); left >= operations[i].weight; i++)
		left -= operations[i].weight;
	return i;
}

/* ---- the run ---- */

static void restart(void)
{
	sim.other_at = NEVER;
	sim.stops_at = sim.again_at;
	sim.stops_in = 0;
	sim.again_at = NEVER;
	end_life();
	sim.is_recovering = true;
	begin_life();
	sim.is_recovering = false;
}

/* The machine may stop anywhere in RUN, and in the first commit of the next life. */
static void attempt(void (*run)(void))
{
	if (setjmp(sim.stopped) == 0)
		run();
	else
		restart();
}

/* Who has to wait is called, and what has failed is tried again. */
static void expect_progress(void)
{
	for (unsigned i = 0; i < N_LOOPS; i++)
		if (sim.sides[i].is_held_up)
			EXPECT(atomic_load(&sim.loops[i].orders) & ORDER_COMMITTED,
				ORDER_COMMITTED);
	if (sim.has_failed)
		EXPECT(sim.retry || atomic_load(&sim.loops[0].orders) & ORDER_RETRY_STORE, true);
}

static void settle_step(void)
{
	const char *broken = table_check(sim.table);

	if (sim.has_come_up) {
		sim.has_failed = sim.has_come_up = false;
		met(SIM_CAME_UP);
		look_after_failure();
	}
	if (broken)
		fail(__FILE__, __LINE__, broken, 1, 0);
	expect_progress();
}

static void run_step(int operation)
{
	operation_name = operations[operation].name;
	sim.now_us += STEP_US;
	sim.stops_at = (enum stage)DECIDE("stops_at", NEVER, draw_stage(8));
	sim.stops_in = DECIDE("stops_in", 0, draw(3));
	sim.again_at = (enum stage)DECIDE("again_at", NEVER, draw_stage(30));
	sim.other_at = (enum stage)DECIDE("other_at", NEVER, draw_stage(30));
	attempt(operations[operation].run);
	settle_step();
}

static void begin(uint64_t seed)
{
	sim = (struct sim){.random = seed, .fails_at = NEVER, .stops_at = NEVER, .other_at = NEVER};
	sim.again_at = NEVER;
	operation_name = "world";
	list_store_init(&sim.durable);
	script_next(0);
	begin_life();
}

/* The store is well, and everybody has his turn: in the end all is told and stored, */
static void calm_down(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		fire();
		for (unsigned loop = 0; loop < N_LOOPS; loop++)
			turn(loop);
		settle_step();
	}
	EXPECT(sim.has_failed, false);
	look_at_end();
}

/* who waits has a session once all others are released, */
static bool is_anybody_left(void)
{
	for (uint32_t i = 0; i < sim.n_known; i++)
		if (sim.known[i].state == HELD || sim.known[i].state == WAITING)
			return true;
	return false;
}

static void release_all(void)
{
	for (uint32_t rounds = 0; is_anybody_left(); rounds++) {
		EXPECT(rounds <= sim.n_known, true);
		for (uint32_t i = 0; i < sim.n_known; i++)
			if (sim.known[i].state == HELD)
				release(0, i);
		turn(0);
		for (unsigned loop = 0; loop < N_LOOPS; loop++)
			turn(loop);
	}
}

/* and there is room again. */
static void finish(void)
{
	operation_name = "the end";
	sim.stops_at = sim.other_at = NEVER;
	run_mend();
	calm_down();
	release_all();
	sim.current = 0;
	create(0, 1, false);
	turn(0);
	EXPECT(sim.known[sim.n_known - 1].state, HELD);
	calm_down();
	end_life();
	list_store_deinit(&sim.durable);
}

static void make(uint64_t seed, uint32_t length)
{
	begin(seed);
	for (uint32_t i = 0; i < length; i++)
		run_step(script_next(draw_operation()));
	finish();
}

static void play(void)
{
	int operation;

	begin(1);
	while ((operation = script_next(0)) >= 0)
		run_step(operation);
	finish();
}

static bool has_met_all(void)
{
	for (int i = 0; i < N_SIM_CASES; i++)
		if (counts[i] < TOO_FEW)
			return false;
	return true;
}

static void report(bool is_complete)
{
	static const char *const texts[] = {
#define X(name, text) text,
		SIM_CASES(X)
#undef X
	};

	for (int i = 0; i < N_SIM_CASES; i++)
		printf("%s%9" PRIu64 "  %s\n", is_complete && counts[i] < TOO_FEW ? "!!! " : "",
			counts[i], texts[i]);
}

static const char *const stages[] = {"begin", "put", "commit", "after"};
static const char *const errors[] = {"EIO", "ENOSPC", "EUCLEAN"};
static const char *const others[] = {"creates", "waits", "releases", "updates"};

int main(int argc, char **argv)
{
	static const struct script_words words[] = {
		{"stops_at", stages, N_STAGES},
		{"again_at", stages, N_STAGES},
		{"other_at", stages, N_STAGES},
		{"at", stages, N_STAGES},
		{"error", errors, 3},
		{"other_does", others, N_OTHERS},
		{0},
	};
	static const struct script_program program = {
		.name = "commit_model",
		.language = {names, N_OPERATIONS, words},
		.longest = LONGEST,
		.complete = 100000,
		.make = make,
		.play = play,
		.has_met_all = has_met_all,
		.report = report,
	};

	for (int i = 0; i < N_OPERATIONS; i++)
		names[i] = operations[i].name;
	counts = script_share(N_SIM_CASES * sizeof(*counts));
	return script_main(&program, argc, argv);
}
