/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/owners.h"
#include "tests/fuzz/fuzz.h"

#define TURNS 8

struct server host_server;
bool host_is_told;

static struct config *config;
static struct deadlines deadlines;
static struct listeners no_listeners;
static int64_t advanced_us;
static char config_path[32];

/* ---- hooks ---- */

static void on_deadline_moved(void *context)
{
	(void)context;
	loop_order(&host_server.loops[0], ORDER_DEADLINES);
}

static void on_drain_changed(void *context)
{
	(void)context;
	loop_order(&host_server.loops[0], ORDER_DRAIN);
}

static void on_ended(void *context, const struct session *session)
{
	(void)context;
	(void)session;
}

static void on_process_idle(void *context, struct process *process)
{
	(void)context;
	owners_free(process);
}

static void on_ring(void *context, uint64_t loops)
{
	(void)context;
	if (loops & 1)
		loop_order(&host_server.loops[0], ORDER_TAKE);
}

static void on_pump(void *context)
{
	(void)context;
	loop_order(&host_server.loops[0], ORDER_PUMP);
}

/* ---- life ---- */

/* Reload finds them there again. */
static void write_settings(const char *settings)
{
	ssize_t size = (ssize_t)strlen(settings);
	int fd = memfd_create("usherd.conf", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && write(fd, settings, (size_t)size) == size);
	snprintf(config_path, sizeof(config_path), "/proc/self/fd/%d", fd);
}

void host_init(const char *settings)
{
	char message[256];

	unsetenv("NOTIFY_SOCKET");
	log_set_level(LOG_ERR);
	write_settings(settings);
	REQUIRE(config_load(config_path, true, &config, message, sizeof(message)) == 0);
}

void host_begin(void)
{
	static const struct broker_hooks hooks = {
		.deadline_moved = on_deadline_moved,
		.drain_changed = on_drain_changed,
		.ended = on_ended,
		.process_idle = on_process_idle,
		.ring = on_ring,
		.pump = on_pump,
	};
	const struct broker_options options = {
		.history_limit = 10, .seed = {1, 2}, .first_fence = 1};
	struct server *server = &host_server;

	*server = (struct server){
		.n_loops = 1,
		.config = config_ref(config),
		.config_path = config_path,
		.is_config_required = true,
		.max_files = 1000,
		.max_connections = 1000,
	};
	pthread_mutex_init(&server->config_lock, NULL);
	server->peers = peers_new();
	server->metrics_base = metrics_base_new();
	server->broker = broker_new(&options, &hooks, server);
	server->loops = calloc(1, sizeof(*server->loops));
	REQUIRE(server->peers && server->metrics_base && server->broker && server->loops);
	REQUIRE(loop_init(&server->loops[0], server, 0) == 0);
	REQUIRE(deadlines_init(&deadlines, &server->loops[0], &no_listeners) == 0);
	server->loops[0].deadlines = &deadlines;
	REQUIRE(server_apply_pools(server, config) == 0);
	server_update_frame_limit(server);
	advanced_us = 0;
}

void host_end(void)
{
	struct server *server = &host_server;

	loop_clear(&server->loops[0]);
	loop_deinit(&server->loops[0]);
	broker_free(server->broker);
	free(server->loops);
	peers_free(server->peers);
	metrics_base_free(server->metrics_base);
	config_unref(server->config);
	pthread_mutex_destroy(&server->config_lock);
}

/* ---- what happens ---- */

const struct table *host_table(void)
{
	return broker_stopped_table(host_server.broker);
}

/* Numbers that nobody can know better than who wrote them: they are believed, as they are. */
static bool is_believed(const char *broken)
{
	static const char *const believed[] = {
		"a pool's created sessions are not the live and the ended ones",
		"a session is younger than the table's clock",
		"a session has a number that was not given yet",
		"a later session has no larger fence",
		"a pool's waits are not the granted, refused, cancelled and waiting ones",
		"created sessions are not the live and the ended ones",
		"since the reset, created sessions are not the live and the ended ones",
		"the waits are not the granted, refused, cancelled and waiting ones",
		"the peak is less than the live sessions",
	};

	for (size_t i = 0; i < sizeof(believed) / sizeof(believed[0]); i++)
		if (strcmp(broken, believed[i]) == 0)
			return true;
	return false;
}

void host_turn(void)
{
	const char *broken;

	for (int i = 0; i < TURNS; i++)
		uv_run(&host_server.loops[0].uv, UV_RUN_NOWAIT);
	broken = table_check(host_table());
	if (!broken || (host_is_told && is_believed(broken)))
		return;
	dprintf(2, "broken: %s\n", broken);
	abort();
}

/* The clock is what the machine's says without the time that the daemon stood still: a negative one
 * is time that nobody has seen pass. */
void host_advance(int64_t us)
{
	advanced_us += us;
	broker_set_stalled(host_server.broker, -advanced_us);
	loop_order(&host_server.loops[0], ORDER_DEADLINES);
	host_turn();
}

int host_connect(unsigned client)
{
	static const uint32_t uids[HOST_CLIENTS] = {0, 1000, 1000, 1001};
	struct peer peer = {
		.uid = uids[client],
		.gid = uids[client],
		.pid = client == HOST_CLIENTS - 1 ? IDENTITY_PID_UNKNOWN : getpid(),
		.is_admin = client == 0,
	};
	int pair[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	REQUIRE(peers_force(host_server.peers, peer.uid));
	REQUIRE(conn_new(&host_server.loops[0], pair[1], &peer, ADMITTED) != NULL);
	return pair[0];
}
