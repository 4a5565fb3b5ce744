/* SPDX-License-Identifier: MIT */
#include "daemon/peers.h"

#include "daemon/core/map.h"
#include "daemon/proc.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- one peer ---- */

/* The supplementary groups are not in SO_PEERCRED. The kernel says with ERANGE how many there are.
 */
static int read_groups(int fd, struct groups **ret)
{
	socklen_t length = 0;
	struct groups *groups;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &length) < 0 && errno != ERANGE)
		return -errno;
	groups = groups_new(length / sizeof(gid_t));
	if (!groups)
		return -ENOMEM;
	if (length > 0 && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups->gids, &length) < 0) {
		groups_free(groups);
		return -errno;
	}
	*ret = groups;
	return 0;
}

int peer_from_socket(int fd, const struct config *config, struct peer *ret)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0)
		return -errno;
	*ret = (struct peer){
		.uid = cred.uid,
		.gid = cred.gid,
		.pid = cred.pid > 0 ? cred.pid : IDENTITY_PID_UNKNOWN,
		.is_admin = cred.uid == 0 || cred.uid == geteuid(),
	};
	r = read_groups(fd, &ret->groups);
	if (r < 0)
		return r;
	if (config->admin_gid != (gid_t)-1)
		ret->is_admin = ret->is_admin || cred.gid == config->admin_gid ||
				groups_have(ret->groups, config->admin_gid);
	return 0;
}

int peer_identify(struct peer *peer)
{
	if (!peer->identity)
		peer->identity = proc_identity(peer->pid);
	return peer->identity ? 0 : -ENOMEM;
}

/* ---- all peers ---- */

#define N_BUCKETS 256 /* of users; there are rarely more than a few */

struct user {
	struct map_node node; /* peers.users */
	uint32_t uid;
	int64_t connections;
	int64_t watches;
};

struct peers {
	pthread_mutex_t lock;
	struct map users;
	struct map_node *buckets[N_BUCKETS];
	int64_t connections;
	int64_t watches;
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

/* USER, if nothing is counted for it any more: to be freed outside the lock. */
static struct user *drop_if_idle(struct peers *peers, struct user *user)
{
	if (user->connections || user->watches)
		return NULL;
	map_remove(&peers->users, &user->node);
	return user;
}

void peers_leave(struct peers *peers, uint32_t uid)
{
	struct user *user;

	pthread_mutex_lock(&peers->lock);
	user = find_user(peers, uid);
	assert(user); /* who leaves has come */
	peers->connections--;
	user->connections--;
	user = drop_if_idle(peers, user);
	pthread_mutex_unlock(&peers->lock);
	free(user);
}

bool peers_take_watch(struct peers *peers, uint32_t uid, const struct config *config, int64_t room)
{
	struct user *user;
	bool is_taken = false;

	if (uid != 0)
		room -= config->reserved_connections;
	pthread_mutex_lock(&peers->lock);
	user = find_or_add_user(peers, uid);
	if (user && peers->connections + peers->watches < room &&
		user->watches < config->max_connections_per_uid) {
		user->watches++;
		peers->watches++;
		is_taken = true;
	}
	user = user ? drop_if_idle(peers, user) : NULL;
	pthread_mutex_unlock(&peers->lock);
	free(user);
	return is_taken;
}

bool peers_force_watch(struct peers *peers, uint32_t uid)
{
	struct user *user;

	pthread_mutex_lock(&peers->lock);
	user = find_or_add_user(peers, uid);
	if (user) {
		user->watches++;
		peers->watches++;
	}
	pthread_mutex_unlock(&peers->lock);
	return user;
}

void peers_drop_watch(struct peers *peers, uint32_t uid)
{
	struct user *user;

	pthread_mutex_lock(&peers->lock);
	user = find_user(peers, uid);
	assert(user); /* who drops one has it */
	peers->watches--;
	user->watches--;
	user = drop_if_idle(peers, user);
	pthread_mutex_unlock(&peers->lock);
	free(user);
}

bool peers_force(struct peers *peers, uint32_t uid)
{
	struct user *user;

	pthread_mutex_lock(&peers->lock);
	user = find_or_add_user(peers, uid);
	if (user) {
		user->connections++;
		peers->connections++;
	}
	pthread_mutex_unlock(&peers->lock);
	return user;
}
