/* SPDX-License-Identifier: MIT */
/* How the store is, as metrics and refusals tell it. Plain data; any thread. */
#ifndef USHER_DAEMON_STORE_STATUS_H
#define USHER_DAEMON_STORE_STATUS_H

#include <stdint.h>

/* In the order of the interface's StoreState. */
enum store_state {
	STORE_NONE, /* --state none */
	STORE_OK,
	STORE_FULL,   /* there is no room: max_state, or the file system */
	STORE_FAILED, /* it cannot be written for another reason */
};

struct store_status {
	enum store_state state;
	uint64_t used_bytes;
	uint64_t size_bytes; /* of the file */
	char reason[128];    /* what is in the way, if FULL or FAILED; else "" */
};

#endif
