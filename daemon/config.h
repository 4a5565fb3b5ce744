/* SPDX-License-Identifier: MIT */
/* The daemon's settings: one table of keys, read from INI files with drop-ins.
 *
 * FILE first, then FILE.d (files named *.conf) in the order of their names; later ones win. A
 * settings object is never changed once loaded and is counted, so that every loop can hold the one
 * it works with while a Reload brings the next. Any thread may load and take references; loading
 * blocks on files and the name service.
 */
#ifndef USHER_DAEMON_CONFIG_H
#define USHER_DAEMON_CONFIG_H

#include "daemon/core/pool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum log_sessions { LOG_SESSIONS_NONE, LOG_SESSIONS_REFUSED, LOG_SESSIONS_ALL };

struct config_pool {
	char name[POOL_NAME_MAX + 1];
	struct pool_settings settings; /* as they will be in force; the allow list is counted */
	bool has_default_timeout;      /* set, not taken from max_timeout */
	char *where;                   /* "FILE:LINE" of its last key that is bound to another */
};

struct config {
	atomic_uint references;

	char *socket; /* NULL: the default for this user */
	int64_t socket_mode;
	char *socket_group;   /* NULL: the daemon's own */
	gid_t socket_gid;     /* (gid_t)-1: the daemon's own, as chown(2) takes it */
	int64_t workers;      /* 0: auto */
	char *admin_group;    /* NULL: none */
	gid_t admin_gid;      /* (gid_t)-1: none */
	int64_t log_level;    /* syslog(3) priority */
	int64_t log_sessions; /* enum log_sessions */
	bool runtime_changes;

	int64_t max_message_bytes;
	int64_t max_depth;
	int64_t max_connections;
	int64_t max_connections_per_uid;
	int64_t reserved_connections; /* less than max_connections */
	int64_t max_pipelined;
	int64_t max_output_bytes;
	int64_t io_timeout_ms;
	int64_t frame_timeout_ms;
	int64_t history;
	int64_t reattach_grace_ms; /* for orphans in pools that release */
	int64_t max_state_bytes;   /* of the store's file */

	struct config_pool *pools; /* by name */
	size_t n_pools;
	char *where; /* "FILE:LINE" of the last [broker] key that is bound to another */
};

/* What is in force without any file, with one reference; NULL without memory. */
struct config *config_new(void);

/* Load PATH and its drop-ins. IS_REQUIRED: PATH must exist. 0 and the settings, with one reference;
 * a negated errno and in MESSAGE, of SIZE bytes, what is wrong: "FILE:LINE: what was expected". */
int config_load(
	const char *path, bool is_required, struct config **ret, char *message, size_t size);

struct config *config_ref(struct config *config);
struct config *config_unref(struct config *config);

/* The largest frame to accept: max_message_bytes, or more where a pool (of LARGEST_METADATA bytes)
 * accepts larger metadata. */
size_t config_frame_limit(const struct config *config, uint32_t largest_metadata);

/* All settings as they would be in force, the pool "default" included, as a configuration file that
 * gives the same settings again; the default socket and what is not set are comments. */
void config_print(const struct config *config, FILE *to);

/* The keys, for documentation tests: the Nth of section "broker" or "pool", or NULL. */
const char *config_key_name(const char *section, size_t n);

/* The file read without --config, and the socket served without a setting, for this user:
 * allocated texts, or NULL with errno (ENOENT: no $XDG_RUNTIME_DIR, ENOMEM). */
char *config_default_path(void);
char *config_default_socket(void);

/* NAME in the directory that the environment's VARIABLE tells, else in FALLBACK (which may be NULL)
 * of $HOME; what is empty or relative counts as not set (XDG Base Directory Specification). As
 * above. */
char *config_user_path(const char *variable, const char *fallback, const char *name);

#endif
