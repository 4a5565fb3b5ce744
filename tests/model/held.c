/* SPDX-License-Identifier: MIT */
/* Views kept for a while, as readers outside the lock do. */
#include "tests/model/model.h"

#include <string.h>

#define N_HELD 16

static struct session_view held[N_HELD];
static struct naive_session held_sessions[N_HELD];

void hold_view(const struct session_view *view, const struct naive_session *session)
{
	size_t i = session->id % N_HELD;

	if (held[i].session) {
		EXPECT(held[i].session->id, held_sessions[i].id);
		expect_text(held[i].metadata, held_sessions[i].metadata);
	}
	session_view_deinit(&held[i]);
	held[i] = *view;
	held_sessions[i] = *session;
}

void drop_views(void)
{
	for (int i = 0; i < N_HELD; i++) {
		session_view_deinit(&held[i]);
		held[i].session = NULL;
	}
}
