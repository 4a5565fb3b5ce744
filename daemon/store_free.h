/* SPDX-License-Identifier: MIT */
/* The store's lists of free pages, where a file has to be used as it is; private to the store. */
#ifndef USHER_DAEMON_STORE_FREE_H
#define USHER_DAEMON_STORE_FREE_H

#include "daemon/store_file.h"

/* Whether every page is either used or, once, free. */
bool store_free_is_sound(const struct store_file *file);

#endif
