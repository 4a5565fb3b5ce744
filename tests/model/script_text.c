/* SPDX-License-Identifier: MIT */
#include "tests/model/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096
#define NAMES          512

/* ---- values ---- */

static const struct script_words *words_of(const struct script_language *language, const char *name)
{
	const struct script_words *words = language->words;

	while (words->name && strcmp(words->name, name))
		words++;
	return words;
}

static void write_value(
	const struct script_language *language, const struct decision *decision, FILE *file)
{
	const struct script_words *words = words_of(language, decision->name);

	if (decision->value == INT64_MAX)
		fputs("ever", file);
	else if (decision->value == INT64_MIN)
		fputs("absent", file);
	else if (words->name && decision->value == -1)
		fputs("none", file);
	else if (words->name && decision->value >= 0 && decision->value < words->n)
		fputs(words->words[decision->value], file);
	else
		fprintf(file, "%" PRId64, decision->value);
}

static bool read_number(const char *text, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return !errno && end != text && !*end;
}

static bool read_value(
	const struct script_language *language, struct decision *decision, const char *text)
{
	const struct script_words *words = words_of(language, decision->name);

	for (int64_t i = 0; words->name && i < words->n; i++)
		if (!strcmp(words->words[i], text)) {
			decision->value = i;
			return true;
		}
	decision->value = !strcmp(text, "ever")   ? INT64_MAX
			  : !strcmp(text, "none") ? -1
						  : INT64_MIN;
	return decision->value != INT64_MIN || !strcmp(text, "absent") ||
	       read_number(text, &decision->value);
}

/* ---- writing ---- */

void script_write_step(const struct script *from, uint32_t index,
	const struct script_language *language, FILE *file)
{
	const struct step *step = &from->steps[index];

	fputs(language->operations[step->operation], file);
	for (uint32_t i = step->first; i < step->first + step->n; i++) {
		fprintf(file, " %s=", from->decisions[i].name);
		write_value(language, &from->decisions[i], file);
	}
}

void script_write(const struct script *from, const struct script_language *language, FILE *file)
{
	for (uint32_t i = 0; i < from->n_steps; i++) {
		script_write_step(from, i, language, file);
		fputc('\n', file);
	}
}

/* ---- reading ---- */

/* One copy of each name. */
static const char *keep_name(const char *name)
{
	static char *names[NAMES];
	size_t i = 0;

	while (i < NAMES && names[i] && strcmp(names[i], name))
		i++;
	if (i < NAMES && !names[i])
		names[i] = strdup(name);
	return i < NAMES ? names[i] : NULL;
}

static bool read_decision(struct script *to, const struct script_language *language, char *text)
{
	char *value = strchr(text, '=');
	struct decision *decision = &to->decisions[to->n_decisions];

	if (!value || to->n_decisions == SCRIPT_DECISIONS)
		return false;
	*value++ = '\0';
	decision->name = keep_name(text);
	if (!decision->name || !read_value(language, decision, value))
		return false;
	to->n_decisions++;
	to->steps[to->n_steps - 1].n++;
	return true;
}

static bool begin_step(struct script *to, const struct script_language *language, const char *name)
{
	for (uint32_t i = 0; i < language->n_operations && to->n_steps < SCRIPT_STEPS; i++) {
		if (strcmp(language->operations[i], name))
			continue;
		to->steps[to->n_steps++] = (struct step){.operation = i, .first = to->n_decisions};
		return true;
	}
	return false;
}

static bool read_line(struct script *to, const struct script_language *language, char *line)
{
	char *rest = NULL;
	char *word = strtok_r(line, " \t\n", &rest);

	if (!word || *word == '#')
		return true;
	if (!begin_step(to, language, word)) {
		fprintf(stderr, "no operation \"%s\"\n", word);
		return false;
	}
	while ((word = strtok_r(NULL, " \t\n", &rest)) && *word != '#')
		if (!read_decision(to, language, word)) {
			fprintf(stderr, "no decision \"%s\"\n", word);
			return false;
		}
	return true;
}

bool script_read(struct script *to, const struct script_language *language, FILE *file)
{
	char line[LINE_MAX_BYTES];

	to->n_steps = to->n_decisions = 0;
	while (fgets(line, sizeof(line), file))
		if (!read_line(to, language, line))
			return false;
	return to->n_steps > 0;
}
