/* SPDX-License-Identifier: MIT */
/* A whole usherd in this process but for its main(): the configuration built in, one loop that
 * turns only when told, no store, and clients over socket pairs whose users we choose. One at a
 * time. */
#ifndef USHER_TESTS_FUZZ_HOST_H
#define USHER_TESTS_FUZZ_HOST_H

#include "daemon/deadlines.h"
#include "daemon/server.h"

#define HOST_CLIENTS 4

extern struct server host_server;

/* The table was filled from what somebody has told: counters and the like need not agree. */
extern bool host_is_told;

/* Once a process: the settings of every server are those of a file of this text. */
void host_init(const char *settings);

void host_begin(void);
void host_end(void);

/* A few turns of the loop, and no invariant of the table broken after them. */
void host_turn(void);

/* Move the table's clock on; what is due by then has happened when it returns. */
void host_advance(int64_t us);

/* Our end of a connection of client number CLIENT: the first is root's, the next two one user's,
 * the last one is of a process that cannot be seen from here. Close it, or not: the server's end is
 * the server's. */
int host_connect(unsigned client);

const struct table *host_table(void);

#endif
