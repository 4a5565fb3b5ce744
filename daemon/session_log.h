/* SPDX-License-Identifier: MIT */
/* What `log_sessions` asks for: sessions created, refused and ended, as log entries with fields.
 * Any thread, outside of the lock. */
#ifndef USHER_DAEMON_SESSION_LOG_H
#define USHER_DAEMON_SESSION_LOG_H

#include "daemon/core/session.h"

#include <stddef.h>

/* "uid 1000 pid 4711": the actor of an entry. */
#define ACTOR_SIZE 48
void format_actor(const struct peer *peer, char text[ACTOR_SIZE]);

void log_session_created(const struct session_view *view, const struct peer *peer);
void log_session_ended(const struct session *session);

/* POOL is what was asked for, not NUL-ended; STATUS is enum usher_status. */
void log_session_refused(const char *pool, size_t pool_length, const struct peer *peer, int status);

#endif
