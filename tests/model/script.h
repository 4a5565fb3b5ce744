/* SPDX-License-Identifier: MIT */
/* A run as a list of steps: which operation, and what was decided in it, by name. Whatever in a run
 * is up to chance goes through DECIDE(), so that the list is all there is to know of it: the run
 * can be had again, a part of it, or one with smaller numbers.
 *
 * While a run is made up, DECIDE() draws and takes down what it drew; while one is played again, it
 * gives what was taken down, or the usual value, which is never taken down. So a list is short, and
 * still means something when steps or decisions are taken out of it: an operation must do something
 * sound with any decisions, in any state.
 *
 * As text, one step a line, it can be read, kept and played:
 *
 *     create id=7 request=15 pool=build wait_us=500
 *
 * It lies in memory that is shared with the processes that play it, so that it outlives them.
 */
#ifndef USHER_TESTS_SCRIPT_H
#define USHER_TESTS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SCRIPT_STEPS     (1 << 15)
#define SCRIPT_DECISIONS (1 << 19)

struct decision {
	const char *name; /* for as long as the program runs */
	int64_t value;
};

struct step {
	uint32_t operation; /* its number in the table of operations */
	uint32_t first, n;  /* decisions */
};

struct script {
	uint32_t n_steps, n_decisions;
	struct step steps[SCRIPT_STEPS];
	struct decision decisions[SCRIPT_DECISIONS];
};

/* What values of decisions are called: "pool" 0 is "a". -1 is "none" everywhere. */
struct script_words {
	const char *name; /* NULL ends a list */
	const char *const *words;
	int64_t n;
};

/* What is needed to write and read text. */
struct script_language {
	const char *const *operations;
	size_t n_operations;
	const struct script_words *words;
};

extern struct script *script; /* the one that is being made or played */
extern bool script_is_played;
extern bool script_is_shown; /* each step is printed as it is played, */
/* and what came of it. */
void script_show(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Share memory; once, first. */
void script_init(const struct script_language *language);
/* SIZE bytes, zeroed, that are shared likewise. */
void *script_share(size_t size);

/* Be killed by SIGALRM if the next 256 steps take that long; 0: not at all. */
void script_set_patience(unsigned seconds);

/* Make one up, or play the one that is there, from its begin. */
void script_record(void);
void script_play(void);

/* The next step: of OPERATION, or the one that is played. Returns the operation's number; -1 at the
 * end. */
int script_next(int operation);
/* The number of the present step, from 0. */
uint32_t script_position(void);
bool script_is_last(void); /* not known of one that is being made */

/* NAME is at most once in a step. */
int64_t script_record_decision(const char *name, int64_t usual, int64_t drawn);
int64_t script_play_decision(const char *name, int64_t usual);
#define DECIDE(name, usual, drawn)                                                                 \
	(script_is_played ? script_play_decision(name, usual)                                      \
			  : script_record_decision(name, usual, (int64_t)(drawn)))

/* ---- script_text.c ---- */

void script_write(const struct script *from, const struct script_language *language, FILE *file);
void script_write_step(const struct script *from, uint32_t index,
	const struct script_language *language, FILE *file);
/* False, and says why, if FILE is none. Lines that begin with # are left out. */
bool script_read(struct script *to, const struct script_language *language, FILE *file);

/* Each program's own: prints what was expected, and the operation; ends the process. */
_Noreturn void fail(const char *file, int line, const char *what, int64_t is, int64_t expected);

#define EXPECT(is, expected)                                                                       \
	do {                                                                                       \
		int64_t is_ = (int64_t)(is);                                                       \
		int64_t expected_ = (int64_t)(expected);                                           \
		if (is_ != expected_)                                                              \
			fail(__FILE__, __LINE__, #is " == " #expected, is_, expected_);            \
	} while (0)

#endif
