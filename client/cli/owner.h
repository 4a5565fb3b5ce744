/* SPDX-License-Identifier: MIT */
/* To whom create and attach give a session: their own connection ends with them, so it must be a
 * process or nobody. One thread.
 */
#ifndef USHER_CLI_OWNER_H
#define USHER_CLI_OWNER_H

#include "client/cli/reply.h"

#include <stdint.h>

struct owner_wish {
	int64_t pid; /* 0: not given */
	bool is_detached;
};

enum { OPTION_OWNER_PID = 512, OPTION_DETACHED };

#define OWNER_OPTIONS                                                                              \
	{"owner-pid", OPTION_OWNER_PID, "PID", "ends with this process, as a script's $$"},        \
	{                                                                                          \
		"detached", OPTION_DETACHED, NULL, "ends only by release or deadline"              \
	}

/* True if OPTION is one of them; its exit code goes to RET_CODE. */
bool owner_take_option(const struct cli *cli, int option, const char *argument,
	struct owner_wish *wish, int *ret_code);

/* 0 if exactly one of them was given, or EXIT_USAGE. */
int owner_check(const struct cli *cli, const struct owner_wish *wish);

void owner_add_parameters(const struct owner_wish *wish, struct json_writer *parameters);

#endif
