/* SPDX-License-Identifier: MIT */
/* Whether a store's file can be trusted; private to the store. */
#ifndef USHER_DAEMON_STORE_CHECK_H
#define USHER_DAEMON_STORE_CHECK_H

#include "daemon/store_file.h"

/* Read all of PATH in a child process, and write a compact copy to COPY if there is room for it
 * (RET_HAS_COPY). 0 and RET_FOUND, which is not STORE_FRESH; or a negated errno: it could not be
 * looked at. Before there are threads. */
int store_check(const char *path, const char *copy, const char *boot_id,
	enum store_found *ret_found, bool *ret_has_copy);

#endif
