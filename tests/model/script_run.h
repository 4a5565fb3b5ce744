/* SPDX-License-Identifier: MIT */
/* A program that makes up runs, and plays them again: its command line, the processes that runs are
 * made in, and what is done with one that fails.
 *
 * Runs are made up and played in a process of their own, so that one that is aborted, by an
 * assertion or a sanitizer, is a failure like any other. One that fails is made shorter (shrink.c),
 * printed, and written into a file, which then is a regression test. */
#ifndef USHER_TESTS_SCRIPT_RUN_H
#define USHER_TESTS_SCRIPT_RUN_H

#include "tests/model/script.h"

#define ENOUGH_TIMES 4

struct script_program {
	const char *name; /* also of the files */
	struct script_language language;
	uint32_t longest; /* run, in steps */
	/* Steps after which everything is to have been met; as many are made, and up to
	 * ENOUGH_TIMES as many if it was not: what is met in a few runs alone is not met in all
	 * draws. */
	uint64_t complete;
	/* Make one up from SEED, of about LENGTH steps, or play the one that is there. They end the
	 * process if it fails. */
	void (*make)(uint64_t seed, uint32_t length);
	void (*play)(void);
	/* Is there nothing in all runs that was met too rarely? */
	bool (*has_met_all)(void);
	/* Say what was done in all runs; IS_COMPLETE: also, what was met too rarely. */
	void (*report)(bool is_complete);
};

/* As main() should. */
int script_main(const struct script_program *program, int argc, char **argv);

/* A seed, and the next one after it. */
uint64_t script_mix(uint64_t *state);

/* ---- script_fork.c ---- */

enum script_end { SCRIPT_PASSED, SCRIPT_FAILED, SCRIPT_LEAKED, SCRIPT_HUNG };

struct script_attempt {
	bool is_silent;
	bool finds_leaks;
	unsigned patience_s;
};

/* RUN in a process of its own. */
enum script_end script_fork(
	void (*run)(const void *), const void *context, const struct script_attempt *attempt);

/* Ends the process if memory has leaked, as far as the sanitizer is there and can tell. */
void script_find_leaks(void);

/* ---- shrink.c ---- */

/* Take out of the script, which ends as END when it is played, what it does not need for that. */
void script_shrink(const struct script_program *program, enum script_end end, unsigned seconds);

#endif
