/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"

#include "daemon/config_keys.h"
#include "daemon/config_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	atomic_init(&config->references, 1);
	config->socket_mode = geteuid() == 0 ? 0660 : 0600;
	config->socket_gid = (gid_t)-1;
	config->admin_gid = (gid_t)-1;
	config->log_level = 6;
	config->runtime_changes = true;
	config->max_message_bytes = 64 << 10;
	config->max_depth = 32;
	config->max_connections = 4096;
	config->max_connections_per_uid = 1024;
	config->reserved_connections = 64;
	config->max_pipelined = 16;
	config->max_output_bytes = 256 << 10;
	config->io_timeout_ms = 30000;
	config->frame_timeout_ms = 30000;
	config->history = 1000;
	config->reattach_grace_ms = 30000;
	config->max_state_bytes = 1 << 30;
	return config;
}

struct config *config_ref(struct config *config)
{
	atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
	return config;
}

static void free_pool(struct config_pool *pool)
{
	for (size_t i = 0; i < n_pool_keys; i++)
		config_value_deinit(&pool_keys[i], &pool->settings);
	free(pool->where);
}

struct config *config_unref(struct config *config)
{
	if (!config || atomic_fetch_sub_explicit(&config->references, 1, memory_order_acq_rel) != 1)
		return NULL;
	for (size_t i = 0; i < config->n_pools; i++)
		free_pool(&config->pools[i]);
	free(config->pools);
	for (size_t i = 0; i < n_broker_keys; i++)
		config_value_deinit(&broker_keys[i], config);
	free(config->where);
	free(config);
	return NULL;
}

size_t config_frame_limit(const struct config *config, uint32_t largest_metadata)
{
	size_t with_metadata = (size_t)largest_metadata + 8192; /* the rest of a Create */

	return with_metadata > (size_t)config->max_message_bytes
		       ? with_metadata
		       : (size_t)config->max_message_bytes;
}

/* ---- printing ---- */

static void print_socket(const struct config_key *key, const struct config *config, FILE *to)
{
	char *path = config->socket ? NULL : config_default_socket();

	if (path)
		fprintf(to, "# socket = %s\n", path);
	else
		config_value_print(key, config, to);
	free(path);
}

static void print_pool(const char *name, const struct pool_settings *settings, FILE *to)
{
	fprintf(to, "\n[pool %s]\n", name);
	for (size_t i = 0; i < n_pool_keys; i++)
		config_value_print(&pool_keys[i], settings, to);
}

static const struct pool_settings *default_pool(const struct config *config)
{
	for (size_t i = 0; i < config->n_pools; i++)
		if (strcmp(config->pools[i].name, POOL_DEFAULT_NAME) == 0)
			return &config->pools[i].settings;
	return &pool_settings_builtin;
}

void config_print(const struct config *config, FILE *to)
{
	fprintf(to, "[broker]\n");
	for (size_t i = 0; i < n_broker_keys; i++)
		if (strcmp(broker_keys[i].name, "socket") == 0)
			print_socket(&broker_keys[i], config, to);
		else
			config_value_print(&broker_keys[i], config, to);
	print_pool(POOL_DEFAULT_NAME, default_pool(config), to);
	for (size_t i = 0; i < config->n_pools; i++)
		if (strcmp(config->pools[i].name, POOL_DEFAULT_NAME) != 0)
			print_pool(config->pools[i].name, &config->pools[i].settings, to);
}

/* ---- names ---- */

const char *config_key_name(const char *section, size_t n)
{
	if (strcmp(section, "broker") == 0)
		return n < n_broker_keys ? broker_keys[n].name : NULL;
	return n < n_pool_keys ? pool_keys[n].name : NULL;
}

char *config_user_path(const char *variable, const char *fallback, const char *name)
{
	const char *base = getenv(variable);
	const char *home = getenv("HOME");
	char *path = NULL;
	int r;

	if (base && base[0] == '/')
		r = asprintf(&path, "%s/%s", base, name);
	else if (fallback && home && home[0] == '/')
		r = asprintf(&path, "%s/%s/%s", home, fallback, name);
	else
		return (errno = ENOENT, NULL);
	return r < 0 ? (errno = ENOMEM, NULL) : path;
}

/* root serves the system, everybody else serves himself. */

char *config_default_path(void)
{
	if (geteuid() == 0)
		return strdup("/etc/usher/usherd.conf");
	return config_user_path("XDG_CONFIG_HOME", ".config", "usher/usherd.conf");
}

char *config_default_socket(void)
{
	if (geteuid() == 0)
		return strdup("/run/usher/usher.sock");
	return config_user_path("XDG_RUNTIME_DIR", NULL, "usher/usher.sock");
}
