/* SPDX-License-Identifier: MIT */
/* What systemd is told (sd_notify(3)): readiness, reloads, the end, a line of status, and that
 * every loop turns (the watchdog). Nothing happens without $NOTIFY_SOCKET. */
#ifndef USHER_DAEMON_NOTIFY_H
#define USHER_DAEMON_NOTIFY_H

#include "daemon/loop.h"

struct notifier {
	struct loop *loop;
	uv_timer_t timer;
	bool has_watchdog;
	bool has_asked;   /* all loops, for a sign of life */
	int watchdog_fd;  /* to the service manager, for when there are no descriptors; or -1 */
	char status[256]; /* as last told */
};

/* Ready to serve (and, with HAS_TAKEN_OVER, done with what the fd store had for us); from now on
 * the status is told when it changes and the watchdog is fed. The first loop's thread, before it
 * runs. 0 or a negated errno. */
int notify_ready(struct notifier *notifier, struct loop *first, bool has_taken_over);

/* At the end. */
void notify_deinit(struct notifier *notifier);

void notify_reloading(void);
void notify_reloaded(void);
void notify_stopping(void);

#endif
