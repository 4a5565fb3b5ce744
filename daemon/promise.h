/* SPDX-License-Identifier: MIT */
/* Replies that promise a session, while they are still with us: if what they promise cannot be
 * stored, it is taken back, and they become refusals before anyone reads them. They belong to a
 * connection's gathered output. */
#ifndef USHER_DAEMON_PROMISE_H
#define USHER_DAEMON_PROMISE_H

#include "daemon/core/session.h"
#include "proto/json_write.h"

#include <stdbool.h>
#include <stddef.h>

struct promise {
	size_t begin, end;       /* bytes of the output */
	struct session *session; /* one reference */
	bool is_broken;          /* to be replaced */
};

struct promises {
	struct promise *items; /* by their place in the output */
	size_t count, capacity;
};

/* The output from BEGIN to END is a reply that promises SESSION. 0 or -ENOMEM. */
int promises_add(struct promises *promises, size_t begin, size_t end, struct session *session);

/* All of the output is on its way, or gone with its connection. */
void promises_keep(struct promises *promises);
void promises_deinit(struct promises *promises);

/* Replace the replies that are broken by REFUSAL. OUT fails without memory. */
void promises_break(
	struct promises *promises, const struct json_writer *refusal, struct json_writer *out);

#endif
