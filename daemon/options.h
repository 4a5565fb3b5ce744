/* SPDX-License-Identifier: MIT */
/* usherd's command line. */
#ifndef USHER_DAEMON_OPTIONS_H
#define USHER_DAEMON_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *config;    /* NULL: the default for this user */
	const char *socket;    /* NULL: as configured */
	const char *state_dir; /* NULL: the default for this user and socket */
	bool is_stateless;     /* --state none; state_dir is NULL then */
	int workers;           /* -1: as configured, 0: auto */
	bool check_config;
};

/* 0 to go on; 1 if all is done (--help, --version); -EINVAL after saying what is wrong on stderr.
 */
int options_parse(int argc, char **argv, struct options *ret);

#endif
