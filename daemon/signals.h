/* SPDX-License-Identifier: MIT */
/* SIGTERM and SIGINT end the daemon, SIGHUP reloads; taken by the first loop. Other threads are
 * started with all signals blocked. */
#ifndef USHER_DAEMON_SIGNALS_H
#define USHER_DAEMON_SIGNALS_H

#include "daemon/loop.h"

struct signals {
	struct loop *loop;
	uv_signal_t term;
	uv_signal_t interrupt;
	uv_signal_t hangup;
};

/* Before other threads start. 0 or a negated errno. */
int signals_init(struct signals *signals, struct loop *first);

/* The daemon is ending by itself: from now on another one of these changes nothing. */
void signals_block(void);

#endif
