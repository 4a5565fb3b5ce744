/* SPDX-License-Identifier: MIT */
#include "daemon/session_log.h"

#include "daemon/core/pool.h"
#include "daemon/ids.h"
#include "daemon/log.h"
#include "proto/message.h"
#include "proto/status.h"

#include <inttypes.h>
#include <stdio.h>

void format_actor(const struct peer *peer, char text[ACTOR_SIZE])
{
	snprintf(text, ACTOR_SIZE, "uid %" PRIu32 " pid %" PRId32, peer->uid, peer->pid);
}

static void log_session(const struct session *session, const struct peer *peer, const char *what,
	const char *outcome)
{
	char actor[ACTOR_SIZE], id[SESSION_ID_SIZE];
	struct log_field fields[] = {{LOG_MESSAGE_ID, LOG_ID_SESSION}, {LOG_USHER_SESSION, id},
		{LOG_USHER_POOL, session->pool_name->bytes}, {LOG_USHER_ACTOR, actor},
		{LOG_USHER_OUTCOME, outcome}};

	id_format_session(session->id, id);
	format_actor(peer, actor);
	log_entry(LOG_INFO, fields, 5, "%s of pool %s, %s: %s", id, session->pool_name->bytes,
		actor, what);
}

void log_session_created(const struct session_view *view, const struct peer *peer)
{
	log_session(view->session, peer, "created", NULL);
}

/* An ended session does not change any more, so it is read without the lock. */
void log_session_ended(const struct session *session)
{
	const char *outcome = outcome_names[session->outcome];
	struct peer owner = {.uid = session->uid,
		.pid = session->identity ? session->identity->pid : IDENTITY_PID_UNKNOWN};

	log_session(session, &owner, outcome, outcome);
}

void log_session_refused(const char *pool, size_t pool_length, const struct peer *peer, int status)
{
	char actor[ACTOR_SIZE], name[POOL_NAME_MAX + 1];
	struct log_field fields[] = {
		{LOG_MESSAGE_ID, LOG_ID_REFUSED}, {LOG_USHER_POOL, name}, {LOG_USHER_ACTOR, actor}};

	snprintf(name, sizeof(name), "%.*s", (int)pool_length, pool);
	format_actor(peer, actor);
	log_entry(LOG_INFO, fields, 3, "refused a session of pool %s to %s: %s", name, actor,
		status_text(status));
}
