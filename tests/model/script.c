/* SPDX-License-Identifier: MIT */
#include "tests/model/script.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEPS_A_BREATH 256

struct script *script;
bool script_is_played, script_is_shown;

static const struct script_language *language;
static unsigned patience_s;

/* Of the process that plays, or makes up; in shared memory, too, for whoever wants to know how far
 * it came. */
static uint32_t *position;

void *script_share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

void script_init(const struct script_language *of)
{
	language = of;
	script = script_share(sizeof(*script));
	position = script_share(sizeof(*position));
}

void script_set_patience(unsigned seconds)
{
	patience_s = seconds;
	alarm(seconds);
}

void script_show(const char *format, ...)
{
	va_list arguments;

	if (!script_is_shown)
		return;
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
}

void script_record(void)
{
	script_is_played = false;
	script->n_steps = script->n_decisions = 0;
	*position = UINT32_MAX;
}

void script_play(void)
{
	script_is_played = true;
	*position = UINT32_MAX;
}

static void add_step(int operation)
{
	if (script->n_steps == SCRIPT_STEPS)
		abort();
	script->steps[script->n_steps++] = (struct step){
		.operation = (uint32_t)operation,
		.first = script->n_decisions,
	};
}

int script_next(int operation)
{
	if (!script_is_played)
		add_step(operation);
	if (*position + 1 == script->n_steps)
		return -1;
	++*position;
	if (patience_s && *position % STEPS_A_BREATH == 0)
		alarm(patience_s);
	if (script_is_shown) {
		putchar('\n');
		script_write_step(script, *position, language, stdout);
	}
	return (int)script->steps[*position].operation;
}

uint32_t script_position(void)
{
	return *position;
}

bool script_is_last(void)
{
	return script_is_played && *position + 1 == script->n_steps;
}

int64_t script_record_decision(const char *name, int64_t usual, int64_t drawn)
{
	if (drawn == usual)
		return drawn;
	if (script->n_decisions == SCRIPT_DECISIONS)
		abort();
	script->decisions[script->n_decisions++] = (struct decision){name, drawn};
	script->steps[*position].n++;
	return drawn;
}

int64_t script_play_decision(const char *name, int64_t usual)
{
	const struct step *step = &script->steps[*position];

	for (uint32_t i = step->first; i < step->first + step->n; i++)
		if (!strcmp(script->decisions[i].name, name))
			return script->decisions[i].value;
	return usual;
}
