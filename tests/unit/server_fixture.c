/* SPDX-License-Identifier: MIT */
#include "server_fixture.h"

#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/owners.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 20

int clients[CLIENTS], ends[CLIENTS];
struct config *config;
struct server server;

static void on_nothing(void *context)
{
	(void)context;
}

static void on_drain(void *context)
{
	(void)context;
	loop_order(&server.loops[0], ORDER_DRAIN);
}

static void on_ended(void *context, const struct session *session)
{
	(void)context;
	(void)session;
}

static void on_idle(void *context, struct process *process)
{
	(void)context;
	owners_free(process);
}

static void on_ring(void *context, uint64_t loops)
{
	(void)context;
	if (loops & 1)
		loop_order(&server.loops[0], ORDER_TAKE);
}

void make_server(void)
{
	static const struct broker_hooks hooks = {
		.deadline_moved = on_nothing,
		.drain_changed = on_drain,
		.ended = on_ended,
		.process_idle = on_idle,
		.ring = on_ring,
		.pump = on_nothing,
	};
	const struct broker_options options = {
		.history_limit = 10, .seed = {1, 2}, .first_fence = 1000};

	server = (struct server){.n_loops = 1,
		.config = config_ref(config),
		.max_files = 1000,
		.max_connections = 1000};
	pthread_mutex_init(&server.config_lock, NULL);
	server.peers = peers_new();
	server.metrics_base = metrics_base_new();
	server.broker = broker_new(&options, &hooks, &server);
	server.loops = calloc(1, sizeof(*server.loops));
	ck_assert_int_eq(loop_init(&server.loops[0], &server, 0), 0);
	ck_assert_int_eq(server_apply_pools(&server, config), 0);
}

void unmake_server(void)
{
	loop_clear(&server.loops[0]);
	loop_deinit(&server.loops[0]);
	broker_free(server.broker);
	free(server.loops);
	peers_free(server.peers);
	metrics_base_free(server.metrics_base);
	config_unref(server.config);
	pthread_mutex_destroy(&server.config_lock);
}

void turn_once(void)
{
	uv_run(&server.loops[0].uv, UV_RUN_NOWAIT);
}

void turn(void)
{
	for (int i = 0; i < TURNS; i++)
		turn_once();
}

/* ---- clients ---- */

void connect_clients(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		int pair[2];
		struct peer peer;

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
		clients[i] = pair[0];
		ends[i] = pair[1];
		ck_assert_int_eq(peer_from_socket(pair[1], config, &peer), 0);
		ck_assert(peers_force(server.peers, peer.uid));
		ck_assert_ptr_nonnull(conn_new(&server.loops[0], dup(pair[1]), &peer, ADMITTED));
	}
}

static void send_call(int client, const char *method, const char *parameters, const char *members)
{
	char text[12000];
	int n = snprintf(text, sizeof(text),
		"{\"method\":\"io.usher.Broker.%s\",\"parameters\":{%s}%s}", method, parameters,
		members);

	ck_assert_int_eq(write(clients[client], text, (size_t)n + 1), n + 1);
}

void ask(int client, const char *method, const char *parameters, bool more)
{
	send_call(client, method, parameters, more ? ",\"more\":true" : "");
}

void ask_oneway(int client, const char *method, const char *parameters)
{
	send_call(client, method, parameters, ",\"oneway\":true");
}

void say(int client, const char *method, const char *parameters, bool more)
{
	ask(client, method, parameters, more);
	turn();
}

bool hear(int client, char *ret, size_t size)
{
	ssize_t n = read(clients[client], ret, size - 1);

	ret[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

void hear_nothing_more(int client)
{
	static char text[65536];

	while (hear(client, text, sizeof(text)))
		;
}

void hold_sessions(int client, int n)
{
	say(client, "SetPool", "\"pool\":\"default\",\"limit\":100000", false);
	for (int i = 0; i < n; i++) {
		ask(client, "Create", "\"metadata\":{\"a\":1}", false);
		if (i % 32 == 31 || i == n - 1) {
			turn();
			hear_nothing_more(client);
		}
	}
}

void load_config(void)
{
	char message[256];

	signal(SIGPIPE, SIG_IGN);
	unsetenv("NOTIFY_SOCKET");
	log_set_level(LOG_CRIT);
	ck_assert_int_eq(
		config_load("/nonexistent/usherd.conf", false, &config, message, sizeof(message)),
		0);
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void hang_up(int client)
{
	close_one(&clients[client]);
}

bool is_hung_up_on(int client)
{
	char byte;

	close_one(&ends[client]); /* or our copy would keep it open */
	turn();
	return recv(clients[client], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void disconnect_clients(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		close_one(&clients[i]);
		close_one(&ends[i]);
	}
}
