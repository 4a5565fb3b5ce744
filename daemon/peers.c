/* SPDX-License-Identifier: MIT */
#include "daemon/peers.h"

#include "daemon/core/map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>
#include <unistd.h>

/* ---- one peer ---- */

/* The supplementary groups are not in SO_PEERCRED. The kernel says with ERANGE how many there are.
 */
static bool is_in_group(int fd, gid_t gid)
{
	gid_t few[64], *groups = few;
	socklen_t length = sizeof(few);
	bool found = false;
	int r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length);

	if (r < 0 && errno == ERANGE) {
		groups = malloc(length);
		if (!groups)
			return false;
		r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length);
	}
	for (size_t i = 0; r == 0 && i < length / sizeof(gid_t); i++)
		found = found || groups[i] == gid;
	if (groups != few)
		free(groups);
	return found;
}

int peer_from_socket(int fd, const struct config *config, struct peer *ret)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0)
		return -errno;
	*ret = (struct peer){.uid = cred.uid, .pid = cred.pid > 0 ? cred.pid : SESSION_PID_UNKNOWN};
	ret->is_admin = cred.uid == 0 || cred.uid == geteuid();
	if (!ret->is_admin && config->admin_gid != (gid_t)-1)
		ret->is_admin = cred.gid == config->admin_gid || is_in_group(fd, config->admin_gid);
	return 0;
}

static void read_comm(int32_t pid, char comm[SESSION_COMM_SIZE])
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, comm, SESSION_COMM_SIZE);
	close(fd);
	/* The kernel ends it with a newline, which falls on the last place at the most. */
	comm[n > 0 ? n - 1 : 0] = '\0';
}

void peer_identify(struct peer *peer)
{
	char *unit = NULL;

	if (peer->pid == SESSION_PID_UNKNOWN)
		return;
	read_comm(peer->pid, peer->comm);
	if (sd_pid_get_user_unit(peer->pid, &unit) < 0 && sd_pid_get_unit(peer->pid, &unit) < 0)
		return;
	peer->systemd_unit = text_new(unit, strlen(unit));
	free(unit);
}

/* ---- all peers ---- */

#define N_BUCKETS 256 /* of users; there are rarely more than a few */

struct user {
	struct map_node node; /* peers.users */
	uint32_t uid;
	int64_t connections;
};

struct peers {
	pthread_mutex_t lock;
	struct map users;
	struct map_node *buckets[N_BUCKETS];
	int64_t connections;
};

struct peers *peers_new(void)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (!peers)
		return NULL;
	pthread_mutex_init(&peers->lock, NULL);
	map_init(&peers->users, peers->buckets, N_BUCKETS);
	return peers;
}

void peers_free(struct peers *peers)
{
	if (!peers)
		return;
	pthread_mutex_destroy(&peers->lock);
	free(peers);
}

static struct user *find_user(struct peers *peers, uint32_t uid)
{
	for (struct map_node *n = map_first(&peers->users, uid); n; n = map_next(n)) {
		struct user *user = container_of(n, struct user, node);

		if (user->uid == uid)
			return user;
	}
	return NULL;
}

static struct user *find_or_add_user(struct peers *peers, uint32_t uid)
{
	struct user *user = find_user(peers, uid);

	if (user)
		return user;
	user = calloc(1, sizeof(*user));
	if (!user)
		return NULL;
	user->uid = uid;
	map_insert(&peers->users, &user->node, uid);
	return user;
}

static enum admission admit(
	struct peers *peers, uint32_t uid, const struct config *config, int64_t cap)
{
	int64_t reserved = config->reserved_connections < cap ? config->reserved_connections : 0;
	struct user *user;

	if (peers->connections >= (uid == 0 ? cap : cap - reserved))
		return REFUSED_BY_BROKER;
	user = find_or_add_user(peers, uid);
	if (!user)
		return REFUSED_BY_BROKER;
	if (user->connections >= config->max_connections_per_uid)
		return REFUSED_BY_USER;
	user->connections++;
	peers->connections++;
	return ADMITTED;
}

enum admission peers_admit(
	struct peers *peers, uint32_t uid, const struct config *config, int64_t cap)
{
	enum admission result;

	pthread_mutex_lock(&peers->lock);
	result = admit(peers, uid, config, cap);
	pthread_mutex_unlock(&peers->lock);
	return result;
}

void peers_leave(struct peers *peers, uint32_t uid)
{
	struct user *user;

	pthread_mutex_lock(&peers->lock);
	user = find_user(peers, uid);
	peers->connections--;
	if (--user->connections == 0)
		map_remove(&peers->users, &user->node);
	else
		user = NULL;
	pthread_mutex_unlock(&peers->lock);
	free(user);
}
