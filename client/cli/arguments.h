/* SPDX-License-Identifier: MIT */
/* Values of options and operands, checked. All return 0, or an exit code after saying what is wrong
 * with the value and what would be right. One thread.
 */
#ifndef USHER_CLI_ARGUMENTS_H
#define USHER_CLI_ARGUMENTS_H

#include "client/cli/cli.h"

#include <stdint.h>

/* A duration; -1 for infinity. */
int argument_duration(const struct cli *cli, const char *option, const char *text, int64_t *ret_ms);

/* The same, but more than 0. */
int argument_timeout(const struct cli *cli, const char *option, const char *text, int64_t *ret_ms);

int argument_number(const struct cli *cli, const char *option, const char *text, int64_t min,
	int64_t max, int64_t *ret);

/* One of NAMES, a NULL-ended list. */
int argument_choice(
	const struct cli *cli, const char *option, const char *text, const char *const *names);

/* A JSON object, without blanks around it: TEXT itself, @FILE, or - for standard input. NAME is
 * that of the operand, or of the option with its dashes. The caller frees RET. */
int argument_json(const struct cli *cli, const char *name, const char *text, char **ret);

/* The operand after the options, or $USHER_SESSION. */
int argument_session(struct cli *cli, const char **ret);

#endif
