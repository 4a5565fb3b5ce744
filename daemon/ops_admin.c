/* SPDX-License-Identifier: MIT */
/* Pools and the broker as a whole: ListPools, SetPool, Pause, Resume, Drain, Reload. */
#include "daemon/drain.h"
#include "daemon/log.h"
#include "daemon/ops.h"
#include "daemon/ops_view.h"
#include "daemon/session_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define POOLS_A_LOCK     64
#define DRAIN_DEFAULT_MS 30000

/* ---- ListPools ---- */

struct pool_views {
	struct pool_view *views;
	size_t count;
};

static void deinit_pool_views(struct pool_views *pools)
{
	for (size_t i = 0; i < pools->count; i++)
		pool_view_deinit(&pools->views[i]);
	free(pools->views);
}

/* In portions, by name, so that the lock is held for a bounded time. */
static int fetch_pools(struct broker *broker, struct pool_views *ret)
{
	struct section section;
	size_t more;

	*ret = (struct pool_views){NULL, 0};
	do {
		struct pool_view *larger =
			reallocarray(ret->views, ret->count + POOLS_A_LOCK, sizeof(*ret->views));
		const char *after;

		if (!larger) {
			deinit_pool_views(ret);
			return -1;
		}
		ret->views = larger;
		after = ret->count ? ret->views[ret->count - 1].name->bytes : NULL;
		broker_enter(broker, &section);
		more = table_view_pools(
			section.table, after, section.now, ret->views + ret->count, POOLS_A_LOCK);
		broker_leave(&section);
		ret->count += more;
	} while (more == POOLS_A_LOCK);
	return 0;
}

void handle_list_pools(struct request *request, const void *in)
{
	struct list_pools_reply out = {.pools = {NULL, 0, true}};
	struct pool_message *messages;
	struct pool_texts *texts;
	struct pool_views pools;

	(void)in;
	if (fetch_pools(request->broker, &pools) < 0) {
		fail_request(request);
		return;
	}
	messages = calloc(pools.count, sizeof(*messages)); /* one at least */
	texts = calloc(pools.count, sizeof(*texts));
	if (messages && texts) {
		for (size_t i = 0; i < pools.count; i++)
			pool_to_message(&pools.views[i], &texts[i], &messages[i]);
		out.pools.items = messages;
		out.pools.count = pools.count;
		reply(request, &list_pools_out, &out);
	} else {
		fail_request(request);
	}
	free(texts);
	free(messages);
	deinit_pool_views(&pools);
}

/* ---- SetPool ---- */

static void merge_settings(const struct set_pool_call *call, struct pool_settings *settings)
{
	if (call->limit != MESSAGE_ABSENT)
		settings->limit = (uint32_t)call->limit;
	if (call->max_metadata_bytes != MESSAGE_ABSENT)
		settings->max_metadata_bytes = (uint32_t)call->max_metadata_bytes;
	if (call->default_timeout_ms != MESSAGE_ABSENT)
		settings->default_timeout_ms = call->default_timeout_ms;
	if (call->max_timeout_ms != MESSAGE_ABSENT)
		settings->max_timeout_ms = call->max_timeout_ms;
	if (call->max_duration_ms != MESSAGE_ABSENT)
		settings->max_duration_ms = call->max_duration_ms;
	if (call->on_timeout >= 0)
		settings->on_timeout = (enum timeout_policy)call->on_timeout;
}

static void merge(int64_t given, int64_t *setting)
{
	if (given != MESSAGE_ABSENT)
		*setting = given;
}

static void merge_queue_settings(const struct set_pool_call *call, struct pool_settings *settings)
{
	if (call->max_waiters != MESSAGE_ABSENT)
		settings->max_waiters = (uint32_t)call->max_waiters;
	merge(call->per_uid_waiters, &settings->per_uid_waiters);
	merge(call->per_uid_limit, &settings->quotas[BY_UID]);
	merge(call->per_process_limit, &settings->quotas[BY_PROCESS]);
	merge(call->per_label_limit, &settings->quotas[BY_LABEL]);
	merge(call->age_step_ms, &settings->age_step_ms);
	merge(call->starve_after_ms, &settings->starve_after_ms);
	if (call->fair_by >= 0)
		settings->fair_by = (enum dimension)call->fair_by;
	if (call->enforce >= 0)
		settings->enforce = call->enforce;
}

static const char *wrong_settings(const struct set_pool_call *call, const struct pool_settings *s)
{
	if (call->default_timeout_ms == 0)
		return "default_timeout_ms";
	if (call->max_timeout_ms == 0)
		return "max_timeout_ms";
	if (call->max_duration_ms == 0)
		return "max_duration_ms";
	if (call->starve_after_ms == 0)
		return "starve_after_ms";
	if (s->max_timeout_ms >= 0 && s->default_timeout_ms > s->max_timeout_ms)
		return "default_timeout_ms";
	return NULL;
}

/* A quota of 0 would be a pool for nobody: that is what allow is for. */
static const char *wrong_quota(const struct set_pool_call *call)
{
	if (call->per_uid_limit == 0)
		return "per_uid_limit";
	if (call->per_process_limit == 0)
		return "per_process_limit";
	return call->per_label_limit == 0 ? "per_label_limit" : NULL;
}

/* True if a setting is wrong: then a reply has been written. */
static bool refuse_wrong(
	struct request *request, const struct set_pool_call *call, const struct pool_settings *s)
{
	const char *wrong = wrong_settings(call, s);

	if (wrong)
		refuse_parameter(request, wrong,
			"at least 1 ms, or -1 for none; default_timeout_ms at most max_timeout_ms");
	else if (wrong_quota(call))
		refuse_parameter(request, wrong_quota(call), "at least 1, or -1 for none");
	return wrong || wrong_quota(call);
}

static int present_settings(
	struct request *request, struct message_text name, struct pool_settings *ret)
{
	struct pool_view view;
	struct section section;
	int r;

	broker_enter(request->broker, &section);
	r = table_view_pool(section.table, name.text, name.length, section.now, &view);
	broker_leave(&section);
	*ret = pool_settings_builtin;
	if (r == 0) {
		*ret = view.settings;
		allow_list_ref(ret->allow);
		pool_view_deinit(&view);
	}
	return r;
}

static void reply_pool(struct request *request, struct message_text name)
{
	struct pool_message message;
	struct pool_texts texts;
	struct pool_view view;
	struct section section;
	int r;

	broker_enter(request->broker, &section);
	r = table_view_pool(section.table, name.text, name.length, section.now, &view);
	broker_leave(&section);
	if (r) { /* removed again by another admin since */
		refuse(request, r, &no_such_pool_error, &(struct pool_error){name});
		return;
	}
	pool_to_message(&view, &texts, &message);
	reply(request, &set_pool_out, &(struct set_pool_reply){&message});
	pool_view_deinit(&view);
}

static void put_pool_in_force(struct request *request, struct pool *fresh)
{
	struct section section;

	broker_enter(request->broker, &section);
	table_set_pool(section.table, fresh, section.now, &section.change);
	broker_leave(&section);
	server_update_frame_limit(request->conn->loop->server);
}

void handle_set_pool(struct request *request, const void *in)
{
	const struct set_pool_call *call = in;
	struct message_text none = {NULL, 0};
	struct pool_settings settings;
	struct pool *fresh;

	if (!request->conn->loop->config->runtime_changes) {
		refuse(request, STATUS_PERMISSION_DENIED, NULL, NULL);
		return;
	}
	if (!pool_name_is_valid(call->pool.text, call->pool.length)) {
		refuse_parameter(request, "pool",
			"1 to 40 letters, digits, '.', '_' or '-', a letter or digit first");
		return;
	}
	present_settings(request, call->pool, &settings);
	merge_settings(call, &settings);
	merge_queue_settings(call, &settings);
	if (refuse_wrong(request, call, &settings)) {
		allow_list_unref(settings.allow);
		return;
	}
	fresh = pool_new(call->pool.text, call->pool.length, &settings, POOL_RUNTIME);
	allow_list_unref(settings.allow);
	if (!fresh) {
		fail_request(request);
		return;
	}
	put_pool_in_force(request, fresh);
	log_admin(request, NULL, none, "set a pool: %.*s", (int)request->call->parameters.length,
		request->call->parameters.text);
	reply_pool(request, call->pool);
}

/* ---- Pause, Resume ---- */

static void refuse_pool(struct request *request, struct message_text name)
{
	struct pool_error error = {.pool = name};

	refuse(request, STATUS_NO_SUCH_POOL, &no_such_pool_error, &error);
}

void handle_pause(struct request *request, const void *in)
{
	const struct pause_call *call = in;
	int64_t for_us = call->for_ms == MESSAGE_ABSENT ? INT64_MAX : call->for_ms * 1000;
	struct message_text none = {NULL, 0}; /* it is among the parameters */
	struct text *reason = NULL;
	struct section section;
	int r;

	if (call->reason.text) {
		reason = text_new(call->reason.text, call->reason.length);
		if (!reason) {
			fail_request(request);
			return;
		}
	}
	broker_enter(request->broker, &section);
	r = table_pause(section.table, call->pool.text, call->pool.length, for_us, reason,
		section.now, &section.change);
	broker_leave(&section);
	text_unref(reason);
	if (r) {
		refuse_pool(request, call->pool);
		return;
	}
	log_admin(request, NULL, none, "paused %s: %.*s", call->pool.text ? "a pool" : "all pools",
		(int)request->call->parameters.length, request->call->parameters.text);
	reply(request, &pause_out, NULL);
}

void handle_resume(struct request *request, const void *in)
{
	const struct resume_call *call = in;
	struct message_text none = {NULL, 0};
	struct section section;
	int r;

	broker_enter(request->broker, &section);
	r = table_resume(
		section.table, call->pool.text, call->pool.length, section.now, &section.change);
	broker_leave(&section);
	if (r) {
		refuse_pool(request, call->pool);
		return;
	}
	log_admin(request, NULL, none, "resumed %.*s", call->pool.text ? (int)call->pool.length : 9,
		call->pool.text ? call->pool.text : "all pools");
	reply(request, &resume_out, NULL);
}

/* ---- Drain, Reload ---- */

void handle_drain(struct request *request, const void *in)
{
	const struct drain_call *call = in;
	int64_t timeout_ms =
		call->timeout_ms == MESSAGE_ABSENT ? DRAIN_DEFAULT_MS : call->timeout_ms;
	struct message_text none = {NULL, 0};

	log_admin(request, NULL, none, "began a drain of %" PRId64 " ms%s", timeout_ms,
		call->exit ? ", to end then" : "");
	if (drain_wait(request->conn, timeout_ms, call->exit, request->call->oneway) < 0)
		fail_request(request);
}

void handle_reload(struct request *request, const void *in)
{
	char actor[ACTOR_SIZE], message[512];
	struct config_error error;

	(void)in;
	format_actor(&request->conn->owner.peer, actor);
	if (server_reload(request->conn->loop->server, actor, message, sizeof(message)) == 0) {
		reply(request, &reload_out, NULL);
		return;
	}
	error.message = message_cstring(message);
	refuse(request, STATUS_INVALID_CONFIG, &invalid_config_error, &error);
}
