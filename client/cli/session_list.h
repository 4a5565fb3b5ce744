/* SPDX-License-Identifier: MIT */
/* The live and waiting sessions that List gives, all at once.
 *
 * The replies are taken before anything is done with them: the broker cuts off a client that stops
 * reading, as a pager would make this one do. Says nothing. One thread.
 */
#ifndef USHER_CLI_SESSION_LIST_H
#define USHER_CLI_SESSION_LIST_H

#include "client/cli/reply.h"

struct session_list {
	struct reply *items; /* owned; each has the member "session" */
	size_t count;
	size_t capacity;
	int64_t limit; /* at most so many; 0: all */
	int error;     /* of the reader, where it ended the stream */
};

/* Add the sessions of a List with PARAMETERS. 0 or what the library returned. */
int session_list_fetch(struct session_list *list, struct usher *usher, const char *parameters);
void session_list_deinit(struct session_list *list);

const cJSON *session_list_get(const struct session_list *list, size_t index);

#endif
