/* SPDX-License-Identifier: MIT */
#include "tests/bench/dialect.h"

#include <stdlib.h>

static void judge(const struct dialect *dialect, enum call call, const char *reply, size_t length,
	struct answer *ret)
{
	(void)reply;
	if (length != dialect->reply_bytes) {
		ret->error = "BadReply";
		ret->error_length = 8;
		ret->is_final = true;
	} else if (call == CALL_CREATE) {
		ret->id = ID_PLACE;
	}
}

int dialect_init_echo(struct dialect *dialect, const struct dialect_wish *wish)
{
	int r = dialect_init_usher(dialect, wish);

	dialect->name = "echo";
	dialect->peer = "an echo";
	dialect->judge = judge;
	dialect->reply_bytes = wish->reply_bytes;
	for (int i = 0; i < CALLS; i++) {
		struct request *request = &dialect->requests[i];

		if (i == CALL_CREATE || i == CALL_RELEASE)
			continue;
		free(request->text);
		*request = (struct request){0};
	}
	return r;
}
