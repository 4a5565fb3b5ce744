/* SPDX-License-Identifier: MIT */
/* Looking: Get, History; List is in ops_list.c. */
#include "daemon/ops.h"
#include "daemon/ops_view.h"

#include <stdlib.h>

#define HISTORY_DEFAULT 100
#define HISTORY_A_LOCK  64

/* ---- Get ---- */

static void refuse_get(
	struct request *request, struct message_text id, int status, const struct session_ref *ref)
{
	struct session_error no_such = {.session_id = id};
	struct ended_error ended = {.session_id = id, .outcome = (int)ref->outcome};

	if (status == STATUS_SESSION_ENDED)
		refuse(request, status, &session_ended_error, &ended);
	else
		refuse(request, STATUS_NO_SUCH_SESSION, &no_such_session_error, &no_such);
}

static int find_session(
	struct request *request, const struct get_call *call, struct table *table, uint64_t *ret_id)
{
	if (call->session_id.text)
		return id_parse_session(call->session_id.text, call->session_id.length, ret_id) < 0
			       ? STATUS_NO_SUCH_SESSION
			       : 0;
	return table_find_request(table, request->conn->owner.peer.uid, call->request_id.text,
		call->request_id.length, ret_id);
}

void handle_get(struct request *request, const void *in)
{
	const struct get_call *call = in;
	struct session_ref ref = {.caller = &request->conn->owner};
	struct session_message message;
	struct session_reply out = {&message};
	struct view_texts texts;
	struct session_view view;
	struct section section;
	int r;

	if (!call->session_id.text == !call->request_id.text) {
		refuse_parameter(request, "session_id", "either session_id or request_id");
		return;
	}
	broker_enter(request->broker, &section);
	r = find_session(request, call, section.table, &ref.id);
	if (r == 0)
		r = table_get(section.table, &ref, section.now, &view);
	broker_leave(&section);
	if (r) {
		refuse_get(request, call->session_id.text ? call->session_id : call->request_id, r,
			&ref);
		return;
	}
	session_to_message(&view, &texts, &message);
	reply(request, &get_out, &out);
	session_view_deinit(&view);
}

/* ---- History ---- */

static void deinit_views(struct session_view *views, size_t n)
{
	for (size_t i = 0; i < n; i++)
		session_view_deinit(&views[i]);
}

static size_t fetch_history(struct request *request, struct session_view *views, size_t max)
{
	struct section section;
	size_t n = 0, more;

	do { /* sessions that end in between may show twice or shift: it is a look, not a ledger */
		broker_enter(request->broker, &section);
		more = table_history(section.table, &request->conn->owner, n, views + n,
			max - n < HISTORY_A_LOCK ? max - n : HISTORY_A_LOCK);
		broker_leave(&section);
		n += more;
	} while (more > 0 && n < max);
	return n;
}

void handle_history(struct request *request, const void *in)
{
	const struct history_call *call = in;
	size_t max = call->limit == MESSAGE_ABSENT ? HISTORY_DEFAULT : (size_t)call->limit;
	struct session_view *views = calloc(max, sizeof(*views));
	struct ended_message *messages = calloc(max, sizeof(*messages));
	struct view_texts *texts = calloc(max, sizeof(*texts));
	size_t n = 0;

	if (!views || !messages || !texts) {
		fail_request(request);
		goto out;
	}
	n = fetch_history(request, views, max);
	for (size_t i = 0; i < n; i++)
		ended_to_message(&views[i], &texts[i], &messages[i]);
	reply(request, &history_out, &(struct history_reply){.sessions = {messages, n, true}});
out:
	deinit_views(views, n);
	free(views);
	free(messages);
	free(texts);
}
