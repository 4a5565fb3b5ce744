/* SPDX-License-Identifier: MIT */
/* Shrinking by trying: leave out a half of the steps, a quarter, ... a single one (Zeller and
 * Hildebrandt, 2002), then decisions, then try smaller numbers; whatever still fails is gone on
 * with, until nothing can be left out. */
#include "tests/model/script_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_S 20 /* for 256 steps: much even on a machine that is busy */

struct shrinking {
	const struct script_program *program;
	enum script_end end;
	struct script *best;
	time_t until;
	unsigned n_tried;
};

/* Only what is used of it. */
static void copy_script(struct script *to, const struct script *from)
{
	to->n_steps = from->n_steps;
	to->n_decisions = from->n_decisions;
	memcpy(to->steps, from->steps, from->n_steps * sizeof(from->steps[0]));
	memcpy(to->decisions, from->decisions, from->n_decisions * sizeof(from->decisions[0]));
}

static void play(const void *context)
{
	const struct script_program *program = context;

	script_play();
	program->play();
}

/* What came after the step that failed is not needed. A leak is found at the end. */
static void cut(struct shrinking *s)
{
	if (s->end != SCRIPT_LEAKED && script_position() < script->n_steps)
		script->n_steps = script_position() + 1;
	script->n_decisions = script->n_steps ? script->steps[script->n_steps - 1].first +
							script->steps[script->n_steps - 1].n
					      : 0;
}

/* The script that is there now: if it still fails it is the best one. */
static bool try(struct shrinking *s)
{
	const struct script_attempt attempt = {
		.is_silent = true,
		.finds_leaks = s->end == SCRIPT_LEAKED,
		.patience_s = PATIENCE_S,
	};

	s->n_tried++;
	if (script_fork(play, s->program, &attempt) != s->end)
		return false;
	cut(s);
	copy_script(s->best, script);
	return true;
}

static bool is_time_left(const struct shrinking *s)
{
	return time(NULL) < s->until;
}

/* ---- fewer steps ---- */

static void add_step(const struct script *from, uint32_t index)
{
	const struct step *step = &from->steps[index];

	script->steps[script->n_steps] = *step;
	script->steps[script->n_steps++].first = script->n_decisions;
	memcpy(&script->decisions[script->n_decisions], &from->decisions[step->first],
		step->n * sizeof(from->decisions[0]));
	script->n_decisions += step->n;
}

static bool try_without(struct shrinking *s, uint32_t begin, uint32_t end)
{
	script->n_steps = script->n_decisions = 0;
	for (uint32_t i = 0; i < s->best->n_steps; i++)
		if (i < begin || i >= end)
			add_step(s->best, i);
	return try(s);
}

/* From the end, for later steps need earlier ones. The first step, which makes the world, stays. */
static bool drop_steps(struct shrinking *s, uint32_t size)
{
	bool is_shorter = false;
	uint32_t end = s->best->n_steps;

	while (end > 1 && is_time_left(s)) {
		uint32_t begin = end > size + 1 ? end - size : 1;

		if (try_without(s, begin, end))
			is_shorter = true;
		end = begin < s->best->n_steps ? begin : s->best->n_steps;
	}
	return is_shorter;
}

/* ---- fewer decisions, and smaller ones ---- */

static bool try_without_decision(struct shrinking *s, uint32_t index, uint32_t decision)
{
	struct step *step = &script->steps[index];
	uint32_t at;

	copy_script(script, s->best);
	at = step->first + decision;
	memmove(&script->decisions[at], &script->decisions[at + 1],
		(script->n_decisions - at - 1) * sizeof(script->decisions[0]));
	script->n_decisions--;
	step->n--;
	for (uint32_t i = index + 1; i < script->n_steps; i++)
		script->steps[i].first--;
	return try(s);
}

static bool try_value(struct shrinking *s, uint32_t index, uint32_t decision, int64_t value)
{
	copy_script(script, s->best);
	script->decisions[script->steps[index].first + decision].value = value;
	return try(s);
}

static uint64_t size_of(int64_t value)
{
	return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

static int64_t value_of(const struct shrinking *s, uint32_t index, uint32_t decision)
{
	return s->best->decisions[s->best->steps[index].first + decision].value;
}

static bool lower(struct shrinking *s, uint32_t index, uint32_t decision)
{
	bool is_lower = false, is_again = true;

	while (is_again && is_time_left(s) && index < s->best->n_steps) {
		int64_t value = value_of(s, index, decision);
		const int64_t others[] = {0, 1, value / 16, value / 2, value - (value > 0)};

		is_again = false;
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && !is_again; i++)
			is_again = size_of(others[i]) < size_of(value) &&
				   try_value(s, index, decision, others[i]);
		is_lower = is_lower || is_again;
	}
	return is_lower;
}

static bool simplify_step(struct shrinking *s, uint32_t index)
{
	bool is_simpler = false;

	for (uint32_t i = 0; index < s->best->n_steps && i < s->best->steps[index].n;) {
		if (!is_time_left(s))
			break;
		if (try_without_decision(s, index, i)) {
			is_simpler = true;
			continue;
		}
		is_simpler = lower(s, index, i) || is_simpler;
		i++;
	}
	return is_simpler;
}

static bool simplify(struct shrinking *s)
{
	bool is_simpler = false;

	for (uint32_t i = s->best->n_steps; i-- > 0 && is_time_left(s);)
		if (i < s->best->n_steps)
			is_simpler = simplify_step(s, i) || is_simpler;
	return is_simpler;
}

/* ---- all of it ---- */

static bool drop_all_steps(struct shrinking *s)
{
	bool is_shorter = false;

	for (uint32_t size = s->best->n_steps / 2; size > 0 && is_time_left(s); size /= 2)
		is_shorter = drop_steps(s, size) || is_shorter;
	return is_shorter;
}

void script_shrink(const struct script_program *program, enum script_end end, unsigned seconds)
{
	struct shrinking s = {
		.program = program,
		.end = end,
		.best = malloc(sizeof(*s.best)),
		.until = time(NULL) + (time_t)seconds,
	};
	uint32_t n_before = script->n_steps;

	copy_script(s.best, script);
	if (!try(&s)) {
		printf("it does not fail when it is played again\n");
		copy_script(script, s.best);
		free(s.best);
		return;
	}
	while (is_time_left(&s)) {
		bool is_shorter = drop_all_steps(&s);

		if (!simplify(&s) && !is_shorter)
			break;
	}
	copy_script(script, s.best);
	printf("shrunk from %" PRIu32 " steps to %" PRIu32 " in %u tries%s\n", n_before,
		script->n_steps, s.n_tried, is_time_left(&s) ? "" : ", when the time was over");
	free(s.best);
}
