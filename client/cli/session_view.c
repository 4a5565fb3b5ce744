/* SPDX-License-Identifier: MIT */
#include "client/cli/session_view.h"

#include "client/cli/format.h"
#include "client/cli/session_row.h"
#include "client/cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *session_state(const cJSON *session)
{
	static char text[80];
	const char *flags = session_flags(session, ",");

	snprintf(text, sizeof(text), "%.32s%s%s", tree_text(session, "state"), *flags ? "," : "",
		flags);
	return text;
}

static void add_text(struct table *t, const cJSON *session, const char *name, const char *title)
{
	const char *text = tree_text(session, name);

	if (!*text)
		return;
	table_add(t, "%s", title);
	table_add(t, "%s", text);
}

static void add_time(struct table *t, const cJSON *session, const char *name, const char *title)
{
	int64_t at = tree_int(session, name, -1), ago = format_now_us() - at;
	char text[FORMAT_MAX], age[FORMAT_MAX];

	if (at < 0)
		return;
	table_add(t, "%s", title);
	table_add(t, "%s (%s%s%s)", format_time(at, text), ago < 0 ? "in " : "",
		format_age((ago < 0 ? -ago : ago) / 1000, age), ago < 0 ? "" : " ago");
}

static void add_place(struct table *t, const cJSON *session)
{
	const cJSON *queued = tree_member(session, "queued");
	char *slots;

	if (cJSON_IsObject(queued)) {
		table_add(t, "queue");
		table_add(t, "#%" PRId64 " of %" PRId64 " that wait",
			tree_int(queued, "position", -1), tree_int(queued, "waiting", -1));
	}
	if (tree_int(session, "fence", -1) < 0) {
		table_add(t, "units");
		table_add(t, "%" PRId64, tree_int(session, "units", 1));
		return;
	}
	slots = format_slots(tree_member(session, "slots"), false);
	table_add(t, "slots");
	table_add(t, "%s", slots ? slots : "?");
	free(slots);
	table_add(t, "fence");
	table_add(t, "%" PRId64, tree_int(session, "fence", -1));
}

static void add_owner(struct table *t, const cJSON *session)
{
	int64_t pid = tree_int(session, "pid", -1);

	add_text(t, session, "owner", "owner");
	table_add(t, "user");
	table_add(t, "%s", format_user(tree_int(session, "uid", -1)));
	if (pid > 0) {
		table_add(t, session_pid(session) > 0 ? "process" : "made by");
		table_add(t, "%" PRId64 " (%s)", pid, tree_text(session, "comm"));
	}
	add_text(t, session, "systemd_unit", "unit");
}

static void add_metadata(struct table *t, const struct json_value *session, const cJSON *tree)
{
	struct json_value metadata;

	if (json_find_member(session, "metadata", &metadata)) {
		table_add(t, "metadata");
		table_add_text(t, metadata.text, metadata.length);
	} else if (tree_int(tree, "metadata_bytes", 0) > 0) {
		table_add(t, "metadata");
		table_add(t, "%" PRId64 " bytes", tree_int(tree, "metadata_bytes", 0));
	}
}

int session_view(struct cli *cli, const struct reply *reply)
{
	static const struct table_column columns[] = {{NULL, false, false}, {NULL, false, false}};
	const cJSON *session = tree_member(reply->tree, "session");
	struct json_value value;
	struct table t;
	int r;

	if (reply_print_json(cli, reply, "session"))
		return EXIT_OK;
	table_init(&t, columns, 2);
	add_text(&t, session, "session_id", "session");
	add_text(&t, session, "request_id", "request");
	add_text(&t, session, "pool", "pool");
	table_add(&t, "state");
	table_add(&t, "%s", session_state(session));
	add_place(&t, session);
	if (tree_int(session, "priority", 0) > 0) {
		table_add(&t, "priority");
		table_add(&t, "%" PRId64, tree_int(session, "priority", 0));
	}
	add_text(&t, session, "label", "label");
	add_owner(&t, session);
	add_time(&t, session, "created_at",
		cJSON_IsObject(tree_member(session, "queued")) ? "waiting since" : "created");
	add_time(&t, session, "started_at", "started");
	add_time(&t, session, "expires_at", "deadline");
	if (json_find_member(&reply->value, "session", &value) && value.type == JSON_OBJECT)
		add_metadata(&t, &value, session);
	r = table_print(&t, cli->is_terminal);
	table_deinit(&t);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

int session_call_expiry(
	struct cli *cli, const char *method, const char *session, struct json_writer *parameters)
{
	char left[FORMAT_MAX];
	struct reply reply;
	int64_t expires_at;
	int code = cli_call(cli, method, parameters, &reply);

	if (code)
		return code;
	expires_at = tree_int(reply.tree, "expires_at", -1);
	if (!reply_print_json(cli, &reply, NULL) && expires_at < 0)
		cli_say(cli, "%s has no deadline", session);
	else if (!cli->json)
		cli_say(cli, "%s ends in %s unless renewed or released", session,
			format_age((expires_at - format_now_us()) / 1000, left));
	reply_deinit(&reply);
	return EXIT_OK;
}
