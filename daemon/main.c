/* SPDX-License-Identifier: MIT */
/* usherd: the order of start and stop. */
#include "daemon/deadlines.h"
#include "daemon/limits.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/owners.h"
#include "daemon/session_log.h"
#include "daemon/signals.h"
#include "version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_CONFIG 78 /* EX_CONFIG of sysexits(3): what to correct is in the configuration */

struct daemon {
	struct options options;
	char *config_path;
	struct server server;
	struct deadlines deadlines;
	struct listeners listeners;
	struct signals signals;
	struct notifier notifier;
	char message[512];
};

static void on_deadline_moved(void *context)
{
	struct server *server = context;

	loop_order(&server->loops[0], ORDER_DEADLINES);
}

static void on_drain_changed(void *context)
{
	struct server *server = context;

	for (unsigned i = 0; i < server->n_loops; i++)
		loop_order(&server->loops[i], ORDER_DRAIN);
}

static void on_ended(void *context, const struct session *session)
{
	(void)context;
	log_session_ended(session);
}

static void on_process_idle(void *context, struct process *process)
{
	(void)context;
	owners_free(process);
}

static void on_ring(void *context, uint64_t loops)
{
	struct server *server = context;

	for (unsigned i = 0; i < server->n_loops; i++)
		if (loops >> i & 1)
			loop_order(&server->loops[i], ORDER_TAKE);
}

static void on_pump(void *context)
{
	struct server *server = context;

	loop_order(&server->loops[0], ORDER_PUMP);
}

static int load_config(struct daemon *d)
{
	d->config_path = d->options.config ? strdup(d->options.config) : config_default_path();
	if (!d->config_path) { /* neither $XDG_CONFIG_HOME nor $HOME: all as built in */
		d->config_path = strdup("/etc/usher/usherd.conf");
		if (!d->config_path)
			return -ENOMEM;
	}
	d->server.config_path = d->config_path;
	d->server.is_config_required = d->options.config != NULL;
	return config_load(d->config_path, d->server.is_config_required, &d->server.config,
		d->message, sizeof(d->message));
}

static int make_server(struct daemon *d)
{
	static const struct broker_hooks hooks = {
		.deadline_moved = on_deadline_moved,
		.drain_changed = on_drain_changed,
		.ended = on_ended,
		.process_idle = on_process_idle,
		.ring = on_ring,
		.pump = on_pump,
	};
	struct server *server = &d->server;
	int r;

	pthread_mutex_init(&server->config_lock, NULL);
	atomic_store(&server->last_reload_ok, true);
	server->n_loops = workers_for(d->options.workers, server->config);
	server->max_files = files_for(server->config);
	server->max_connections = server->max_files < server->config->max_connections
					  ? server->max_files
					  : server->config->max_connections;
	server->peers = peers_new();
	server->metrics_base = metrics_base_new();
	server->broker = broker_new((uint32_t)server->config->history, &hooks, server);
	server->loops = calloc(server->n_loops, sizeof(*server->loops));
	if (!server->peers || !server->metrics_base || !server->broker || !server->loops)
		return -ENOMEM;
	broker_report_ends(server->broker, server->config->log_sessions == LOG_SESSIONS_ALL);
	server->started_wall_us = broker_time(server->broker).wall_us;
	for (unsigned i = 0; i < server->n_loops; i++) {
		r = loop_init(&server->loops[i], server, i);
		if (r < 0)
			return r;
	}
	server->loops[0].deadlines = &d->deadlines;
	r = signals_init(&d->signals, &server->loops[0]); /* before anybody can connect */
	return r < 0 ? r : server_apply_pools(server, server->config);
}

static int make_sockets(struct daemon *d)
{
	const char *configured = d->options.socket ? d->options.socket : d->server.config->socket;
	char *path = NULL;
	int r = listeners_take_passed(&d->listeners, d->message, sizeof(d->message));

	if (r < 0 || d->listeners.count + d->listeners.n_connected > 0)
		return r;
	path = configured ? strdup(configured) : config_default_socket();
	if (!path) {
		snprintf(d->message, sizeof(d->message),
			"no socket to serve: give --socket PATH or set XDG_RUNTIME_DIR");
		return -errno;
	}
	r = listeners_bind(&d->listeners, path, d->server.config, d->message, sizeof(d->message));
	free(path);
	return r;
}

static int serve(struct daemon *d)
{
	struct loop *first = &d->server.loops[0];
	struct log_field started[] = {{LOG_MESSAGE_ID, LOG_ID_STARTED}};
	struct log_field stopped[] = {{LOG_MESSAGE_ID, LOG_ID_STOPPED}};
	int r = deadlines_init(&d->deadlines, first);

	if (r == 0)
		r = listeners_start(&d->listeners, first);
	for (unsigned i = 1; r == 0 && i < d->server.n_loops; i++)
		r = loop_start(&d->server.loops[i]);
	if (r == 0)
		r = notify_ready(&d->notifier, first);
	if (r < 0)
		return r;
	log_entry(LOG_NOTICE, started, 1, "usherd %s serves %s with %u event loops", USHER_VERSION,
		d->listeners.count && d->listeners.list[0].path ? d->listeners.list[0].path
								: "the sockets passed to it",
		d->server.n_loops);
	loop_run(first);
	signals_block();
	notify_stopping();
	for (unsigned i = 1; i < d->server.n_loops; i++)
		pthread_join(d->server.loops[i].thread, NULL);
	log_entry(LOG_NOTICE, stopped, 1, "usherd has ended");
	return 0;
}

static void unmake(struct daemon *d)
{
	struct server *server = &d->server;

	for (unsigned i = 0; server->loops && i < server->n_loops; i++)
		loop_deinit(&server->loops[i]);
	listeners_deinit(&d->listeners);
	broker_free(server->broker);
	free(server->loops);
	peers_free(server->peers);
	metrics_base_free(server->metrics_base);
	config_unref(server->config);
	free(d->config_path);
}

static int run(struct daemon *d)
{
	int r = make_server(d);

	if (r == 0)
		r = make_sockets(d);
	if (r == 0)
		r = serve(d);
	if (r < 0)
		log_error("%s", d->message[0] ? d->message : strerror(-r));
	unmake(d);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct daemon d;
	int r = options_parse(argc, argv, &d.options);

	if (r != 0)
		return r > 0 ? EXIT_SUCCESS : 2;
	r = load_config(&d);
	if (r < 0) {
		fprintf(stderr, "usherd: %s\n", d.message[0] ? d.message : strerror(-r));
		return EXIT_CONFIG;
	}
	if (d.options.check_config) {
		config_print(d.server.config, stdout);
		config_unref(d.server.config);
		free(d.config_path);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	d.message[0] = '\0';
	log_open();
	log_set_level((int)d.server.config->log_level);
	return run(&d);
}
