/* SPDX-License-Identifier: MIT */
/* One look at the broker for `usherctl top`. One thread. */
#ifndef USHER_CLI_TOP_FETCH_H
#define USHER_CLI_TOP_FETCH_H

#include "client/cli/top_model.h"
#include "client/usher.h"

/* 0 and the data, or what the library returned; nothing is said. */
int top_fetch(struct usher *usher, struct top_data *ret);

#endif
