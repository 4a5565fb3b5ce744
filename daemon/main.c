/* SPDX-License-Identifier: MIT */
/* usherd: the order of start and stop. */
#include "daemon/commit.h"
#include "daemon/deadlines.h"
#include "daemon/failpoint.h"
#include "daemon/handoff.h"
#include "daemon/kept.h"
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
#include <unistd.h>

#define EXIT_CONFIG 78 /* EX_CONFIG of sysexits(3): what to correct is in the configuration */

struct daemon {
	struct options options;
	char *config_path;
	struct server server;
	struct kept kept;
	struct deadlines deadlines;
	struct listeners listeners;
	struct handover handover;
	bool has_passed; /* there was something in the fd store */
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
			loop_ring(&server->loops[i]);
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
	unsigned n_loops = workers_for(d->options.workers, server->config);
	int r;

	pthread_mutex_init(&server->config_lock, NULL);
	atomic_store(&server->last_reload_ok, true);
	server->max_connections = server->max_files < server->config->max_connections
					  ? server->max_files
					  : server->config->max_connections;
	server->peers = peers_new();
	server->metrics_base = metrics_base_new();
	server->broker = broker_new(&d->kept.broker, &hooks, server);
	server->loops = calloc(n_loops, sizeof(*server->loops));
	if (!server->peers || !server->metrics_base || !server->broker || !server->loops)
		return -ENOMEM;
	broker_set_stalled(server->broker, d->kept.stalled_us);
	broker_report_ends(server->broker, server->config->log_sessions == LOG_SESSIONS_ALL);
	server->started_wall_us = broker_time(server->broker).wall_us;
	for (; server->n_loops < n_loops; server->n_loops++) { /* those that are to be undone */
		r = loop_init(&server->loops[server->n_loops], server, server->n_loops);
		if (r < 0)
			return r;
	}
	server->loops[0].deadlines = &d->deadlines;
	r = signals_init(&d->signals, &server->loops[0]); /* before anybody can connect */
	if (r == 0)
		r = server_apply_pools(server, server->config);
	if (r == 0)
		r = kept_take(&d->kept, &d->handover, server, d->message, sizeof(d->message));
	if (r == 0)
		server_update_frame_limit(server);
	return r;
}

static void unmake_server(struct daemon *d)
{
	struct server *server = &d->server;

	for (unsigned i = 0; i < server->n_loops; i++)
		loop_deinit(&server->loops[i]);
	broker_free(server->broker);
	committer_free(server->committer);
	free(server->loops);
	peers_free(server->peers);
	metrics_base_free(server->metrics_base);
}

/* Without what an earlier daemon has left, of which it holds a part. The store is not open to it
 * yet: nothing of what happens to that part is stored. */
static int make_server_anew(struct daemon *d)
{
	struct server *server = &d->server;

	signals_block();
	broker_report_ends(server->broker, false);
	for (unsigned i = 0; i < server->n_loops; i++)
		loop_clear(&server->loops[i]);
	unmake_server(d);
	*server = (struct server){
		.config = server->config,
		.config_path = server->config_path,
		.is_config_required = server->is_config_required,
		.max_files = server->max_files,
	};
	return make_server(d);
}

/* ---- sockets ---- */

/* The one to bind; NULL if there is none, or we are not to bind any. */
static char *socket_path(const struct daemon *d)
{
	const char *configured = d->options.socket ? d->options.socket : d->server.config->socket;

	if (d->listeners.count + d->listeners.n_connected > 0)
		return NULL;
	return configured ? strdup(configured) : config_default_socket();
}

/* What systemd has for us. */
static int take_passed(struct daemon *d)
{
	int r = listeners_take_passed(&d->listeners, d->message, sizeof(d->message));
	char *path = r < 0 ? NULL : socket_path(d);

	d->server.max_files = files_for(d->server.config);
	d->has_passed = d->listeners.n_handed > 0;
	if (r == 0)
		handoff_open(&d->handover, &d->listeners, path, d->server.max_files);
	free(path);
	return r;
}

/* Who connects from now on waits until all is there. */
static int make_sockets(struct daemon *d)
{
	char *path;
	int r;

	if (d->listeners.count + d->listeners.n_connected > 0)
		return 0;
	path = socket_path(d);
	if (!path) {
		snprintf(d->message, sizeof(d->message),
			"no socket to serve: give --socket PATH or set XDG_RUNTIME_DIR");
		return -errno;
	}
	r = listeners_bind(&d->listeners, path, d->server.config, d->message, sizeof(d->message));
	free(path);
	return r;
}

/* The past, and a server that goes on with it. */
static int begin(struct daemon *d)
{
	bool was_there;
	int r = take_passed(d);

	if (r == 0)
		r = make_sockets(d);
	if (r == 0)
		r = kept_open(
			&d->kept, &d->options, d->server.config, d->message, sizeof(d->message));
	if (r < 0)
		return r;
	kept_join(&d->kept, &d->handover);
	was_there = d->handover.is_there;
	r = make_server(d);
	if (r < 0 && was_there && !d->handover.is_there)
		r = make_server_anew(d);
	return r < 0 ? r : make_sockets(d); /* if that of the past was given up */
}

/* What has been handed over is not ours to close in an orderly way: the process just ends, which is
 * also the fastest. Else the loops go on where they were halted, one after the other, to the end
 * that they have without a fd store. */
static void hand_over(struct daemon *d)
{
	if (handoff_push(&d->server, &d->listeners) == 0) {
		log_notice("handed over to the next usherd");
		_exit(EXIT_SUCCESS);
	}
	server_stop(&d->server);
	for (unsigned i = 0; i < d->server.n_loops; i++)
		loop_run(&d->server.loops[i]);
}

/* They run when nothing can fail any more: what was handed over is given up before, or not. */
static int make_threads(struct server *server)
{
	for (unsigned i = 1; i < server->n_loops; i++) {
		int r = loop_make_thread(&server->loops[i]);

		if (r == 0)
			continue;
		while (--i > 0)
			loop_call_off_thread(&server->loops[i]);
		return r;
	}
	return 0;
}

static void run_threads(struct server *server, bool runs)
{
	for (unsigned i = 1; i < server->n_loops; i++)
		if (runs)
			loop_run_thread(&server->loops[i]);
		else
			loop_call_off_thread(&server->loops[i]);
}

static int serve(struct daemon *d)
{
	struct loop *first = &d->server.loops[0];
	struct log_field started[] = {{LOG_MESSAGE_ID, LOG_ID_STARTED}};
	struct log_field stopped[] = {{LOG_MESSAGE_ID, LOG_ID_STOPPED}};
	int r = deadlines_init(&d->deadlines, first, &d->listeners);

	if (r == 0)
		r = listeners_start(&d->listeners, first);
	FAILPOINT("recovery.before-ready");
	if (r == 0)
		r = make_threads(&d->server);
	if (r < 0)
		return r;
	if (d->handover.is_there) /* ours from here on, before anything of it goes on */
		handoff_accept(&d->handover, &d->server);
	r = notify_ready(&d->notifier, first, d->has_passed);
	run_threads(&d->server, r == 0);
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
	if (atomic_load(&d->server.is_handing_over))
		hand_over(d);
	log_entry(LOG_NOTICE, stopped, 1, "usherd has ended");
	return 0;
}

static void unmake(struct daemon *d)
{
	unmake_server(d);
	notify_deinit(&d->notifier);
	listeners_deinit(&d->listeners);
	kept_close(&d->kept);
	config_unref(d->server.config);
	free(d->config_path);
}

static int run(struct daemon *d)
{
	int r;

	signals_block(); /* until they are handled: what was begun is cleaned up */
	r = begin(d);
	if (r == 0)
		r = serve(d);
	if (r < 0)
		log_error("%s", d->message[0] ? d->message : strerror(-r));
	unmake(d);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct daemon d = {.kept.state.lock_fd = -1, .notifier.watchdog_fd = -1};
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
