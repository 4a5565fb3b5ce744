/* SPDX-License-Identifier: MIT */
#include "daemon/server.h"

#include "daemon/commit.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config *server_config(struct server *server)
{
	struct config *config;

	pthread_mutex_lock(&server->config_lock);
	config = config_ref(server->config);
	pthread_mutex_unlock(&server->config_lock);
	return config;
}

static void order_all(struct server *server, unsigned orders)
{
	for (unsigned i = 0; i < server->n_loops; i++)
		loop_order(&server->loops[i], orders);
}

void server_stop(struct server *server)
{
	order_all(server, ORDER_STOP);
}

void server_hand_over(struct server *server)
{
	atomic_store(&server->is_handing_over, true);
	order_all(server, ORDER_HALT);
}

void server_leave(struct server *server, uint32_t uid, enum admission admission)
{
	if (admission == ADMITTED)
		peers_leave(server->peers, uid);
	else
		atomic_fetch_sub(&server->refused_open, 1);
	if (atomic_load(&server->lone_connections) > 0 &&
		atomic_fetch_sub(&server->lone_connections, 1) == 1)
		server_stop(server);
}

int64_t server_connection_cap(const struct server *server)
{
	int64_t room = server->max_files - atomic_load(&server->watches);

	return room < server->max_connections ? room : server->max_connections;
}

void server_store_status(struct server *server, struct store_status *ret)
{
	committer_status(server->committer, ret);
}

/* ---- pools ---- */

static void free_pools(struct pool **pools, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pool_free(pools[i]);
	free(pools);
}

/* All that may fail comes first: nothing is in force until everything is made. */
static struct pool **make_pools(const struct config *config)
{
	struct pool **pools = calloc(config->n_pools + 1, sizeof(struct pool *));

	for (size_t i = 0; pools && i < config->n_pools; i++) {
		const struct config_pool *from = &config->pools[i];

		pools[i] = pool_new(from->name, strlen(from->name), &from->settings, POOL_FILE);
		if (!pools[i]) {
			free_pools(pools, i);
			return NULL;
		}
	}
	return pools;
}

int server_apply_pools(struct server *server, const struct config *config)
{
	struct pool **pools = make_pools(config);
	const char **keep = calloc(config->n_pools + 1, sizeof(*keep));
	struct pool *fresh_default = pool_new(
		POOL_DEFAULT_NAME, strlen(POOL_DEFAULT_NAME), &pool_settings_builtin, POOL_BUILTIN);
	struct section section;

	if (!pools || !keep || !fresh_default) {
		if (pools)
			free_pools(pools, config->n_pools);
		free(keep);
		pool_free(fresh_default);
		return -ENOMEM;
	}
	broker_enter(server->broker, &section);
	for (size_t i = 0; i < config->n_pools; i++) {
		keep[i] = config->pools[i].name;
		table_set_pool(section.table, pools[i], section.now, &section.change);
	}
	table_remove_pools(
		section.table, keep, config->n_pools, fresh_default, section.now, &section.change);
	broker_leave(&section);
	free(pools);
	free(keep);
	server_update_frame_limit(server);
	return 0;
}

/* Pools by name in portions; the largest metadata any of them accepts. */
static uint32_t largest_metadata(struct server *server)
{
	struct pool_view views[16];
	char after[POOL_NAME_MAX + 1] = "";
	uint32_t largest = 0;
	struct section section;
	size_t n;

	do {
		broker_enter(server->broker, &section);
		n = table_view_pools(
			section.table, after[0] ? after : NULL, section.now, views, 16);
		broker_leave(&section);
		for (size_t i = 0; i < n; i++) {
			if (views[i].settings.max_metadata_bytes > largest)
				largest = views[i].settings.max_metadata_bytes;
			snprintf(after, sizeof(after), "%s", views[i].name->bytes);
			pool_view_deinit(&views[i]);
		}
	} while (n == 16);
	return largest;
}

void server_update_frame_limit(struct server *server)
{
	static pthread_mutex_t one_at_a_time =
		PTHREAD_MUTEX_INITIALIZER; /* the last one is right */
	struct config *config;

	pthread_mutex_lock(&one_at_a_time);
	config = server_config(server);
	atomic_store(&server->frame_limit, config_frame_limit(config, largest_metadata(server)));
	pthread_mutex_unlock(&one_at_a_time);
	config_unref(config);
}

/* ---- reload ---- */

/* One Reload at a time: what was loaded last must be what is in force, pools and settings both. */
static pthread_mutex_t reload_lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void warn_of_restart(const struct config *old, const struct config *new)
{
	if (!is_same_text(old->socket, new->socket) || old->socket_mode != new->socket_mode ||
		!is_same_text(old->socket_group, new->socket_group) ||
		old->workers != new->workers || old->history != new->history ||
		old->reattach_grace_ms != new->reattach_grace_ms ||
		old->max_state_bytes != new->max_state_bytes ||
		old->max_connections != new->max_connections)
		log_warning("socket, socket_mode, socket_group, workers, history, reattach_grace, "
			    "max_state and max_connections take effect at the next start");
}

/* The server takes a reference; the caller's own keeps CONFIG until this returns. */
static void put_in_force(struct server *server, struct config *config)
{
	struct config *old;

	pthread_mutex_lock(&server->config_lock);
	old = server->config;
	server->config = config_ref(config);
	pthread_mutex_unlock(&server->config_lock);
	warn_of_restart(old, config);
	config_unref(old);
	log_set_level((int)config->log_level);
	broker_report_ends(server->broker, config->log_sessions == LOG_SESSIONS_ALL);
	order_all(server, ORDER_CONFIG);
}

static void say_reload(const char *actor, const char *id, int priority, const char *text)
{
	struct log_field fields[] = {{LOG_MESSAGE_ID, id}, {LOG_USHER_ACTOR, actor}};

	log_entry(priority, fields, 2, "%s (asked for by %s)", text, actor);
}

static int load_and_apply(struct server *server, char *message, size_t size)
{
	struct config *config;
	int r = config_load(
		server->config_path, server->is_config_required, &config, message, size);

	if (r < 0)
		return r;
	r = server_apply_pools(server, config);
	if (r == 0)
		put_in_force(server, config);
	else
		snprintf(message, size, "%s", strerror(-r));
	config_unref(config);
	return r;
}

int server_reload(struct server *server, const char *actor, char *message, size_t size)
{
	char text[640];
	int r;

	pthread_mutex_lock(&reload_lock);
	notify_reloading();
	r = load_and_apply(server, message, size);
	atomic_store(&server->last_reload_ok, r == 0);
	if (r == 0) {
		server_update_frame_limit(server);
		say_reload(actor, LOG_ID_RELOADED, LOG_NOTICE, "configuration reloaded");
	} else {
		snprintf(text, sizeof(text), "the old settings stay: %s", message);
		say_reload(actor, LOG_ID_RELOAD_FAILED, LOG_ERR, text);
	}
	notify_reloaded();
	pthread_mutex_unlock(&reload_lock);
	return r;
}
