/* SPDX-License-Identifier: MIT */
#include "daemon/listener.h"

#include "daemon/lockfile.h"
#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define BACKOFF_MS  100
#define REFUSED_MAX 32 /* refused connections that may wait for their first call */

static int __attribute__((format(printf, 4, 5)))
fail(int error, char *message, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, size, format, args);
	va_end(args);
	return error < 0 ? error : -error;
}

static struct listener *add(struct listeners *listeners, int fd)
{
	struct listener *listener = &listeners->list[listeners->count++];

	*listener = (struct listener){.fd = fd, .lock_fd = -1};
	return listener;
}

/* The lock file stays: a lock on a file that another process may unlink protects nothing. */
static void drop(struct listener *listener)
{
	if (listener->path && listener->fd >= 0)
		unlink(listener->path);
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->lock_fd >= 0)
		close(listener->lock_fd);
	free(listener->path);
	free(listener->lock_path);
}

/* ---- passed by systemd ---- */

/* Whoever left more than we know what to do with: the rest is closed. */
static void take_handed(struct listeners *listeners, int fd)
{
	if (listeners->n_handed < HANDOFF_PASSED_MAX)
		listeners->handed_fds[listeners->n_handed++] = fd;
	else
		close(fd);
}

static int take_socket(struct listeners *listeners, int fd, char *message, size_t size)
{
	if (listeners->count + listeners->n_connected == LISTENERS_MAX)
		return fail(-E2BIG, message, size, "expected at most %d sockets from systemd",
			LISTENERS_MAX);
	if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0)
		add(listeners, fd);
	else if (sd_is_socket_unix(fd, SOCK_STREAM, 0, NULL, 0) > 0)
		listeners->connected_fds[listeners->n_connected++] = fd;
	else
		return fail(-ENOTSOCK, message, size,
			"expected descriptor %d from systemd to be a Unix stream socket", fd);
	/* It arrives in blocking mode, whatever the unit says. */
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return fail(errno, message, size, "descriptor %d: %s", fd, strerror(errno));
	return 0;
}

static void free_names(char **names, int n)
{
	for (int i = 0; names && i < n; i++)
		free(names[i]);
	free(names);
}

int listeners_take_passed(struct listeners *listeners, char *message, size_t size)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);
	int r = 0;

	if (n < 0)
		return fail(n, message, size, "the sockets passed by systemd: %s", strerror(-n));
	for (int i = 0; i < n && r == 0; i++) {
		if (strcmp(names[i], HANDOFF_NAME) == 0)
			take_handed(listeners, SD_LISTEN_FDS_START + i);
		else
			r = take_socket(listeners, SD_LISTEN_FDS_START + i, message, size);
	}
	free_names(names, n);
	return r;
}

/* ---- bound here ---- */

/* Whoever holds the lock file serves the path: the kernel drops the lock when its holder dies. */
static int lock_path(struct listener *listener, const char *path, char *message, size_t size)
{
	if (asprintf(&listener->lock_path, "%s.lock", path) < 0) {
		listener->lock_path = NULL;
		return fail(ENOMEM, message, size, "out of memory");
	}
	listener->lock_fd =
		open(listener->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (listener->lock_fd < 0)
		return fail(errno, message, size, "%s: %s", listener->lock_path, strerror(errno));
	if (lockfile_take(listener->lock_fd) < 0)
		return fail(
			EADDRINUSE, message, size, "%s: another usherd serves this socket", path);
	return 0;
}

static int is_served(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_refused;

	if (fd < 0)
		return -errno;
	is_refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		     errno == ECONNREFUSED;
	close(fd);
	return !is_refused;
}

/* A socket that nobody listens on is left over from a killed daemon; anything else is not ours. */
static int clear_path(const struct sockaddr_un *address, char *message, size_t size)
{
	const char *path = address->sun_path;
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT
			       ? 0
			       : fail(errno, message, size, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return fail(EEXIST, message, size, "%s: exists and is no socket", path);
	r = is_served(address);
	if (r < 0)
		return fail(r, message, size, "%s: %s", path, strerror(-r));
	if (r > 0)
		return fail(
			EADDRINUSE, message, size, "%s: another program serves this socket", path);
	if (unlink(path) < 0)
		return fail(errno, message, size, "%s: %s", path, strerror(errno));
	return 0;
}

/* bind, then mode and group, then listen: nobody gets in before they are set. */
static int bind_and_listen(int fd, const struct sockaddr_un *address, const struct config *config,
	char *message, size_t size)
{
	const char *path = address->sun_path;
	mode_t old_mask = umask(0177);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(old_mask);
	if (r < 0)
		return fail(errno, message, size, "%s: %s", path, strerror(errno));
	if (config->socket_group && chown(path, (uid_t)-1, config->socket_gid) < 0)
		return fail(errno, message, size, "%s: giving it to the group %s: %s", path,
			config->socket_group, strerror(errno));
	if (chmod(path, (mode_t)config->socket_mode) < 0 || listen(fd, SOMAXCONN) < 0)
		return fail(errno, message, size, "%s: %s", path, strerror(errno));
	return 0;
}

/* The socket's own directory is made; those above must be there. */
static int make_directory(const char *path, char *message, size_t size)
{
	char *directory = strdup(path);
	char *slash = directory ? strrchr(directory, '/') : NULL;
	int r = 0;

	if (!directory)
		return fail(ENOMEM, message, size, "out of memory");
	if (slash && slash != directory) {
		*slash = '\0';
		if (mkdir(directory, geteuid() == 0 ? 0755 : 0700) < 0 && errno != EEXIST)
			r = fail(errno, message, size, "%s: %s", directory, strerror(errno));
	}
	free(directory);
	return r;
}

int listeners_bind(struct listeners *listeners, const char *path, const struct config *config,
	char *message, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct listener *listener;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return fail(ENAMETOOLONG, message, size,
			"%s: expected a socket path of at most %zu bytes, not %zu", path,
			sizeof(address.sun_path) - 1, strlen(path));
	if (!path[0])
		return fail(EINVAL, message, size, "expected a socket path, not an empty one");
	memcpy(address.sun_path, path, strlen(path) + 1);
	listener = add(listeners, -1);
	r = make_directory(path, message, size);
	if (r == 0)
		r = lock_path(listener, path, message, size);
	if (r == 0)
		r = clear_path(&address, message, size);
	if (r < 0)
		return r;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	listener->path = strdup(path);
	if (listener->fd < 0 || !listener->path)
		return fail(errno, message, size, "%s: %s", path, strerror(errno));
	return bind_and_listen(listener->fd, &address, config, message, size);
}

/* ---- from one daemon to the next ---- */

int listeners_adopt(struct listeners *listeners, const char *path, int fd, int lock_fd)
{
	struct listener *listener;

	if (listeners->count == LISTENERS_MAX) {
		close(fd);
		close(lock_fd);
		return -EBADMSG;
	}
	listener = add(listeners, fd);
	listener->lock_fd = lock_fd;
	listener->is_adopted = true;
	listener->path = strdup(path);
	if (listener->path && asprintf(&listener->lock_path, "%s.lock", path) >= 0)
		return 0;
	listener->lock_path = NULL;
	return -ENOMEM;
}

/* They came after all others. */
void listeners_drop_adopted(struct listeners *listeners)
{
	while (listeners->count > 0 && listeners->list[listeners->count - 1].is_adopted)
		drop(&listeners->list[--listeners->count]);
}

/* ---- accepting ---- */

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_backoff_over(uv_timer_t *timer)
{
	struct listener *listener = timer->data;

	uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* Polling on would call back at once, again and again (libuv 1.44 in accept, a level-triggered poll
 * here): rest, and let descriptors come back. */
static void back_off(struct listener *listener, int error)
{
	int64_t now_ns = monotonic_ns();

	uv_poll_stop(&listener->poll);
	uv_timer_start(&listener->backoff, on_backoff_over, BACKOFF_MS, 0);
	if (listener->warned_ns && now_ns - listener->warned_ns < INT64_C(60000000000))
		return;
	listener->warned_ns = now_ns;
	log_warning("cannot accept connections for now: %s", strerror(error));
}

/* Loops in turn: connections are many and alike, so this evens out. */
static struct loop *next_loop(struct server *server)
{
	static unsigned next;

	return &server->loops[next++ % server->n_loops];
}

static void welcome(struct server *server, struct loop *loop, int fd)
{
	struct config *config = loop->config;
	enum admission admission;
	struct peer peer;

	if (peer_from_socket(fd, config, &peer) < 0) {
		close(fd);
		return;
	}
	admission = peers_admit(server->peers, peer.uid, config, server_connection_cap(server));
	if (admission != ADMITTED) {
		atomic_fetch_add(&server->connections_refused, 1);
		if (atomic_fetch_add(&server->refused_open, 1) >= REFUSED_MAX) {
			atomic_fetch_sub(&server->refused_open, 1);
			peer_deinit(&peer);
			close(fd);
			return;
		}
	}
	loop_adopt(next_loop(server), fd, &peer, admission);
}

static bool is_out_of_resources(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Whether more may be waiting. */
static bool accept_some(struct listener *listener)
{
	for (int i = 0; i < ACCEPTED_A_TURN; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			welcome(listener->loop->server, listener->loop, fd);
		} else if (errno == EAGAIN) {
			return false;
		} else if (is_out_of_resources(errno)) {
			back_off(listener, errno);
			return false;
		} /* others are about one connection that is gone: ECONNABORTED, EINTR, EPERM */
	}
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	accept_some(poll->data);
}

bool listeners_accept(struct listeners *listeners)
{
	bool has_more = false;

	for (size_t i = 0; i < listeners->count; i++)
		if (uv_is_active((uv_handle_t *)&listeners->list[i].poll))
			has_more = accept_some(&listeners->list[i]) || has_more;
	return has_more;
}

static int start(struct listener *listener, struct loop *first)
{
	int r = uv_poll_init(&first->uv, &listener->poll, listener->fd);

	if (r < 0)
		return r;
	listener->loop = first;
	listener->poll.data = listener;
	listener->backoff.data = listener;
	uv_timer_init(&first->uv, &listener->backoff);
	return uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

int listeners_start(struct listeners *listeners, struct loop *first)
{
	for (size_t i = 0; i < listeners->count; i++) {
		int r = start(&listeners->list[i], first);

		if (r < 0)
			return r;
	}
	if (listeners->count == 0)
		atomic_store(&first->server->lone_connections, (int64_t)listeners->n_connected);
	for (size_t i = 0; i < listeners->n_connected; i++)
		welcome(first->server, first, listeners->connected_fds[i]);
	return 0;
}

/* ---- the end ---- */

void listeners_deinit(struct listeners *listeners)
{
	while (listeners->count > 0)
		drop(&listeners->list[--listeners->count]);
}
