/* SPDX-License-Identifier: MIT */
/* What Create, and the waits it begins, share with the other operations. */
#ifndef USHER_DAEMON_OPS_CREATE_H
#define USHER_DAEMON_OPS_CREATE_H

#include "daemon/ops.h"

/* Whether owner and pid go together; if not, a reply has been written. */
bool owner_fits(struct request *request, enum owner_kind kind, int64_t pid);

/* The reply of a granted Create. */
void reply_created(struct request *request, const struct session_view *session, bool is_existing);

/* The progress reply of one that waits. */
void reply_queued(struct request *request, uint64_t position, uint64_t waiting);

/* Refusals with parameters. */
void refuse_timeout(struct request *request, int64_t timeout_ms, int64_t max_timeout_ms);
void refuse_metadata(struct request *request, size_t size, int64_t limit);
void refuse_units(struct request *request, int64_t limit);
void refuse_quota(struct request *request, struct message_text pool, enum dimension quota,
	int64_t limit, uint64_t used_units, int64_t requested_units);
void refuse_store(struct request *request); /* with what is in the way now */

#endif
