/* SPDX-License-Identifier: MIT */
/* What all loops share, and how they reach each other. Set up by main before the threads start;
 * from then on fields are constant, atomic, or say which lock or thread they belong to. */
#ifndef USHER_DAEMON_SERVER_H
#define USHER_DAEMON_SERVER_H

#include "daemon/store_status.h"
#include "daemon/broker.h"
#include "daemon/config.h"
#include "daemon/metrics.h"
#include "daemon/peers.h"
#include "daemon/store_status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define USHER_MAX_WORKERS 64

struct loop;

struct server {
	struct broker *broker;
	struct committer *committer; /* NULL: no state is kept */
	struct peers *peers;
	struct metrics_base *metrics_base;
	struct loop *loops; /* the first one runs on the main thread */
	unsigned n_loops;
	int64_t max_connections; /* the setting, or less if there are too few file descriptors */
	int64_t max_files; /* connections and watched processes that there are descriptors for */

	const char *config_path;
	bool is_config_required;
	pthread_mutex_t config_lock;
	struct config *config; /* config_lock: what the next loop to ask gets */

	_Atomic size_t frame_limit; /* bytes; follows the pools' metadata limits */
	_Atomic bool last_reload_ok;
	_Atomic uint64_t connections_refused;
	_Atomic int64_t watches;      /* processes watched */
	_Atomic int64_t watchers;     /* calls of Monitor that are on */
	_Atomic int refused_open;     /* refused connections that still wait for their first call */
	_Atomic unsigned barriers_up; /* loops that have not said yet that they are through */
	_Atomic int64_t lone_connections; /* passed by systemd without a listener: end with them */
	_Atomic bool is_handing_over;
	int64_t started_wall_us;
};

/* Read the configuration again and put it in force. 0, or a negated errno with what is wrong in
 * MESSAGE; nothing has changed then. Any loop; ACTOR is for the log. */
int server_reload(struct server *server, const char *actor, char *message, size_t size);

/* Put the pools of CONFIG in force; those that are not in it drain and go. 0 or -ENOMEM, with
 * nothing changed. */
int server_apply_pools(struct server *server, const struct config *config);

/* The limits of frames follow the pools: call it after a pool's settings have changed. */
void server_update_frame_limit(struct server *server);

/* A reference to the settings in force. */
struct config *server_config(struct server *server);

/* A connection that was counted (or refused) is gone. Any thread. */
void server_leave(struct server *server, uint32_t uid, enum admission admission);

/* The connections that may be open now, beside the processes that are watched. Any thread. */
int64_t server_connection_cap(const struct server *server);

/* How the store is now. Any thread. */
void server_store_status(struct server *server, struct store_status *ret);

/* End the process in an orderly way: every loop flushes and closes. Any thread. */
void server_stop(struct server *server);

/* The same, for the next daemon to go on with everything: every loop halts as it is. Any thread. */
void server_hand_over(struct server *server);

#endif
