/* SPDX-License-Identifier: MIT */
#include "daemon/owners.h"

#include "daemon/proc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define SESSIONS_A_LOCK 64
#define SESSIONS_A_TURN 4096
#define MAKER_GRACE_MS  100

struct watch {
	struct process process;
	struct loop *loop;    /* that watches, and closes */
	struct list all_link; /* loop.watches */
	struct list link;     /* loop.idle_watches, once handed back */
	uv_poll_t poll;
	uv_timer_t grace;
	unsigned open_handles;
	int pidfd;    /* -1: there was none to be had */
	uint32_t uid; /* whose watch it is */
};

/* ---- the end of a process ---- */

static void on_grace_over(uv_timer_t *timer);

/* What one turn does not end, the next one does. The table hands the process back with its last
 * session; until this loop reaps it, it stays. */
static void end_sessions(struct watch *watch)
{
	bool has_more = true;

	for (int n = 0; has_more && n < SESSIONS_A_TURN / SESSIONS_A_LOCK; n++) {
		struct section section;

		broker_enter(watch->loop->server->broker, &section);
		has_more = table_owner_gone(section.table, &watch->process.owner, section.now,
			SESSIONS_A_LOCK, &section.change);
		broker_leave(&section);
	}
	if (has_more)
		uv_timer_start(&watch->grace, on_grace_over, 0, 0);
}

static void on_grace_over(uv_timer_t *timer)
{
	end_sessions(timer->data);
}

static bool has_living_maker(struct watch *watch)
{
	struct identity *maker;
	struct section section;
	bool is_living;

	broker_enter(watch->loop->server->broker, &section);
	maker = identity_ref(table_maker(&watch->process));
	broker_leave(&section);
	is_living = maker && proc_look(maker) != -ESRCH;
	identity_unref(maker);
	return is_living;
}

static void end_after_grace(struct watch *watch)
{
	if (has_living_maker(watch))
		uv_timer_start(&watch->grace, on_grace_over, MAKER_GRACE_MS, 0);
	else
		end_sessions(watch);
}

static void on_exit_seen(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	end_after_grace(watch);
}

#define LOOK_MS 1000

/* Without a descriptor. */
static void on_look(uv_timer_t *timer)
{
	struct watch *watch = timer->data;

	if (proc_look(watch->process.owner.peer.identity) != -ESRCH)
		return;
	uv_timer_stop(timer);
	end_after_grace(watch);
}

/* Without a poll, which only a lack of memory can cause, the exit is not seen: then the session
 * ends at once, as if it were. */
void owners_watch(struct process *process)
{
	struct watch *watch = container_of(process, struct watch, process);

	uv_timer_init(&watch->loop->uv, &watch->grace);
	watch->grace.data = watch;
	watch->poll.data = watch;
	watch->open_handles = 1;
	if (watch->pidfd < 0) {
		uv_timer_start(&watch->grace, on_look, 0, LOOK_MS);
		return;
	}
	if (uv_poll_init(&watch->loop->uv, &watch->poll, watch->pidfd) < 0) {
		uv_timer_start(&watch->grace, on_grace_over, 0, 0);
		return;
	}
	watch->open_handles = 2;
	uv_poll_start(&watch->poll, UV_READABLE, on_exit_seen);
}

static void destroy(struct watch *watch)
{
	list_remove(&watch->all_link);
	list_remove(&watch->link);
	if (watch->pidfd >= 0)
		close(watch->pidfd);
	atomic_fetch_sub(&watch->loop->server->watches, 1);
	peers_drop_watch(watch->loop->server->peers, watch->uid);
	peer_deinit(&watch->process.owner.peer);
	free(watch);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;

	if (--watch->open_handles == 0)
		destroy(watch);
}

void owners_free(struct process *process)
{
	struct watch *watch = container_of(process, struct watch, process);

	loop_leave_watch(watch->loop, &watch->link);
}

static void reap(struct watch *watch)
{
	if (watch->open_handles == 0) {
		destroy(watch);
		return;
	}
	if (watch->open_handles == 2)
		uv_close((uv_handle_t *)&watch->poll, on_handle_closed);
	uv_close((uv_handle_t *)&watch->grace, on_handle_closed);
}

void owners_reap(struct loop *loop)
{
	struct list *link;

	while ((link = loop_take_watch(loop)))
		reap(container_of(link, struct watch, link));
}

void owners_reap_all(struct loop *loop)
{
	owners_reap(loop);
	list_for_each_safe(link, &loop->watches) {
		struct watch *watch = container_of(link, struct watch, all_link);

		if (watch->open_handles == 0 || !uv_is_closing((uv_handle_t *)&watch->grace))
			reap(watch);
	}
}

/* ---- which process ---- */

static int refuse_pid(struct request *request, int r)
{
	switch (r) {
	case -ESRCH:
	case -ENOENT:
	case -EINVAL:
		refuse_parameter(request, "pid", "a process that lives");
		break;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		refuse_files(request);
		break;
	default:
		refuse(request, STATUS_PERMISSION_DENIED, NULL, NULL);
		break;
	}
	return -1;
}

/* A pid that a client says means what it means to us only if the client is in our pid namespace. */
static int check_namespace(const struct peer *peer)
{
	struct proc_status status;
	int r = -EPERM;

	if (peer->pid != IDENTITY_PID_UNKNOWN)
		r = proc_status(peer->pid, &status);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
		return r;
	if (r < 0)
		return -EPERM; /* or it has exited, and another process has its connection */
	return status.namespaces == 1 ? 0 : -EPERM;
}

static int open_other(const struct peer *peer, int32_t pid, struct identity **ret)
{
	struct proc_status status;
	int r = check_namespace(peer);
	int fd = r < 0 ? r : proc_open(pid);

	if (fd < 0)
		return fd;
	r = proc_status(pid, &status);
	if (r == 0 && status.uid != peer->uid)
		r = -EPERM;
	if (r == 0) {
		*ret = proc_identity(pid);
		r = *ret ? 0 : -ENOMEM;
	}
	if (r == 0 && proc_has_exited(fd)) { /* what was read may have been of another one */
		*ret = identity_unref(*ret);
		r = -ESRCH;
	}
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int open_process(struct conn *conn, int64_t pid, struct identity **ret)
{
	const struct peer *peer = &conn->owner.peer;
	uv_os_fd_t socket;
	int fd;

	if (pid != MESSAGE_ABSENT && pid != peer->pid)
		return open_other(peer, (int32_t)pid, ret);
	if (uv_fileno((uv_handle_t *)&conn->pipe, &socket) < 0)
		return -ESRCH;
	fd = proc_open_peer(socket, peer->identity);
	if (fd >= 0)
		*ret = identity_ref(peer->identity);
	return fd;
}

static struct process *new_watch(struct loop *loop, int fd, struct identity *identity, uint32_t uid)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	owner_init(&watch->process.owner);
	watch->process.owner.peer.identity = identity;
	watch->loop = loop;
	watch->pidfd = fd;
	watch->uid = uid;
	list_init(&watch->link);
	list_append(&loop->watches, &watch->all_link);
	atomic_fetch_add(&loop->server->watches, 1);
	return &watch->process;
}

int owners_make(struct request *request, int64_t pid, struct process **ret)
{
	struct conn *conn = request->conn;
	struct server *server = conn->loop->server;
	uint32_t uid = conn->owner.peer.uid;
	struct identity *identity = NULL;
	int fd;

	if (pid == MESSAGE_ABSENT && conn->owner.peer.pid == IDENTITY_PID_UNKNOWN) {
		refuse_parameter(request, "owner",
			"connection or detached: the caller's process is in another pid namespace");
		return -1;
	}
	if (!peers_take_watch(server->peers, uid, conn->loop->config, server->max_files))
		return refuse_pid(request, -EMFILE);
	fd = open_process(conn, pid, &identity);
	*ret = fd < 0 ? NULL : new_watch(conn->loop, fd, identity, uid);
	if (*ret)
		return 0;
	peers_drop_watch(server->peers, uid);
	if (fd < 0)
		return refuse_pid(request, fd);
	close(fd);
	identity_unref(identity);
	fail_request(request);
	return -1;
}

uint32_t owners_uid(const struct process *process)
{
	return container_of(process, const struct watch, process)->uid;
}

/* The descriptor comes first: if PID is IDENTITY's process after it, that is the one it is of. */
static int open_known(const struct identity *identity)
{
	int fd = proc_open(identity->pid);
	int r = fd < 0 ? fd : proc_look(identity);

	if (r == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return r;
}

struct process *owners_restore(struct loop *loop, struct identity *identity, uint32_t uid)
{
	struct process *process;
	int fd;

	if (!peers_force_watch(loop->server->peers, uid))
		return NULL;
	fd = open_known(identity);
	process = new_watch(loop, fd < 0 ? -1 : fd, identity_ref(identity), uid);
	if (process)
		return process;
	peers_drop_watch(loop->server->peers, uid);
	identity_unref(identity);
	if (fd >= 0)
		close(fd);
	return NULL;
}
